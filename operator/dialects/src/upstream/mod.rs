//! Reading providers' answers into [`Event`]s, whole or in pieces.

mod anthropic;
mod gemini;
mod ollama;
mod openai;

use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

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
    deserializer.deserialize_any(Count)
}

/// Numbers are taken as they come, since every answer has several; anything else is passed over.
struct Count;

impl<'de> Visitor<'de> for Count {
    type Value = Option<u64>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a count")
    }

    fn visit_u64<E>(self, count: u64) -> Result<Self::Value, E> {
        Ok(Some(count))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, count: f64) -> Result<Self::Value, E> {
        let whole = count.fract() == 0.0 && (0.0..1e15).contains(&count);
        Ok(if whole { format!("{count:.0}").parse().ok() } else { None })
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_seq(items).map(|_| None)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_map(members).map(|_| None)
    }
}
