//! [`ModelCatalogEntry`], the wire and file form of one model (`model-catalog.v1.schema.json`), and the catalog around it.

mod pricing;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::generated::providers::ProviderType;
use crate::generated::routing::{ModelTier, StrengthTag};

pub use self::pricing::{BatchPrice, HourPrice, LongContextPrice, Pricing};

/// One model as one source offers it. The only serialised model type (row 08); in memory use [`crate::ModelSpec`].
///
/// A missing optional field means "the provider did not say", never zero or false.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelCatalogEntry {
    /// The id that the provider's own API takes.
    pub model_id: String,
    /// Who serves it: a name of the providers contract, or the host of a custom base URL (row 66).
    pub provider: ProviderType,
    /// Who made it (`anthropic`, `qwen`), by the `families` rules of the routing contract.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// Which model it is, whoever serves it, by the `identity` rules of the routing contract. Deployments of one model share
    /// it; absent where the id tells no particular model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Input and output together, in tokens, as served (not as trained).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_length_tokens: Option<u64>,
    /// The longest answer, in tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    /// What it reads: `text`, `image`, `audio`, `video`, `file`.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "at_most::<16, _, _>")]
    pub input_modalities: Vec<String>,
    /// What it writes: `text`, `image`, `embedding`, …
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "at_most::<16, _, _>")]
    pub output_modalities: Vec<String>,
    /// What it costs.
    #[serde(default)]
    pub pricing: Pricing,
    /// What its API can do.
    #[serde(default)]
    pub supports: Supports,
    /// What it is good at, by the `strength_inference` rules of the routing contract.
    #[serde(default, deserialize_with = "at_most::<64, _, _>")]
    pub strengths: Vec<StrengthTag>,
    /// Its price class, by the `tiers` of the routing contract.
    pub tier: ModelTier,
    /// How reachable the provider says it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability: Option<Availability>,
    /// Facts about the weights, where they are known: those on hardware of one's own, and published checkpoints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<LocalWeights>,
    /// Other ids that the provider takes for the same model.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "at_most::<MAX_ALIASES, _, _>"
    )]
    pub aliases: Vec<String>,
    /// The model that an adapter sits on, or that a checkpoint was trained from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Who may use it, where that is not everybody with an account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// That the provider advises against it; the day of its end is `expires_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecation: Option<Deprecation>,
    /// That the provider did not list it when it was last asked. Only the operator writes this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspect: Option<Suspect>,
    /// The run that trained it, for checkpoints of one's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<Training>,
    /// When the provider first offered it (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// When the provider will stop offering it (RFC 3339 date or time).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

/// How many aliases an entry holds; the most seen at any provider is four.
pub const MAX_ALIASES: usize = 32;

impl ModelCatalogEntry {
    /// An entry that says nothing yet but who serves which model. The tier is a stand-in until it is inferred.
    #[must_use]
    pub fn bare(model_id: String, provider: ProviderType) -> Self {
        Self {
            model_id,
            provider,
            family: None,
            identity: None,
            display_name: None,
            context_length_tokens: None,
            max_output_tokens: None,
            input_modalities: Vec::new(),
            output_modalities: Vec::new(),
            pricing: Pricing::default(),
            supports: Supports::default(),
            strengths: Vec::new(),
            tier: ModelTier::Standard,
            availability: None,
            local: None,
            aliases: Vec::new(),
            parent: None,
            access: None,
            deprecation: None,
            suspect: None,
            training: None,
            created_at: None,
            expires_at: None,
        }
    }

    /// The entry without what only people read. Sidecars are sent this: it is smaller, and a change of what nothing is
    /// decided by makes no new snapshot.
    #[must_use]
    pub fn to_decide_with(mut self) -> Self {
        self.aliases.clear();
        self.parent = None;
        self.access = None;
        self.deprecation = None;
        self.training = None;
        // A count would make a new snapshot at each fetch that misses the model.
        if let Some(suspect) = &mut self.suspect {
            suspect.fetches = 0;
        }
        if let Some(availability) = &mut self.availability {
            availability.served_by.clear();
        }
        self.pricing.batch = None;
        self.pricing.hours.clear();
        for step in &mut self.pricing.long_context {
            step.cache_read_usd_per_mtok = None;
        }
        self
    }
}

/// What a model's API can do; `None` where the provider does not say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Supports {
    /// Tool (function) calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<bool>,
    /// Any JSON object on request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_mode: Option<bool>,
    /// JSON that follows a given schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_schema: Option<bool>,
    /// Streamed answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streaming: Option<bool>,
    /// Reasoning tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<bool>,
}

