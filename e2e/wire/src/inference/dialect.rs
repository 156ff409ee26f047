//! The formats that an inference request can be written in.

use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};

use super::answer::Answer;
use super::question::Question;
use super::stream::Frames;
use super::{anthropic, embeddings, gemini, ollama, openai};
use crate::Settings;
use crate::providers::{Provider, refusal_of};

/// A format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Chat completions.
    OpenAi,
    /// OpenAI's embeddings.
    Embeddings,
    /// Ollama's own chat.
    Ollama,
    /// Messages.
    Anthropic,
    /// The path says which model, and whether the answer streams.
    Gemini { model: String, stream: bool },
}

impl Dialect {
    /// The model that a request names, even one that cannot be answered.
    pub(crate) fn model(&self, body: Option<&Value>) -> Option<String> {
        match self {
            Self::Gemini { model, .. } => Some(model.clone()),
            _ => body?["model"].as_str().map(str::to_owned),
        }
    }

    /// Reads a request; for embeddings the answer comes along.
    pub(crate) fn read(&self, body: &Value) -> Result<(Question, Option<Value>), String> {
        let question = match self {
            Self::OpenAi => openai::read(body)?,
            Self::Ollama => ollama::read(body)?,
            Self::Anthropic => anthropic::read(body)?,
            Self::Gemini { model, stream } => gemini::read(body, model, *stream)?,
            Self::Embeddings => {
                let (model, answer) = embeddings::answer(body)?;
                return Ok((Question { model, ..Question::default() }, Some(answer)));
            }
        };
        Ok((question, None))
    }

    /// Whether the request shows the key that is asked for, and what else the format demands.
    pub(crate) fn admit(
        &self,
        headers: &HeaderMap,
        query_key: Option<&str>,
        settings: &Settings,
    ) -> Result<(), (StatusCode, String)> {
        let shown = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let wanted = settings.key.as_deref();
        match self {
            Self::OpenAi | Self::Embeddings | Self::Ollama => {
                refusal_of(wanted, shown(header::AUTHORIZATION.as_str()))
                    .map_or(Ok(()), |message| Err((StatusCode::UNAUTHORIZED, message)))
            }
            Self::Anthropic => match shown("x-api-key") {
                None => Err((StatusCode::UNAUTHORIZED, "the header x-api-key is missing".to_owned())),
                Some(key) if wanted.is_some_and(|wanted| wanted != key) => {
                    Err((StatusCode::UNAUTHORIZED, "the header x-api-key is not valid".to_owned()))
                }
                Some(_) if shown("anthropic-version").is_none() => {
                    Err((StatusCode::BAD_REQUEST, "the header anthropic-version is missing".to_owned()))
                }
                Some(_) => Ok(()),
            },
            // Google answers a wrong key with 400, and a missing one with 403.
            Self::Gemini { .. } => match (wanted, shown("x-goog-api-key").or(query_key)) {
                (Some(wanted), Some(key)) if wanted != key => {
                    Err((StatusCode::BAD_REQUEST, "the API key is not valid".to_owned()))
                }
                (Some(_), None) => Err((StatusCode::FORBIDDEN, "the API key is missing".to_owned())),
                _ => Ok(()),
            },
        }
    }

    /// The answer in one piece.
    pub(crate) fn whole(&self, answer: &Answer) -> Value {
        match self {
            Self::OpenAi | Self::Embeddings => openai::whole(answer),
            Self::Ollama => ollama::whole(answer),
            Self::Anthropic => anthropic::whole(answer),
            Self::Gemini { .. } => gemini::whole(answer),
        }
    }

    /// The answer as a stream.
    pub(crate) fn frames(&self, answer: &Arc<Answer>, question: &Question, provider: Provider) -> Frames {
        match self {
            Self::OpenAi | Self::Embeddings => openai::frames(answer, question.include_usage, provider),
            Self::Ollama => ollama::frames(answer),
            Self::Anthropic => anthropic::frames(answer),
            Self::Gemini { .. } => gemini::frames(answer),
        }
    }

    /// What this format says about its answers' kind.
    pub(crate) const fn content_type(&self, stream: bool) -> &'static str {
        match self {
            Self::Ollama if stream => "application/x-ndjson",
            _ if stream => "text/event-stream",
            _ => "application/json",
        }
    }

    /// Data that interrupts a stream: an error, or what should have been a token.
    pub(crate) fn event(&self, data: &str, error: bool) -> String {
        let name = if error { "error" } else { "content_block_delta" };
        match self {
            Self::Ollama => format!("{data}\n"),
            Self::Anthropic => format!("event: {name}\ndata: {data}\n\n"),
            _ => format!("data: {data}\n\n"),
        }
    }

    /// An error in this format: Ollama speaks two.
    pub(crate) fn error_body(&self, provider: Provider, status: u16, message: &str) -> Value {
        match (self, provider) {
            (Self::OpenAi | Self::Embeddings, Provider::Ollama) => {
                Provider::OpenAi.error_body(status, message)
            }
            _ => provider.error_body(status, message),
        }
    }
}

/// Google says in the body how long to wait.
pub(crate) fn add_retry(provider: Provider, body: &mut Value, retry_after: Option<&str>) {
    let seconds = retry_after.and_then(|text| text.parse::<u32>().ok());
    if let (Provider::Google, Some(seconds)) = (provider, seconds) {
        let kind = "type.googleapis.com/google.rpc.RetryInfo";
        body["error"]["details"] = json!([{"@type": kind, "retryDelay": format!("{seconds}s")}]);
    }
}
