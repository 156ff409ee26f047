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
    /// Accepted, ResolvedRefs, Programmed and EvidenceSufficient, always; Quarantined and ModelsLeaving only while True.
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
    /// Models whose listed price is more than a fifth away from what they were billed at; at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["model".into()]))]
    pub price_drifts: Vec<PriceDrift>,
    /// Models that are kept from a category since their success there fell suddenly; at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["model".into(), "category".into()]))]
    pub quarantines: Vec<QuarantineStatus>,
    /// Models that the policy names and that are gone or on their way out; at most 16, those that are gone first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["model".into()]))]
    pub leaving: Vec<LeavingModel>,
    /// Models that have yet to prove themselves here, where `evidence.newModels` is `candidate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_models: Option<NewModelsStatus>,
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
    /// Its record in this category; absent where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<PickEvidence>,
    /// Who serves when it fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner_up: Option<String>,
    /// Its record in this category; absent where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner_up_evidence: Option<PickEvidence>,
    /// Why the one comes before the other, or why there is none.
    pub reason: String,
}

/// The record of a model in one category, over the contract's window. From a hundred calls on it is rounded down to two digits.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PickEvidence {
    /// Finished calls.
    pub calls: i64,
    /// Successes among them, per mille.
    pub success_per_mille: i64,
    /// Nineteen in twenty such records come from a success between this, per mille,
    pub success_low_per_mille: i64,
    /// and this.
    pub success_high_per_mille: i64,
    /// Quality, per mille; absent where nobody judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality_per_mille: Option<i64>,
}

/// A model that is kept from a category until calls there succeed again.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct QuarantineStatus {
    /// Which model.
    pub model: String,
    /// From which category.
    pub category: TaskCategory,
    /// Successes before the fall, per mille.
    pub was_per_mille: i64,
    /// Successes in the day of the fall, per mille.
    pub is_per_mille: i64,
}

/// A model that the policy names and that is gone or on its way out.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct LeavingModel {
    /// Which: `<source>/<model>`, or the name where no catalog has it.
    pub model: String,
    /// ModelsRemoved, ModelsSuspect or ModelsDeprecated.
    pub reason: String,
    /// Which part of the policy names it first.
    pub named_by: String,
    /// When it went, was first missing, or ends, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// The model that its provider names in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<String>,
}

/// Models that have yet to prove themselves: they stand behind all that have.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct NewModelsStatus {
    /// How many.
    pub candidates: i64,
    /// The others of the policy's models.
    pub eligible: i64,
    /// The first of the candidates by name; at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub models: Vec<String>,
}

/// A listed price that is not what was billed; USD per million tokens, input and output together by the contract's parts.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PriceDrift {
    /// Which model.
    pub model: String,
    /// What its catalog lists.
    #[serde(rename = "listedUsdPerMTok")]
    pub listed_usd_per_mtok: String,
    /// What was billed; this decides.
    #[serde(rename = "billedUsdPerMTok")]
    pub billed_usd_per_mtok: String,
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
