use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx as _;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, Row as _};
use vox_contracts::scoreboard::RolledUp;

use super::prices;
use super::read::moment;
use super::rules::{Rules, begin, last_day};
use crate::{Result, Store};

/// Key of the advisory lock that passes hold: they run one after the other, whoever starts them.
const LOCK: i64 = 0x766f_7800_7363_6f72;
/// What was written so long before the last pass may have been in a transaction then that had not ended: it is looked at again.
/// Ten times what a statement may last.
const OVERLAP: SignedDuration = SignedDuration::from_mins(5);
/// A database that does not answer by then is away.
const CONNECT: Duration = Duration::from_secs(5);

/// How much a pass computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Only what may have changed since the last pass of either kind.
    Live,
    /// Everything.
    Full,
}

impl Pass {
    /// Its name, in the table of passes and in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Full => "full",
        }
    }
}

/// Which cells a pass computes.
#[derive(Default)]
struct Cells {
    all: bool,
    models: Vec<String>,
    categories: Vec<String>,
}

impl Store {
    /// Computes the scoreboard anew, all of it or what may have changed. Whoever reads sees the rows of before or those of
    /// after. Any number of these may run at once, twice or late: each waits for the one before, and the rows are always what
    /// the calls say when it begins.
    ///
    /// # Errors
    /// When the database does not answer; then nothing has changed.
    pub async fn roll_up(&self, pass: Pass, rules: &Rules) -> Result<RolledUp> {
        let begun = Instant::now();
        let mut connection = self.connection_of_its_own().await?;
        let mut tx = connection.begin().await?;
        // A month of calls takes longer than the questions of a reconcile may, and sorts better in memory.
        for setting in ["SET LOCAL statement_timeout = '30min'", "SET LOCAL work_mem = '32MB'"] {
            sqlx::query(setting).execute(&mut *tx).await?;
        }
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *tx).await?;
        let row = sqlx::query("SELECT clock_timestamp() AS now").fetch_one(&mut *tx).await?;
        let now = moment(&row, "now")?;
        let cells = match pass {
            Pass::Full => Cells { all: true, ..Cells::default() },
            Pass::Live => changed(&mut tx, rules, now).await?,
        };
        let (mut rows, mut observed) = (0, 0);
        if cells.all || !cells.models.is_empty() {
            for days in &rules.windows_days {
                rows += compute(&mut tx, rules, &cells, *days, now).await?;
            }
            if cells.all {
                forget_windows(&mut tx, rules).await?;
            }
            prices::listings(&mut tx).await?;
            let models = (!cells.all).then_some(cells.models.as_slice());
            observed = prices::observe(&mut tx, rules, models, now).await?;
        }
        let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let done = RolledUp { until: now, took_ms, rows, prices: observed };
        note(&mut tx, pass, &done).await?;
        tx.commit().await?;
        connection.close().await?;
        Ok(done)
    }

    /// Beside the pool's, which are for those who wait. Its statements are long, and no news.
    async fn connection_of_its_own(&self) -> Result<PgConnection> {
        let options = PgConnectOptions::clone(&self.pool.connect_options()).disable_statement_logging();
        let connected = tokio::time::timeout(CONNECT, PgConnection::connect_with(&options)).await;
        Ok(connected.map_err(|_| sqlx::Error::PoolTimedOut)??)
    }
}

/// The cells that may differ from what stands. All of them when there never was a pass.
async fn changed(tx: &mut PgConnection, rules: &Rules, now: Timestamp) -> Result<Cells> {
    let row = sqlx::query("SELECT max(until) AS until FROM scoreboard_rollup").fetch_one(&mut *tx).await?;
    let Some(until) = row.try_get::<Option<jiff_sqlx::Timestamp>, _>("until")? else {
        return Ok(Cells { all: true, ..Cells::default() });
    };
    // Where the database's clock was set back, what it wrote since has older times than the last pass.
    let since = until.to_jiff().min(now).checked_sub(OVERLAP).unwrap_or(Timestamp::MIN);
    let began: Vec<_> = rules.windows_days.iter().map(|days| begin(now, *days).to_sqlx()).collect();
    let rows = sqlx::query(include_str!("touched.sql"))
        .bind(since.to_sqlx())
        .bind(windows(rules))
        .bind(began)
        .fetch_all(tx)
        .await?;
    let mut cells = Cells::default();
    for row in rows {
        cells.models.push(row.try_get(0)?);
        cells.categories.push(row.try_get(1)?);
    }
    Ok(cells)
}

