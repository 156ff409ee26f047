use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use vox_contracts::scoreboard::RolledUp;

use super::hours::{self, Cell, Stale};
use super::prices;
use super::read::moment;
use super::rules::{Rules, begin};
use super::windows::{Asked, Cells, columns, with_windows, without_nested_loops};
use crate::{Result, Store};

/// Key of the advisory lock that passes hold: they run one after the other, whoever starts them.
const LOCK: i64 = 0x766f_7800_7363_6f72;
/// A database that does not answer by then is away.
const CONNECT: Duration = Duration::from_secs(5);

/// How much a pass computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Only what may have changed since the last pass of either kind.
    Live,
    /// That, each day that has more or fewer calls than when it was counted, and all windows.
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

impl Store {
    /// Brings the scoreboard up to date: counts the hours of which something came, and computes the windows that have them.
    /// Whoever reads sees the rows of before or those of after. Any number of these may run at once, twice or late: each
    /// waits for the one before, and the rows are always what the calls say when it begins.
    ///
    /// # Errors
    /// When the database does not answer; then nothing has changed.
    pub async fn roll_up(&self, pass: Pass, rules: &Rules) -> Result<RolledUp> {
        let begun = Instant::now();
        let mut connection = self.connection_of_its_own().await?;
        let mut tx = connection.begin().await?;
        for setting in SETTINGS {
            sqlx::query(setting).execute(&mut *tx).await?;
        }
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *tx).await?;
        let row = sqlx::query("SELECT clock_timestamp() AS now").fetch_one(&mut *tx).await?;
        let now = moment(&row, "now")?;
        let (stale, cells) = changed(&mut tx, pass, rules, now).await?;
        hours::count(&mut tx, &stale, rules.context_above).await?;
        hours::note(&mut tx, rules.context_above, now).await?;
        let (mut rows, mut observed) = (0, 0);
        let any = cells.all || !cells.models.is_empty();
        if any {
            rows = compute(&mut tx, rules, &cells, now).await?;
        }
        // Catalogs change where no call comes, too.
        prices::listings(&mut tx).await?;
        if any {
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

/// The first pass reads all calls, which takes longer than the questions of a reconcile may. Statements are many, and each is
/// shorter than compiling it would be.
const SETTINGS: [&str; 3] =
    ["SET LOCAL statement_timeout = '30min'", "SET LOCAL work_mem = '32MB'", "SET LOCAL jit = off"];

/// What has to be counted, and the cells of the scoreboard that may differ from what stands.
async fn changed(tx: &mut PgConnection, pass: Pass, rules: &Rules, now: Timestamp) -> Result<(Stale, Cells)> {
    let everything = Cells { all: true, ..Cells::default() };
    let Some(since) = hours::since(tx, rules.context_above, now).await? else {
        hours::forget(tx).await?;
        return Ok((Stale { days: hours::missed(tx).await?, ..Stale::default() }, everything));
    };
    let (mut stale, mut cells) = hours::touched(tx, since).await?;
    match pass {
        Pass::Full => {
            stale.days = hours::missed(tx).await?;
            Ok((stale, everything))
        }
        Pass::Live => {
            cells.extend(left_behind(tx, rules, now).await?);
            let (models, categories) = cells.into_iter().unzip();
            Ok((stale, Cells { all: false, models, categories }))
        }
    }
}

/// The cells of which a window has left something behind.
async fn left_behind(tx: &mut PgConnection, rules: &Rules, now: Timestamp) -> Result<Vec<Cell>> {
    let began: Vec<_> = rules.windows_days.iter().map(|days| begin(now, *days).to_sqlx()).collect();
    let rows = sqlx::query_as(
        "SELECT DISTINCT s.model_key, s.category FROM model_scoreboard AS s
         JOIN unnest($1::integer[], $2::timestamptz[]) AS w (days, began) ON w.days = s.window_days
         WHERE s.first_at < w.began",
    )
    .bind(columns(&rules.windows_days))
    .bind(began)
    .fetch_all(tx)
    .await?;
    Ok(rows)
}

/// Replaces the rows of these cells, in all windows.
async fn compute(tx: &mut PgConnection, rules: &Rules, cells: &Cells, now: Timestamp) -> Result<u64> {
    sqlx::query(
        "DELETE FROM model_scoreboard
         WHERE $1 OR (model_key, category) IN (SELECT * FROM unnest($2::text[], $3::text[]))",
    )
    .bind(cells.all)
    .bind(&cells.models)
    .bind(&cells.categories)
    .execute(&mut *tx)
    .await?;
    without_nested_loops(tx).await?;
    let asked = Asked { windows_days: &rules.windows_days, now, cells, namespace: None, group_by: None };
    let (categories, strengths) = rules.categories();
    let statement = sqlx::query(with_windows!(
        "INSERT INTO model_scoreboard (model_key, category, strength, window_days, provider, calls, successes, success_rate,
            p50_latency_ms, p99_latency_ms, p50_first_token_ms, p99_first_token_ms, p50_token_ms, cost_pusd,
            cost_per_success_pusd, quality, quality_source, judged, input_tokens, output_tokens, cache_read_tokens,
            cache_write_tokens, cache_savings_pusd, context_utilisation, context_above, abstentions, first_at, last_at,
            computed_at)
         SELECT r.model_key, r.category, coalesce(c.strength, 'generalist'), r.window_days, r.provider, r.calls, r.successes,
            r.successes::float8 / r.calls, r.p50_latency_ms, r.p99_latency_ms, r.p50_first_token_ms, r.p99_first_token_ms,
            r.p50_token_ms, r.cost_pusd, round(r.cost_pusd / nullif(r.successes, 0)), r.quality, r.quality_source,
            r.judged, r.input_tokens, r.output_tokens, r.cache_read_tokens, r.cache_write_tokens, r.cache_savings_pusd,
            r.context_utilisation, r.context_above, r.abstentions, r.first_at, r.last_at, $13
         FROM windows AS r LEFT JOIN unnest($11::text[], $12::text[]) AS c (category, strength) USING (category)"
    ));
    let statement = asked.bind(statement).bind(categories).bind(strengths).bind(now.to_sqlx());
    Ok(statement.execute(tx).await?.rows_affected())
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
