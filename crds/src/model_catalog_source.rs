//! `ModelCatalogSource`: discovers the models and prices of one provider, on a schedule, and promises how fresh they are.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};
use vox_contracts::{ModelTier, StrengthTag};

use crate::duration::DurationText;
use crate::expressions::{has_endpoint_where_none_is_public, has_usable_port, is_cron_line};
use crate::provider::ProviderSelector;

/// Set to any new value (a time, usually) to ask for a discovery run now; echoed in `status.lastHandledRequest`.
pub const REQUESTED_AT: &str = "vox.dev/requestedAt";

/// A tag of a source: `name=value`, of the letters that names and values of labels have.
pub(crate) const TAG: &str =
    r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?=[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$";

/// What a source discovers, when, and how fresh it has to be.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "vox.dev",
    version = "v1alpha1",
    kind = "ModelCatalogSource",
    plural = "modelcatalogsources",
    namespaced,
    shortname = "mcat",
    category = "vox",
    status = "ModelCatalogSourceStatus",
    doc = "Discovers the models and prices of one provider on a schedule and keeps the last good catalog. Freshness is a promise: a catalog older than spec.freshness.maxAge has the condition Fresh=False.",
    selectable = ".status.provider",
    printcolumn(name = "Provider", type_ = "string", json_path = ".status.provider"),
    printcolumn(name = "Models", type_ = "integer", json_path = ".status.catalog.models"),
    printcolumn(
        name = "Fresh",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Fresh\")].status"
    ),
    printcolumn(name = "Refreshed", type_ = "date", json_path = ".status.lastRefreshTime"),
    printcolumn(name = "Next", type_ = "string", json_path = ".status.nextRefreshTime"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        priority = "1"
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = "1"
    ),
    validation = Rule::new("size(self.metadata.name) <= 63")
        .message("metadata.name must be at most 63 characters: a CronJob, a ServiceAccount and labels are named after it")
)]
#[x_kube(
    validation = Rule::new("!has(self.provider.ollama) || has(self.endpoint)")
        .message("spec.endpoint is required for ollama: the URL of the server, such as http://ollama.models.svc:11434"),
    validation = Rule::new("!has(self.provider.mens) || has(self.endpoint)")
        .message("spec.endpoint is required for mens: the base URL of the server that serves the checkpoints, such as http://vllm.models.svc:8000/v1"),
    validation = Rule::new("has(self.provider.mens) == has(self.volume)")
        .message("spec.volume is required for mens, which reads training runs from it, and for nothing else"),
    validation = Rule::new("!has(self.provider.openAICompatible) || has(self.provider.openAICompatible.name) || has(self.endpoint)")
        .message("spec.endpoint is required for an openAICompatible provider without a name: its base URL, such as https://llm.example.com/v1"),
    validation = Rule::new(has_endpoint_where_none_is_public())
        .message("spec.endpoint is required for an openAICompatible provider without a public address (servers of your own, and clouds with an address for each customer): its base URL, such as http://vllm.models.svc:8000/v1"),
    validation = Rule::new("!has(self.jitter) || !has(self.schedule) || !self.schedule.matches('^[*]/[0-9]+ [*] [*] [*] [*]$') || duration(self.jitter) < duration(self.schedule.find('[0-9]+') + 'm')")
        .message("spec.jitter must be shorter than the time between two scheduled runs"),
    validation = Rule::new("!has(self.minInterval) || !has(self.freshness) || !has(self.freshness.maxAge) || duration(self.minInterval) <= duration(self.freshness.maxAge)")
        .message("spec.minInterval must not be longer than spec.freshness.maxAge: the catalog could never stay fresh")
)]
#[serde(rename_all = "camelCase")]
pub struct ModelCatalogSourceSpec {
    /// Whose models to discover. Exactly one member is set.
    pub provider: ProviderSelector,

