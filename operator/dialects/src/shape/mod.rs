//! What a request wants, seen in one pass over its bytes and without a tree of it.
//!
//! The pass validates the whole JSON text, so that a request that is passed through as it came cannot be malformed.

mod chosen;
mod content;
pub(crate) mod scanner;

use std::borrow::Cow;
use std::ops::Range;

use crate::dialect::Dialect;
use content::Content;
use scanner::Scanner;

/// How deep a request's JSON may be nested. Tool schemas reach about 20.
pub const MAX_DEPTH: usize = 128;

/// How many texts of `metadata` are kept; OpenAI takes 16.
const MOST_METADATA: usize = 32;

/// Why a body is no request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// It is not JSON.
    #[error("failed to read the request: byte {offset} is not JSON: expected {expected}")]
    Malformed {
        /// Offset into the body.
        offset: usize,
        /// What could have stood there.
        expected: &'static str,
    },
    /// It is nested deeper than [`MAX_DEPTH`].
    #[error("failed to read the request: it is nested deeper than {MAX_DEPTH} levels at byte {offset}")]
    TooDeep {
        /// Offset into the body.
        offset: usize,
    },
    /// A member that routing reads has another type.
    #[error("failed to read the request: `{member}` at byte {offset} is not {expected}")]
    WrongType {
        /// The member's name.
        member: &'static str,
        /// Offset of its value.
        offset: usize,
        /// What it should be.
        expected: &'static str,
    },
    /// A member that routing reads stands twice: the provider could understand another one than we do.
    #[error("failed to read the request: `{member}` stands a second time at byte {offset}")]
    Twice {
        /// The member's name.
        member: &'static str,
        /// Offset of the second value.
        offset: usize,
    },
}

/// What a request wants.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestShape<'a> {
    /// The model's name; none when missing, null or empty (Gemini has it in the path).
    pub model: Option<Cow<'a, str>>,
    /// Bytes of the model's value with its quotation marks; also of a null.
    pub model_range: Option<Range<usize>>,
    /// Whether an answer in pieces is wanted. Ollama streams unless told otherwise; Gemini says it in the path.
    pub stream: bool,
    /// Bytes of `stream_options`' value, if it is there and not null.
    pub stream_options_range: Option<Range<usize>>,
    /// Bytes of `stream_options`' value if that is null.
    pub(crate) null_stream_options_range: Option<Range<usize>>,
    /// Whether `stream_options.include_usage` is true.
    pub include_usage: bool,
    /// The most output tokens the client takes: `max_completion_tokens`, `max_tokens`, `num_predict` or
    /// `maxOutputTokens`, where the dialect has them; of two the larger one, since providers differ in which they know.
    /// What is not above zero is none: for some it means "no limit".
    pub output_limit: Option<u64>,
    /// How many answers are wanted at once, each of which is paid: OpenAI's `n`. At least one.
    pub answers: u64,
    /// Number of messages, without Anthropic's `system`.
    pub messages: usize,
    /// A rough number of input tokens: bytes of messages, system, tools, formats and embedding input as they stand
    /// in the JSON text, without images and files, over four, rounded up. Escapes and punctuation make it high for
    /// English and code, other scripts make it low by up to a half.
    pub input_tokens: u64,
    /// Images, each of which costs what the model's maker says.
    pub images: u32,
    /// Number of tools offered.
    pub tools: usize,
    /// Whether the answer has to follow a JSON schema.
    pub json_schema: bool,
    /// Whether the answer has to be JSON, with or without a schema.
    pub json: bool,
    /// Whether a message has a fenced block of code.
    pub code: bool,
    /// Bytes of the messages' value.
    pub messages_range: Option<Range<usize>>,
    /// The first 32 members of `metadata` that are texts, such as a hint for routing.
    pub metadata: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// The first member by which the client chooses what a policy chooses for it: other models, hosts, paid add-ons, or a
    /// dearer tier. It must not reach an upstream.
    pub chosen: Option<&'static str>,
    /// `temperature` as it was written.
    pub temperature: Option<&'a str>,
    /// Offset right behind the opening brace.
    pub(crate) start: usize,
    /// Whether the object has no member at all.
    pub(crate) empty: bool,
}

