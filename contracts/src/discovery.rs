//! What a discovery Job and the operator say to each other, and the closed vocabulary of what can go wrong.
//!
//! ```text
//! POST /v1/catalogs/{namespace}/{name}/plan      -> DiscoveryPlan     may I fetch, what, with which ETag
//! PUT  /v1/catalogs/{namespace}/{name}           CatalogUpload   -> UploadReceipt
//! POST /v1/catalogs/{namespace}/{name}/attempts  FetchReport     -> 204   nothing new, or it failed
//! ```
//! Every call carries the Job's ServiceAccount token of audience [`AUDIENCE`].

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::entry::{CatalogSourceRef, ModelCatalogEntry, at_most};
use crate::generated::providers::ProviderType;
use crate::generated::routing::{CatalogKind, ModelTier, StrengthTag};

/// Audience of the tokens that workloads show to the operator.
pub const AUDIENCE: &str = "vox";

/// What one discovery run is to do, decided by the operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiscoveryPlan {
    /// Which source.
    pub source: CatalogSourceRef,
    /// Digest of all that shapes the fetch; an upload made for another digest is refused (409).
    pub plan_digest: String,
    /// Whether to fetch at all.
    pub permission: Permission,
    /// What to fetch.
    pub target: FetchTarget,
}

/// Whether a run may ask the provider now (row 28: the minimum interval holds across forced runs).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Permission {
    /// Fetch now. The operator has recorded that this run does.
    Fetch {
        /// Sent as `If-None-Match`, when the last good catalog came with one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        etag: Option<String>,
    },
    /// Ask the provider nothing: it was asked less than the minimum interval ago, or others were told to wait.
    Wait {
        /// When a fetch is allowed again.
        until: Timestamp,
    },
    /// Another source's run is asking the same host: ask for a plan again in a moment.
    Queue {
        /// In how many milliseconds.
        again_ms: u64,
    },
}

/// Where and how to fetch a catalog. The credential is not in it: the Job has it mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FetchTarget {
    /// Which client reads it.
    pub catalog: CatalogKind,
    /// Who the models are listed under.
    pub provider: ProviderType,
    /// Base URL of the API that answers requests.
    pub endpoint: String,
    /// Base URL of the list, without its path, where it is elsewhere than `endpoint`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list_base: Option<String>,
    /// Also ask for each model's endpoints (uptime), where the provider has such a thing.
    #[serde(default)]
    pub include_endpoints: bool,
    /// Which of a hub's repositories to list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<HubQuery>,
    /// Where the volume with training runs is mounted, for a source that reads one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<String>,
    /// Where the authorities are mounted that the server's certificate may be of, besides the public ones; PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
    /// Which models to keep.
    #[serde(default)]
    pub filter: ModelFilter,
    /// Bound on the whole fetch, in milliseconds.
    pub timeout_ms: u64,
    /// Bound on one answer, and on all pages of a list together, in bytes after decompression.
    pub max_body_bytes: u64,
    /// Bound on the number of models.
    pub max_models: u32,
}

/// Which repositories of a hub to list, besides that somebody serves them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HubQuery {
    /// Of this organisation or user.
    pub author: Option<String>,
    /// With this text in the name.
    pub search: Option<String>,
    /// With all of these tags.
    pub tags: Vec<String>,
}

/// Which models of a source to keep. Empty lists keep everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelFilter {
    /// Keep ids that match one of these patterns (`*` stands for any run of characters).
    pub include: Vec<String>,
    /// Then drop ids that match one of these.
    pub exclude: Vec<String>,
    /// Keep models of these tiers.
    pub tiers: Vec<ModelTier>,
    /// Keep models with at least one of these strengths.
    pub strengths: Vec<StrengthTag>,
    /// Keep models with at least this context; a model with an unknown context is dropped then.
    pub min_context_tokens: Option<u64>,
}

/// A fetched and normalised catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogUpload {
    /// From the plan that this answers.
    pub plan_digest: String,
    /// The answer's ETag, if it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// [`INFERRED_WITH`](crate::inference::INFERRED_WITH) of the program that made the entries; none from one of before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inferred_with: Option<i64>,
    /// The models, in any order, ids unique; at most [`MAX_ENTRIES`].
    #[serde(deserialize_with = "at_most::<MAX_ENTRIES, _, _>")]
    pub entries: Vec<ModelCatalogEntry>,
    /// Rows of the answer that were not taken, at most [`MAX_REFUSALS`] of them with their reasons.
    #[serde(default, deserialize_with = "at_most::<MAX_REFUSALS, _, _>")]
    pub refusals: Vec<RowRefusal>,
    /// How many rows were not taken in all.
    #[serde(default)]
    pub refused: u32,
}

