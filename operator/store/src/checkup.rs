//! What the database says of itself: facts for `vox doctor`. Nothing is written, and every question is bounded.

use std::collections::BTreeSet;
use std::time::Instant;

use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use vox_contracts::checkup::{DatabaseFacts, MigrationFacts, RefusedKey, TableFacts};

use crate::{MIGRATOR, Result, Store};

/// Tables that are told of.
const TABLES: i64 = 10;

impl Store {
    /// What the database says of itself. `today` counts days from 1970-01-01 UTC.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn checkup(&self, today: i32) -> Result<DatabaseFacts> {
        // The first question may open a connection, which would count as a part of the way to its clock.
        self.ping().await?;
        let (asked, began) = (Timestamp::now(), Instant::now());
        let row = sqlx::query(
            "SELECT clock_timestamp() AS now, current_setting('server_version') AS version,
                 current_setting('server_version_num')::int AS version_number,
                 pg_database_size(current_database()) AS size_bytes",
        )
        .fetch_one(&self.pool)
        .await?;
        let round_trip = began.elapsed();
        let now: jiff_sqlx::Timestamp = row.try_get("now")?;
        let ahead = now.to_jiff().as_millisecond() - asked.as_millisecond();
        let round_trip_ms = u64::try_from(round_trip.as_millis()).unwrap_or(u64::MAX);
        Ok(DatabaseFacts {
            version: row.try_get("version")?,
            version_number: u32::try_from(row.try_get::<i32, _>("version_number")?).unwrap_or_default(),
            clock_ahead_ms: ahead.saturating_sub(i64::try_from(round_trip_ms / 2).unwrap_or_default()),
            round_trip_ms,
            size_bytes: unsigned(&row, "size_bytes")?,
            migrations: self.migrations().await?,
            partitions: self.partition_facts(today).await?,
            tables: self.tables().await?,
        })
    }

    /// Keys with which providers refused calls of the last hour and took none since.
    ///
    /// # Errors
    /// When the database does not answer, or lacks the tables.
    pub async fn refused_keys(&self) -> Result<Vec<RefusedKey>> {
        let rows = sqlx::query(include_str!("refused_keys.sql")).fetch_all(&self.pool).await?;
        let key = |row: &PgRow| {
            Ok(RefusedKey {
                namespace: row.try_get("namespace")?,
                policy: row.try_get("policy")?,
                provider: row.try_get("provider")?,
                status: u16::try_from(row.try_get::<i32, _>("status")?).unwrap_or_default(),
                calls: unsigned(row, "calls")?,
            })
        };
        rows.iter().map(key).collect()
    }

    async fn migrations(&self) -> Result<MigrationFacts> {
        let ours = MIGRATOR.iter().filter(|migration| migration.migration_type.is_up_migration());
        let ours: BTreeSet<i64> = ours.map(|migration| migration.version).collect();
        let expected = u32::try_from(ours.len()).unwrap_or(u32::MAX);
        let known: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
            .fetch_one(&self.pool)
            .await?;
        if !known {
            let missing = ours.into_iter().collect();
            return Ok(MigrationFacts { expected, missing, ..MigrationFacts::default() });
        }
        let rows: Vec<(i64, bool)> =
            sqlx::query_as("SELECT version, success FROM _sqlx_migrations ORDER BY version")
                .fetch_all(&self.pool)
                .await?;
        let theirs: BTreeSet<i64> = rows.iter().map(|(version, _)| *version).collect();
        Ok(MigrationFacts {
            expected,
            missing: ours.difference(&theirs).copied().collect(),
            failed: rows.iter().filter(|(_, success)| !success).map(|(version, _)| *version).collect(),
            unknown: theirs.difference(&ours).copied().collect(),
        })
    }

    async fn tables(&self) -> Result<Vec<TableFacts>> {
        let rows = sqlx::query(
            "SELECT relname::text AS name, n_live_tup, n_dead_tup, pg_total_relation_size(relid) AS size_bytes,
                 greatest(last_vacuum, last_autovacuum) AS vacuumed_at
             FROM pg_stat_user_tables WHERE schemaname = current_schema()
             ORDER BY n_dead_tup DESC, relname LIMIT $1",
        )
        .bind(TABLES)
        .fetch_all(&self.pool)
        .await?;
        let table = |row: &PgRow| {
            let vacuumed: Option<jiff_sqlx::Timestamp> = row.try_get("vacuumed_at")?;
            Ok(TableFacts {
                table: row.try_get("name")?,
                live_rows: unsigned(row, "n_live_tup")?,
                dead_rows: unsigned(row, "n_dead_tup")?,
                // None of a table that was dropped meanwhile.
                size_bytes: row
                    .try_get::<Option<i64>, _>("size_bytes")?
                    .and_then(|size| u64::try_from(size).ok())
                    .unwrap_or_default(),
                vacuumed_at: vacuumed.map(jiff_sqlx::Timestamp::to_jiff),
            })
        };
        rows.iter().map(table).collect()
    }
}

fn unsigned(row: &PgRow, column: &str) -> Result<u64> {
    Ok(u64::try_from(row.try_get::<i64, _>(column)?).unwrap_or_default())
}
