use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx as _;

use super::attempt::outcome;
use crate::{Result, Store};

/// Rows deleted by one statement: few enough that its locks are gone in a moment.
const BATCH: i64 = 1000;

/// How long history is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Attempts, from their start. The newest of a source, its newest that ended and its newest good one stay, however old.
    pub attempts: SignedDuration,
    /// What a revision changed, from its publication. How much it changed stays with the revision.
    pub changes: SignedDuration,
}

/// How many rows were too old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Forgotten {
    /// Attempts.
    pub attempts: u64,
    /// Changes of single models.
    pub changes: u64,
}

impl Store {
    /// Deletes history older than `retention`, source by source and in batches. What the status, the gate and the
    /// served catalog are made from stays. Doing it again deletes nothing more.
    ///
    /// # Errors
    /// When the database does not answer; what was deleted until then stays deleted.
    pub async fn forget_old(&self, retention: &Retention, now: Timestamp) -> Result<Forgotten> {
        let mut forgotten = Forgotten::default();
        // A limit before the beginning of time is no limit.
        let limit = |age: SignedDuration| now.checked_sub(age).unwrap_or(Timestamp::MIN);
        let sources: Vec<String> =
            sqlx::query_scalar("SELECT source_uid FROM catalog_source").fetch_all(&self.pool).await?;
        for uid in sources {
            forgotten.attempts += self.forget_attempts(&uid, limit(retention.attempts)).await?;
            forgotten.changes += self.forget_changes(&uid, limit(retention.changes)).await?;
        }
        Ok(forgotten)
    }

    async fn forget_attempts(&self, uid: &str, before: Timestamp) -> Result<u64> {
        // The outer condition on time is looked at again under the row's lock: a run that began anew meanwhile stays.
        let statement = "
            WITH kept AS (
                (SELECT run FROM catalog_attempt WHERE source_uid = $1
                    ORDER BY started_at DESC, run DESC LIMIT 1)
                UNION ALL
                (SELECT run FROM catalog_attempt WHERE source_uid = $1 AND finished_at IS NOT NULL
                    ORDER BY started_at DESC, run DESC LIMIT 1)
                UNION ALL
                (SELECT run FROM catalog_attempt WHERE source_uid = $1 AND outcome = ANY($3)
                    ORDER BY started_at DESC, run DESC LIMIT 1))
            DELETE FROM catalog_attempt AS attempt USING (
                SELECT run FROM catalog_attempt
                WHERE source_uid = $1 AND started_at < $2 AND run NOT IN (SELECT run FROM kept)
                LIMIT $4) AS old
            WHERE attempt.source_uid = $1 AND attempt.run = old.run AND attempt.started_at < $2";
        let mut forgotten = 0;
        loop {
            let done = sqlx::query(statement)
                .bind(uid)
                .bind(before.to_sqlx())
                .bind(&outcome::GOOD[..])
                .bind(BATCH)
                .execute(&self.pool)
                .await?;
            forgotten += done.rows_affected();
            if !is_full(done.rows_affected()) {
                return Ok(forgotten);
            }
        }
    }

    async fn forget_changes(&self, uid: &str, before: Timestamp) -> Result<u64> {
        // Revisions are numbered in the order of their publication.
        let statement = "
            DELETE FROM catalog_change AS change USING (
                SELECT revision, model_id FROM catalog_change
                WHERE source_uid = $1 AND revision <= (SELECT max(revision) FROM catalog_revision
                    WHERE source_uid = $1 AND published_at < $2)
                LIMIT $3) AS old
            WHERE change.source_uid = $1 AND change.revision = old.revision AND change.model_id = old.model_id";
        let mut forgotten = 0;
        loop {
            let done = sqlx::query(statement)
                .bind(uid)
                .bind(before.to_sqlx())
                .bind(BATCH)
                .execute(&self.pool)
                .await?;
            forgotten += done.rows_affected();
            if !is_full(done.rows_affected()) {
                return Ok(forgotten);
            }
        }
    }
}

/// Whether there may be more.
fn is_full(rows: u64) -> bool {
    i64::try_from(rows).is_ok_and(|rows| rows >= BATCH)
}
