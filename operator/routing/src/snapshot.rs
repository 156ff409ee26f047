//! What a sidecar decides from: everything it may serve, in one immutable, versioned, digest-checked document.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use vox_contracts::entry::{CatalogSourceRef, ModelCatalogEntry, Pricing};
use vox_contracts::generated::providers::{AuthStyle, ChatRouteBackend};
use vox_contracts::{ProviderType, TaskCategory, identity};

use crate::document;
use crate::policy::Policy;

/// The form of the document. A reader refuses another one and keeps what it has; the operator publishes anew when it
/// begins to write another one, because the form is part of the digest. 1 had a copy of its models in each policy, 2 no seal,
/// and it said nothing of how a policy takes what happened; 3 knew no suspects; 4 did not say which deployments are one model.
pub const SCHEMA_VERSION: u32 = 5;

/// All policies of one namespace with all that they may pick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Whose it is.
    pub namespace: String,
    /// Counts upwards; a sidecar never goes back.
    pub version: u64,
    /// `sha256:…` over the document without this field and without the version: equal when nothing that decides changed. The
    /// written document binds the two by a seal.
    pub digest: String,
    /// The policies, ascending by name.
    pub policies: Vec<PolicySnapshot>,
}

/// One policy with all that it may pick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicySnapshot {
    /// What decides.
    pub policy: Policy,
    /// Where requests go.
    pub upstreams: Vec<Upstream>,
    /// What can be picked, ascending by id; no two have one id. Policies of one snapshot share what is equal.
    pub deployments: Vec<Arc<Deployment>>,
}

/// A server that answers requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Upstream {
    /// Its name inside the policy: the source's, or the provider's for models of the bootstrap catalog.
    pub name: String,
    /// Who runs it.
    pub provider: ProviderType,
    /// Its API's base URL, without a trailing slash.
    pub base_url: String,
    /// How it is spoken to.
    pub route: ChatRouteBackend,
    /// How a key is shown to it.
    pub auth: AuthStyle,
    /// The file, relative to the sidecar's key folder, that holds its key; absent where none is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// Headers that the provider's contract asks for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Whether it runs on hardware of one's own.
    #[serde(default)]
    pub local: bool,
}

/// One model at one upstream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Deployment {
    /// `<upstream>/<model id>`: what people write and answers name.
    pub id: String,
    /// Its upstream, by name.
    pub upstream: String,
    /// The source that discovered it; absent for one of the bootstrap catalog.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<CatalogSourceRef>,
    /// What is known of it, with overrides applied.
    pub entry: ModelCatalogEntry,
    /// What its catalog lists, where the price of the entry is what was billed and the catalog lists one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed: Option<Pricing>,
    /// Which layer set a field, by the field's name, where it is not the layer of the entry itself.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub layers: BTreeMap<String, Layer>,
    /// `key=value` tags of the source (residency, retention), ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// What happened here, for each category that has been seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
    /// Categories that it is kept from, until when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub penalties: Vec<Penalty>,
    /// Categories in which it suddenly fell, until probes speak for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quarantines: Vec<Quarantine>,
    /// Whether the policy holds it back because it has not proven itself here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub candidate: bool,
}

/// How sure it is that a deployment serves well. Before all preferences: whoever stands further back comes after all that do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// Nothing speaks against it.
    Proven,
    /// The policy holds it back until it has proven itself here.
    Candidate,
    /// Its provider did not list it when it was last asked: it may be gone.
    Suspect,
}

/// The layers of what is known of a model, lowest first; a higher one overrides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Layer {
    /// The compiled-in catalog.
    Bootstrap,
    /// A source's catalog.
    Discovered,
    /// What was billed and measured here.
    Observed,
    /// Rules and tables of the contracts.
    Contract,
    /// A `RoutingPolicy`.
    Policy,
}

/// What happened in one category, over the scoreboard's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Evidence {
    /// In which category.
    pub category: TaskCategory,
    /// Finished calls.
    pub calls: u64,
    /// Successes among them, per mille.
    pub success_per_mille: u32,
    /// Quality, per mille; absent when nobody judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality_per_mille: Option<u32>,
    /// Median of the whole call, in milliseconds; absent where none succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50_ms: Option<u64>,
    /// Calls that somebody judged.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub judged: u64,
    /// Calls that used more of the context than the contract's limit; none are counted beyond those that move the choice.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub context_above: u64,
    /// The calls of all windows, the older the less; only where the policy ranks by bounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decayed: Option<Decayed>,
}

/// Calls that count the less the older they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Decayed {
    /// How many calls of now they are worth.
    pub calls: u64,
    /// Successes among them, per mille.
    pub success_per_mille: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Deployment {
    /// Who made its model: by its identity where that says so, which sees through whoever repacked or sells it.
    #[must_use]
    pub fn family(&self) -> Option<&str> {
        let identity = self.entry.identity.as_deref();
        identity.and_then(identity::family).or(self.entry.family.as_deref())
    }

    /// How sure it is that it serves well.
    pub(crate) const fn standing(&self) -> Standing {
        match (&self.entry.suspect, self.candidate) {
            (Some(_), _) => Standing::Suspect,
            (None, true) => Standing::Candidate,
            (None, false) => Standing::Proven,
        }
    }

    /// The prices that finished calls are charged by: those that the catalog lists. What was billed is a mean over calls with
    /// and without cached input; charging by it would count the cache twice.
    #[must_use]
    pub fn charged(&self) -> &Pricing {
        self.listed.as_ref().unwrap_or(&self.entry.pricing)
    }
}

/// A model that abstained, or failed a policy's promise, in one category.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Penalty {
    /// In which category.
    pub category: TaskCategory,
    /// Until when, in milliseconds since 1970 UTC.
    pub until_unix_ms: u64,
}

/// A sudden fall of success in one category. No time ends it: calls that succeed do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Quarantine {
    /// In which category.
    pub category: TaskCategory,
    /// Successes before, per mille.
    pub was_per_mille: u32,
    /// Successes since, per mille.
    pub is_per_mille: u32,
}

/// Why a snapshot is not taken.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Not the document.
    #[error("failed to read the snapshot: {0}")]
    Malformed(#[from] serde_json::Error),
    /// A newer or older form.
    #[error(
        "failed to read the snapshot: its form is version {found}, this program reads {SCHEMA_VERSION}; bring operator and sidecar to one version"
    )]
    Form {
        /// What it says.
        found: u32,
    },
    /// Damaged, or changed by someone.
    #[error("failed to read the snapshot: its digest does not match its content")]
    Digest,
}

impl Snapshot {
    /// A document with its digest.
    ///
    /// # Errors
    /// Passes on a serialisation failure, which no value of this type can cause today.
    pub fn seal(
        namespace: String,
        version: u64,
        policies: Vec<PolicySnapshot>,
    ) -> Result<Self, SnapshotError> {
        let digest = document::digest(&namespace, &policies)?;
        Ok(Self { namespace, version, digest, policies })
    }

    /// Reads a document and checks it.
    ///
    /// # Errors
    /// [`SnapshotError`] when it is malformed, of another form, or does not match its digest.
    pub fn read(json: &[u8]) -> Result<Self, SnapshotError> {
        document::read(json)
    }

    /// The document's bytes.
    ///
    /// # Errors
    /// Passes on a serialisation failure, which no value of this type can cause today.
    pub fn write(&self) -> Result<Vec<u8>, serde_json::Error> {
        document::write(self)
    }
}
