use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx as _;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use vox_contracts::traffic::{AlikeCalls, LeftOut, Summed, Traffic, TrafficQuery};

use super::read::count;
use crate::{Error, Result, Store};

/// Most lines of one answer. Where calls are of more kinds, nothing is told rather than a part: which part is left out would
/// depend on how calls are alike.
const LINES: i64 = 100_000;

impl Store {
    /// The calls of a namespace that a policy decided, those that were asked and decided alike together.
    ///
    /// # Errors
    /// When the database does not answer, or they are of more kinds than one answer holds.
    pub async fn traffic(&self, namespace: &str, query: &TrafficQuery, now: Timestamp) -> Result<Traffic> {
        let back = SignedDuration::from_hours(i64::from(query.hours));
        let from = now.checked_sub(back).unwrap_or(Timestamp::MIN);
        let rows = sqlx::query(include_str!("traffic.sql"))
            .bind(from.to_sqlx())
            .bind(now.to_sqlx())
            .bind(namespace)
            .bind(&query.policy)
            .bind(LINES + 1)
            .fetch_all(&self.pool)
            .await?;
        if i64::try_from(rows.len()).is_ok_and(|rows| rows > LINES) {
            return Err(Error::TooMany { what: "kinds of calls", most: LINES });
        }
        let mut traffic = Traffic { from, until: now, left_out: LeftOut::default(), alike: Vec::new() };
        for row in &rows {
            let left_out: Option<&str> = row.try_get("left_out")?;
            match left_out {
                None => traffic.alike.extend(alike(row)?),
                Some("narrowed") => traffic.left_out.narrowed += count(row, "calls")?,
                Some("unsaid") => traffic.left_out.unsaid += count(row, "calls")?,
                Some(_) => traffic.left_out.undecided += count(row, "calls")?,
            }
        }
        Ok(traffic)
    }
}

/// None where another version of the operator has a category that this one does not.
fn alike(row: &PgRow) -> Result<Option<AlikeCalls>> {
    let Ok(category) = row.try_get::<&str, _>("category")?.parse() else { return Ok(None) };
    let summed = |count_of: &str, sum: &str, squares: &str| {
        Ok::<_, Error>(Summed {
            count: count(row, count_of)?,
            sum: row.try_get(sum)?,
            squares: row.try_get(squares)?,
        })
    };
    let limit: Option<i64> = row.try_get("max_output_tokens")?;
    Ok(Some(AlikeCalls {
        category,
        complexity: u8::try_from(row.try_get::<i16, _>("complexity")?).unwrap_or(u8::MAX),
        asked: row.try_get("asked")?,
        embedding: row.try_get("embedding")?,
        streamed: row.try_get("streamed")?,
        needs: row.try_get("needs")?,
        input_tokens: count(row, "input_tokens")?,
        max_output_tokens: limit.and_then(|limit| u64::try_from(limit).ok()),
        first: row.try_get("first")?,
        probability: row.try_get("probability")?,
        calls: count(row, "calls")?,
        successes: count(row, "successes")?,
        fell_back: count(row, "fell_back")?,
        cost_usd: summed("costs", "cost", "cost_squares")?,
        latency_ms: summed("latencies", "latency", "latency_squares")?,
    }))
}
