use std::time::Duration;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::{PgConnection, Row as _};
use vox_contracts::discovery::{FailureClass, FetchFailure, FetchOutcome, Permission};
use vox_contracts::inference::INFERRED_WITH;

use super::gate::{LastAttempt, Pace, allowed_from};
use super::together::{Asked, KeptOut, kept_out};
use super::{RunIdentity, SourceIdentity};
use crate::{Error, Result, Store};

/// Outcomes of an attempt that are no failure, as the table and the status write them.
pub(crate) mod outcome {
    /// A new revision.
    pub(crate) const PUBLISHED: &str = "Published";
    /// The same catalog again.
    pub(crate) const UNCHANGED: &str = "Unchanged";
    /// The provider answered 304.
    pub(crate) const NOT_MODIFIED: &str = "NotModified";
    /// All of them.
    pub(crate) const GOOD: [&str; 3] = [PUBLISHED, UNCHANGED, NOT_MODIFIED];
    /// Neither good nor a failure: a run that began later had already ended well.
    pub(crate) const OUTDATED: &str = "Outdated";
}

impl Store {
    /// Lets a run ask the provider, and records that it does; or says until when it has to wait.
    ///
    /// Runs of one source are judged one after the other under the source's row lock, so that of two that start together
    /// one waits (row 28). One that has to wait for what others were told is recorded as withheld, so that the status can
    /// say why.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn begin_attempt(
        &self,
        source: &SourceIdentity,
        run: &RunIdentity,
        pace: &Pace,
        now: Timestamp,
    ) -> Result<Permission> {
        let mut tx = self.pool.begin().await?;
        register(&mut tx, source).await?;
        let known = lock(&mut tx, &source.uid).await?;
        let last = last_attempt(&mut tx, &source.uid).await?;
        let until = allowed_from(last.as_ref(), &run.run, &run.plan_digest, pace);
        if until > now {
            return Ok(Permission::Wait { until });
        }
        let kept_out = match &pace.asked {
            Some(asked) => kept_out(&mut tx, &source.uid, asked, now).await?,
            None => None,
        };
        if let Some(KeptOut::Queue { again }) = kept_out {
            let again_ms = u64::try_from(again.as_millis()).unwrap_or(u64::MAX);
            return Ok(Permission::Queue { again_ms });
        }
        insert_attempt(&mut tx, &source.uid, run, pace.asked.as_ref(), now).await?;
        if let Some(KeptOut::Until(until, failure)) = kept_out {
            finish_failed(&mut tx, &source.uid, run, &failure, now).await?;
            tx.commit().await?;
            return Ok(Permission::Wait { until });
        }
        tx.commit().await?;
        // An ETag vouches for the catalog that was fetched with the same plan, not for another filter or endpoint.
        let same_plan = known.plan_digest.as_deref() == Some(run.plan_digest.as_str());
        // "Not modified" would say of a suspect neither that it is there nor that it was looked for.
        // Neither does it for what another program or contract makes of the same list: the whole list is read once more.
        let same_reading = known.inferred_with == Some(INFERRED_WITH);
        let may_ask = same_plan && same_reading && known.revision > 0 && !known.has_suspects;
        Ok(Permission::Fetch { etag: known.etag.filter(|_| may_ask) })
    }

    /// Records how a run without a catalog ended.
    ///
    /// # Errors
    /// [`Error::Superseded`] when no such run was started for this plan; [`Error::Outdated`] for a 304 to a run when one
    /// that began later has ended well; else when the database does not answer.
    pub async fn finish_attempt(
        &self,
        source: &SourceIdentity,
        run: &RunIdentity,
        outcome: &FetchOutcome,
        now: Timestamp,
    ) -> Result<()> {
        let mut tx = self.pool.begin().await?;
        register(&mut tx, source).await?;
        lock(&mut tx, &source.uid).await?;
        match outcome {
            FetchOutcome::NotModified if is_outdated(&mut tx, &source.uid, run).await? => {
                finish_outdated(&mut tx, &source.uid, run, now).await?;
                tx.commit().await?;
                return Err(Error::Outdated { run: run.run.clone() });
            }
            FetchOutcome::NotModified => {
                finish_good(&mut tx, &source.uid, run, outcome::NOT_MODIFIED, now).await?;
                sqlx::query("UPDATE catalog_source SET refreshed_at = $2 WHERE source_uid = $1")
                    .bind(&source.uid)
                    .bind(now.to_sqlx())
                    .execute(&mut *tx)
                    .await?;
            }
            FetchOutcome::Failed(failure) => finish_failed(&mut tx, &source.uid, run, failure, now).await?,
        }
        tx.commit().await?;
        Ok(())
    }

    /// Records that a run ended without a report, unless it did report. Known by its Job: the run may never have asked.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn record_lost(
        &self,
        source: &SourceIdentity,
        run: &RunIdentity,
        failure: &FetchFailure,
        started_at: Timestamp,
        now: Timestamp,
    ) -> Result<()> {
        let mut tx = self.pool.begin().await?;
        register(&mut tx, source).await?;
        lock(&mut tx, &source.uid).await?;
        let begun = sqlx::query_scalar::<_, String>(
            "INSERT INTO catalog_attempt (source_uid, run, plan_digest, started_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (source_uid, run) DO UPDATE SET run = catalog_attempt.run WHERE catalog_attempt.finished_at IS NULL
             RETURNING plan_digest",
        )
        .bind(&source.uid)
        .bind(&run.run)
        .bind(&run.plan_digest)
        .bind(started_at.to_sqlx())
        .fetch_optional(&mut *tx)
        .await?;
        let Some(plan_digest) = begun else { return Ok(()) };
        let run = RunIdentity { run: run.run.clone(), plan_digest };
        finish_failed(&mut tx, &source.uid, &run, failure, now).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// A provider that asks to be left alone for longer than a day is asked again after a day.
const LONGEST_RETRY_AFTER_MS: i64 = 24 * 60 * 60 * 1000;

/// What the source's row says about the published catalog.
pub(super) struct Known {
    pub(super) plan_digest: Option<String>,
    pub(super) revision: i64,
    etag: Option<String>,
    /// What it was derived with.
    inferred_with: Option<i64>,
    /// Whether its newest revision has models that the provider did not list.
    has_suspects: bool,
}

/// A run that begins again, as its Job's next pod does, keeps the host to itself no longer than the first time.
async fn insert_attempt(
    tx: &mut PgConnection,
    uid: &str,
    run: &RunIdentity,
    asked: Option<&Asked>,
    now: Timestamp,
) -> Result<()> {
    let until = asked.and_then(|asked| now.checked_add(asked.timeout).ok());
    sqlx::query(
        "INSERT INTO catalog_attempt (source_uid, run, plan_digest, started_at, host, credential, asks_until)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (source_uid, run) DO UPDATE
         SET plan_digest = $3, started_at = $4, finished_at = NULL, outcome = NULL, message = NULL, retry_after_ms = NULL,
             host = $5, credential = $6,
             asks_until = CASE WHEN catalog_attempt.finished_at IS NULL AND catalog_attempt.host = $5
                 THEN catalog_attempt.asks_until ELSE $7 END",
    )
    .bind(uid)
    .bind(&run.run)
    .bind(&run.plan_digest)
    .bind(now.to_sqlx())
    .bind(asked.map(|asked| &asked.host))
    .bind(asked.and_then(|asked| asked.credential.as_ref()))
    .bind(until.map(|until| until.to_sqlx()))
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) async fn register(tx: &mut PgConnection, source: &SourceIdentity) -> Result<()> {
    sqlx::query(
        "INSERT INTO catalog_source (source_uid, namespace, name, provider) VALUES ($1, $2, $3, $4)
         ON CONFLICT (source_uid) DO UPDATE SET provider = $4, retired_at = NULL
         WHERE catalog_source.provider <> $4 OR catalog_source.retired_at IS NOT NULL",
    )
    .bind(&source.uid)
    .bind(&source.source.namespace)
    .bind(&source.source.name)
    .bind(source.provider.to_string())
    .execute(&mut *tx)
    .await?;
    // Of two objects of one name, the older is gone.
    sqlx::query(
        "UPDATE catalog_source SET retired_at = now()
         WHERE namespace = $2 AND name = $3 AND source_uid <> $1 AND retired_at IS NULL",
    )
    .bind(&source.uid)
    .bind(&source.source.namespace)
    .bind(&source.source.name)
    .execute(tx)
    .await?;
    Ok(())
}

/// Takes the source's row lock: until the transaction ends, nothing else happens to this source.
pub(super) async fn lock(tx: &mut PgConnection, uid: &str) -> Result<Known> {
    let row = sqlx::query(
        "SELECT plan_digest, revision, etag, inferred_with, EXISTS (
             SELECT 1 FROM catalog_revision AS newest
             WHERE newest.source_uid = source.source_uid AND newest.revision = source.revision AND newest.suspect > 0
         ) AS has_suspects
         FROM catalog_source AS source WHERE source_uid = $1 FOR UPDATE",
    )
    .bind(uid)
    .fetch_one(tx)
    .await?;
    Ok(Known {
        plan_digest: row.try_get("plan_digest")?,
        revision: row.try_get("revision")?,
        etag: row.try_get("etag")?,
        inferred_with: row.try_get("inferred_with")?,
        has_suspects: row.try_get("has_suspects")?,
    })
}

