//! The catalog's tables.

mod attempt;
mod changes;
pub mod diff;
pub mod gate;
mod publish;
mod read;
mod refused;
mod retention;
pub mod suspect;
mod together;

use serde::Serialize;
use vox_contracts::ProviderType;
use vox_contracts::entry::CatalogSourceRef;

pub use changes::RevisionChange;
pub use publish::{PublishLimits, Published};
pub use read::GoneModel;
pub use read::{AttemptState, CatalogState, SourceState};
pub(crate) use read::{gone_models, published_catalog};
pub use retention::{Forgotten, Retention};
pub use together::Asked;

/// Which source, by its Kubernetes identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceIdentity {
    /// `metadata.uid`.
    pub uid: String,
    /// Namespace and name.
    pub source: CatalogSourceRef,
    /// Who its models are listed under.
    pub provider: ProviderType,
}

/// One run of a source: a Job, working on one plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunIdentity {
    /// Name of the Job: all its pods are one run.
    pub run: String,
    /// Digest of all that shapes the fetch.
    pub plan_digest: String,
}
