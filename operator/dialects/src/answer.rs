//! Whole answers: read for what they cost and how they ended, and translated.

use crate::client;
use crate::dialect::Dialect;
use crate::error::{ErrorClass, Failure};
use crate::event::{Event, Reply};
use crate::finish::Finish;
use crate::upstream::{self, NotUnderstood};
use crate::usage::Usage;

/// Why a 200 is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// Nothing came.
    #[error("failed to read the provider's answer: it has no body")]
    Empty,
    /// It is not what the provider's dialect says.
    #[error("failed to read the provider's answer: at {place} it is no answer of {dialect}")]
    Malformed {
        /// The provider's dialect.
        dialect: Dialect,
        /// Line and column, or what is missing.
        place: String,
    },
    /// It is one and holds no answer.
    #[error("failed to read the provider's answer: there is no answer in it")]
    NoChoices,
    /// It holds an error.
    #[error("the provider answered 200 with an error: {}", .0.class)]
    Upstream(Failure),
    /// There is no translation between the two.
    #[error("failed to translate the answer: there is no translation from {from} to {to}")]
    Unsupported {
        /// The provider's dialect.
        from: Dialect,
        /// The client's.
        to: Dialect,
    },
}

impl AnswerError {
    /// The kind, for retries and records.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Empty | Self::NoChoices => ErrorClass::Empty,
            Self::Malformed { .. } | Self::Unsupported { .. } => ErrorClass::Malformed,
            Self::Upstream(failure) => failure.class,
        }
    }
}

/// What matters about an answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AnswerFacts {
    /// Tokens.
    pub usage: Usage,
    /// Why it ended; embeddings do not say.
    pub finish: Option<Finish>,
    /// The answer's id, by the provider's own word.
    pub id: Option<String>,
    /// The model that answered, by the provider's own word.
    pub served_model: Option<String>,
    /// The text of a refusal; empty when the model refused without one.
    pub refusal: Option<String>,
}

/// A translated answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// For the client.
    pub body: Vec<u8>,
    /// What matters about it.
    pub facts: AnswerFacts,
}

/// What a translated answer says that the provider does not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientContext {
    /// Unique; the answer's id where the provider gives none, and the root of the ids of tool calls (Gemini's and
    /// older Ollamas' have none). The decision's id serves well.
    pub id: String,
    /// Unix seconds, OpenAI's `created`.
    pub created: u64,
    /// The model's name for the client; the provider's when none.
    pub model: Option<String>,
}

/// Reads an answer (2xx) that is passed through as it came.
///
/// # Errors
/// It is empty, not understood, holds no answer, or holds an error.
pub fn read(dialect: Dialect, body: &[u8]) -> Result<AnswerFacts, AnswerError> {
    reply(dialect, body, upstream::facts).map(facts)
}

/// Translates an answer (2xx) from the provider's dialect into the client's: OpenAI chat or Anthropic messages.
///
/// # Errors
/// As [`read`]; and there are no translations into other dialects.
pub fn translate(
    from: Dialect,
    to: Dialect,
    body: &[u8],
    context: &ClientContext,
) -> Result<Answer, AnswerError> {
    let write = match (from, to) {
        (Dialect::OpenAiEmbeddings, _) => None,
        (_, Dialect::OpenAiChat) => Some(client::openai::answer as fn(&Reply, &ClientContext) -> Vec<u8>),
        (_, Dialect::AnthropicMessages) => {
            Some(client::anthropic::answer as fn(&Reply, &ClientContext) -> Vec<u8>)
        }
        _ => None,
    };
    let write = write.ok_or(AnswerError::Unsupported { from, to })?;
    let reply = reply(from, body, upstream::answer)?;
    if to == Dialect::AnthropicMessages && reply.finish != Some(Finish::Length) && !callable(&reply) {
        let place = "the arguments of a call, which are no JSON object,".to_owned();
        return Err(AnswerError::Malformed { dialect: from, place });
    }
    Ok(Answer { body: write(&reply, context), facts: facts(reply) })
}

/// Whether the arguments of all calls are objects. A client of messages would call the tool without any, where a client
/// of chat sees the text itself. An answer that was cut says so.
fn callable(reply: &Reply) -> bool {
    let arguments = reply.calls.iter().map(|call| call.arguments.trim());
    let mut given = arguments.filter(|arguments| !arguments.is_empty());
    given.all(|text| text.starts_with('{') && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok())
}

/// Reads a whole answer, in one of the ways of [`upstream`].
type Read = fn(Dialect, &str, &mut Vec<Event>) -> Result<bool, NotUnderstood>;

fn reply(dialect: Dialect, body: &[u8], read: Read) -> Result<Reply, AnswerError> {
    let malformed = |place: String| AnswerError::Malformed { dialect, place };
    let text = std::str::from_utf8(body)
        .map_err(|error| malformed(format!("byte {} (not UTF-8)", error.valid_up_to())))?;
    if text.trim().is_empty() {
        return Err(AnswerError::Empty);
    }
    let mut events = Vec::new();
    let any = read(dialect, text, &mut events).map_err(|error| malformed(error.0))?;
    let reply = Reply::of(events);
    match &reply.error {
        Some(failure) => Err(AnswerError::Upstream(failure.clone())),
        None if !any => Err(AnswerError::NoChoices),
        None => Ok(reply),
    }
}

/// What an answer says against itself, without a person's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// It refuses.
    Refusal,
    /// JSON was asked for, and it is none.
    InvalidJson,
    /// The arguments of a call are no JSON object.
    InvalidToolArguments,
}

impl Signal {
    /// Its name in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refusal => "refusal",
            Self::InvalidJson => "invalid_json",
            Self::InvalidToolArguments => "invalid_tool_arguments",
        }
    }
}

/// What a whole answer says against itself. Its texts are read only where JSON was asked for or it ends in calls. One that
/// was cut at its limit says so by itself.
#[must_use]
pub fn signal(dialect: Dialect, body: &[u8], facts: &AnswerFacts, json: bool) -> Option<Signal> {
    if facts.refusal.is_some() {
        return Some(Signal::Refusal);
    }
    let looked_at = json || facts.finish == Some(Finish::ToolCalls);
    if !looked_at || facts.finish == Some(Finish::Length) {
        return None;
    }
    let reply = reply(dialect, body, upstream::answer).ok()?;
    if !callable(&reply) {
        return Some(Signal::InvalidToolArguments);
    }
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(&reply.text).is_ok();
    (json && reply.calls.is_empty() && !is_json).then_some(Signal::InvalidJson)
}

fn facts(reply: Reply) -> AnswerFacts {
    let refused = reply.refusal.is_some() || reply.finish == Some(Finish::Refusal);
    AnswerFacts {
        usage: reply.usage,
        finish: if refused { Some(Finish::Refusal) } else { reply.finish },
        id: reply.id,
        served_model: reply.model,
        refusal: refused.then(|| reply.refusal.unwrap_or_default()),
    }
}
