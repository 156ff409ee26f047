//! One line for each finished request: what was decided, tried, used and spent. No prompt, no answer, no key.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use uuid::Uuid;
use vox_routing::Cost;

/// How a request ended. A closed vocabulary of records and metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// An answer was passed on to its end.
    Answered,
    /// The client's own mistake, found here or by an upstream.
    ClientError,
    /// No candidate, no money, no snapshot, too much at once.
    Refused,
    /// Each attempt failed.
    Failed,
    /// A stream broke after its first token; the client was told.
    Cut,
    /// The client went away.
    #[default]
    Cancelled,
    /// A dry run.
    Dry,
}

impl Outcome {
    /// Its name in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::ClientError => "clientError",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Cut => "cut",
            Self::Cancelled => "cancelled",
            Self::Dry => "dry",
        }
    }
}

/// A name out of a snapshot, shared by all records that have it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Name(Arc<str>);

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

/// One finished request.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Always `call`.
    pub kind: &'static str,
    /// The decision's id, which the answer carried.
    pub decision: Uuid,
    /// What belongs together, in the client's words; else the decision's id.
    pub interaction: Uuid,
    /// The W3C trace id.
    pub trace: uuid::fmt::Simple,
    /// When the request's head came, in milliseconds since 1970 UTC.
    pub started_unix_ms: u64,
    /// `chat`, `messages` or `embeddings`.
    pub endpoint: &'static str,
    /// The policy and its generation; empty where none was found.
    pub policy: Name,
    /// The snapshot's version; 0 without one.
    pub snapshot: u64,
    /// The kind of work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<&'static str>,
    /// 1 to 10; 0 where nothing was decided.
    pub complexity: u8,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// Candidates in the order of the decision.
    pub picks: Vec<Name>,
    /// What was tried.
    pub attempts: Vec<Attempt>,
    /// How it ended.
    pub outcome: Outcome,
    /// The status that the client got; 0 when it had gone before.
    pub status: u16,
    /// The error's code, if one was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// The whole request.
    pub duration_ms: u64,
    /// The decision alone.
    pub decided_us: u64,
    /// All attempts together, in USD; absent when any of it is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<Cost>,
}

/// One attempt.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// The deployment's id.
    pub deployment: Name,
    /// Its upstream.
    pub upstream: Name,
    /// The upstream's status; 0 when there was none.
    pub status: u16,
    /// `ok`, or the class of the failure.
    pub class: &'static str,
    /// Milliseconds from the request's begin.
    pub started_ms: u64,
    /// How long it took.
    pub duration_ms: u64,
    /// From its begin to the first token, for streams.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_token_ms: Option<u64>,
    /// Why the answer ended, in OpenAI's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish: Option<String>,
    /// Tokens, as the upstream counted them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Tokens>,
    /// What it cost; absent when tokens or prices are unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<Cost>,
    /// What the day's budget is charged in its place where an answer came and nobody counted it: the worst case, so
    /// that a budget cannot leak.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assumed_usd: Option<Cost>,
}

/// Tokens of one attempt; absent is unknown.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tokens {
    /// All input, cached input included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<u64>,
    /// All output, reasoning included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<u64>,
    /// Input read from a cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<u64>,
    /// Input written to a cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<u64>,
    /// Output that was reasoning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<u64>,
}
