use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::unsigned;
use crate::{Result, Store};

/// A model that is kept from a category because its success there fell suddenly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantineHeld {
    /// `<server>/<model id>`.
    pub model_key: String,
    /// The category, as tables name it.
    pub category: String,
    /// Since when.
    pub since: Timestamp,
    /// Successes before, per mille.
    pub was_per_mille: u32,
    /// The least that those were for sure, per mille.
    pub low_per_mille: u32,
    /// Successes since the fall, per mille.
    pub is_per_mille: u32,
    /// When it ended, if it did.
    pub released_at: Option<Timestamp>,
}

/// Calls of one model in one category since it was put into quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probes {
    /// How many.
    pub calls: u64,
    /// Successes among them.
    pub successes: u64,
}

impl Store {
    /// All quarantines, those that ended included, ascending by model and category.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn quarantines(&self) -> Result<Vec<QuarantineHeld>> {
        let rows = sqlx::query(
            "SELECT model_key, category, since, was_per_mille, low_per_mille, is_per_mille, released_at
             FROM model_quarantine
             ORDER BY model_key COLLATE \"C\", category COLLATE \"C\"",
        )
        .fetch_all(&self.pool)
        .await?;
        let held = |row: &PgRow| {
            Ok(QuarantineHeld {
                model_key: row.try_get("model_key")?,
                category: row.try_get("category")?,
                since: row.try_get::<jiff_sqlx::Timestamp, _>("since")?.to_jiff(),
                was_per_mille: row.try_get::<i32, _>("was_per_mille")?.unsigned_abs(),
                low_per_mille: row.try_get::<i32, _>("low_per_mille")?.unsigned_abs(),
                is_per_mille: row.try_get::<i32, _>("is_per_mille")?.unsigned_abs(),
                released_at: super::time(row, "released_at")?,
            })
        };
        rows.iter().map(held).collect()
    }

    /// Begins a quarantine, also where an earlier one ended; one that holds stays as it is.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn quarantine(&self, begun: &QuarantineHeld) -> Result<()> {
        let whole = |per_mille: u32| i32::try_from(per_mille).unwrap_or(1000);
        sqlx::query(
            "INSERT INTO model_quarantine (model_key, category, since, was_per_mille, low_per_mille, is_per_mille)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (model_key, category) DO UPDATE SET since = excluded.since, released_at = NULL,
                 was_per_mille = excluded.was_per_mille, low_per_mille = excluded.low_per_mille,
                 is_per_mille = excluded.is_per_mille
             WHERE model_quarantine.released_at IS NOT NULL",
        )
        .bind(&begun.model_key)
        .bind(&begun.category)
        .bind(jiff_sqlx::Timestamp::from(begun.since))
        .bind(whole(begun.was_per_mille))
        .bind(whole(begun.low_per_mille))
        .bind(whole(begun.is_per_mille))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Ends a quarantine.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn release(&self, held: &QuarantineHeld, now: Timestamp) -> Result<()> {
        sqlx::query(
            "UPDATE model_quarantine SET released_at = $3
             WHERE model_key = $1 AND category = $2 AND released_at IS NULL",
        )
        .bind(&held.model_key)
        .bind(&held.category)
        .bind(jiff_sqlx::Timestamp::from(now))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// What came of the calls since a quarantine began: as the scoreboard counts them, a try that another model's answer
    /// followed is a failed one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn probes(&self, held: &QuarantineHeld) -> Result<Probes> {
        // A call's day is that of its id, which may lie a little before its beginning.
        let day =
            held.since.to_zoned(jiff::tz::TimeZone::UTC).date().yesterday().unwrap_or(jiff::civil::Date::MIN);
        let row = sqlx::query(
            "SELECT count(*) AS calls, count(*) FILTER (WHERE success) AS successes FROM (
                SELECT call_succeeded(i.outcome, i.signal, EXISTS (
                    SELECT FROM llm_feedback AS f
                    WHERE f.decision_day = i.day AND f.decision = i.decision AND f.namespace = i.namespace
                        AND (f.score IS NOT NULL OR f.thumb IS NOT NULL))) AS success
                FROM llm_interaction AS i
                WHERE i.day >= $3 AND i.started_at > $4 AND i.model_key = $1 AND i.category = $2
                    AND i.outcome IN ('answered', 'failed', 'cut')
                UNION ALL
                SELECT false FROM llm_interaction AS i
                WHERE i.day >= $3 AND i.started_at > $4 AND i.category = $2 AND i.attempts > 1
                    AND i.model_key IS DISTINCT FROM $1 AND EXISTS (
                        SELECT FROM llm_attempt AS a WHERE a.day = i.day AND a.decision = i.decision
                            AND a.model_key = $1 AND a.outcome = 'failed')
             ) AS said",
        )
        .bind(&held.model_key)
        .bind(&held.category)
        .bind(day.to_sqlx())
        .bind(jiff_sqlx::Timestamp::from(held.since))
        .fetch_one(&self.pool)
        .await?;
        Ok(Probes { calls: unsigned(row.try_get("calls")?), successes: unsigned(row.try_get("successes")?) })
    }
}
