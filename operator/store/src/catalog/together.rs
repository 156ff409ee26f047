//! Sources that ask the same host, or with the same key, are polite together.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx as _;
use sqlx::{PgConnection, Row as _};
use vox_contracts::discovery::{FailureClass, FetchFailure};

use crate::Result;

/// How soon a run asks again whether the host is free. A list takes a second or two.
const AGAIN: Duration = Duration::from_millis(500);
/// So long a source without a key waits for what the host told another one.
const LONGEST_WITHOUT_KEY: Duration = Duration::from_secs(15 * 60);
/// The window of a key's budget.
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Whom a run asks, and with which key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Host and port of the list.
    pub host: String,
    /// The key by its reference, `namespace/name/key`; never the key itself.
    pub credential: Option<String>,
    /// So many fetches an hour all sources of one key make together.
    pub fetches_per_hour: u32,
    /// The longest that a fetch takes.
    pub timeout: Duration,
}

/// Why a run may not ask although its own source may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeptOut {
    /// Another source's run is asking the host.
    Queue {
        /// When to come again.
        again: Duration,
    },
    /// Not before this time, and why.
    Until(Timestamp, FetchFailure),
}

/// Whether others keep this run from asking now. Until the transaction ends, nobody else is judged for this host.
pub(super) async fn kept_out(
    tx: &mut PgConnection,
    uid: &str,
    asked: &Asked,
    now: Timestamp,
) -> Result<Option<KeptOut>> {
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('vox catalog host ' || $1, 0))")
        .bind(&asked.host)
        .execute(&mut *tx)
        .await?;
    if is_being_asked(tx, uid, asked, now).await? {
        return Ok(Some(KeptOut::Queue { again: AGAIN }));
    }
    if let Some((until, source)) = told_to_wait(tx, uid, asked, now).await? {
        let reason = format!("{} told source {source} to wait", asked.host);
        return Ok(Some(withheld(until, &reason, asked, now)));
    }
    let Some(until) = budget_ends(tx, asked, now).await? else { return Ok(None) };
    let reason = format!(
        "its {} fetches an hour are used up by all sources of this key together",
        asked.fetches_per_hour
    );
    Ok(Some(withheld(until, &reason, asked, now)))
}

fn withheld(until: Timestamp, reason: &str, asked: &Asked, now: Timestamp) -> KeptOut {
    let key = asked.credential.as_ref().map_or_else(String::new, |key| format!(" with key {key}"));
    let wait = u64::try_from(until.duration_since(now).as_millis()).unwrap_or_default();
    let message =
        format!("{} was not asked{key}: {reason}; it is asked again from {until:.0} on", asked.host);
    KeptOut::Until(until, FetchFailure { class: FailureClass::Withheld, message, retry_after_ms: Some(wait) })
}

async fn is_being_asked(tx: &mut PgConnection, uid: &str, asked: &Asked, now: Timestamp) -> Result<bool> {
    let running = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM catalog_attempt AS attempt JOIN catalog_source AS source USING (source_uid)
             WHERE attempt.host = $1 AND source_uid <> $2 AND attempt.finished_at IS NULL AND attempt.asks_until > $3
                 AND source.retired_at IS NULL)",
    )
    .bind(&asked.host)
    .bind(uid)
    .bind(now.to_sqlx())
    .fetch_one(tx)
    .await?;
    Ok(running)
}

/// What the host last told another source of this key, if that still holds: until when, and which source it was. Without a
/// key another source may be somebody else's: that holds for a quarter of an hour at most, so that nobody stops all others.
async fn told_to_wait(
    tx: &mut PgConnection,
    uid: &str,
    asked: &Asked,
    now: Timestamp,
) -> Result<Option<(Timestamp, String)>> {
    let row = sqlx::query(
        "SELECT until, source FROM (
             SELECT attempt.finished_at + CASE WHEN $2::text IS NULL THEN LEAST(attempt.retry_after_ms, $6)
                        ELSE attempt.retry_after_ms END * interval '1 millisecond' AS until,
                    source.namespace || '/' || source.name AS source
             FROM catalog_attempt AS attempt JOIN catalog_source AS source USING (source_uid)
             WHERE attempt.host = $1 AND attempt.credential IS NOT DISTINCT FROM $2 AND source_uid <> $3
                 AND attempt.outcome <> $4 AND attempt.retry_after_ms IS NOT NULL
         ) AS told
         WHERE until > $5
         ORDER BY until DESC LIMIT 1",
    )
    .bind(&asked.host)
    .bind(&asked.credential)
    .bind(uid)
    .bind(FailureClass::Withheld.as_str())
    .bind(now.to_sqlx())
    .bind(i64::try_from(LONGEST_WITHOUT_KEY.as_millis()).unwrap_or(i64::MAX))
    .fetch_optional(tx)
    .await?;
    row.map(|row| {
        let until: jiff_sqlx::Timestamp = row.try_get("until")?;
        Ok((until.to_jiff(), row.try_get("source")?))
    })
    .transpose()
}

/// When the oldest fetch of a key whose budget is used leaves the hour; none while there is room, and without a key.
async fn budget_ends(tx: &mut PgConnection, asked: &Asked, now: Timestamp) -> Result<Option<Timestamp>> {
    let Some(credential) = &asked.credential else { return Ok(None) };
    let since = now.checked_sub(HOUR).unwrap_or(Timestamp::MIN);
    let not_asked = [FailureClass::Withheld.as_str(), FailureClass::CredentialMissing.as_str()];
    let oldest: Option<jiff_sqlx::Timestamp> = sqlx::query_scalar(
        "SELECT started_at FROM catalog_attempt
         WHERE host = $1 AND credential = $2 AND started_at > $3 AND COALESCE(outcome <> ALL($4), true)
         ORDER BY started_at DESC OFFSET $5 LIMIT 1",
    )
    .bind(&asked.host)
    .bind(credential)
    .bind(since.to_sqlx())
    .bind(&not_asked[..])
    .bind(i64::from(asked.fetches_per_hour).saturating_sub(1))
    .fetch_optional(tx)
    .await?;
    Ok(oldest.and_then(|oldest| oldest.to_jiff().checked_add(HOUR).ok()))
}
