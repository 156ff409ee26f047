//! A batch's rows into their tables; rows that are there stay as they are.
//!
//! Hardly ever is one there: a sidecar sends a line again only where it did not hear that it was taken. So calls are copied,
//! which costs the server half of what inserting them does, and only where one was there it is looked which.

use std::collections::HashSet;

use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::copy::{Day, Fields, Moment, Rows};
use super::row::{self, Call, Feedback, Tokens};
use crate::{Error, Result};

const CALL_COLUMNS: &str = "namespace, sidecar, day, decision, trace, interaction, started_at, policy, policy_generation,
    snapshot, endpoint, session, category, complexity, streamed, asked, outcome, status, error_type, model_key, deployment,
    provider, served, latency_ms, first_token_ms, decided_us, input_tokens, output_tokens, cache_read_tokens,
    cache_write_tokens, reasoning_tokens, cost_pusd, cache_savings_pusd, context_utilisation, attempts, finish, signal,
    probability, picks, estimated_tokens, max_output_tokens, needs, narrowed";
const ATTEMPT_COLUMNS: &str = "day, decision, number, model_key, deployment, provider, served, outcome, error_type, status,
    span, started_ms, latency_ms, first_token_ms, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
    reasoning_tokens, cost_pusd, assumed_cost_pusd";

/// Says which of them were not there.
pub(super) async fn calls(
    tx: &mut PgConnection,
    namespace: &str,
    sidecar: &str,
    calls: &[&Call],
) -> Result<HashSet<Uuid>> {
    let mut new = calls.to_vec();
    while !new.is_empty() {
        let mut attempt = tx.begin().await?;
        match call_rows(namespace, sidecar, &new).copy(&mut attempt, "llm_interaction", CALL_COLUMNS).await {
            Ok(()) => {
                attempt.commit().await?;
                break;
            }
            Err(Error::Query(error)) if is_there(&error) => {
                attempt.rollback().await?;
                let before = new.len();
                without_those_there(tx, &mut new).await?;
                // Somebody took away what stood in the way: no reason to try for ever.
                if new.len() == before {
                    return Err(Error::Query(error));
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(new.iter().map(|call| call.decision).collect())
}

fn is_there(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

async fn without_those_there(tx: &mut PgConnection, calls: &mut Vec<&Call>) -> Result<()> {
    let there: HashSet<Uuid> = sqlx::query_scalar(
        "SELECT i.decision FROM UNNEST($1::int[], $2::uuid[]) AS given (day, decision)
         JOIN llm_interaction i ON i.day = DATE '1970-01-01' + given.day AND i.decision = given.decision",
    )
    .bind(column(calls, |c| row::day(c.decision)))
    .bind(column(calls, |c| c.decision))
    .fetch_all(tx)
    .await?
    .into_iter()
    .collect();
    calls.retain(|call| !there.contains(&call.decision));
    Ok(())
}

fn call_rows(namespace: &str, sidecar: &str, calls: &[&Call]) -> Rows {
    let mut rows = Rows::new();
    for call in calls {
        rows.row(|fields| {
            fields.put(namespace).put(sidecar).put(Day(row::day(call.decision)));
            fields.put(call.decision).put(call.trace).put(call.interaction).put(Moment(call.started_ms));
            fields.put(call.policy.as_deref()).put(call.policy_generation).put(call.snapshot);
            fields.put(call.endpoint.as_str()).put(call.session.as_deref());
            fields.put(call.category.as_deref()).put(call.complexity).put(call.streamed);
            fields.put(call.asked.as_deref()).put(call.outcome.as_str()).put(call.status);
            fields.put(call.error_type.as_deref()).put(call.model_key.as_deref());
            fields.put(call.deployment.as_deref()).put(call.provider.as_deref()).put(call.served.as_deref());
            fields.put(call.latency_ms).put(call.first_token_ms).put(call.decided_us);
            tokens(fields, call.tokens);
            fields.put(call.cost_pusd).put(call.cache_savings_pusd).put(call.context_utilisation);
            fields.put(i16::try_from(call.attempts.len()).unwrap_or(i16::MAX));
            fields.put(call.finish.as_deref()).put(call.signal.as_deref());
            fields.put(call.probability).put(call.picks.as_slice());
            fields.put(call.estimated_tokens).put(call.max_output_tokens);
            fields.put(call.needs.as_slice()).put(call.narrowed);
        });
    }
    rows
}

fn tokens(fields: &mut Fields<'_>, tokens: Tokens) {
    fields.put(tokens.input).put(tokens.output).put(tokens.cache_read).put(tokens.cache_write);
    fields.put(tokens.reasoning);
}

/// The tries of these calls, which were not there.
pub(super) async fn attempts(tx: &mut PgConnection, calls: &[&Call]) -> Result<()> {
    let mut rows = Rows::new();
    for call in calls {
        for attempt in &call.attempts {
            rows.row(|fields| {
                fields.put(Day(row::day(call.decision))).put(call.decision).put(attempt.number);
                fields.put(attempt.model_key.as_str()).put(attempt.deployment.as_str());
                fields.put(attempt.provider.as_deref()).put(attempt.served.as_deref());
                fields.put(attempt.outcome.as_str()).put(attempt.error_type.as_deref()).put(attempt.status);
                fields.put(attempt.span.as_deref()).put(attempt.started_ms).put(attempt.latency_ms);
                fields.put(attempt.first_token_ms);
                tokens(fields, attempt.tokens);
                fields.put(attempt.cost_pusd).put(attempt.assumed_cost_pusd);
            });
        }
    }
    if calls.iter().all(|call| call.attempts.is_empty()) {
        return Ok(());
    }
    rows.copy(tx, "llm_attempt", ATTEMPT_COLUMNS).await
}

fn column<'a, R, T>(rows: &'a [R], of: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(of).collect()
}

/// Says which of them were not there.
pub(super) async fn feedback(
    tx: &mut PgConnection,
    namespace: &str,
    feedback: &[&Feedback],
) -> Result<Vec<Uuid>> {
    if feedback.is_empty() {
        return Ok(Vec::new());
    }
    let new = sqlx::query_scalar(
        "INSERT INTO llm_feedback (
                namespace, day, feedback, decision_day, decision, received_at, thumb, score, abstain, confidence)
             SELECT $1::text, DATE '1970-01-01' + day, feedback, DATE '1970-01-01' + decision_day, decision,
                to_timestamp(received_ms / 1000.0::double precision), thumb, score, abstain, confidence
             FROM UNNEST($2::int[], $3::uuid[], $4::int[], $5::uuid[], $6::bigint[], $7::smallint[], $8::double
                precision[], $9::boolean[], $10::double precision[])
                 AS given (day, feedback, decision_day, decision, received_ms, thumb, score, abstain, confidence)
             ON CONFLICT DO NOTHING
             RETURNING feedback",
    )
    .bind(namespace)
    .bind(column(feedback, |f| row::day(f.feedback)))
    .bind(column(feedback, |f| f.feedback))
    .bind(column(feedback, |f| row::day(f.decision)))
    .bind(column(feedback, |f| f.decision))
    .bind(column(feedback, |f| f.received_ms))
    .bind(column(feedback, |f| f.thumb))
    .bind(column(feedback, |f| f.score))
    .bind(column(feedback, |f| f.abstain))
    .bind(column(feedback, |f| f.confidence))
    .fetch_all(tx)
    .await?;
    Ok(new)
}
