//! What went wrong at a provider, in one vocabulary, and how a client is told.

mod body;
mod class;
mod tell;

use std::time::Duration;

pub use class::ErrorClass;
pub use tell::{error_body, error_event};

use body::Said;

/// A provider's failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What kind.
    pub class: ErrorClass,
    /// The HTTP status: the answer's own, or the one named within a 200; none when there is none.
    pub status: Option<u16>,
    /// The provider's code, type or status, whichever says most: at most 64 characters of a word.
    pub code: Option<String>,
    /// What the provider said, cut at [`LONGEST_MESSAGE`]; empty when it said nothing or when the words may hold a
    /// credential (401 and 403, where providers repeat the key).
    pub message: String,
    /// How long to wait, from the header or from the body.
    pub retry_after: Option<Duration>,
}

/// Bytes of a provider's message that are kept.
pub const LONGEST_MESSAGE: usize = 2048;

/// Reads a failure from an answer's status (not 2xx), its `Retry-After` as [`crate::retry_after()`] read it, and its
/// body, in whatever dialect: providers behind providers mix them. The body may be empty or no JSON.
#[must_use]
pub fn classify(status: u16, retry_after: Option<Duration>, body: &[u8]) -> Failure {
    let said = Said::read(body);
    let mut failure = said.failure(ErrorClass::of(status, &said), Some(status));
    failure.retry_after = retry_after.or(failure.retry_after);
    failure
}

/// Reads an error that stands in a 200: in an answer, or in a piece of a stream.
pub(crate) fn embedded(data: &str) -> Failure {
    let said = Said::read(data.as_bytes());
    let status = said.status();
    let class = status.map_or(ErrorClass::UpstreamErrorIn200, |status| ErrorClass::of(status, &said));
    said.failure(class, status)
}