/// The newest attempt of a source.
pub(super) async fn last_attempt(tx: &mut PgConnection, uid: &str) -> Result<Option<LastAttempt>> {
    let row = sqlx::query(
        "SELECT run, plan_digest, started_at, finished_at, outcome, failures, retry_after_ms FROM catalog_attempt
         WHERE source_uid = $1 ORDER BY started_at DESC, run DESC LIMIT 1",
    )
    .bind(uid)
    .fetch_optional(tx)
    .await?;
    row.map(|row| -> Result<LastAttempt> {
        let started: jiff_sqlx::Timestamp = row.try_get("started_at")?;
        let finished: Option<jiff_sqlx::Timestamp> = row.try_get("finished_at")?;
        let outcome: Option<String> = row.try_get("outcome")?;
        let retry_after_ms: Option<i64> = row.try_get("retry_after_ms")?;
        Ok(LastAttempt {
            run: row.try_get("run")?,
            plan_digest: row.try_get("plan_digest")?,
            started_at: started.to_jiff(),
            finished_at: finished.map(|time| time.to_jiff()),
            failure: outcome.as_deref().and_then(failure_class),
            failures: u32::try_from(row.try_get::<i64, _>("failures")?).unwrap_or(u32::MAX),
            retry_after: retry_after_ms.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis),
        })
    })
    .transpose()
}

