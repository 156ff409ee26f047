//! A routing policy as the decision reads it: resolved, checked, without anything of Kubernetes.

use serde::{Deserialize, Serialize};
use vox_contracts::generated::routing::WEIGHTS;
use vox_contracts::{ModelTier, ProviderType, StrengthTag, TaskCategory, UsdPerMTok};

use crate::cost::Cost;

/// One `RoutingPolicy`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// `metadata.generation`: what decisions name as the policy's version.
    pub generation: i64,
    /// Whether it serves pods of its namespace that name no policy.
    #[serde(default)]
    pub default: bool,
    /// What counts how much.
    #[serde(default)]
    pub weights: Weights,
    /// How what happened counts.
    #[serde(default, skip_serializing_if = "EvidenceRule::is_default")]
    pub evidence: EvidenceRule,
    /// What may be spent.
    #[serde(default)]
    pub budget: Budget,
    /// Which providers and models may serve at all.
    #[serde(default)]
    pub allow: Allow,
    /// What the namespace demands besides, whatever the policy allows.
    #[serde(default, skip_serializing_if = "Demands::is_empty")]
    pub demands: Demands,
    /// What single categories need; a category without a route takes the contract's figures.
    #[serde(default)]
    pub routes: Vec<Route>,
    /// Names that workloads may use as a model.
    #[serde(default)]
    pub aliases: Vec<Alias>,
    /// What is known better than the catalogs know it; a later one wins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<Override>,
    /// What must hold before a new generation serves.
    #[serde(default)]
    pub tests: Vec<PolicyTest>,
}

/// Weights of the criteria, per mille. Only their ratio counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Weights {
    /// Low price for what one gets.
    pub efficiency: u32,
    /// Strengths and proven quality for the task.
    pub precision: u32,
    /// Quick answers.
    pub latency: u32,
    /// Up, and not rate limited.
    pub availability: u32,
    /// Not leaning on one provider.
    pub balance: u32,
    /// Suits small and metered links.
    pub mobile: u32,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            efficiency: WEIGHTS.efficiency,
            precision: WEIGHTS.precision,
            latency: WEIGHTS.latency,
            availability: WEIGHTS.availability,
            balance: WEIGHTS.balance,
            mobile: WEIGHTS.mobile,
        }
    }
}

/// How what happened counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EvidenceRule {
    /// By which figure models are ranked.
    pub mode: EvidenceMode,
    /// Share of the requests that go to another candidate than the best, so that others are known too; per million.
    pub exploration_per_million: u32,
    /// How models are taken that have not proven themselves here.
    #[serde(skip_serializing_if = "NewModels::is_default")]
    pub new_models: NewModels,
}

/// How models are taken that have not proven themselves here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NewModels {
    /// Like all others, by what they promise.
    #[default]
    Eligible,
    /// Behind all others, until enough calls succeeded: exploration and probes put them first, and nothing else while
    /// somebody else is left.
    Candidate,
}

impl NewModels {
    // The form that serde calls with.
    #[allow(clippy::trivially_copy_pass_by_ref)]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl EvidenceRule {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// By which figure models are ranked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EvidenceMode {
    /// By the mean, from the contract's least number of calls on; before that it counts nothing.
    #[default]
    Rule,
    /// By a bound below the mean, from the first call on: few calls make it low.
    Bounds,
}

/// What may be spent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Budget {
    /// At most so much for one request, at its worst case: the estimated input and the longest answer asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_request: Option<Cost>,
    /// At most so much on one day (UTC), by all workloads of the policy together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_day: Option<Cost>,
    /// From this share of the day's budget on, a tier lower is preferred; per mille.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub descend_at_per_mille: Option<u32>,
    /// What happens when the day's budget is spent.
    #[serde(default)]
    pub when_spent: WhenSpent,
}

impl Budget {
    /// Whether an unknown price can be admitted: not where money is limited.
    #[must_use]
    pub fn limits_money(&self) -> bool {
        self.per_request.is_some() || self.per_day.is_some()
    }
}

/// What happens when the day's budget is spent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WhenSpent {
    /// Requests are refused until midnight UTC.
    #[default]
    Refuse,
    /// Only models with a known price of zero serve.
    FreeOnly,
}

/// Which providers and models may serve. An empty list allows all; what is denied is never allowed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Allow {
    /// Only these providers.
    pub providers: Vec<ProviderType>,
    /// Only models whose deployment id matches one of these patterns (`*` stands for any run of characters).
    pub models: Vec<String>,
    /// Never these.
    pub deny_models: Vec<String>,
    /// Only deployments with all these tags (`residency=eu`, `retention=none`).
    pub tags: Vec<String>,
}

