//! What can go wrong with an inference request. Kinds that a list knows too have the same names here.

use axum::http::HeaderValue;
use serde::{Deserialize, Serialize};

use super::settings::MAX_WAIT_MS;
use crate::fault::MAX_OVERSIZED_BYTES;

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// An error status, with the provider's kind of body.
    Status {
        /// 400 to 599.
        status: u16,
        /// Sent as `Retry-After`, as it stands: seconds or an HTTP date.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<String>,
        /// The words in the provider's kind of body.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
        /// Sent instead of the provider's kind of body, as it stands.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<String>,
    },
    /// Status 200, and in it the provider's kind of error.
    ErrorInOk {
        /// The status that the error speaks of, 400 to 599.
        status: u16,
        /// In a stream: after so many tokens.
        #[serde(default)]
        after_tokens: usize,
        /// Its words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// Status 200 and not one byte.
    Empty,
    /// What is no JSON, where JSON belongs; a stream ends in good order after it.
    Malformed {
        /// In a stream: after so many tokens.
        #[serde(default)]
        after_tokens: usize,
    },
    /// The connection ends early.
    Cut {
        /// After this many bytes of the body.
        after_bytes: usize,
    },
    /// A stream that ends early; holds only for requests that ask for one.
    CutStream {
        /// After so many tokens; 0: before the first, when the beginning has been sent.
        #[serde(default)]
        after_tokens: usize,
        /// The transfer ends in good order, only the rest of the answer is missing.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        clean: bool,
    },
    /// The right answer, late: even the headers wait.
    Slow {
        /// So late, in milliseconds.
        delay_ms: u64,
    },
    /// The headers come at once, then nothing moves for a while.
    Stall {
        /// In a stream: after so many tokens; 0: before the first.
        #[serde(default)]
        after_tokens: usize,
        /// So long, in milliseconds.
        delay_ms: u64,
    },
    /// A valid beginning and then very many spaces.
    Oversized {
        /// So many bytes.
        bytes: u64,
    },
    /// A web page with status 200, as a captive portal or a wrong path gives.
    Html,
}

impl Fault {
    /// Checks the ranges.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn validate(&self) -> Result<(), String> {
        match self {
            Self::Status { status, .. } | Self::ErrorInOk { status, .. } if !(400..600).contains(status) => {
                Err(format!("status must be 400 to 599, not {status}"))
            }
            Self::Status { retry_after: Some(text), .. } if HeaderValue::from_str(text).is_err() => {
                Err("retry_after must be a valid header value".to_owned())
            }
            Self::Slow { delay_ms } | Self::Stall { delay_ms, .. } if *delay_ms > MAX_WAIT_MS => {
                Err(format!("delay_ms must be at most {MAX_WAIT_MS}"))
            }
            Self::Oversized { bytes } if *bytes > MAX_OVERSIZED_BYTES => {
                Err(format!("bytes must be at most {MAX_OVERSIZED_BYTES}"))
            }
            _ => Ok(()),
        }
    }

    pub(crate) const fn needs_a_stream(&self) -> bool {
        matches!(self, Self::CutStream { .. })
    }
}
