//! Rows as the tables have them, apart from the columns that a whole batch shares.

use uuid::Uuid;

/// Days since 1970-01-01 UTC of a `UUIDv7`: the partition of whatever carries it.
#[must_use]
pub fn day(id: Uuid) -> i32 {
    const DAY_MS: u128 = 24 * 60 * 60 * 1000;
    // 48 bits of milliseconds are three million days.
    i32::try_from((id.as_u128() >> 80) / DAY_MS).unwrap_or(i32::MAX)
}

/// Tokens, as far as they are known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tokens {
    /// All input.
    pub input: Option<i64>,
    /// All output.
    pub output: Option<i64>,
    /// Input read from a cache.
    pub cache_read: Option<i64>,
    /// Input written to a cache.
    pub cache_write: Option<i64>,
    /// Output that was reasoning.
    pub reasoning: Option<i64>,
}

/// A finished call: a row of `llm_interaction` and, in `attempts`, those of `llm_attempt`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Call {
    /// Its id, a `UUIDv7`.
    pub decision: Uuid,
    /// The user's turn.
    pub trace: Uuid,
    /// What belongs together.
    pub interaction: Uuid,
    /// When it began, in milliseconds since 1970 UTC.
    pub started_ms: i64,
    /// The policy's name.
    pub policy: Option<String>,
    /// Its generation.
    pub policy_generation: Option<i64>,
    /// The snapshot's version.
    pub snapshot: Option<i64>,
    /// What the client called.
    pub endpoint: String,
    /// The session.
    pub session: Option<String>,
    /// The kind of work.
    pub category: Option<String>,
    /// 1 to 10.
    pub complexity: Option<i16>,
    /// Whether a stream was asked for.
    pub streamed: bool,
    /// The model as the client named it.
    pub asked: Option<String>,
    /// Input as it was estimated for the decision.
    pub estimated_tokens: Option<i64>,
    /// The longest answer that the client allows.
    pub max_output_tokens: Option<i64>,
    /// What a model must have for it.
    pub needs: Vec<String>,
    /// The client narrowed the choice in a way that is not kept.
    pub narrowed: bool,
    /// How it ended.
    pub outcome: String,
    /// The client's status.
    pub status: Option<i32>,
    /// The error's class or code.
    pub error_type: Option<String>,
    /// Of the last try.
    pub model_key: Option<String>,
    /// Of the last try.
    pub deployment: Option<String>,
    /// Of the last try.
    pub provider: Option<String>,
    /// Of the last try.
    pub served: Option<String>,
    /// The whole of it.
    pub latency_ms: i64,
    /// To the first token.
    pub first_token_ms: Option<i64>,
    /// The decision alone.
    pub decided_us: Option<i64>,
    /// Of the last try.
    pub tokens: Tokens,
    /// All tries together, in pico-USD.
    pub cost_pusd: Option<i64>,
    /// What cached input saved, in pico-USD.
    pub cache_savings_pusd: Option<i64>,
    /// Share of the context, 0 to 1.
    pub context_utilisation: Option<f64>,
    /// Why the answer ended.
    pub finish: Option<String>,
    /// What the answer says against itself.
    pub signal: Option<String>,
    /// The odds of the first pick.
    pub probability: f64,
    /// Deployments in the order of the decision.
    pub picks: Vec<String>,
    /// Its tries, in their order.
    pub attempts: Vec<Attempt>,
}

/// One try of a call.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Attempt {
    /// From 1.
    pub number: i16,
    /// Key of the scoreboard.
    pub model_key: String,
    /// The deployment.
    pub deployment: String,
    /// Who serves.
    pub provider: Option<String>,
    /// The model in the upstream's words.
    pub served: Option<String>,
    /// How it ended.
    pub outcome: String,
    /// The error's class.
    pub error_type: Option<String>,
    /// The upstream's status.
    pub status: Option<i32>,
    /// The span that the upstream saw.
    pub span: Option<String>,
    /// Milliseconds since the call began.
    pub started_ms: i64,
    /// How long it took.
    pub latency_ms: i64,
    /// To the first token.
    pub first_token_ms: Option<i64>,
    /// What it used.
    pub tokens: Tokens,
    /// What it cost, in pico-USD.
    pub cost_pusd: Option<i64>,
    /// What the budget was charged in its place, in pico-USD.
    pub assumed_cost_pusd: Option<i64>,
}

/// What was thought of an answer: a row of `llm_feedback`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Feedback {
    /// Its id, a `UUIDv7`.
    pub feedback: Uuid,
    /// The call's id.
    pub decision: Uuid,
    /// When it came, in milliseconds since 1970 UTC.
    pub received_ms: i64,
    /// 1 up, -1 down.
    pub thumb: Option<i16>,
    /// -1 to 1.
    pub score: Option<f64>,
    /// The model declined.
    pub abstain: Option<bool>,
    /// How sure it was, 0 to 1.
    pub confidence: Option<f64>,
}
