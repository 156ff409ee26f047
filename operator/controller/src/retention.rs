//! History that is older than the settings keep it is deleted, once a day, by the replica that holds the lease.

use std::convert::Infallible;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use vox_store::catalog::Retention;

use crate::args::RetentionSettings;
use crate::control_plane::Shared;

/// Between two passes.
const PASS: Duration = Duration::from_secs(24 * 60 * 60);
/// Before the first pass, when there is more urgent work, and after one that failed.
const SOON: Duration = Duration::from_secs(10 * 60);

/// Deletes old history again and again. A failure is a line in the log and tried again.
pub(crate) async fn keep(shared: &Shared) -> Infallible {
    let retention = Retention::from(&shared.settings.retention);
    let mut wait = SOON;
    loop {
        tokio::time::sleep(wait).await;
        forget_budgets(shared, &retention).await;
        wait = match shared.store.forget_old(&retention, Timestamp::now()).await {
            Ok(forgotten) => {
                tracing::info!(
                    attempts = forgotten.attempts,
                    changes = forgotten.changes,
                    "deleted history that was too old"
                );
                PASS
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "failed to delete history that is too old; trying again"
                );
                SOON
            }
        };
    }
}

/// Days of budgets are kept as long as attempts.
async fn forget_budgets(shared: &Shared, retention: &Retention) {
    let before = Timestamp::now().checked_sub(retention.attempts).unwrap_or(Timestamp::MIN);
    match shared.store.forget_budgets(before.to_zoned(TimeZone::UTC).date()).await {
        Ok(days) => tracing::info!(days, "deleted days of budgets that were too old"),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "failed to delete old days of budgets");
        }
    }
}

impl From<&RetentionSettings> for Retention {
    fn from(settings: &RetentionSettings) -> Self {
        let days = |days: u16| SignedDuration::from_hours(24 * i64::from(days));
        Self {
            attempts: days(settings.retention_attempts_days),
            changes: days(settings.retention_changes_days),
        }
    }
}