impl RequestShape<'_> {
    /// A text of `metadata`.
    #[must_use]
    pub fn metadata(&self, name: &str) -> Option<&str> {
        self.metadata.iter().find(|(member, _)| member == name).map(|(_, value)| value.as_ref())
    }

    /// Bytes of the messages that stand between code fences, as they stand in the JSON text. `body` is what was scanned.
    #[must_use]
    pub fn code_bytes(&self, body: &[u8]) -> u64 {
        if !self.code {
            return 0;
        }
        let messages = self.messages_range.clone().and_then(|range| body.get(range)).unwrap_or_default();
        let mut fences = memchr::memmem::find_iter(messages, b"```");
        let mut bytes = 0_usize;
        while let (Some(open), Some(close)) = (fences.next(), fences.next()) {
            bytes = bytes.saturating_add(close.saturating_sub(open));
        }
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

/// The members that are read, of all dialects. Each may stand once.
const READ: &[&str] = &[
    "model",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "options",
    "generationConfig",
    "generation_config",
    "messages",
    "contents",
    "input",
    "system",
    "systemInstruction",
    "system_instruction",
    "tools",
    "functions",
    "response_format",
    "output_config",
    "output_format",
    "format",
    "metadata",
    "temperature",
    "n",
    "models",
    "route",
    "provider",
    "plugins",
    "preset",
    "fallbacks",
    "providerOptions",
    "service_tier",
    "speed",
];

/// Reads a request's shape. The body's size is for the caller to bound.
///
/// # Errors
/// The body is no JSON object, is nested too deep, or says one of the members that are read twice or with a type
/// that it cannot have. All are the client's mistakes.
pub fn scan(dialect: Dialect, body: &[u8]) -> Result<RequestShape<'_>, ShapeError> {
    let text = std::str::from_utf8(body)
        .map_err(|error| ShapeError::Malformed { offset: error.valid_up_to(), expected: "UTF-8" })?;
    let mut pass = Pass {
        dialect,
        scanner: Scanner::new(text),
        shape: RequestShape::default(),
        content: Content::default(),
    };
    pass.shape.answers = 1;
    pass.shape.stream = dialect == Dialect::OllamaChat;
    let mut seen = [false; READ.len()];
    pass.shape.empty = true;
    pass.scanner.white();
    pass.shape.start = pass.scanner.offset() + 1;
    let mut members = pass.scanner.object()?;
    while let Some(name) = pass.scanner.member(&mut members)? {
        pass.shape.empty = false;
        let Some(index) = READ.iter().position(|known| name == *known) else {
            pass.scanner.skip()?;
            continue;
        };
        let member = READ.get(index).copied().unwrap_or_default();
        if let Some(seen) = seen.get_mut(index)
            && std::mem::replace(seen, true)
        {
            return Err(ShapeError::Twice { member, offset: pass.scanner.offset() });
        }
        pass.member(member)?;
    }
    pass.scanner.end()?;
    Ok(pass.into_shape(text))
}

/// Whether there is a code fence. Its letter is rare, and found faster than three of them.
fn is_fenced(text: &[u8]) -> bool {
    let rest = memchr::memchr(b'`', text).and_then(|first| text.get(first..));
    rest.is_some_and(|rest| memchr::memmem::find(rest, b"```").is_some())
}

/// The state of one pass.
struct Pass<'a> {
    dialect: Dialect,
    scanner: Scanner<'a>,
    shape: RequestShape<'a>,
    content: Content,
}

impl<'a> Pass<'a> {
    /// Reads the value of a member of [`READ`].
    fn member(&mut self, member: &'static str) -> Result<(), ShapeError> {
        match member {
            "model" => self.model(),
            "stream" => {
                let offset = self.scanner.offset();
                self.shape.stream = match self.scanner.value()? {
                    "true" => true,
                    "false" => false,
                    "null" => self.shape.stream,
                    _ => return Err(ShapeError::WrongType { member, offset, expected: "true or false" }),
                };
                Ok(())
            }
            "max_tokens" => {
                self.limit(member, matches!(self.dialect, Dialect::OpenAiChat | Dialect::AnthropicMessages))
            }
            "max_completion_tokens" => self.limit(member, self.dialect == Dialect::OpenAiChat),
            "n" => {
                self.shape.answers = self.count(member)?.unwrap_or(1).max(1);
                Ok(())
            }
            "stream_options" | "options" | "generationConfig" | "generation_config" => self.options(member),
            "messages" | "contents" => self.messages(),
            "input" | "system" | "systemInstruction" | "system_instruction" => {
                let start = self.scanner.offset();
                self.content.message_content(&mut self.scanner)?;
                self.content.counted += self.scanner.offset() - start;
                Ok(())
            }
            "tools" | "functions" => {
                let start = self.scanner.offset();
                self.shape.tools = self.scanner.count_items()?;
                self.content.counted += self.scanner.offset() - start;
                Ok(())
            }
            "temperature" => {
                let value = self.scanner.value()?;
                self.shape.temperature = (value != "null").then_some(value);
                Ok(())
            }
            "metadata" => self.metadata(),
            "models" | "route" | "provider" | "plugins" | "preset" | "fallbacks" | "providerOptions"
            | "service_tier" | "speed" => {
                let raw = self.scanner.value()?;
                self.shape.chosen = self.shape.chosen.or_else(|| chosen::chosen(member, raw));
                Ok(())
            }
            _ => self.format(),
        }
    }

