//! `RoutingPolicy`: which model a task goes to, what it may cost, and who serves when the best one fails.

mod evidence;
mod leaving;
mod policy;
mod route;
mod status;
mod upstream;

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};
use vox_contracts::{ModelTier, StrengthTag, TaskCategory};

use crate::model_catalog_source::{SecretKeyRef, TAG};
pub use evidence::{Evidence, EvidenceMode, Exploration, NewModels};
pub use policy::PolicyError;
pub use route::{Capability, FallBack, Prefer, Require, Route};
pub use status::{
    BudgetStatus, LeavingModel, NewModelsStatus, PickEvidence, PickStatus, PriceDrift, QuarantineStatus,
    RoutingPolicyStatus, SidecarVersion, SidecarsStatus, SnapshotStatus,
};

/// Decimal USD: up to twelve places, because a token may cost a millionth of a cent.
const USD: &str = r"^[0-9]{1,7}([.][0-9]{1,12})?$";

/// Names of models and providers, and patterns of them: visible ASCII.
const NAME: &str = r"^[!-~]+$";

/// What may serve the workloads of this namespace, and in which order.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[kube(
    group = "vox.dev",
    version = "v1alpha1",
    kind = "RoutingPolicy",
    plural = "routingpolicies",
    namespaced,
    shortname = "rpol",
    category = "vox",
    status = "RoutingPolicyStatus",
    doc = "Says which model a task goes to, what it may cost, and who serves when the best one fails. It is evaluated, tested, and then programmed into the sidecars of its namespace; a generation that cannot be programmed leaves the last good one serving.",
    printcolumn(name = "Routes", type_ = "integer", json_path = ".status.routeCount"),
    printcolumn(name = "Candidates", type_ = "integer", json_path = ".status.candidates"),
    printcolumn(
        name = "Programmed",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Programmed\")].status"
    ),
    printcolumn(
        name = "Evidence",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"EvidenceSufficient\")].status"
    ),
    printcolumn(name = "Sidecars", type_ = "string", json_path = ".status.sidecars.summary"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Programmed\")].message",
        priority = "1"
    ),
    validation = Rule::new("size(self.metadata.name) <= 63")
        .message("metadata.name must be at most 63 characters: pods name their policy in an annotation")
)]
#[serde(rename_all = "camelCase")]
pub struct RoutingPolicySpec {
    /// Serve pods that name no policy. At most one policy of a namespace may say so; a lone policy need not. Default: false.
    #[serde(default, rename = "default", skip_serializing_if = "std::ops::Not::not")]
    pub is_default: bool,

    /// Sources of this namespace whose models may serve.
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub catalogs: Vec<CatalogRef>,

    /// Keys of providers. They are mounted into the sidecar; the operator never reads them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["provider".into()]))]
    pub credentials: Vec<Credential>,

    /// What may be spent. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,

    /// Which providers and models may serve at all. Default: all of the catalogs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<Allow>,

    /// What counts how much when models are ranked. Default: the contract's weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<Weights>,

    /// How what happened counts. Default: by the contract's rule, without exploration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,

    /// What single task categories need. A category without a route takes the contract's figures.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["category".into()]))]
    pub routes: Vec<Route>,

    /// Names that workloads may send as a model.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub aliases: Vec<Alias>,

    /// Facts about models that you know better than their catalog.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["model".into()]))]
    pub overrides: Vec<Override>,

    /// What must hold before a new generation serves. A failing test leaves the last good generation serving.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub tests: Vec<PolicyTest>,
}

/// A `ModelCatalogSource` of the same namespace.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct CatalogRef {
    /// Its name.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    pub name: String,
}

/// The key of one provider.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Credential {
    /// The provider, as in a source's PROVIDER column: a name of the providers contract or a custom host.
    #[schemars(length(min = 1, max = 253), regex(pattern = NAME))]
    pub provider: String,
    /// Where its key is.
    pub secret_ref: SecretKeyRef,
}

/// What may be spent.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[x_kube(validation = Rule::new("!has(self.descendAt) || has(self.perDayUsd)").message("descendAt needs perDayUsd: it is a share of the day's budget"))]
#[serde(rename_all = "camelCase")]
pub struct Budget {
    /// At most so much for one request at its worst case (the whole input and the longest answer), in USD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20), regex(pattern = USD))]
    pub per_request_usd: Option<String>,
    /// At most so much a day (UTC) for all workloads of this policy together, in USD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20), regex(pattern = USD))]
    pub per_day_usd: Option<String>,
    /// When this share of the day's budget is used, requests go to a tier lower, such as 80%.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4), regex(pattern = r"^([1-9][0-9]?|100)%$"))]
    pub descend_at: Option<String>,
    /// What happens when the day's budget is spent. Default: refuse.
    #[serde(default)]
    pub when_spent: WhenSpent,
}

