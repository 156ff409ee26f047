//! The routing tables: programmed policies, and the snapshot of each namespace.

mod policy;
mod snapshot;

pub use policy::ProgrammedPolicy;
pub use snapshot::{PublishedSnapshot, SnapshotWatch, StoredSnapshot};