    fn model(&mut self) -> Result<(), ShapeError> {
        let offset = self.scanner.offset();
        let raw = self.scanner.value()?;
        self.shape.model_range = Some(offset..self.scanner.offset());
        if raw == "null" {
            return Ok(());
        }
        let wrong = ShapeError::WrongType { member: "model", offset, expected: "a string" };
        let name = crate::json::text(raw).ok_or(wrong)?;
        self.shape.model = (!name.is_empty()).then_some(name);
        Ok(())
    }

    /// An output limit, if the dialect has it.
    fn limit(&mut self, member: &'static str, known: bool) -> Result<(), ShapeError> {
        if !known {
            return self.scanner.skip();
        }
        let limit = self.count(member)?.filter(|limit| *limit > 0);
        self.shape.output_limit = self.shape.output_limit.max(limit);
        Ok(())
    }

    /// A whole number; a negative one is zero, and null is none.
    fn count(&mut self, member: &'static str) -> Result<Option<u64>, ShapeError> {
        let offset = self.scanner.offset();
        let raw = self.scanner.value()?;
        if raw == "null" {
            return Ok(None);
        }
        let wrong = |_| ShapeError::WrongType { member, offset, expected: "a whole number" };
        let number: i64 = raw.parse().map_err(wrong)?;
        Ok(Some(u64::try_from(number).unwrap_or(0)))
    }

    /// Members of a member: `stream_options` and the places where Ollama and Gemini keep limits and formats.
    fn options(&mut self, member: &'static str) -> Result<(), ShapeError> {
        let start = self.scanner.offset();
        if !self.scanner.at(b'{') {
            let raw = self.scanner.value()?;
            let expected = "an object";
            if raw != "null" {
                return Err(ShapeError::WrongType { member, offset: start, expected });
            }
            if member == "stream_options" {
                self.shape.null_stream_options_range = Some(start..self.scanner.offset());
            }
            return Ok(());
        }
        let mut members = self.scanner.object()?;
        while let Some(name) = self.scanner.member(&mut members)? {
            match name.as_ref() {
                "include_usage" => self.shape.include_usage = self.scanner.value()? == "true",
                "num_predict" => self.limit("num_predict", self.dialect == Dialect::OllamaChat)?,
                "maxOutputTokens" => {
                    self.limit("maxOutputTokens", self.dialect == Dialect::GeminiGenerate)?;
                }
                "temperature" => {
                    let value = self.scanner.value()?;
                    self.shape.temperature = (value != "null").then_some(value);
                }
                "responseMimeType" => self.shape.json |= self.scanner.value()? == "\"application/json\"",
                "responseSchema" | "responseJsonSchema" => self.format()?,
                _ => self.scanner.skip()?,
            }
        }
        if member == "stream_options" {
            self.shape.stream_options_range = Some(start..self.scanner.offset());
        }
        Ok(())
    }

    fn messages(&mut self) -> Result<(), ShapeError> {
        let start = self.scanner.offset();
        self.shape.messages = self.content.messages(&mut self.scanner)?;
        self.shape.messages_range = Some(start..self.scanner.offset());
        self.content.counted += self.scanner.offset() - start;
        Ok(())
    }

    /// A format of the answer: OpenAI's `{"type": …}`, Anthropic's within `output_config`, Ollama's text or schema.
    fn format(&mut self) -> Result<(), ShapeError> {
        let raw = self.scanner.value()?;
        self.content.counted += raw.len();
        let says = |what: &str| memchr::memmem::find(raw.as_bytes(), what.as_bytes()).is_some();
        let schema = says("\"json_schema\"") || says("\"properties\"") || says("\"$ref\"");
        self.shape.json_schema |= schema;
        self.shape.json |= schema || says("\"json_object\"") || raw == "\"json\"";
        Ok(())
    }

    fn metadata(&mut self) -> Result<(), ShapeError> {
        if !self.scanner.at(b'{') {
            return self.scanner.skip();
        }
        let mut members = self.scanner.object()?;
        while let Some(name) = self.scanner.member(&mut members)? {
            let raw = self.scanner.value()?;
            if let Some(value) = crate::json::text(raw).filter(|_| self.shape.metadata.len() < MOST_METADATA)
            {
                self.shape.metadata.push((name, value));
            }
        }
        Ok(())
    }

    fn into_shape(mut self, text: &'a str) -> RequestShape<'a> {
        let counted = self.content.counted.saturating_sub(self.content.blobs);
        self.shape.input_tokens = u64::try_from(counted.div_ceil(4)).unwrap_or(u64::MAX);
        self.shape.images = self.content.images;
        let messages = self.shape.messages_range.clone().and_then(|range| text.get(range));
        self.shape.code = messages.is_some_and(|all| is_fenced(all.as_bytes()));
        self.shape
    }
}
