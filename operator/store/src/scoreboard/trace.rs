use std::collections::HashMap;

use sqlx::Row as _;
use sqlx::postgres::PgRow;
use uuid::Uuid;
use vox_contracts::scoreboard::{Trace, TracedAttempt, TracedCall, TracedFeedback};

use super::read::{moment, usd};
use crate::outcome::day;
use crate::{Result, Store};

/// Most calls of one turn that are told.
const CALLS: i64 = 500;

impl Store {
    /// A turn with its calls, their tries and what was thought of them, by the turn's id or that of one of its calls; `None`
    /// where no such call is known (any more).
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn trace(&self, id: Uuid) -> Result<Option<Trace>> {
        // A call's own day bounds the search for it; a turn's calls are found by their index.
        let rows = sqlx::query(
            "SELECT *, cost_pusd::text AS cost FROM llm_interaction
             WHERE trace = $1 OR trace = (SELECT trace FROM llm_interaction WHERE day = DATE '1970-01-01' + $2 AND decision = $1)
             ORDER BY started_at, decision LIMIT $3",
        )
        .bind(id)
        .bind(day(id))
        .bind(CALLS)
        .fetch_all(&self.pool)
        .await?;
        if rows.is_empty() {
            return Ok(None);
        }
        let days = rows.iter().map(|row| row.try_get("day")).collect::<Result<Vec<jiff_sqlx::Date>, _>>()?;
        let decisions = rows.iter().map(|row| row.try_get("decision")).collect::<Result<Vec<Uuid>, _>>()?;
        let mut tried = self.tries(&days, &decisions).await?;
        let mut judged = self.judgements(&days, &decisions).await?;
        let calls = rows.iter().map(|row| {
            let mut call = call(row)?;
            call.attempts = tried.remove(&call.decision).unwrap_or_default();
            call.feedback = judged.remove(&call.decision).unwrap_or_default();
            Ok(call)
        });
        Ok(Some(Trace { calls: calls.collect::<Result<_>>()? }))
    }

    async fn tries(
        &self,
        days: &[jiff_sqlx::Date],
        decisions: &[Uuid],
    ) -> Result<HashMap<Uuid, Vec<TracedAttempt>>> {
        let rows = sqlx::query(
            "SELECT *, cost_pusd::text AS cost FROM llm_attempt
             WHERE (day, decision) IN (SELECT * FROM unnest($1::date[], $2::uuid[])) ORDER BY decision, number",
        )
        .bind(days)
        .bind(decisions)
        .fetch_all(&self.pool)
        .await?;
        let mut tried = HashMap::<_, Vec<_>>::new();
        for row in &rows {
            tried.entry(row.try_get("decision")?).or_default().push(attempt(row)?);
        }
        Ok(tried)
    }

    async fn judgements(
        &self,
        days: &[jiff_sqlx::Date],
        decisions: &[Uuid],
    ) -> Result<HashMap<Uuid, Vec<TracedFeedback>>> {
        let rows = sqlx::query(
            "SELECT * FROM llm_feedback
             WHERE (decision_day, decision) IN (SELECT * FROM unnest($1::date[], $2::uuid[])) ORDER BY decision, received_at",
        )
        .bind(days)
        .bind(decisions)
        .fetch_all(&self.pool)
        .await?;
        let mut judged = HashMap::<_, Vec<_>>::new();
        for row in &rows {
            judged.entry(row.try_get("decision")?).or_default().push(feedback(row)?);
        }
        Ok(judged)
    }
}

fn call(row: &PgRow) -> Result<TracedCall> {
    Ok(TracedCall {
        decision: row.try_get("decision")?,
        trace: row.try_get("trace")?,
        interaction: row.try_get("interaction")?,
        started_at: moment(row, "started_at")?,
        namespace: row.try_get("namespace")?,
        policy: row.try_get("policy")?,
        sidecar: row.try_get("sidecar")?,
        endpoint: row.try_get("endpoint")?,
        session: row.try_get("session")?,
        category: row.try_get("category")?,
        asked: row.try_get("asked")?,
        outcome: row.try_get("outcome")?,
        status: row.try_get("status")?,
        error_type: row.try_get("error_type")?,
        deployment: row.try_get("deployment")?,
        latency_ms: row.try_get("latency_ms")?,
        input_tokens: row.try_get("input_tokens")?,
        output_tokens: row.try_get("output_tokens")?,
        cost_usd: usd(row, "cost")?,
        finish: row.try_get("finish")?,
        signal: row.try_get("signal")?,
        probability: row.try_get("probability")?,
        picks: row.try_get("picks")?,
        attempts: Vec::new(),
        feedback: Vec::new(),
    })
}

fn attempt(row: &PgRow) -> Result<TracedAttempt> {
    Ok(TracedAttempt {
        number: row.try_get("number")?,
        deployment: row.try_get("deployment")?,
        outcome: row.try_get("outcome")?,
        error_type: row.try_get("error_type")?,
        status: row.try_get("status")?,
        started_ms: row.try_get("started_ms")?,
        latency_ms: row.try_get("latency_ms")?,
        first_token_ms: row.try_get("first_token_ms")?,
        input_tokens: row.try_get("input_tokens")?,
        output_tokens: row.try_get("output_tokens")?,
        cost_usd: usd(row, "cost")?,
    })
}

fn feedback(row: &PgRow) -> Result<TracedFeedback> {
    Ok(TracedFeedback {
        received_at: moment(row, "received_at")?,
        thumb: row.try_get("thumb")?,
        score: row.try_get("score")?,
        abstain: row.try_get("abstain")?,
        confidence: row.try_get("confidence")?,
    })
}
