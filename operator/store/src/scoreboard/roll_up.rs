use std::time::{Duration, Instant};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _, Unit};
use jiff_sqlx::ToSqlx as _;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, Row as _};
use vox_contracts::generated::routing::{
    CONTEXT_UTILISATION_ABOVE_PER_MILLE, PRICING_HIGH_SAMPLES, PRICING_MEDIUM_SAMPLES,
    SCOREBOARD_ROUTING_WINDOW_DAYS, SCOREBOARD_WINDOWS_DAYS,
};
use vox_contracts::model_key::server_key;
use vox_contracts::scoreboard::RolledUp;
use vox_contracts::{StrengthTag, TaskCategory};

use super::read::moment;
use crate::routing::SourceUpstream;
use crate::{Error, Result, Store};

/// Key of the advisory lock that passes hold: they run one after the other, whoever starts them.
const LOCK: i64 = 0x766f_7800_7363_6f72;
/// What was written so long before the last pass may have been in a transaction then that had not ended: it is looked at again.
/// Ten times what a statement may last.
const OVERLAP: SignedDuration = SignedDuration::from_mins(5);
/// A database that does not answer by then is away.
const CONNECT: Duration = Duration::from_secs(5);
/// How many of a model's newest calls its price is read from.
const PRICED_CALLS: i64 = 1000;

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

/// What the contract says of a roll-up.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Windows, in days.
    pub windows_days: Vec<u32>,
    /// The window whose calls tell prices, in days.
    pub price_window_days: u32,
    /// A context that is used more than this is crowded.
    pub context_above: f64,
    /// Each category with the strength that it weighs most.
    pub strengths: Vec<(String, String)>,
    /// From how many samples on an observed price has medium and high confidence.
    pub price_samples: [u32; 2],
}

impl Default for Rules {
    fn default() -> Self {
        let strength = |category: &TaskCategory| {
            let first = category.info().strengths.first().copied().unwrap_or(StrengthTag::Generalist);
            (category.as_str().to_owned(), first.as_str().to_owned())
        };
        Self {
            windows_days: SCOREBOARD_WINDOWS_DAYS.to_vec(),
            price_window_days: SCOREBOARD_ROUTING_WINDOW_DAYS,
            context_above: f64::from(CONTEXT_UTILISATION_ABOVE_PER_MILLE) / 1000.0,
            strengths: TaskCategory::ALL.iter().map(strength).collect(),
            price_samples: [PRICING_MEDIUM_SAMPLES, PRICING_HIGH_SAMPLES],
        }
    }
}

/// When a window of so many days began: on a whole hour, so that calls leave it once an hour and not all the time.
pub(super) fn begin(now: Timestamp, days: u32) -> Timestamp {
    let hour = now
        .round(jiff::TimestampRound::new().smallest(Unit::Hour).mode(jiff::RoundMode::Floor))
        .unwrap_or(now);
    hour.checked_sub((i64::from(days) * 24).hours()).unwrap_or(Timestamp::MIN)
}

/// The last day that counts. A clock that is further ahead is wrong.
pub(super) fn last_day(now: Timestamp) -> Date {
    let today = now.to_zoned(TimeZone::UTC).date();
    today.tomorrow().unwrap_or(today)
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
        let mut rows = 0;
        let mut prices = 0;
        if cells.all || !cells.models.is_empty() {
            for days in &rules.windows_days {
                rows += compute(&mut tx, rules, &cells, *days, now).await?;
            }
            if cells.all {
                forget_windows(&mut tx, rules).await?;
            }
            listings(&mut tx).await?;
            prices = observe_prices(&mut tx, rules, &cells, now).await?;
        }
        let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let done = RolledUp { until: now, took_ms, rows, prices };
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
    let (categories, strengths): (Vec<&str>, Vec<&str>) =
        rules.strengths.iter().map(|(category, strength)| (category.as_str(), strength.as_str())).unzip();
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

/// Writes down what the catalogs say of the models on the scoreboard.
async fn listings(tx: &mut PgConnection) -> Result<()> {
    let sources = sqlx::query(
        "SELECT source_uid, upstream FROM catalog_source WHERE upstream IS NOT NULL AND revision > 0",
    )
    .fetch_all(&mut *tx)
    .await?;
    let (mut uids, mut servers) = (Vec::<String>::new(), Vec::new());
    for source in sources {
        let upstream: SourceUpstream = serde_json::from_value(source.try_get("upstream")?)
            .map_err(|source| Error::Convert { what: "a source's upstream", source })?;
        uids.push(source.try_get("source_uid")?);
        servers.push(server_key(&upstream.provider, &upstream.base_url));
    }
    sqlx::query("DELETE FROM model_listing").execute(&mut *tx).await?;
    sqlx::query(
        "INSERT INTO model_listing (model_key, tier, input_usd_per_mtok, output_usd_per_mtok)
         SELECT DISTINCT ON (k.model_key) k.model_key, e.entry ->> 'tier',
            (e.entry #>> '{pricing,input_usd_per_mtok}')::numeric, (e.entry #>> '{pricing,output_usd_per_mtok}')::numeric
         FROM (SELECT DISTINCT model_key FROM model_scoreboard) AS k
         JOIN unnest($1::text[], $2::text[]) AS s (source_uid, server) ON starts_with(k.model_key, s.server || '/')
         JOIN catalog_entry AS e ON e.source_uid = s.source_uid AND e.model_id = substr(k.model_key, length(s.server) + 2)
         JOIN catalog_source AS o ON o.source_uid = s.source_uid
         ORDER BY k.model_key, o.retired_at IS NULL DESC, o.refreshed_at DESC NULLS LAST, s.source_uid",
    )
    .bind(uids)
    .bind(servers)
    .execute(tx)
    .await?;
    Ok(())
}

/// Replaces the observed prices of these models.
async fn observe_prices(tx: &mut PgConnection, rules: &Rules, cells: &Cells, now: Timestamp) -> Result<u64> {
    sqlx::query("DELETE FROM model_pricing_catalog WHERE $1 OR model_key = ANY ($2)")
        .bind(cells.all)
        .bind(&cells.models)
        .execute(&mut *tx)
        .await?;
    let [medium, high] = rules.price_samples;
    let inserted = sqlx::query(include_str!("prices.sql"))
        .bind(begin(now, rules.price_window_days).to_sqlx())
        .bind(last_day(now).to_sqlx())
        .bind(cells.all)
        .bind(&cells.models)
        .bind(PRICED_CALLS)
        .bind(i64::from(medium))
        .bind(i64::from(high))
        .bind(now.to_sqlx())
        .execute(tx)
        .await?;
    Ok(inserted.rows_affected())
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
