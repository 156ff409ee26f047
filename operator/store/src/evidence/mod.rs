//! What routing reads of what happened: the scoreboard, the penalties that hold, and the prices that were billed. All of it
//! is one set for all namespaces, and small: a row for each model, category and window.

mod quarantine;

use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::postgres::{PgListener, PgRow};

use crate::{Result, Store};

pub use quarantine::{Probes, QuarantineHeld};

/// Channel on which the leader hears of a new penalty.
const PENALTIES: &str = "vox_penalty";

/// What happened at one model in one category and window.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// `<server>/<model id>`.
    pub model_key: String,
    /// The category, as tables name it.
    pub category: String,
    /// The window.
    pub window_days: u32,
    /// Calls that say something of the model.
    pub calls: u64,
    /// Successes among them.
    pub successes: u64,
    /// Median of successes, in milliseconds.
    pub p50_latency_ms: Option<u64>,
    /// 0 to 1; absent where nobody judged.
    pub quality: Option<f64>,
    /// Calls that somebody judged.
    pub judged: u64,
    /// Calls that used more of the context than the contract's limit.
    pub context_above: u64,
}

/// A model that is kept from a category.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PenaltyHeld {
    /// `<server>/<model id>`.
    pub model_key: String,
    /// The category, as tables name it.
    pub category: String,
    /// Until when.
    pub until: Timestamp,
}

/// What calls of one model were billed at; USD per million tokens, as decimals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BilledPrice {
    /// `<server>/<model id>`.
    pub model_key: String,
    /// Input.
    pub input_usd_per_mtok: Option<String>,
    /// Output.
    pub output_usd_per_mtok: Option<String>,
    /// Both together, as the calls mixed them.
    pub blended_usd_per_mtok: String,
    /// What the catalog listed for the same mix.
    pub listed_usd_per_mtok: Option<String>,
}

/// When scoreboard and prices were last computed; the same again says that nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EvidenceMark {
    rolled_up: Option<Timestamp>,
    scoreboard: Option<Timestamp>,
    prices: Option<Timestamp>,
}

/// Hears of new penalties.
pub struct PenaltyWatch(PgListener);

impl PenaltyWatch {
    /// Returns when there is a new penalty, or the connection was lost meanwhile and there may be one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn next(&mut self) -> Result<()> {
        self.0.try_recv().await?;
        Ok(())
    }
}

impl Store {
    /// When scoreboard and prices were last computed.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn evidence_mark(&self) -> Result<EvidenceMark> {
        let row = sqlx::query(
            "SELECT (SELECT max(finished_at) FROM scoreboard_rollup) AS rolled_up,
                    (SELECT max(computed_at) FROM model_scoreboard) AS scoreboard,
                    (SELECT max(computed_at) FROM model_pricing_catalog) AS prices",
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(EvidenceMark {
            rolled_up: time(&row, "rolled_up")?,
            scoreboard: time(&row, "scoreboard")?,
            prices: time(&row, "prices")?,
        })
    }

    /// The scoreboard, ascending by model, category and window.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn scored(&self) -> Result<Vec<Scored>> {
        let rows = sqlx::query(
            "SELECT model_key, category, window_days, calls, successes, p50_latency_ms, quality, judged, context_above
             FROM model_scoreboard
             ORDER BY model_key COLLATE \"C\", category COLLATE \"C\", window_days, strength COLLATE \"C\"",
        )
        .fetch_all(&self.pool)
        .await?;
        let scored = |row: &PgRow| {
            Ok(Scored {
                model_key: row.try_get("model_key")?,
                category: row.try_get("category")?,
                window_days: row.try_get::<i32, _>("window_days")?.unsigned_abs(),
                calls: unsigned(row.try_get("calls")?),
                successes: unsigned(row.try_get("successes")?),
                p50_latency_ms: row.try_get::<Option<i64>, _>("p50_latency_ms")?.map(unsigned),
                quality: row.try_get("quality")?,
                judged: unsigned(row.try_get("judged")?),
                context_above: unsigned(row.try_get("context_above")?),
            })
        };
        rows.iter().map(scored).collect()
    }

    /// The penalties that hold at a time, ascending by model, category and end; of a model in a category only the last.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn penalties_held(&self, now: Timestamp) -> Result<Vec<PenaltyHeld>> {
        let rows = sqlx::query(
            "SELECT model_key, category, max(until) AS until FROM model_penalty_event WHERE until > $1
             GROUP BY model_key, category ORDER BY model_key COLLATE \"C\", category COLLATE \"C\"",
        )
        .bind(jiff_sqlx::Timestamp::from(now))
        .fetch_all(&self.pool)
        .await?;
        let held = |row: &PgRow| {
            Ok(PenaltyHeld {
                model_key: row.try_get("model_key")?,
                category: row.try_get("category")?,
                until: row.try_get::<jiff_sqlx::Timestamp, _>("until")?.to_jiff(),
            })
        };
        rows.iter().map(held).collect()
    }

    /// The prices that enough calls were billed at to be believed before a list, ascending by model.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn billed_prices(&self) -> Result<Vec<BilledPrice>> {
        let rows = sqlx::query(
            "SELECT model_key, input_usd_per_mtok::text, output_usd_per_mtok::text, blended_usd_per_mtok::text,
                    listed_usd_per_mtok::text
             FROM model_pricing_catalog WHERE confidence IN ('medium', 'high') ORDER BY model_key COLLATE \"C\"",
        )
        .fetch_all(&self.pool)
        .await?;
        let billed = |row: &PgRow| {
            Ok(BilledPrice {
                model_key: row.try_get("model_key")?,
                input_usd_per_mtok: row.try_get("input_usd_per_mtok")?,
                output_usd_per_mtok: row.try_get("output_usd_per_mtok")?,
                blended_usd_per_mtok: row.try_get("blended_usd_per_mtok")?,
                listed_usd_per_mtok: row.try_get("listed_usd_per_mtok")?,
            })
        };
        rows.iter().map(billed).collect()
    }

    /// Listens for new penalties, on a connection of its own.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn watch_penalties(&self) -> Result<PenaltyWatch> {
        let mut listener = PgListener::connect_with(&self.pool).await?;
        listener.listen(PENALTIES).await?;
        Ok(PenaltyWatch(listener))
    }
}

fn time(row: &PgRow, column: &str) -> Result<Option<Timestamp>> {
    Ok(row.try_get::<Option<jiff_sqlx::Timestamp>, _>(column)?.map(jiff_sqlx::Timestamp::to_jiff))
}

/// Counts and times are never negative.
fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
