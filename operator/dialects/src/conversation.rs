//! The neutral form of a chat request, through which every translation goes.
//!
//! Texts are borrowed from the client's body where they have no escapes; schemas, arguments and numbers stay as they
//! were written, so that nothing is rounded or reordered.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::value::RawValue;

/// A value together with the JSON Pointer where the client gave it, for the refusal of what a target cannot say.
#[derive(Debug, Clone)]
pub struct Given<T> {
    /// JSON Pointer in the client's request.
    pub at: String,
    /// The value.
    pub value: T,
}

/// A chat request of any dialect.
#[derive(Debug, Clone, Default)]
pub struct Conversation<'a> {
    /// The messages. System messages stand where they were said; see [`Self::system`].
    pub turns: Vec<Turn<'a>>,
    /// Functions that the model may call.
    pub tools: Vec<Tool<'a>>,
    /// Whether it must.
    pub tool_choice: Option<Given<ToolChoice<'a>>>,
    /// Whether it may call several at once; every dialect's default is yes.
    pub parallel_tool_calls: Option<Given<bool>>,
    /// The form of the answer, when it is not free text.
    pub format: Option<Given<Format<'a>>>,
    /// The most output tokens.
    pub max_tokens: Option<u64>,
    /// Texts at which the model stops.
    pub stop: Vec<Cow<'a, str>>,
    /// Numbers that govern sampling.
    pub sampling: Sampling<'a>,
    /// How much the model should think.
    pub reasoning: Option<Given<Reasoning>>,
    /// Who asks: OpenAI's `user` or `safety_identifier`, Anthropic's `metadata.user_id`.
    pub user: Option<Cow<'a, str>>,
    /// Whether the answer should come in pieces.
    pub stream: bool,
}

/// Numbers that govern sampling, as they were written.
#[derive(Debug, Clone, Default)]
pub struct Sampling<'a> {
    /// 0 to 2; Anthropic's goes to 1.
    pub temperature: Option<Given<&'a RawValue>>,
    /// 0 to 1.
    pub top_p: Option<Given<&'a RawValue>>,
    /// A whole number.
    pub top_k: Option<Given<&'a RawValue>>,
    /// A whole number.
    pub seed: Option<Given<&'a RawValue>>,
    /// -2 to 2.
    pub frequency_penalty: Option<Given<&'a RawValue>>,
    /// -2 to 2.
    pub presence_penalty: Option<Given<&'a RawValue>>,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// OpenAI's `system` and `developer`, Anthropic's `system`.
    System,
    /// The user, and the results of tools.
    User,
    /// The model.
    Assistant,
}

/// What one side says in one go.
#[derive(Debug, Clone)]
pub struct Turn<'a> {
    /// Who.
    pub role: Role,
    /// What.
    pub parts: Vec<Part<'a>>,
}

/// One part of a turn.
#[derive(Debug, Clone)]
pub enum Part<'a> {
    /// Text.
    Text(Cow<'a, str>),
    /// An image.
    Image(Given<Image<'a>>),
    /// The model calls a tool.
    Call(Call<'a>),
    /// What a tool gave.
    Result(ToolResult<'a>),
    /// Anthropic's own thinking, as it was written; means nothing to others and is not sent to them.
    Thinking(&'a RawValue),
}

/// An image.
#[derive(Debug, Clone)]
pub enum Image<'a> {
    /// Base64 with its media type.
    Data {
        /// Such as `image/png`.
        media_type: Cow<'a, str>,
        /// Base64.
        data: Cow<'a, str>,
    },
    /// Somewhere in the network; the model's server fetches it.
    Url(Cow<'a, str>),
}

/// A call of a tool.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// Names the call for its result.
    pub id: Cow<'a, str>,
    /// The tool.
    pub name: Cow<'a, str>,
    /// A JSON object's text.
    pub arguments: Cow<'a, str>,
    /// Gemini's `thoughtSignature`, if the client kept it.
    pub signature: Option<Cow<'a, str>>,
}

/// What a tool gave.
#[derive(Debug, Clone)]
pub struct ToolResult<'a> {
    /// JSON Pointer in the client's request.
    pub at: String,
    /// The call's id.
    pub id: Cow<'a, str>,
    /// Texts and images.
    pub parts: Vec<Part<'a>>,
    /// Whether the tool failed.
    pub is_error: bool,
}

/// A function that the model may call.
#[derive(Debug, Clone)]
pub struct Tool<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// For the model.
    pub description: Option<Cow<'a, str>>,
    /// JSON Schema of the arguments, as it was written.
    pub schema: Option<&'a RawValue>,
    /// Whether arguments must follow the schema to the letter.
    pub strict: Option<bool>,
}

/// Whether the model must call a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice<'a> {
    /// As it likes.
    Auto,
    /// It must not.
    None,
    /// Some tool.
    Required,
    /// This tool.
    Tool(Cow<'a, str>),
}

/// The form of an answer that is not free text.
#[derive(Debug, Clone)]
pub enum Format<'a> {
    /// Any JSON object.
    Json,
    /// JSON that follows a schema.
    Schema {
        /// OpenAI requires a name.
        name: Option<Cow<'a, str>>,
        /// For the model.
        description: Option<Cow<'a, str>>,
        /// JSON Schema, as it was written.
        schema: &'a RawValue,
        /// Whether the answer must follow it to the letter.
        strict: Option<bool>,
    },
}