/// The failure that an outcome stands for, if it is one.
pub(super) fn failure_class(outcome: &str) -> Option<FailureClass> {
    FailureClass::ALL.iter().copied().find(|class| class.as_str() == outcome)
}

pub(super) async fn finish_good(
    tx: &mut PgConnection,
    uid: &str,
    run: &RunIdentity,
    outcome: &str,
    now: Timestamp,
) -> Result<()> {
    let done = sqlx::query(
        "UPDATE catalog_attempt SET finished_at = $4, outcome = $5, message = NULL, retry_after_ms = NULL, failures = 0
         WHERE source_uid = $1 AND run = $2 AND plan_digest = $3",
    )
    .bind(uid)
    .bind(&run.run)
    .bind(&run.plan_digest)
    .bind(now.to_sqlx())
    .bind(outcome)
    .execute(tx)
    .await?;
    found(done.rows_affected(), run)
}

pub(super) async fn finish_failed(
    tx: &mut PgConnection,
    uid: &str,
    run: &RunIdentity,
    failure: &FetchFailure,
    now: Timestamp,
) -> Result<()> {
    let done = sqlx::query(
        "UPDATE catalog_attempt SET finished_at = $4, outcome = $5, message = $6, retry_after_ms = $7, failures = 1 + COALESCE(
             (SELECT failures FROM catalog_attempt WHERE source_uid = $1 AND run <> $2 AND finished_at IS NOT NULL
              ORDER BY started_at DESC LIMIT 1), 0)
         WHERE source_uid = $1 AND run = $2 AND plan_digest = $3 AND finished_at IS NULL",
    )
    .bind(uid)
    .bind(&run.run)
    .bind(&run.plan_digest)
    .bind(now.to_sqlx())
    .bind(failure.class.as_str())
    // Postgres takes no NUL in a text, and a provider's words may hold anything.
    .bind(failure.message.replace('\0', "\u{fffd}"))
    .bind(failure.retry_after_ms.map(|ms| i64::try_from(ms).unwrap_or(i64::MAX).min(LONGEST_RETRY_AFTER_MS)))
    .execute(tx)
    .await?;
    found(done.rows_affected(), run)
}

/// Whether a run that began later has ended well: what this one brings is older than what is published. By the
/// operator's clock, because those of the nodes differ.
pub(super) async fn is_outdated(tx: &mut PgConnection, uid: &str, run: &RunIdentity) -> Result<bool> {
    let newer = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM catalog_attempt AS own JOIN catalog_attempt AS newer USING (source_uid)
             WHERE source_uid = $1 AND own.run = $2 AND newer.outcome = ANY($3) AND newer.started_at > own.started_at)",
    )
    .bind(uid)
    .bind(&run.run)
    .bind(&outcome::GOOD[..])
    .fetch_one(tx)
    .await?;
    Ok(newer)
}

/// Whether this run has ended well already: what it brings comes a second time, because the answer was lost.
pub(super) async fn has_ended_well(tx: &mut PgConnection, uid: &str, run: &RunIdentity) -> Result<bool> {
    let ended = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM catalog_attempt WHERE source_uid = $1 AND run = $2 AND outcome = ANY($3))",
    )
    .bind(uid)
    .bind(&run.run)
    .bind(&outcome::GOOD[..])
    .fetch_one(tx)
    .await?;
    Ok(ended)
}

/// Ends a run that came too late, unless it has ended before.
pub(super) async fn finish_outdated(
    tx: &mut PgConnection,
    uid: &str,
    run: &RunIdentity,
    now: Timestamp,
) -> Result<()> {
    sqlx::query(
        "UPDATE catalog_attempt SET finished_at = $3, outcome = $4, message = $5
         WHERE source_uid = $1 AND run = $2 AND finished_at IS NULL",
    )
    .bind(uid)
    .bind(&run.run)
    .bind(now.to_sqlx())
    .bind(outcome::OUTDATED)
    .bind(Error::Outdated { run: run.run.clone() }.to_string())
    .execute(tx)
    .await?;
    Ok(())
}

fn found(rows: u64, run: &RunIdentity) -> Result<()> {
    if rows == 0 { Err(Error::Superseded { run: run.run.clone() }) } else { Ok(()) }
}
