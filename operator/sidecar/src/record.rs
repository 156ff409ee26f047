//! What is known of a finished request: what was decided, tried, used and spent. No prompt, no answer, no key. How it
//! is written down: [`crate::line`].

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use uuid::Uuid;
use vox_routing::Cost;

/// How a request ended. A closed vocabulary of records and metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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
    /// How many there are.
    pub const COUNT: usize = Self::Dry as usize + 1;

    /// Its name in metrics and records.
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
pub struct Name {
    text: Arc<str>,
    /// Whether it is JSON as it stands: looked at once, and written with every call.
    plain: bool,
}

impl Name {
    /// Whether nothing in it is special to JSON.
    pub(crate) const fn is_plain(&self) -> bool {
        self.plain
    }
}

/// Whether a text is JSON as it stands, between quotes.
pub(crate) fn is_plain(text: &str) -> bool {
    // Looked at as a whole, so that the compiler takes many bytes at once: hardly any text has one of them.
    let special = |byte: u8| (byte < b' ') | (byte == b'"') | (byte == b'\\');
    !text.bytes().fold(false, |found, byte| found | special(byte))
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self { text: text.into(), plain: is_plain(text) }
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

/// Whom a try asked: the same for all tries of an upstream.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// The upstream's name within the policy.
    pub upstream: Name,
    /// Who serves there, by its semantic-convention name where one exists.
    pub provider: Name,
    /// Its host.
    pub address: Name,
    /// Its port; 0 where its URL is none.
    pub port: u16,
    /// How it is spoken to.
    pub route: &'static str,
}

/// One finished request.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// The decision's id, which the answer carried.
    pub decision: Uuid,
    /// The turn: a `UUIDv7`, also the W3C trace unless the caller has one of its own.
    pub trace: Uuid,
    /// The caller's W3C trace, where it is not the turn's.
    pub caller_trace: Option<u128>,
    /// Whether the caller records its trace; absent where the trace begins here.
    pub caller_sampled: Option<bool>,
    /// Our span.
    pub span: u64,
    /// The caller's span; 0 where the trace begins here.
    pub parent: u64,
    /// What belongs together, in the client's words; else the turn.
    pub interaction: Uuid,
    /// The session, in the client's words.
    pub session: Option<Box<str>>,
    /// When the request had come, with its body, in milliseconds since 1970 UTC.
    pub started_unix_ms: u64,
    /// `chat`, `messages` or `embeddings`.
    pub endpoint: &'static str,
    /// The policy as `namespace/name`; empty where none was found.
    pub policy: Name,
    /// The policy's generation.
    pub generation: i64,
    /// The snapshot's version; 0 without one.
    pub snapshot: u64,
    /// The kind of work.
    pub category: Option<&'static str>,
    /// 1 to 10; 0 where nothing was decided.
    pub complexity: u8,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// Whether JSON was asked for.
    pub json: bool,
    /// The temperature that was asked for.
    pub temperature: Option<f64>,
    /// Candidates in the order of the decision.
    pub picks: Vec<Name>,
    /// With which probability the first of them was put first; absent where that was certain.
    pub probability: Option<f64>,
    /// What was tried.
    pub attempts: Vec<Attempt>,
    /// How it ended.
    pub outcome: Outcome,
    /// The status that the client got; 0 when it had gone before.
    pub status: u16,
    /// The error's code, if one was answered.
    pub code: Option<&'static str>,
    /// The whole request.
    pub duration_ms: u64,
    /// The decision alone.
    pub decided_us: u64,
    /// All attempts together, in USD; absent when any of it is unknown.
    pub cost_usd: Option<Cost>,
}

/// One attempt.
#[derive(Debug, Clone, Default)]
pub struct Attempt {
    /// The deployment's id.
    pub deployment: Name,
    /// Its upstream.
    pub peer: Option<Arc<Peer>>,
    /// Under which name the scoreboard keeps it; empty before it is known whom it asks.
    pub model_key: Name,
    /// The longest input and output together, where that is known.
    pub context_tokens: Option<u64>,
    /// The span that the upstream saw; 0 before anything was sent.
    pub span: u64,
    /// The upstream's status; 0 when there was none.
    pub status: u16,
    /// `ok`, or the class of the failure.
    pub class: &'static str,
    /// Milliseconds from the request's begin.
    pub started_ms: u64,
    /// How long it took.
    pub duration_ms: u64,
    /// From its begin to the first token, for streams.
    pub first_token_ms: Option<u64>,
    /// The answer's id, in the upstream's words.
    pub answer: Option<String>,
    /// The model that answered, in the upstream's words.
    pub served: Option<String>,
    /// Why the answer ended, in OpenAI's words.
    pub finish: Option<String>,
    /// Tokens, as the upstream counted them.
    pub usage: Option<Tokens>,
    /// What it cost; absent when tokens or prices are unknown.
    pub cost_usd: Option<Cost>,
    /// What less cached input cost than other input would have.
    pub cache_savings_usd: Option<Cost>,
    /// What the answer says against itself.
    pub signal: Option<&'static str>,
    /// What the day's budget is charged in its place where an answer came and nobody counted it: the worst case, so
    /// that a budget cannot leak.
    pub assumed_usd: Option<Cost>,
}

/// Tokens of one attempt; absent is unknown.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tokens {
    /// All input, cached input included.
    pub input: Option<u64>,
    /// All output, reasoning included.
    pub output: Option<u64>,
    /// Input read from a cache.
    pub cache_read: Option<u64>,
    /// Input written to a cache.
    pub cache_write: Option<u64>,
    /// Output that was reasoning.
    pub reasoning: Option<u64>,
}