    /// Base URL of the provider's API. Default: the provider's public one. Required for servers of your own (ollama, and
    /// openAICompatible without a name or with the name of a server that has no public address).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    #[x_kube(validation = Rule::new("isURL(self) && url(self).getScheme() in ['http', 'https'] && url(self).getHostname() != '' && !self.contains('@') && !self.contains('?') && !self.contains('#')")
        .message("must be an http or https URL with a host and without a user name, password or query, such as https://openrouter.ai/api/v1"),
        validation = Rule::new(has_usable_port()).message("must have a port between 1 and 65535, or none"))]
    pub endpoint: Option<String>,

    /// The key of a Secret in this namespace that holds the provider's API key. It is mounted into the discovery Job; the
    /// operator itself never reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_ref: Option<SecretKeyRef>,

    /// Authorities that the certificate of spec.endpoint may be of, besides the public ones: a key with certificates in PEM. It
    /// is mounted into the discovery Job; the operator itself never reads it. Default: the public ones only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle_ref: Option<CaBundleRef>,

    /// The volume with the training runs of a mens source: runs/*/training_manifest.json. The discovery Job mounts it read-only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<RunsVolume>,

    /// When to discover: five cron fields, or @hourly, @daily, @weekly, @monthly, @yearly. Default: the contract's for this
    /// kind of provider (03:00 daily; every ten minutes for ollama).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    #[x_kube(validation = Rule::new(is_cron_line())
        .message("must be five cron fields such as '0 3 * * *': minute 0-59, hour 0-23, day of month 1-31, month 1-12 or JAN-DEC, day of week 0-6 or SUN-SAT (Sunday is 0, not 7); or one of @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually"))]
    pub schedule: Option<String>,

    /// Time zone of the schedule, as in the IANA database. Default: Etc/UTC.
    #[serde(default = "utc", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), regex(pattern = r"^[A-Za-z][A-Za-z0-9_+/-]*$"))]
    pub time_zone: Option<String>,

    /// Scheduled runs start up to so much later, so that sources do not all ask at once. The delay of one source is always
    /// the same, and status.nextRefreshTime includes it. Default: the contract's, or none beside a schedule of your own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("duration(self) <= duration('24h')").message("must be at most 24h"))]
    pub jitter: Option<DurationText>,

    /// The provider is asked at most once in this time, also when runs are requested by hand. Default: the contract's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("duration(self) <= duration('168h')").message("must be at most 168h"))]
    pub min_interval: Option<DurationText>,

    /// Bound on one fetch, with its retries. Default: the contract's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1s') && duration(self) <= duration('1h')").message("must be between 1s and 1h"))]
    pub timeout: Option<DurationText>,

    /// How old the catalog may become.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freshness: Option<Freshness>,

    /// Which of the provider's models to keep. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,

    /// What holds for all who serve these models, as `name=value`, such as residency=eu and retention=none. Policies
    /// (spec.allow.tags) and namespaces (labels require.vox.dev/name: value) can demand them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 127), regex(pattern = TAG)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub tags: Vec<String>,

    /// Stop discovering; the last good catalog is still served and still ages. Default: false.
    #[serde(default)]
    pub suspend: bool,
}

// The signature is serde's: a default for an Option field returns one.
#[allow(clippy::unnecessary_wraps)]
fn utc() -> Option<String> {
    Some("Etc/UTC".to_owned())
}

/// The key of a Secret in the same namespace.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    pub name: String,
    /// Key in its data.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[A-Za-z0-9._-]+$"))]
    pub key: String,
}

/// A key with certificates, of a ConfigMap or Secret in the same namespace.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CaBundleRef {
    /// ConfigMap or Secret. Default: ConfigMap.
    #[serde(default)]
    pub kind: CaBundleKind,
    /// Its name.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    pub name: String,
    /// Key in its data. Default: ca.crt.
    #[serde(default = "ca_crt")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[A-Za-z0-9._-]+$"))]
    pub key: String,
}

/// What holds certificates.
#[derive(schemars::JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[schemars(inline)]
pub enum CaBundleKind {
    /// A ConfigMap: certificates are public.
    #[default]
    ConfigMap,
    /// A Secret, as cert-manager writes it.
    Secret,
}

fn ca_crt() -> String {
    "ca.crt".to_owned()
}

