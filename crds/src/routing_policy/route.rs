//! One route of a policy.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};
use vox_contracts::{ModelTier, StrengthTag, TaskCategory};

use crate::duration::DurationText;

/// What one task category needs.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// Which.
    pub category: TaskCategory,
    /// A model without all of these never serves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require: Option<Require>,
    /// What comes first among the models that may serve it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefer: Option<Prefer>,
    /// A model whose median answer is known to take longer never serves it, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3_600_000))]
    pub max_latency_ms: Option<i64>,
    /// What happens when the best model fails. Default: three attempts within two minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fall_back: Option<FallBack>,
}

/// What a model must have.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Require {
    /// All of these strengths. Default: none; the contract's strengths of the category count in the ranking.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub strengths: Vec<StrengthTag>,
    /// At least this context. Default: the contract's floor for the category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub min_context_tokens: Option<i64>,
    /// At least this tier. Default: the contract's floor for the category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier_floor: Option<ModelTier>,
    /// At most this tier. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier_ceiling: Option<ModelTier>,
    /// All of these, whether a request uses them or not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub capabilities: Vec<Capability>,
}

/// What a model's API can do.
#[derive(schemars::JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[schemars(inline)]
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

/// What comes first.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Prefer {
    /// Models on hardware of your own come before all others. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub local: bool,
    /// Models of this family come before others (`anthropic`, `qwen`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[!-~]+$"))]
    pub family: Option<String>,
    /// This tier fits best. Default: the contract's for the category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<ModelTier>,
}

/// What happens when the best model fails.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct FallBack {
    /// Tries in all, the first one included. Default: 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10))]
    pub max_attempts: Option<i64>,
    /// Bound on all tries together. Default: 2m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1s') && duration(self) <= duration('1h')").message("must be between 1s and 1h"))]
    pub total_timeout: Option<DurationText>,
    /// How long a request waits for a model that says it is busy (429, 503, 529), and asks it again, when no other one
    /// is left. Default: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('100ms') && duration(self) <= duration('1m')").message("must be between 100ms and 1m"))]
    pub wait_when_busy: Option<DurationText>,
}