/// How reachable a model is, by the provider's own measurement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Availability {
    /// Percent of the last day, 0 to 100, of the best endpoint, as a decimal string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uptime_percent: Option<String>,
    /// How many endpoints serve it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<u32>,
    /// Each of them, where a gateway says who is behind it.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "at_most::<MAX_SERVED_BY, _, _>"
    )]
    pub served_by: Vec<ServedBy>,
}

/// How many servers behind a gateway an entry names; the most seen for one model is below thirty.
pub const MAX_SERVED_BY: usize = 64;

/// One server behind a gateway, as the gateway describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServedBy {
    /// The gateway's name for it, which requests can ask for (`deepinfra/fp8`).
    pub name: String,
    /// Context there, in tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_length_tokens: Option<u64>,
    /// Quantisation there (`fp8`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantization: Option<String>,
    /// What it costs there.
    #[serde(default)]
    pub pricing: Pricing,
    /// Percent of the last day, 0 to 100, as a decimal string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uptime_percent: Option<String>,
    /// Whether it keeps nothing of a request, by its gateway's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zero_data_retention: Option<bool>,
}

/// Why not everybody may use a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Terms must be agreed to with the provider first.
    Gated,
    /// It belongs to the account that listed it.
    Private,
}

/// That a provider advises against a model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deprecation {
    /// Since when (RFC 3339 date or time).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// The id that the provider names instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<String>,
}

/// That a model is missing from its provider's list, and may be gone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suspect {
    /// When it was first missing (RFC 3339).
    pub since: String,
    /// In how many fetches in a row; 0 where that is not told.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub fetches: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The run that trained a checkpoint, from its manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// The run's name: its folder.
    pub run: String,
    /// The model that the first of its ancestors was trained from.
    pub base_model: String,
    /// What it was trained on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset_fingerprint: Option<String>,
    /// What was measured at its end, by name, as decimal strings.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, String>,
}

/// Facts about a model's weights.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalWeights {
    /// Size on disk, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// Parameters as the server writes them (`7.6B`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<String>,
    /// Quantisation (`Q4_K_M`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantization: Option<String>,
}

/// A published catalog: what one source offers at one revision (`model-catalog.v1.json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelCatalog {
    /// Always 1.
    pub schema_version: u32,
    /// Which source; absent in the bootstrap catalog.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<CatalogSourceRef>,
    /// Counts up by one at each change; absent in the bootstrap catalog.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// [`digest`] of the entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// When this revision was published (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_at: Option<String>,
    /// Names that stand for a model id (the generic fall-back); bootstrap only.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub aliases: BTreeMap<String, String>,
    /// The models, ascending by id.
    pub entries: Vec<ModelCatalogEntry>,
}

/// Reads a list of at most `N`. Three bytes of JSON may become an element of a hundred bytes in memory, so that a bound on
/// the text alone bounds nothing.
pub(crate) fn at_most<'de, const N: usize, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: Deserialize<'de>,
    D: serde::Deserializer<'de>,
{
    struct Bounded<const N: usize, T>(std::marker::PhantomData<T>);

    impl<'de, const N: usize, T: Deserialize<'de>> serde::de::Visitor<'de> for Bounded<N, T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "a list of at most {N}")
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
            let mut read = Vec::new();
            while let Some(element) = list.next_element()? {
                if read.len() == N {
                    return Err(serde::de::Error::invalid_length(N + 1, &self));
                }
                read.push(element);
            }
            Ok(read)
        }
    }

    deserializer.deserialize_seq(Bounded::<N, T>(std::marker::PhantomData))
}

/// Names a source in Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogSourceRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// `sha256:…` over the entries' JSON, one line each, in order of id: equal exactly when nothing about any model changed.
///
/// # Errors
/// Passes on a serialisation failure, which no value of this type can cause today.
pub fn digest<'a>(
    entries: impl IntoIterator<Item = &'a ModelCatalogEntry>,
) -> Result<String, serde_json::Error> {
    let mut ordered: Vec<&ModelCatalogEntry> = entries.into_iter().collect();
    ordered.sort_unstable_by(|a, b| a.model_id.cmp(&b.model_id));
    let mut hash = Sha256::new();
    for entry in ordered {
        hash.update(serde_json::to_vec(entry)?);
        hash.update(b"\n");
    }
    Ok(format!("sha256:{}", hex::encode(hash.finalize())))
}

/// The catalog compiled in: a handful of models and the generic fall-back, for a start without any discovery.
/// The only place in the project where model ids stand (row 05).
///
/// # Errors
/// When the committed file does not parse; a test holds it to its schema.
pub fn bootstrap() -> Result<ModelCatalog, serde_json::Error> {
    serde_json::from_str(include_str!("../orchestration/model-catalog.bootstrap.v1.json"))
}
