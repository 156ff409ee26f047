//! Partitions of a day: made ahead, filled with what waited for them in the default partition, and taken off when old.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use sqlx::{AssertSqlSafe, PgConnection};
use vox_contracts::checkup::{MOST_COUNTED, PartitionFacts};

use crate::{Result, Store};

/// The tables, those whose rows say how old they are first.
const TABLES: [&str; 3] = [CALLS, "llm_attempt", "llm_feedback"];
const CALLS: &str = "llm_interaction";
/// What is counted of a day's calls, and goes with them.
const COUNTS: [&str; 3] = ["scoreboard_hour", "scoreboard_day", "scoreboard_hour_count"];
/// Days that have a partition before they begin.
const AHEAD: i32 = 3;
/// Whoever holds a table for longer must not make all that is ingested wait behind this.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '3s'";

/// What was done to the partitions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Partitions {
    /// Made.
    pub made: u64,
    /// Taken off and dropped.
    pub dropped: u64,
    /// Rows that were moved out of the default partition.
    pub moved: u64,
    /// Rows of wrong clocks that were deleted from the default partition.
    pub deleted: u64,
}

impl Store {
    /// Makes the partitions of the days around `today` and of those that the default partition has rows of, and drops
    /// those that are older than `keep_days`. Days count from 1970-01-01 UTC. Doing it again does nothing more.
    ///
    /// # Errors
    /// When the database does not answer, or somebody holds a table for long; what was done until then stays.
    pub async fn keep_partitions(&self, today: i32, keep_days: u16) -> Result<Partitions> {
        let mut done = Partitions::default();
        let oldest = today.saturating_sub(i32::from(keep_days));
        for table in TABLES {
            let there = self.days_of(table).await?;
            let mut days = self.days_in_default(table, oldest, today.saturating_add(AHEAD)).await?;
            days.extend(today.saturating_sub(1)..=today.saturating_add(AHEAD));
            days.sort_unstable();
            days.dedup();
            for day in days.into_iter().filter(|day| *day >= oldest && !there.contains(day)) {
                done.moved += self.make_partition(table, day).await?;
                done.made += 1;
            }
            for day in there.into_iter().filter(|day| *day < oldest) {
                self.drop_partition(table, day).await?;
                done.dropped += 1;
            }
        }
        done.deleted = self.empty_default(keep_days).await?;
        Ok(done)
    }

    /// Feedback that came between one day and eight days ago and whose call has not come.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn feedback_without_call(&self) -> Result<u64> {
        let count: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM llm_feedback f
             WHERE f.ingested_at BETWEEN now() - interval '8 days' AND now() - interval '1 day' AND NOT EXISTS (
                 SELECT FROM llm_interaction i WHERE i.day = f.decision_day AND i.decision = f.decision)",
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// Which days from `today` on lack a partition, and what waits for one; of the tables that are there.
    pub(crate) async fn partition_facts(&self, today: i32) -> Result<Vec<PartitionFacts>> {
        let mut facts = Vec::new();
        for table in TABLES {
            let default = format!("{table}_default");
            let there: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
                .bind(&default)
                .fetch_one(&self.pool)
                .await?;
            if !there {
                continue;
            }
            let days = self.days_of(table).await?;
            let missing = (today..=today.saturating_add(AHEAD)).filter(|day| !days.contains(day));
            let count =
                format!("SELECT count(*) FROM (SELECT FROM {default} LIMIT {MOST_COUNTED}) AS waiting");
            let rows: i64 = sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(&self.pool).await?;
            facts.push(PartitionFacts {
                table: table.to_owned(),
                missing_days: missing.filter_map(date).collect(),
                rows_in_default: u64::try_from(rows).unwrap_or_default(),
            });
        }
        Ok(facts)
    }

    /// The days that have a partition.
    async fn days_of(&self, table: &str) -> Result<Vec<i32>> {
        let days = sqlx::query_scalar(
            "SELECT to_date(right(child.relname, 8), 'YYYYMMDD') - DATE '1970-01-01'
             FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
             WHERE inhparent = to_regclass($1) AND child.relname ~ '_[0-9]{8}$'",
        )
        .bind(table)
        .fetch_all(&self.pool)
        .await?;
        Ok(days)
    }