/// A volume with training runs. Exactly one member is set.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.persistentVolumeClaim) != has(self.hostPath)")
    .message("set exactly one of persistentVolumeClaim, hostPath"))]
pub struct RunsVolume {
    /// A claim in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent_volume_claim: Option<RunsClaim>,
    /// A folder of the node. The pod security of this namespace must allow it, and the Job must run on the right node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_path: Option<RunsFolder>,
}

/// A PersistentVolumeClaim.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RunsClaim {
    /// Its name.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    pub claim_name: String,
}

/// A folder of a node.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RunsFolder {
    /// Its path.
    #[schemars(length(min = 2, max = 1024), regex(pattern = r"^/[^:]+$"))]
    #[x_kube(validation = Rule::new("!self.split('/').exists(part, part == '..')").message("must be a path without .."))]
    pub path: String,
    /// Labels of the node that has it.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    #[schemars(length(max = 8))]
    pub node_selector: std::collections::BTreeMap<String, String>,
}

/// The promise about age.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Freshness {
    /// Older than this, the source has Fresh=False. Default: the contract's for this kind of provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1s') && duration(self) <= duration('8760h')").message("must be between 1s and 8760h"))]
    pub max_age: Option<DurationText>,
}

/// Which models to keep. Every member that is set must hold.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Filter {
    /// Keep models whose id matches one of these patterns; `*` stands for any run of characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 256)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub include: Vec<String>,
    /// Then drop models whose id matches one of these patterns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 256)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub exclude: Vec<String>,
    /// Keep models of these tiers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub tiers: Vec<ModelTier>,
    /// Keep models with at least one of these strengths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub strengths: Vec<StrengthTag>,
    /// Keep models with at least this context, in tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub min_context_tokens: Option<i64>,
}

/// What is known of a source.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ModelCatalogSourceStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready and Fresh always; Reconciling, Stalled and PricesOutdated only while True.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The provider's name, or the host of a custom one: the key under which its models are listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The last good catalog. It stays when a fetch fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalog: Option<CatalogStatus>,
    /// When the provider last confirmed the catalog.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_refresh_time: Option<Time>,
    /// When the next fetch starts: by schedule, jitter included, or after a failure the next try if that is sooner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_refresh_time: Option<Time>,
    /// When the catalog turns stale if nothing refreshes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_time: Option<Time>,
    /// The newest attempt, whatever became of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_attempt: Option<AttemptStatus>,
    /// The value of the annotation vox.dev/requestedAt that was last acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_request: Option<String>,
    /// The settings in force: the spec's, else the contract's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective: Option<EffectiveSettings>,
}

/// The last good catalog.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CatalogStatus {
    /// Counts up by one at each change.
    pub revision: i64,
    /// sha256 over the entries.
    pub digest: String,
    /// When this revision was published.
    pub published_time: Time,
    /// How many models it has.
    pub models: i64,
    /// How many models this revision added.
    pub added: i64,
    /// How many models of the revision before are gone.
    pub removed: i64,
    /// How many models have another price than in the revision before.
    pub repriced: i64,
    /// How many of its models the provider did not list when it was last asked; they are gone if it misses them again.
    #[serde(default)]
    pub suspect: i64,
    /// How many rows of the provider's newest list are no model; the message of Ready names the first.
    #[serde(default)]
    pub refused: i64,
}

/// One attempt to fetch.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AttemptStatus {
    /// When it ended.
    pub time: Time,
    /// Published, Unchanged, NotModified or the class of the failure.
    pub outcome: String,
    /// How many attempts in a row have failed; zero after a good one.
    #[serde(default)]
    pub failures: i64,
}

/// The settings in force.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct EffectiveSettings {
    /// Base URL that is asked.
    pub endpoint: String,
    /// Cron line.
    pub schedule: String,
    /// Its time zone.
    pub time_zone: String,
    /// How much later scheduled runs of this source start: its own part of the jitter.
    pub delay: DurationText,
    /// Least time between two fetches.
    pub min_interval: DurationText,
    /// How old the catalog may become.
    pub max_age: DurationText,
}
