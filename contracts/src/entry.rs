//! [`ModelCatalogEntry`], the wire and file form of one model (`model-catalog.v1.schema.json`), and the catalog around it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::generated::providers::ProviderType;
use crate::generated::routing::{ModelTier, StrengthTag};
use crate::price::{Usd, UsdPerMTok};

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
    /// Facts about the weights, for models that run on hardware of one's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<LocalWeights>,
    /// When the provider first offered it (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// When the provider will stop offering it (RFC 3339 date or time).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

/// Prices of one model. Absent is unknown, `"0"` is free.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pricing {
    /// Input, USD per million tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_usd_per_mtok: Option<UsdPerMTok>,
    /// Output, USD per million tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_usd_per_mtok: Option<UsdPerMTok>,
    /// Input read from the provider's cache, USD per million tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read_usd_per_mtok: Option<UsdPerMTok>,
    /// Input written to the provider's cache (its shortest life), USD per million tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_usd_per_mtok: Option<UsdPerMTok>,
    /// Charged once per request, in USD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_usd: Option<Usd>,
    /// Charged per input image, in USD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_usd: Option<Usd>,
    /// The price depends on which model a router picks; the fields above are then unknown.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dynamic: bool,
    /// Dearer prices above a prompt length, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "at_most::<16, _, _>")]
    pub long_context: Vec<LongContextPrice>,
}

impl Pricing {
    /// Whether both directions have a known price, so that a cost can be computed.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.input_usd_per_mtok.is_some() && self.output_usd_per_mtok.is_some()
    }
}

/// Prices that hold above a prompt length.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LongContextPrice {
    /// Holds for prompts strictly longer than this many tokens.
    pub above_input_tokens: u64,
    /// Input, USD per million tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_usd_per_mtok: Option<UsdPerMTok>,
    /// Output, USD per million tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_usd_per_mtok: Option<UsdPerMTok>,
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
}

/// Facts about weights that run on one's own hardware.
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
pub fn digest(entries: &[ModelCatalogEntry]) -> Result<String, serde_json::Error> {
    let mut ordered: Vec<&ModelCatalogEntry> = entries.iter().collect();
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