/// How many models one upload may hold, whatever a contract allows.
pub const MAX_ENTRIES: usize = 100_000;

/// How many refused rows an upload names; the rest are counted.
pub const MAX_REFUSALS: usize = 20;

/// A row of a provider's answer that is no model, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowRefusal {
    /// The row's id if it had one, else its index.
    pub row: String,
    /// What is wrong with it.
    pub reason: String,
}

/// What became of an upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UploadReceipt {
    /// The catalog's revision after the upload.
    pub revision: i64,
    /// Digest of its entries.
    pub digest: String,
    /// How many models it has.
    pub models: u32,
    /// How many were not in the revision before.
    pub added: u32,
    /// How many of the revision before are gone.
    pub removed: u32,
    /// How many have another price.
    pub repriced: u32,
}

/// A run that brought no catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FetchReport {
    /// From the plan that this answers.
    pub plan_digest: String,
    /// When it ended.
    pub at: Timestamp,
    /// How it ended.
    pub outcome: FetchOutcome,
}

/// How a run without a catalog ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FetchOutcome {
    /// The provider answered 304: the last good catalog is confirmed.
    NotModified,
    /// The fetch failed; the last good catalog stays.
    Failed(FetchFailure),
}

/// Why a fetch failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FetchFailure {
    /// The closed vocabulary; also the condition's reason.
    pub class: FailureClass,
    /// One sentence: what happened, where, what to do. Never holds a credential.
    pub message: String,
    /// The provider asked to be left alone for so long (`Retry-After`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

macro_rules! failure_classes {
    ($($(#[doc = $doc:expr])+ $variant:ident, $retriable:expr;)+) => {
        /// What can go wrong with a fetch. Each is a condition reason, an event reason, a metric label and has an
        /// error page `docs/errors/<Class>.md`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum FailureClass { $($(#[doc = $doc])+ $variant,)+ }

        impl FailureClass {
            /// Every class.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name on every wire and in every status.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)+ }
            }

            /// Whether the same request may succeed a moment later, so that the Job itself tries again.
            #[must_use]
            pub const fn is_retriable(self) -> bool {
                match self { $(Self::$variant => $retriable,)+ }
            }

            /// What it means, in a sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+),)+ }
            }
        }
    };
}

failure_classes! {
    /// The referenced Secret or its key does not exist in the source's namespace.
    CredentialMissing, false;
    /// The provider answered 401: the credential is wrong or revoked.
    Unauthorized, false;
    /// The provider answered 402 or 403: the credential may not list models, or the account has no balance.
    Forbidden, false;
    /// The provider answered 404 or 405: the endpoint is not an API of this kind.
    EndpointNotFound, false;
    /// The provider answered 429.
    RateLimited, true;
    /// The provider answered 5xx.
    ProviderError, true;
    /// The provider answered with a status that nobody expects.
    UnexpectedStatus, false;
    /// No connection: DNS, TLS or TCP failed.
    Unreachable, true;
    /// The server's certificate is of no authority that is trusted here, of another host, or out of its time.
    CertificateRefused, false;
    /// The bundle of authorities that the source names does not exist, or holds no certificates.
    CaBundleInvalid, false;
    /// No complete answer within the time limit.
    TimedOut, true;
    /// The answer ended early.
    BodyCut, true;
    /// The answer is larger than the limit.
    BodyTooLarge, false;
    /// The answer is not the JSON that this kind of provider sends.
    BodyInvalid, false;
    /// The answer holds no usable model.
    CatalogEmpty, false;
    /// The answer lost more models than the contract allows at once; the last good catalog is kept.
    CatalogShrunk, false;
    /// The provider was not asked: it told another source of the same key to wait, or this hour's fetches of the key are used up.
    Withheld, false;
    /// The run ended without a report: killed, evicted, or it could not start.
    RunLost, true;
}

impl fmt::Display for FailureClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