/// What happens when the day's budget is spent.
#[derive(schemars::JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[schemars(inline)]
#[serde(rename_all = "camelCase")]
pub enum WhenSpent {
    /// Requests are refused until midnight UTC.
    #[default]
    Refuse,
    /// Only models with a known price of zero serve.
    FreeOnly,
}

/// Which providers and models may serve.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Allow {
    /// Only these providers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 253), regex(pattern = NAME)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub providers: Vec<String>,
    /// Only models whose id (`<source>/<model>`) matches one of these patterns; `*` stands for any run of characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 256), regex(pattern = NAME)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub models: Vec<String>,
    /// Never models whose id matches one of these patterns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 256), regex(pattern = NAME)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub deny_models: Vec<String>,
    /// Only models of sources that have all these tags (`spec.tags` of the source), such as residency=eu.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 127), regex(pattern = TAG)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub tags: Vec<String>,
}

/// Weights of the criteria. Only their ratio counts; a criterion that is left out counts nothing.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[x_kube(validation = Rule::new("self.efficiency + self.precision + self.latency + self.availability + self.balance + self.mobile > 0").message("at least one weight must be greater than zero"))]
#[serde(rename_all = "camelCase")]
pub struct Weights {
    /// Cheap for the task.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1000))]
    pub efficiency: i64,
    /// Strong at what the task needs.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1000))]
    pub precision: i64,
    /// Quick.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1000))]
    pub latency: i64,
    /// Reachable.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1000))]
    pub availability: i64,
    /// Not leaning on one provider.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1000))]
    pub balance: i64,
    /// Suits small and metered links.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1000))]
    pub mobile: i64,
}

/// A name that workloads may send as a model.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(
    validation = Rule::new("has(self.category) || has(self.model) || (has(self.forceCost) && self.forceCost)").message("an alias needs a category, a model, or forceCost"),
    validation = Rule::new("!self.name.startsWith('vox/')").message("names that begin with vox/ are Vox's own: vox/auto, vox/<category> and vox/<identity>")
)]
#[serde(rename_all = "camelCase")]
pub struct Alias {
    /// The name.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._:/-]*$"))]
    pub name: String,
    /// Requests under this name are of this category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<TaskCategory>,
    /// Requests under this name go to this model: `<source>/<model>`, a model id, or `vox/<identity>`: whichever of the model's
    /// deployments is best, then the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 320), regex(pattern = NAME))]
    pub model: Option<String>,
    /// Requests under this name go to the cheapest model that may serve. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force_cost: bool,
}

/// Facts about models that replace their catalog's.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Override {
    /// Which: `<source>/<model>`; `*` stands for any run of characters.
    #[schemars(length(min = 1, max = 320), regex(pattern = NAME))]
    pub model: String,
    /// Input, USD per million tokens.
    #[serde(default, rename = "inputUsdPerMTok", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20), regex(pattern = USD))]
    pub input_usd_per_mtok: Option<String>,
    /// Output, USD per million tokens.
    #[serde(default, rename = "outputUsdPerMTok", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20), regex(pattern = USD))]
    pub output_usd_per_mtok: Option<String>,
    /// Its context as you serve it, in tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub context_tokens: Option<i64>,
    /// Its price class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<ModelTier>,
    /// What it is good at, instead of what the rules infer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub strengths: Vec<StrengthTag>,
    /// Whether it calls tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<bool>,
}

/// What must hold before a new generation serves.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PolicyTest {
    /// Its name.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[ -~]+$"))]
    pub name: String,
    /// The category that is asked for.
    pub category: TaskCategory,
    /// With this complexity, 1 to 10. Default: the contract's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10))]
    pub complexity: Option<i64>,
    /// What the pick and each of its fall-backs must be.
    pub expect: Expect,
}

/// What a pick and each of its fall-backs must be.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Expect {
    /// At most this tier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier_at_most: Option<ModelTier>,
    /// At least this tier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier_at_least: Option<ModelTier>,
    /// One of these providers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 253), regex(pattern = NAME)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub providers: Vec<String>,
    /// None of these providers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 253), regex(pattern = NAME)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub not_providers: Vec<String>,
    /// The pick itself is this model: `<source>/<model>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 320), regex(pattern = NAME))]
    pub model: Option<String>,
    /// At least so many candidates, so that one failure is no outage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub candidates_at_least: Option<i64>,
}
