//! Requests: passed through with another model's name, or translated.
//!
//! # What a translation leaves out
//!
//! These change cost, storage or routing and not the answer, and are left out where the target has nothing like them:
//! `user`, `store`, `metadata`, `service_tier`, `prompt_cache_key`, `prompt_cache_retention`, `safety_identifier`,
//! `stream_options`, Anthropic's `cache_control`, `context_management`, `citations` that are off, reasoning of
//! earlier answers, `strict` of a tool, annotations of earlier answers, `detail` of an image, and whatever is null,
//! false, an empty list or the default (`n: 1`, `logprobs: false`, penalties of 0, `parallel_tool_calls: true`). All else that the target cannot say is
//! [`TranslateError::Inexpressible`].

mod from_anthropic;
mod from_openai;
mod parts;
mod passthrough;
mod to_anthropic;
mod to_gemini;
mod to_ollama;
mod to_openai;
mod unsigned;

pub use passthrough::{Edit, Rewritten, edits, rewrite_model};

use crate::conversation::{Conversation, Given};
use crate::dialect::Dialect;

/// Why a request cannot be translated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TranslateError {
    /// The request breaks its own dialect: the client's mistake.
    #[error("failed to read the request: `{pointer}` is not {expected}")]
    Malformed {
        /// JSON Pointer.
        pointer: String,
        /// What it should be.
        expected: &'static str,
    },
    /// The target cannot say it: another provider may.
    #[error("failed to translate the request: `{pointer}` cannot be said to this provider: {reason}")]
    Inexpressible {
        /// JSON Pointer in the client's request.
        pointer: String,
        /// Why not.
        reason: &'static str,
    },
    /// There is no translation between the two.
    #[error("failed to translate the request: there is no translation from {from} to {to}")]
    Unsupported {
        /// The client's dialect.
        from: Dialect,
        /// The provider's.
        to: Dialect,
    },
}

/// Where a request goes.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The provider's dialect.
    pub dialect: Dialect,
    /// The provider's name of the model.
    pub model: &'a str,
    /// The output limit where the client gave none and the target wants one (Anthropic). Should be what the model
    /// can put out at most, as its catalog entry has it.
    pub default_max_tokens: u64,
    /// Whether OpenAI's limit is called `max_completion_tokens` (OpenAI itself and Azure, whose reasoning models take
    /// nothing else) or `max_tokens` (everyone else).
    pub max_completion_tokens: bool,
    /// Whether an OpenAI provider is asked for a stream's usage through `stream_options`, which a few do not know.
    pub ask_usage: bool,
}

impl<'a> Target<'a> {
    /// A target with [`DEFAULT_MAX_TOKENS`] and the older name of the output limit, which is asked for usage.
    #[must_use]
    pub const fn new(dialect: Dialect, model: &'a str) -> Self {
        Self {
            dialect,
            model,
            default_max_tokens: DEFAULT_MAX_TOKENS,
            max_completion_tokens: false,
            ask_usage: true,
        }
    }
}

/// The output limit of a request that gives none, in tokens: every current model of Anthropic can put out as much.
pub const DEFAULT_MAX_TOKENS: u64 = 8192;

/// Reads a client's request into the neutral form.
///
/// # Errors
/// The request breaks its dialect, has what no other dialect knows, or is of a dialect that clients do not speak.
pub fn read(from: Dialect, body: &[u8]) -> Result<Conversation<'_>, TranslateError> {
    let text = std::str::from_utf8(body).map_err(|_| crate::json::wrong("", "UTF-8"))?;
    match from {
        Dialect::OpenAiChat => from_openai::read(text),
        Dialect::AnthropicMessages => from_anthropic::read(text),
        _ => Err(TranslateError::Unsupported { from, to: from }),
    }
}

/// Translates a request from the client's dialect (OpenAI chat or Anthropic messages) into the target's. Between the
/// same dialects use [`rewrite_model`]: it keeps what this would refuse.
///
/// # Errors
/// The request breaks its dialect, or the target cannot say something that would change the answer.
pub fn translate(from: Dialect, body: &[u8], target: &Target<'_>) -> Result<Vec<u8>, TranslateError> {
    let conversation = read(from, body).map_err(|error| match error {
        TranslateError::Unsupported { from, .. } => TranslateError::Unsupported { from, to: target.dialect },
        other => other,
    })?;
    match target.dialect {
        Dialect::OpenAiChat => to_openai::write(&conversation, target),
        Dialect::AnthropicMessages => to_anthropic::write(&conversation, target),
        Dialect::GeminiGenerate => to_gemini::write(&conversation),
        Dialect::OllamaChat => to_ollama::write(&conversation, target),
        Dialect::OpenAiEmbeddings => Err(TranslateError::Unsupported { from, to: target.dialect }),
    }
}

/// Refuses a value that the target cannot say.
fn refuse<T>(given: Option<&Given<T>>, reason: &'static str) -> Result<(), TranslateError> {
    match given {
        None => Ok(()),
        Some(given) => Err(inexpressible(&given.at, reason)),
    }
}

fn inexpressible(pointer: &str, reason: &'static str) -> TranslateError {
    TranslateError::Inexpressible { pointer: pointer.to_owned(), reason }
}
