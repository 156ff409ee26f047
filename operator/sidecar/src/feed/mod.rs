//! Where snapshots come from: the operator, the last good one on disk, or a file that was named.

mod file;
mod inflate;
mod lines;
mod operator;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use vox_routing::{Snapshot, SnapshotError};

use crate::app::{App, Trouble};
use crate::serving::Served;

/// The largest snapshot.
const MAX_BYTES: usize = 64 << 20;
/// How often key files are looked at.
const KEYS_EVERY: Duration = Duration::from_secs(1);

/// Takes snapshots and puts them in place.
pub struct Feed {
    app: Arc<App>,
    /// The version that serves; 0 without one.
    version: u64,
    /// What served before: its decisions can still be explained.
    before: Option<Arc<Served>>,
}

/// Why a snapshot was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It is no snapshot.
    #[error(transparent)]
    Unreadable(#[from] SnapshotError),
    /// It is another namespace's.
    #[error("failed to take the snapshot: it is of namespace {found:?}, not of {expected:?}")]
    Foreign {
        /// Whose it is.
        found: String,
        /// Whose it should be.
        expected: String,
    },
    /// It is not newer.
    #[error("failed to take the snapshot: its version is {found}, and {current} serves")]
    Old {
        /// Its version.
        found: u64,
        /// The version that serves.
        current: u64,
    },
}

impl Refused {
    const fn reason(&self) -> &'static str {
        match self {
            Self::Unreadable(SnapshotError::Malformed(_)) => "malformed",
            Self::Unreadable(SnapshotError::Form { .. }) => "form",
            Self::Unreadable(SnapshotError::Digest) => "digest",
            Self::Foreign { .. } => "foreign",
            Self::Old { .. } => "old",
        }
    }
}

/// Feeds the workers for as long as it is polled.
pub async fn run(app: Arc<App>) {
    let feed = Feed { app: Arc::clone(&app), version: 0, before: None };
    let keys = async {
        loop {
            tokio::time::sleep(KEYS_EVERY).await;
            app.lasting.keys().refresh();
        }
    };
    let snapshots = async {
        match app.settings.snapshot.clone() {
            Some(path) => file::follow(feed, &path).await,
            None => operator::follow(feed).await,
        }
    };
    tokio::join!(keys, snapshots);
}

impl Feed {
    /// Puts a snapshot in place.
    fn take(&mut self, json: &[u8], any_version: bool) -> Result<(), Refused> {
        let taken = self.try_take(json, any_version);
        if let Err(refused) = &taken {
            self.app.metrics.snapshot_refused(refused.reason());
        }
        taken
    }

    fn try_take(&mut self, json: &[u8], any_version: bool) -> Result<(), Refused> {
        let snapshot = Snapshot::read(json)?;
        let expected = &self.app.settings.namespace;
        // A file that was named by hand is for whoever named it.
        if !any_version && snapshot.namespace != *expected {
            return Err(Refused::Foreign { found: snapshot.namespace, expected: expected.clone() });
        }
        if !any_version && snapshot.version <= self.version {
            return Err(Refused::Old { found: snapshot.version, current: self.version });
        }
        self.version = snapshot.version;
        let (version, digest) = (snapshot.version, snapshot.digest.clone());
        match Served::of_snapshot(snapshot, self.app.settings.policy.as_deref(), &self.app.lasting) {
            Ok(served) => {
                tracing::info!(version, %digest, policy = %served.policy, models = served.targets.len(), "snapshot");
                self.before = self.app.serving.swap(Some(Arc::new(served)));
            }
            Err(no_policy) => {
                tracing::warn!(version, %digest, "{no_policy}");
                self.app.trouble.store(Arc::new(Trouble::NoPolicy(no_policy.to_string())));
                self.before = self.app.serving.swap(None);
            }
        }
        self.app.changed.notify_one();
        self.app.metrics.snapshot(version);
        Ok(())
    }

    /// The last good snapshot of an earlier run, so that a pod starts while the operator is away.
    fn start_from_disk(&mut self) {
        let file = cache(&self.app.settings.state);
        let Ok(json) = std::fs::read(&file) else { return };
        match self.take(&json, false) {
            Ok(()) => tracing::info!(file = %file.display(), "started from the last good snapshot"),
            Err(refused) => tracing::error!(file = %file.display(), "{refused}"),
        }
    }

    /// Keeps a snapshot for the next start. Written beside and renamed, so that a crash leaves the old or the new one.
    fn keep(&self, json: &[u8]) {
        let folder = &self.app.settings.state;
        let (file, beside) = (cache(folder), folder.join("snapshot.json.new"));
        let written = std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&beside, json))
            .and_then(|()| std::fs::rename(&beside, &file));
        if let Err(error) = written {
            tracing::warn!(file = %file.display(), %error, "the snapshot cannot be kept for the next start");
        }
    }
}

fn cache(state: &Path) -> PathBuf {
    state.join("snapshot.json")
}