/// What a namespace demands of all who serve in it. It narrows what a policy allows and never widens it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Demands {
    /// Only these providers; absent where all may. An empty list lets nobody serve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub providers: Option<Vec<ProviderType>>,
    /// Only deployments with all these tags.
    pub tags: Vec<String>,
}

impl Demands {
    /// Whether nothing is demanded.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.providers.is_none() && self.tags.is_empty()
    }
}

/// What one category needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Route {
    /// Which.
    pub category: TaskCategory,
    /// A model without all of these never serves it.
    #[serde(default)]
    pub require: Require,
    /// What is preferred among those that may.
    #[serde(default)]
    pub prefer: Prefer,
    /// A model whose known latency (p50) is longer never serves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_latency_ms: Option<u64>,
    /// What happens when the best one fails.
    #[serde(default)]
    pub fall_back: FallBack,
}

/// What a model must have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Require {
    /// All of these strengths.
    pub strengths: Vec<StrengthTag>,
    /// At least this context. Default: the contract's floor for the category.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_context_tokens: Option<u64>,
    /// At least this tier. Default: the contract's floor for the category.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier_floor: Option<ModelTier>,
    /// At most this tier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier_ceiling: Option<ModelTier>,
    /// All of these, whether the request uses them or not.
    pub capabilities: Vec<Capability>,
}

/// What a model's API can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Capability {
    /// Tool calls.
    Tools,
    /// Reads images.
    Vision,
    /// JSON that follows a given schema.
    JsonSchema,
    /// Streamed answers.
    Streaming,
}

/// What is preferred.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Prefer {
    /// Models on hardware of one's own come before all others.
    pub local: bool,
    /// This family comes before others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// This tier instead of the contract's for the category.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<ModelTier>,
}

/// What happens when the best model fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FallBack {
    /// Tries in all, the first one included.
    pub max_attempts: u32,
    /// Bound on all tries together, in milliseconds.
    pub total_timeout_ms: u64,
    /// How long a model that is busy is waited for where nobody else is left, in milliseconds; zero: not at all.
    #[serde(skip_serializing_if = "is_zero")]
    pub wait_when_busy_ms: u64,
}

// The form that serde calls with.
#[allow(clippy::trivially_copy_pass_by_ref)]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Default for FallBack {
    fn default() -> Self {
        Self { max_attempts: 3, total_timeout_ms: 120_000, wait_when_busy_ms: 0 }
    }
}

/// A name that workloads may use as a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Alias {
    /// The name.
    pub name: String,
    /// Always this category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<TaskCategory>,
    /// Always this model (a deployment id).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The cheapest that may.
    #[serde(default)]
    pub force_cost: bool,
}

/// What is known of some models better than their catalog knows it. What is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Override {
    /// Deployments whose id matches this pattern (`*` stands for any run of characters).
    pub models: String,
    /// Input, USD per million tokens, for every prompt length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_usd_per_mtok: Option<UsdPerMTok>,
    /// Output, USD per million tokens, for every prompt length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_usd_per_mtok: Option<UsdPerMTok>,
    /// Input and output together, in tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_length_tokens: Option<u64>,
    /// The longest answer, in tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    /// Its price class. Default, where a price is overridden: the contract's for that price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<ModelTier>,
    /// All of its strengths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strengths: Option<Vec<StrengthTag>>,
    /// Tool calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<bool>,
    /// JSON that follows a given schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_schema: Option<bool>,
    /// Streamed answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streaming: Option<bool>,
}

/// What must hold before a new generation serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyTest {
    /// Its name.
    pub name: String,
    /// The category that is asked for.
    pub category: TaskCategory,
    /// With this complexity. Default: the contract's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complexity: Option<u8>,
    /// What the pick and each fall-back must be.
    pub expect: Expect,
}

/// What a pick and each of its fall-backs must be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Expect {
    /// At most this tier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier_at_most: Option<ModelTier>,
    /// At least this tier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier_at_least: Option<ModelTier>,
    /// One of these providers.
    pub providers: Vec<ProviderType>,
    /// None of these providers.
    pub not_providers: Vec<ProviderType>,
    /// The pick itself is this deployment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// At least so many candidates, so that one failure is not an outage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidates_at_least: Option<u32>,
}