/// How much the model should think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reasoning {
    /// Not at all.
    Off,
    /// An effort.
    Effort(Effort),
    /// At most so many tokens.
    Budget(u64),
    /// As much as it likes.
    Adaptive,
}

/// OpenAI's steps of effort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// Hardly.
    Minimal,
    /// A little.
    Low,
    /// The usual.
    Medium,
    /// A lot.
    High,
    /// All it can; Anthropic's `max`.
    Xhigh,
}

impl Effort {
    /// Every step with its name on the wire, upwards.
    pub const ALL: &'static [(Self, &'static str)] = &[
        (Self::Minimal, "minimal"),
        (Self::Low, "low"),
        (Self::Medium, "medium"),
        (Self::High, "high"),
        (Self::Xhigh, "xhigh"),
    ];

    /// The step of this name; `max` is the highest.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let name = if name == "max" { "xhigh" } else { name };
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(effort, _)| *effort)
    }

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(effort, _)| *effort == self).map_or("medium", |(_, name)| name)
    }

    /// The thinking tokens that stand for it where only a budget can be said. Anthropic's least is 1024.
    #[must_use]
    pub const fn budget(self) -> u64 {
        match self {
            Self::Minimal | Self::Low => 1024,
            Self::Medium => 4096,
            Self::High => 16384,
            Self::Xhigh => 32768,
        }
    }

    /// The step whose budget is nearest from above; the highest for all that is more.
    #[must_use]
    pub const fn of_budget(tokens: u64) -> Self {
        match tokens {
            0..=1024 => Self::Low,
            1025..=8192 => Self::Medium,
            8193..=24576 => Self::High,
            _ => Self::Xhigh,
        }
    }
}

impl<'a> Conversation<'a> {
    /// All system messages, in their order, for targets that know only one and only at the beginning.
    #[must_use]
    pub fn system(&self) -> Vec<&str> {
        let turns = self.turns.iter().filter(|turn| turn.role == Role::System);
        let texts = turns.flat_map(|turn| &turn.parts).filter_map(|part| match part {
            Part::Text(text) if !text.is_empty() => Some(text.as_ref()),
            _ => None,
        });
        texts.collect()
    }

    /// The names of the tools that were called, by the ids of the calls.
    #[must_use]
    pub fn calls(&self) -> HashMap<&str, &str> {
        let parts = self.turns.iter().flat_map(|turn| &turn.parts);
        let calls = parts.filter_map(|part| match part {
            Part::Call(call) => Some((call.id.as_ref(), call.name.as_ref())),
            _ => None,
        });
        calls.collect()
    }

    /// Adds a turn; what the same side says next belongs to it, since some targets want the sides to alternate.
    pub(crate) fn say(&mut self, role: Role, parts: Vec<Part<'a>>) {
        match self.turns.last_mut() {
            Some(last) if last.role == role && role != Role::System => last.parts.extend(parts),
            _ => self.turns.push(Turn { role, parts }),
        }
    }
}
