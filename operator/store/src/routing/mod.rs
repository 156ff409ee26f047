//! The routing tables: programmed policies, what they last knew of their sources, the snapshot of each namespace,
//! and the sidecars that follow it.

mod policy;
mod presence;
mod snapshot;
mod source;

pub use policy::ProgrammedPolicy;
pub use presence::{MissingKey, SidecarCount, SidecarPresence};
pub use snapshot::{PublishedSnapshot, SnapshotHead, SnapshotWatch, StoredSnapshot};
pub use source::{KnownSource, SourceUpstream};
