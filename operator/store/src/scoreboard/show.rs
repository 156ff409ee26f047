use std::time::Duration;

use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use vox_contracts::scoreboard::{ObservedPrice, Scoreboard, ScoreboardQuery, ScoreboardRow, TierShare};

use super::read::{count, moment, price, usd};
use super::rules::Rules;
use super::windows::{Asked, Cells, with_counts, with_windows, without_nested_loops};
use crate::{Result, Store};

/// A pass that ended well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastPass {
    /// `live` or `full`.
    pub kind: String,
    /// When it ended.
    pub finished_at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// Rows of the scoreboard that it computed.
    pub rows: u64,
}

impl Store {
    /// The scoreboard as of the last pass: its rows, or, for a group, a namespace or another window, rows that are put together
    /// from what was counted, so that their percentiles are exact too.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn scoreboard(
        &self,
        query: &ScoreboardQuery,
        rules: &Rules,
        now: Timestamp,
    ) -> Result<Scoreboard> {
        let kept = query.namespace.is_none()
            && query.group_by.is_none()
            && rules.windows_days.contains(&query.window_days);
        let cells = Cells { all: true, ..Cells::default() };
        let asked = Asked {
            windows_days: &[query.window_days],
            now,
            cells: &cells,
            namespace: query.namespace.as_deref(),
            group_by: query.group_by,
        };
        let mut tx = self.pool.begin().await?;
        without_nested_loops(&mut tx).await?;
        let rows = if kept {
            kept_rows(&mut tx, query.window_days).await?
        } else {
            computed_rows(&mut tx, &asked, rules).await?
        };
        let tiers = tier_shares(&mut tx, &asked).await?;
        let until: Option<jiff_sqlx::Timestamp> =
            sqlx::query_scalar("SELECT max(until) FROM scoreboard_rollup").fetch_one(&mut *tx).await?;
        Ok(Scoreboard {
            window_days: query.window_days,
            rolled_up_until: until.map(|until| until.to_jiff()),
            rows,
            tiers,
        })
    }

    /// The last pass of each kind that ended well, by whichever process.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn roll_ups(&self) -> Result<Vec<LastPass>> {
        let rows = sqlx::query(
            "SELECT kind, finished_at, took_ms, rows FROM scoreboard_rollup ORDER BY kind COLLATE \"C\"",
        )
        .fetch_all(&self.pool)
        .await?;
        let last = |row: &PgRow| {
            Ok(LastPass {
                kind: row.try_get("kind")?,
                finished_at: moment(row, "finished_at")?,
                took: Duration::from_millis(count(row, "took_ms")?),
                rows: count(row, "rows")?,
            })
        };
        rows.iter().map(last).collect()
    }

    /// The prices that were billed, by model.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn observed_prices(&self) -> Result<Vec<ObservedPrice>> {
        let rows = sqlx::query(
            "SELECT model_key, samples, confidence, first_at, last_at, input_usd_per_mtok::text AS input,
                output_usd_per_mtok::text AS output, blended_usd_per_mtok::text AS blended, listed_usd_per_mtok::text AS listed
             FROM model_pricing_catalog ORDER BY model_key COLLATE \"C\"",
        )
        .fetch_all(&self.pool)
        .await?;
        let observed = |row: &PgRow| {
            Ok(ObservedPrice {
                model_key: row.try_get("model_key")?,
                samples: count(row, "samples")?,
                confidence: row.try_get("confidence")?,
                input_usd_per_mtok: price(row, "input")?,
                output_usd_per_mtok: price(row, "output")?,
                blended_usd_per_mtok: price(row, "blended")?.ok_or(sqlx::Error::RowNotFound)?,
                listed_usd_per_mtok: price(row, "listed")?,
                first_at: moment(row, "first_at")?,
                last_at: moment(row, "last_at")?,
            })
        };
        rows.iter().map(observed).collect()
    }
}

