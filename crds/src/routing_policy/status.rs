//! What is known of a policy.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};
use vox_contracts::TaskCategory;

/// What is known of a policy.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct RoutingPolicyStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The generation that serves; older than the observed one while that cannot be programmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub programmed_generation: Option<i64>,
    /// Accepted, ResolvedRefs, Programmed and EvidenceSufficient, always.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// How many task categories have a pick.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route_count: Option<i64>,
    /// How many models may serve at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidates: Option<i64>,
    /// Who serves each category, for a request of the contract's default complexity.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["category".into()]))]
    pub picks: Vec<PickStatus>,
    /// The newest snapshot that holds this policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotStatus>,
    /// The sidecars that follow this policy now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sidecars: Option<SidecarsStatus>,
    /// What of the day's budget is used, where one is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetStatus>,
}

/// One day's budget; amounts in USD.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct BudgetStatus {
    /// The day (UTC).
    pub day: String,
    /// The budget of the generation that serves.
    pub limit_usd: String,
    /// Reported as spent, with the rest of leases whose holders have been silent for fifteen minutes.
    pub spent_usd: String,
    /// Granted to sidecars that report, and not spent.
    pub leased_usd: String,
    /// By how much the limit is passed if all of that is spent: more than zero only when the limit was lowered, or real
    /// costs were above their worst case.
    pub worst_overspend_usd: String,
}

/// Who serves one category.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PickStatus {
    /// Which.
    pub category: TaskCategory,
    /// The best model; absent when none is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Who serves when it fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner_up: Option<String>,
    /// Why the one comes before the other, or why there is none.
    pub reason: String,
}

/// The newest snapshot that holds this policy.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotStatus {
    /// Grows with each change of anything that decides in this namespace: milliseconds since 1970 UTC, or one more than before.
    pub version: i64,
    /// sha256 of its content.
    pub digest: String,
    /// When it was published.
    pub published_time: Time,
}

/// The sidecars that follow a policy; counted every ten seconds.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SidecarsStatus {
    /// How many are connected to the operator, with whatever version.
    pub connected: i64,
    /// How many of them were sent the namespace's newest snapshot.
    pub current: i64,
    /// Both, as `current/connected`.
    pub summary: String,
    /// How many have which version: the five newest, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["version".into()]))]
    pub versions: Vec<SidecarVersion>,
}

/// How many sidecars have one version.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SidecarVersion {
    /// The version; 0 for sidecars that have none yet.
    pub version: i64,
    /// How many.
    pub sidecars: i64,
}