fn windows(rules: &Rules) -> Vec<i32> {
    rules.windows_days.iter().map(|days| i32::try_from(*days).unwrap_or(i32::MAX)).collect()
}

/// Replaces a window's rows of these cells.
async fn compute(
    tx: &mut PgConnection,
    rules: &Rules,
    cells: &Cells,
    days: u32,
    now: Timestamp,
) -> Result<u64> {
    let window = i32::try_from(days).unwrap_or(i32::MAX);
    sqlx::query(
        "DELETE FROM model_scoreboard WHERE window_days = $1
         AND ($2 OR (model_key, category) IN (SELECT * FROM unnest($3::text[], $4::text[])))",
    )
    .bind(window)
    .bind(cells.all)
    .bind(&cells.models)
    .bind(&cells.categories)
    .execute(&mut *tx)
    .await?;
    let (categories, strengths) = rules.categories();
    let inserted = sqlx::query(concat!(
        "INSERT INTO model_scoreboard (model_key, category, strength, window_days, provider, calls, successes, success_rate,
            p50_latency_ms, p99_latency_ms, p50_first_token_ms, p99_first_token_ms, p50_token_ms, cost_pusd,
            cost_per_success_pusd, quality, quality_source, judged, input_tokens, output_tokens, cache_read_tokens,
            cache_write_tokens, cache_savings_pusd, context_utilisation, context_above, abstentions, first_at, last_at,
            computed_at)
         SELECT r.model_key, r.category, coalesce(c.strength, 'generalist'), $11, r.provider, r.calls, r.successes,
            r.successes::float8 / r.calls, r.p50_latency_ms, r.p99_latency_ms, r.p50_first_token_ms, r.p99_first_token_ms,
            r.p50_token_ms, r.cost_pusd, round(r.cost_pusd / nullif(r.successes, 0)), r.quality, r.quality_source,
            r.judged, r.input_tokens, r.output_tokens, r.cache_read_tokens, r.cache_write_tokens, r.cache_savings_pusd,
            r.context_utilisation, r.context_above, r.abstentions, r.first_at, r.last_at, $12
         FROM (", include_str!("rolled.sql"), ") AS r
         LEFT JOIN unnest($13::text[], $14::text[]) AS c (category, strength) ON c.category = r.category"
    ))
    .bind(begin(now, days).to_sqlx())
    .bind(last_day(now).to_sqlx())
    .bind(rules.context_above)
    .bind(cells.all)
    .bind(&cells.models)
    .bind(&cells.categories)
    .bind(None::<&str>)
    .bind(true)
    .bind(true)
    .bind(false)
    .bind(window)
    .bind(now.to_sqlx())
    .bind(categories)
    .bind(strengths)
    .execute(tx)
    .await?;
    Ok(inserted.rows_affected())
}

/// Rows of windows that the contract no longer has.
async fn forget_windows(tx: &mut PgConnection, rules: &Rules) -> Result<()> {
    sqlx::query("DELETE FROM model_scoreboard WHERE window_days <> ALL ($1)")
        .bind(windows(rules))
        .execute(tx)
        .await?;
    Ok(())
}

/// Records how far the roll-up has come.
async fn note(tx: &mut PgConnection, pass: Pass, done: &RolledUp) -> Result<()> {
    sqlx::query(
        "INSERT INTO scoreboard_rollup (kind, until, finished_at, took_ms, rows) VALUES ($1, $2, clock_timestamp(), $3, $4)
         ON CONFLICT (kind) DO UPDATE SET until = excluded.until, finished_at = excluded.finished_at,
            took_ms = excluded.took_ms, rows = excluded.rows",
    )
    .bind(pass.name())
    .bind(done.until.to_sqlx())
    .bind(i64::try_from(done.took_ms).unwrap_or(i64::MAX))
    .bind(i64::try_from(done.rows).unwrap_or(i64::MAX))
    .execute(tx)
    .await?;
    Ok(())
}
