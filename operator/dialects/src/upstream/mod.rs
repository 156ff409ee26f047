//! Reading providers' answers into [`Event`]s, whole or in pieces.

mod anthropic;
mod gemini;
mod ollama;
mod openai;

use serde::{Deserialize, Deserializer};

use crate::dialect::Dialect;
use crate::event::Event;

/// A piece that is not what the provider's dialect says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotUnderstood(pub(crate) String);

impl From<serde_json::Error> for NotUnderstood {
    fn from(error: serde_json::Error) -> Self {
        // The error's text could quote the answer; where it is says enough.
        Self(format!("line {} column {}", error.line(), error.column()))
    }
}

/// Reads one provider's answer piece by piece.
pub(crate) enum Reader {
    OpenAi(openai::Reader),
    Anthropic(anthropic::Reader),
    Gemini(gemini::Reader),
    Ollama(ollama::Reader),
}

impl Reader {
    pub(crate) fn new(dialect: Dialect) -> Self {
        match dialect {
            Dialect::OpenAiChat | Dialect::OpenAiEmbeddings => Self::OpenAi(openai::Reader::default()),
            Dialect::AnthropicMessages => Self::Anthropic(anthropic::Reader::default()),
            Dialect::GeminiGenerate => Self::Gemini(gemini::Reader::default()),
            Dialect::OllamaChat => Self::Ollama(ollama::Reader::default()),
        }
    }

    /// Reads the data of one frame of a stream.
    pub(crate) fn piece(&mut self, data: &str, events: &mut Vec<Event>) -> Result<(), NotUnderstood> {
        match self {
            Self::OpenAi(reader) => reader.piece(data, events),
            Self::Anthropic(reader) => reader.piece(data, events),
            Self::Gemini(reader) => reader.piece(data, events),
            Self::Ollama(reader) => reader.piece(data, events),
        }
    }
}

/// Reads a whole answer; false when it is JSON and holds no answer at all.
pub(crate) fn answer(dialect: Dialect, text: &str, events: &mut Vec<Event>) -> Result<bool, NotUnderstood> {
    match dialect {
        Dialect::OpenAiChat => openai::answer(text, events),
        Dialect::OpenAiEmbeddings => openai::embeddings(text, events),
        Dialect::AnthropicMessages => anthropic::answer(text, events),
        Dialect::GeminiGenerate => gemini::answer(text, events),
        Dialect::OllamaChat => ollama::answer(text, events),
    }
}

/// As [`answer`], where only ids, counts and the end are wanted: what costs much to copy can be missing.
pub(crate) fn facts(dialect: Dialect, text: &str, events: &mut Vec<Event>) -> Result<bool, NotUnderstood> {
    match dialect {
        Dialect::OpenAiChat => openai::facts(text, events),
        _ => answer(dialect, text, events),
    }
}

/// A count that some providers write as 12.0, null, or not at all. What is no count is as if it were not there.
fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let value = Option::<serde_json::Value>::deserialize(deserializer)?;
    let Some(number) = value.as_ref().and_then(serde_json::Value::as_number) else { return Ok(None) };
    let whole = number.as_f64().filter(|value| value.fract() == 0.0 && (0.0..1e15).contains(value));
    Ok(number.as_u64().or_else(|| whole.and_then(|value| format!("{value:.0}").parse().ok())))
}
