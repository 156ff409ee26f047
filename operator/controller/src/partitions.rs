//! Partitions of what happened: made ahead and dropped when old, every hour, by the replica that holds the lease.

use std::convert::Infallible;
use std::time::Duration;

use jiff::Timestamp;

use crate::control_plane::Shared;

/// Between two passes. Partitions are made days ahead.
const PASS: Duration = Duration::from_secs(60 * 60);
/// After one that failed: somebody held a table, or the database was away.
const SOON: Duration = Duration::from_secs(60);

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// Keeps partitions again and again. A failure is a line in the log and tried again.
pub(crate) async fn keep(shared: &Shared) -> Infallible {
    loop {
        let wait = match pass(shared).await {
            Ok(()) => PASS,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "failed to keep partitions; trying again"
                );
                SOON
            }
        };
        tokio::time::sleep(wait).await;
    }
}

/// The day of a time, counted from 1970-01-01 UTC.
pub(crate) fn today(now: Timestamp) -> i32 {
    i32::try_from(now.as_second().div_euclid(DAY_SECONDS)).unwrap_or_default()
}

async fn pass(shared: &Shared) -> vox_store::Result<()> {
    let today = today(Timestamp::now());
    let days = shared.settings.retention.retention_interactions_days;
    let done = shared.store.keep_partitions(today, days).await?;
    tracing::info!(
        made = done.made,
        moved = done.moved,
        dropped = done.dropped,
        deleted = done.deleted,
        "partitions of interactions"
    );
    shared.metrics.feedback_without_call(shared.store.feedback_without_call().await?);
    Ok(())
}