async fn kept_rows(tx: &mut PgConnection, window_days: u32) -> Result<Vec<ScoreboardRow>> {
    let rows = sqlx::query(
        "SELECT *, cost_pusd::text AS cost, cost_per_success_pusd::text AS cost_per_success,
            cache_savings_pusd::text AS cache_savings
         FROM model_scoreboard WHERE window_days = $1
         ORDER BY calls DESC, model_key COLLATE \"C\", category COLLATE \"C\"",
    )
    .bind(i32::try_from(window_days).unwrap_or(i32::MAX))
    .fetch_all(tx)
    .await?;
    rows.iter().map(scored).collect()
}

async fn computed_rows(
    tx: &mut PgConnection,
    asked: &Asked<'_>,
    rules: &Rules,
) -> Result<Vec<ScoreboardRow>> {
    let (categories, strengths) = rules.categories();
    let statement = sqlx::query(with_windows!(
        "SELECT r.*, c.strength, r.successes::float8 / r.calls AS success_rate,
            r.cost_pusd::text AS cost, round(r.cost_pusd / nullif(r.successes, 0))::text AS cost_per_success,
            r.cache_savings_pusd::text AS cache_savings
         FROM windows AS r LEFT JOIN unnest($11::text[], $12::text[]) AS c (category, strength) USING (category)
         ORDER BY r.calls DESC, r.model_key COLLATE \"C\", r.category COLLATE \"C\", r.provider COLLATE \"C\""
    ));
    let rows = asked.bind(statement).bind(categories).bind(strengths).fetch_all(tx).await?;
    rows.iter().map(scored).collect()
}

async fn tier_shares(tx: &mut PgConnection, asked: &Asked<'_>) -> Result<Vec<TierShare>> {
    let statement = sqlx::query(with_counts!(
        "SELECT nullif(provider, '') COLLATE \"C\" AS provider, tier COLLATE \"C\" AS tier, sum(served)::bigint AS calls
         FROM counts LEFT JOIN model_listing USING (model_key)
         WHERE served > 0
         GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2"
    ));
    let rows = asked.bind(statement).fetch_all(tx).await?;
    let share = |row: &PgRow| {
        Ok(TierShare {
            provider: row.try_get("provider")?,
            tier: row.try_get("tier")?,
            calls: count(row, "calls")?,
        })
    };
    rows.iter().map(share).collect()
}

fn scored(row: &PgRow) -> Result<ScoreboardRow> {
    Ok(ScoreboardRow {
        model_key: row.try_get("model_key")?,
        category: row.try_get("category")?,
        strength: row.try_get("strength")?,
        provider: row.try_get("provider")?,
        window_days: u32::try_from(row.try_get::<i32, _>("window_days")?).unwrap_or_default(),
        calls: count(row, "calls")?,
        successes: count(row, "successes")?,
        success_rate: row.try_get("success_rate")?,
        p50_latency_ms: row.try_get("p50_latency_ms")?,
        p99_latency_ms: row.try_get("p99_latency_ms")?,
        p50_first_token_ms: row.try_get("p50_first_token_ms")?,
        p99_first_token_ms: row.try_get("p99_first_token_ms")?,
        p50_token_ms: row.try_get("p50_token_ms")?,
        cost_usd: usd(row, "cost")?,
        cost_per_success_usd: usd(row, "cost_per_success")?,
        quality: row.try_get("quality")?,
        quality_source: row.try_get("quality_source")?,
        judged: count(row, "judged")?,
        input_tokens: count(row, "input_tokens")?,
        output_tokens: count(row, "output_tokens")?,
        cache_read_tokens: count(row, "cache_read_tokens")?,
        cache_write_tokens: count(row, "cache_write_tokens")?,
        cache_savings_usd: usd(row, "cache_savings")?.ok_or(sqlx::Error::RowNotFound)?,
        context_utilisation: row.try_get("context_utilisation")?,
        context_above: count(row, "context_above")?,
        abstentions: count(row, "abstentions")?,
        first_at: moment(row, "first_at")?,
        last_at: moment(row, "last_at")?,
    })
}
