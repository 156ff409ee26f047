//! A snapshot file that was named: for demonstrations, tests and places without an operator.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::Feed;
use crate::app::Trouble;

const EVERY: Duration = Duration::from_millis(500);

/// Takes the file, and takes it again whenever it changes. The file is the authority: any version counts.
pub(super) async fn follow(mut feed: Feed, path: &Path) {
    let mut seen = None;
    loop {
        let stamp = std::fs::metadata(path)
            .ok()
            .map(|data| (data.ino(), data.len(), data.mtime(), data.mtime_nsec()));
        if stamp.is_none() || stamp != seen {
            let taken = match std::fs::read(path) {
                Ok(json) => feed.take(&json, true).map_err(|refused| refused.to_string()),
                Err(error) => Err(format!("failed to read the snapshot: {error}")),
            };
            if let Err(why) = taken {
                tracing::error!(file = %path.display(), "{why}");
                feed.app.trouble.store(Arc::new(Trouble::NoSnapshot(why)));
            }
            seen = stamp;
        }
        tokio::time::sleep(EVERY).await;
    }
}