    async fn days_in_default(&self, table: &str, first: i32, last: i32) -> Result<Vec<i32>> {
        let statement = format!(
            "SELECT DISTINCT day - DATE '1970-01-01' FROM {table}_default
             WHERE day BETWEEN DATE '1970-01-01' + $1::int AND DATE '1970-01-01' + $2::int"
        );
        let days = sqlx::query_scalar(AssertSqlSafe(statement)).bind(first).bind(last);
        Ok(days.fetch_all(&self.pool).await?)
    }

    /// Says how many rows it got from the default partition.
    async fn make_partition(&self, table: &str, day: i32) -> Result<u64> {
        let mut tx = self.pool.begin().await?;
        sqlx::query(LOCK_TIMEOUT).execute(&mut *tx).await?;
        let (name, from) = name(&mut tx, table, day).await?;
        // From here on nobody adds a row of that day which would be in the way.
        let lock = format!("LOCK TABLE {table}_default IN ACCESS EXCLUSIVE MODE");
        sqlx::query(AssertSqlSafe(lock)).execute(&mut *tx).await?;
        let create = format!("CREATE TABLE {name} (LIKE {table} INCLUDING ALL)");
        sqlx::query(AssertSqlSafe(create)).execute(&mut *tx).await?;
        let moving = format!(
            "WITH moved AS (DELETE FROM {table}_default WHERE day = DATE '{from}' RETURNING *)
             INSERT INTO {name} SELECT * FROM moved"
        );
        let moved = sqlx::query(AssertSqlSafe(moving)).execute(&mut *tx).await?.rows_affected();
        let attach = format!(
            "ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM (DATE '{from}') TO (DATE '{from}' + 1)"
        );
        sqlx::query(AssertSqlSafe(attach)).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(moved)
    }

    /// `DETACH … CONCURRENTLY` is not allowed where there is a default partition.
    async fn drop_partition(&self, table: &str, day: i32) -> Result<()> {
        let mut tx = self.pool.begin().await?;
        sqlx::query(LOCK_TIMEOUT).execute(&mut *tx).await?;
        let (name, from) = name(&mut tx, table, day).await?;
        let detach = format!("ALTER TABLE {table} DETACH PARTITION {name}");
        sqlx::query(AssertSqlSafe(detach)).execute(&mut *tx).await?;
        sqlx::query(AssertSqlSafe(format!("DROP TABLE {name}"))).execute(&mut *tx).await?;
        // Once the calls are detached no pass counts them any more.
        for counts in COUNTS.iter().filter(|_| table == CALLS) {
            let delete = format!("DELETE FROM {counts} WHERE day = DATE '{from}'");
            sqlx::query(AssertSqlSafe(delete)).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// What wrong clocks left in the default partition goes by its arrival: no partition will ever take it.
    async fn empty_default(&self, keep_days: u16) -> Result<u64> {
        let mut deleted = 0;
        let statements = [
            "DELETE FROM llm_attempt_default a USING llm_interaction_default i
             WHERE i.day = a.day AND i.decision = a.decision AND i.ingested_at < now() - make_interval(days => $1)",
            "DELETE FROM llm_interaction_default WHERE ingested_at < now() - make_interval(days => $1)",
            "DELETE FROM llm_feedback_default WHERE ingested_at < now() - make_interval(days => $1)",
        ];
        for statement in statements {
            let done = sqlx::query(statement).bind(i32::from(keep_days)).execute(&self.pool).await?;
            deleted += done.rows_affected();
        }
        Ok(deleted)
    }
}

/// The day so many days after 1970-01-01.
fn date(day: i32) -> Option<Date> {
    let midnight = Timestamp::from_second(i64::from(day) * 24 * 60 * 60).ok()?;
    Some(midnight.to_zoned(TimeZone::UTC).date())
}

/// A partition's name and day.
async fn name(tx: &mut PgConnection, table: &str, day: i32) -> Result<(String, String)> {
    let from: String = sqlx::query_scalar("SELECT to_char(DATE '1970-01-01' + $1::int, 'YYYY-MM-DD')")
        .bind(day)
        .fetch_one(tx)
        .await?;
    Ok((format!("{table}_{}", from.replace('-', "")), from))
}
