//! What the operator tells of the scoreboard, in its admin API. Amounts are decimals in USD; what is absent is unknown.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::UsdPerMTok;
use crate::price::Usd;

/// By what rows are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum GroupBy {
    /// By who serves.
    Provider,
    /// By model, over all categories.
    Model,
    /// By category, over all models.
    Category,
}

/// What is asked of the scoreboard.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScoreboardQuery {
    /// The window, in days.
    pub window_days: u32,
    /// Only calls of this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// By what to group; none leaves each model and category by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_by: Option<GroupBy>,
}

/// The scoreboard's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scoreboard {
    /// The window, in days.
    pub window_days: u32,
    /// Until when what came in is in the rows; absent before the first roll-up.
    pub rolled_up_until: Option<Timestamp>,
    /// The rows, those of most calls first.
    pub rows: Vec<ScoreboardRow>,
    /// Which price classes each provider's calls went to.
    pub tiers: Vec<TierShare>,
}

/// What happened at a model in a kind of work, or in a group of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScoreboardRow {
    /// `<server>/<model id>`; absent in a group over models.
    pub model_key: Option<String>,
    /// The kind of work; absent in a group over categories.
    pub category: Option<String>,
    /// The strength that the category weighs most.
    pub strength: Option<String>,
    /// Who serves; absent in a group over providers, and where nobody said.
    pub provider: Option<String>,
    /// The window, in days.
    pub window_days: u32,
    /// Calls that say something of it.
    pub calls: u64,
    /// Those that were answered.
    pub successes: u64,
    /// Their share.
    pub success_rate: f64,
    /// Median latency of successes, in milliseconds.
    pub p50_latency_ms: Option<i64>,
    /// 99th percentile of it.
    pub p99_latency_ms: Option<i64>,
    /// Median time to the first token, in milliseconds.
    pub p50_first_token_ms: Option<i64>,
    /// 99th percentile of it.
    pub p99_first_token_ms: Option<i64>,
    /// Median milliseconds an output token after the first.
    pub p50_token_ms: Option<f64>,
    /// All tries of its calls.
    pub cost_usd: Option<Usd>,
    /// That, divided by its successes.
    pub cost_per_success_usd: Option<Usd>,
    /// 0 to 1, over judged calls.
    pub quality: Option<f64>,
    /// `feedback`; absent where nobody judged.
    pub quality_source: Option<String>,
    /// Calls that were judged.
    pub judged: u64,
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Tokens read from a cache.
    pub cache_read_tokens: u64,
    /// Tokens written to a cache.
    pub cache_write_tokens: u64,
    /// What the cache saved; below zero where writing to it cost more.
    pub cache_savings_usd: Usd,
    /// Mean share of the context that was used.
    pub context_utilisation: Option<f64>,
    /// Calls that were crowded.
    pub context_above: u64,
    /// Calls where the model abstained.
    pub abstentions: u64,
    /// The first call.
    pub first_at: Timestamp,
    /// The last call.
    pub last_at: Timestamp,
}

/// How many of a provider's calls went to models of one price class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TierShare {
    /// Who serves.
    pub provider: Option<String>,
    /// The price class; absent where no catalog lists the model.
    pub tier: Option<String>,
    /// Calls.
    pub calls: u64,
}

/// A price as it was billed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObservedPrice {
    /// `<server>/<model id>`.
    pub model_key: String,
    /// Calls it was read from.
    pub samples: u64,
    /// `low`, `medium` or `high`.
    pub confidence: String,
    /// Of input; absent where it cannot be told from that of output.
    pub input_usd_per_mtok: Option<UsdPerMTok>,
    /// Of output.
    pub output_usd_per_mtok: Option<UsdPerMTok>,
    /// Paid a token, at the calls' own mix of input and output.
    pub blended_usd_per_mtok: UsdPerMTok,
    /// What the catalog's prices come to at the same mix.
    pub listed_usd_per_mtok: Option<UsdPerMTok>,
    /// The first call.
    pub first_at: Timestamp,
    /// The last call.
    pub last_at: Timestamp,
}

/// What a roll-up did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RolledUp {
    /// What was in the database by then is in the rows.
    pub until: Timestamp,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// Rows of the scoreboard that were computed.
    pub rows: u64,
    /// Prices that were computed.
    pub prices: u64,
}

/// All that is known of a turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    /// Its calls, in the order in which they began.
    pub calls: Vec<TracedCall>,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TracedCall {
    /// Its id.
    pub decision: Uuid,
    /// The turn.
    pub trace: Uuid,
    /// What belongs together.
    pub interaction: Uuid,
    /// When it began.
    pub started_at: Timestamp,
    /// Its namespace.
    pub namespace: String,
    /// The policy that decided.
    pub policy: Option<String>,
    /// The pod.
    pub sidecar: String,
    /// The endpoint.
    pub endpoint: String,
    /// The client's session.
    pub session: Option<String>,
    /// The kind of work.
    pub category: Option<String>,
    /// The model as the client named it.
    pub asked: Option<String>,
    /// How it ended.
    pub outcome: String,
    /// The status that the client got.
    pub status: Option<i32>,
    /// The error's class.
    pub error_type: Option<String>,
    /// The deployment of the last try.
    pub deployment: Option<String>,
    /// The whole call, in milliseconds.
    pub latency_ms: i64,
    /// Tokens read.
    pub input_tokens: Option<i64>,
    /// Tokens written.
    pub output_tokens: Option<i64>,
    /// All tries together.
    pub cost_usd: Option<Usd>,
    /// Why the answer ended.
    pub finish: Option<String>,
    /// What the answer itself says against it.
    pub signal: Option<String>,
    /// With which probability the decision put the first candidate first.
    pub probability: f64,
    /// Deployments in the order of the decision.
    pub picks: Vec<String>,
    /// Its tries.
    pub attempts: Vec<TracedAttempt>,
    /// What was thought of it.
    pub feedback: Vec<TracedFeedback>,
}

/// One try.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TracedAttempt {
    /// Counts from 1.
    pub number: i16,
    /// What was tried.
    pub deployment: String,
    /// `succeeded`, `failed` or `cancelled`.
    pub outcome: String,
    /// Why it failed.
    pub error_type: Option<String>,
    /// The upstream's status.
    pub status: Option<i32>,
    /// Since the call began, in milliseconds.
    pub started_ms: i64,
    /// How long it took, in milliseconds.
    pub latency_ms: i64,
    /// Until the first token, in milliseconds.
    pub first_token_ms: Option<i64>,
    /// Tokens read.
    pub input_tokens: Option<i64>,
    /// Tokens written.
    pub output_tokens: Option<i64>,
    /// Its cost.
    pub cost_usd: Option<Usd>,
}

/// What somebody thought of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TracedFeedback {
    /// When it came.
    pub received_at: Timestamp,
    /// 1 up, -1 down.
    pub thumb: Option<i16>,
    /// -1 to 1.
    pub score: Option<f64>,
    /// Whether the model abstained.
    pub abstain: Option<bool>,
    /// How sure it was.
    pub confidence: Option<f64>,
}
