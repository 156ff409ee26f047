//! The lease on disk, so that a sidecar that is started again goes on with it and spends nothing twice.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A lease as it was written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Kept {
    pub(super) policy: String,
    /// Days since 1970-01-01 UTC.
    pub(super) day: u64,
    pub(super) lease: Uuid,
    pub(super) granted_pico_usd: u64,
    /// Never less than was really spent: after a crash all of it counts as spent.
    pub(super) spent_pico_usd: u64,
}

fn file(state: &Path) -> PathBuf {
    state.join("lease.json")
}

/// What an earlier run held. What cannot be read is lost, and its rest counts as spent with the operator.
pub(super) fn read(state: &Path) -> Option<Kept> {
    let json = fs::read(file(state)).ok()?;
    serde_json::from_slice(&json)
        .inspect_err(|error| tracing::error!(%error, "the lease on disk is damaged"))
        .ok()
}

/// Writes it down; says whether nothing older is there that would say less. Where nothing can be written, nothing is
/// found after a crash either, and that is safe too.
pub(super) fn write(state: &Path, kept: &Kept) -> bool {
    let beside = state.join("lease.json.new");
    let written = (|| {
        fs::create_dir_all(state)?;
        let mut new = File::create(&beside)?;
        new.write_all(&serde_json::to_vec(kept)?)?;
        new.sync_all()?;
        fs::rename(&beside, file(state))
    })();
    match written {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(%error, "the lease cannot be written down: a restart begins a new one");
            remove(state)
        }
    }
}

/// Forgets it; says whether it is gone.
pub(super) fn remove(state: &Path) -> bool {
    match fs::remove_file(file(state)) {
        Ok(()) => true,
        Err(error) => {
            matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
        }
    }
}
