//! The routing tables: programmed policies, what they last knew of their sources, and the snapshot of each namespace.

mod policy;
mod snapshot;
mod source;

pub use policy::ProgrammedPolicy;
pub use snapshot::{PublishedSnapshot, SnapshotDigest, SnapshotWatch, StoredSnapshot};
pub use source::{KnownSource, SourceUpstream};
