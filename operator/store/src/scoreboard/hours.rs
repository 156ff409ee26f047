//! What is counted of the calls of an hour, and of a day: which of it may differ from what stands, and how it is counted anew.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx as _;
use sqlx::{PgConnection, Row as _};

use super::read::moment;
use crate::Result;

/// What was written so long before the last pass may have been in a transaction then that had not ended: it is looked at again.
/// Ten times what a statement may last.
const OVERLAP: SignedDuration = SignedDuration::from_mins(5);

/// What has to be counted anew.
#[derive(Debug, Default)]
pub(super) struct Stale {
    /// Days of which everything has.
    pub(super) days: BTreeSet<Date>,
    /// Of other days, these hours.
    pub(super) hours: BTreeMap<Date, BTreeSet<Timestamp>>,
}

/// A model and a category.
pub(super) type Cell = (String, String);

/// From when on what came in is not counted yet. `None` where nothing is counted, or contexts are by another limit.
pub(super) async fn since(
    tx: &mut PgConnection,
    context_above: f64,
    now: Timestamp,
) -> Result<Option<Timestamp>> {
    let until: Option<jiff_sqlx::Timestamp> =
        sqlx::query_scalar("SELECT until FROM scoreboard_progress WHERE context_limit = $1")
            .bind(context_above)
            .fetch_optional(tx)
            .await?;
    // Where the database's clock was set back, what it wrote since has older times than the last pass.
    let since = |until: jiff_sqlx::Timestamp| until.to_jiff().min(now).checked_sub(OVERLAP);
    Ok(until.map(|until| since(until).unwrap_or(Timestamp::MIN)))
}

/// Records that what came in until then is counted.
pub(super) async fn note(tx: &mut PgConnection, context_above: f64, until: Timestamp) -> Result<()> {
    sqlx::query("DELETE FROM scoreboard_progress").execute(&mut *tx).await?;
    sqlx::query("INSERT INTO scoreboard_progress (until, context_limit) VALUES ($1, $2)")
        .bind(until.to_sqlx())
        .bind(context_above)
        .execute(tx)
        .await?;
    Ok(())
}

/// The hours of which something came since then, and the cells that it speaks of.
pub(super) async fn touched(tx: &mut PgConnection, since: Timestamp) -> Result<(Stale, BTreeSet<Cell>)> {
    let rows = sqlx::query(include_str!("touched.sql")).bind(since.to_sqlx()).fetch_all(tx).await?;
    let (mut stale, mut cells) = (Stale::default(), BTreeSet::new());
    for row in rows {
        let day: jiff_sqlx::Date = row.try_get("day")?;
        stale.hours.entry(day.to_jiff()).or_default().insert(moment(&row, "hour")?);
        let cell: (Option<String>, Option<String>) = (row.try_get("model_key")?, row.try_get("category")?);
        if let (Some(model), Some(category)) = cell {
            cells.insert((model, category));
        }
    }
    Ok((stale, cells))
}

/// The days that have more or fewer calls than when they were counted; all days where nothing is.
pub(super) async fn missed(tx: &mut PgConnection) -> Result<BTreeSet<Date>> {
    let days: Vec<jiff_sqlx::Date> = sqlx::query_scalar(include_str!("missed.sql")).fetch_all(tx).await?;
    Ok(days.into_iter().map(|day| day.to_jiff()).collect())
}

/// Forgets all that was counted.
pub(super) async fn forget(tx: &mut PgConnection) -> Result<()> {
    for statement in [
        // Whoever drops a day's calls locks these first, and then what is counted of them.
        "LOCK TABLE llm_interaction IN ACCESS SHARE MODE",
        "DELETE FROM scoreboard_hour_count",
        "DELETE FROM scoreboard_hour",
        "DELETE FROM scoreboard_day",
    ] {
        sqlx::query(statement).execute(&mut *tx).await?;
    }
    Ok(())
}

/// Counts anew, a day at a time, which is a partition of calls.
pub(super) async fn count(tx: &mut PgConnection, stale: &Stale, context_above: f64) -> Result<()> {
    for day in &stale.days {
        count_day(tx, *day, None, context_above).await?;
    }
    for (day, hours) in stale.hours.iter().filter(|(day, _)| !stale.days.contains(day)) {
        count_day(tx, *day, Some(hours), context_above).await?;
    }
    Ok(())
}

/// Counts these hours of a day anew, or all.
async fn count_day(
    tx: &mut PgConnection,
    day: Date,
    hours: Option<&BTreeSet<Timestamp>>,
    context_above: f64,
) -> Result<()> {
    let all = hours.is_none();
    let hours: Vec<_> = hours.into_iter().flatten().map(|hour| hour.to_sqlx()).collect();
    // How many calls there are, before they are read: one that comes in between is missed later, and not for ever.
    for statement in [
        "DELETE FROM scoreboard_hour_count WHERE day = $1 AND ($2 OR hour = ANY ($3))",
        "INSERT INTO scoreboard_hour_count (day, hour, calls)
         SELECT day, hour_of(started_at) AS hour, count(*) FROM llm_interaction
         WHERE day = $1 AND ($2 OR hour_of(started_at) = ANY ($3)) GROUP BY day, hour",
        "DELETE FROM scoreboard_hour WHERE day = $1 AND ($2 OR hour = ANY ($3))",
    ] {
        sqlx::query(statement).bind(day.to_sqlx()).bind(all).bind(&hours).execute(&mut *tx).await?;
    }
    sqlx::query(include_str!("hours.sql"))
        .bind(day.to_sqlx())
        .bind(all)
        .bind(&hours)
        .bind(context_above)
        .execute(&mut *tx)
        .await?;
    for statement in ["DELETE FROM scoreboard_day WHERE day = $1", include_str!("days.sql")] {
        sqlx::query(statement).bind(day.to_sqlx()).execute(&mut *tx).await?;
    }
    Ok(())
}
