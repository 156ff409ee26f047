//! Many rows by one statement: a column is an array, and rows that are there stay as they are.

use sqlx::PgConnection;
use uuid::Uuid;

use super::row::{self, Attempt, Call, Feedback};
use crate::Result;

fn column<'a, R, T>(rows: &'a [R], of: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(of).collect()
}

/// Texts as Postgres writes an array of them: arrays of arrays would all have to be of one length.
fn array(texts: &[String]) -> String {
    let mut written = String::from("{");
    for (place, text) in texts.iter().enumerate() {
        written.push_str(if place == 0 { "\"" } else { ",\"" });
        for letter in text.chars() {
            if matches!(letter, '"' | '\\') {
                written.push('\\');
            }
            written.push(letter);
        }
        written.push('"');
    }
    written.push('}');
    written
}

/// Says which of them were not there.
pub(super) async fn calls(
    tx: &mut PgConnection,
    namespace: &str,
    sidecar: &str,
    calls: &[&Call],
) -> Result<Vec<Uuid>> {
    if calls.is_empty() {
        return Ok(Vec::new());
    }
    let new = sqlx::query_scalar(
        "INSERT INTO llm_interaction (
                namespace, sidecar, day, decision, trace, interaction, started_at, policy, policy_generation,
                snapshot, endpoint, session, category, complexity, streamed, asked, outcome, status, error_type,
                model_key, deployment, provider, served, latency_ms, first_token_ms, decided_us, input_tokens,
                output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_pusd,
                cache_savings_pusd, context_utilisation, attempts, finish, signal, probability, picks)
             SELECT $1::text, $2::text, DATE '1970-01-01' + day, decision, trace, interaction, to_timestamp(started_ms /
                1000.0::double precision), policy, policy_generation, snapshot, endpoint, session, category,
                complexity, streamed, asked, outcome, status, error_type, model_key, deployment, provider,
                served, latency_ms, first_token_ms, decided_us, input_tokens, output_tokens, cache_read_tokens,
                cache_write_tokens, reasoning_tokens, cost_pusd, cache_savings_pusd, context_utilisation,
                attempts, finish, signal, probability, picks::text[]
             FROM UNNEST($3::int[], $4::uuid[], $5::uuid[], $6::uuid[], $7::bigint[], $8::text[], $9::bigint[],
                $10::bigint[], $11::text[], $12::text[], $13::text[], $14::smallint[], $15::boolean[],
                $16::text[], $17::text[], $18::int[], $19::text[], $20::text[], $21::text[], $22::text[],
                $23::text[], $24::bigint[], $25::bigint[], $26::bigint[], $27::bigint[], $28::bigint[],
                $29::bigint[], $30::bigint[], $31::bigint[], $32::bigint[], $33::bigint[], $34::double
                precision[], $35::smallint[], $36::text[], $37::text[], $38::double precision[], $39::text[])
                 AS given (day, decision, trace, interaction, started_ms, policy, policy_generation, snapshot, endpoint,
                session, category, complexity, streamed, asked, outcome, status, error_type, model_key,
                deployment, provider, served, latency_ms, first_token_ms, decided_us, input_tokens,
                output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_pusd,
                cache_savings_pusd, context_utilisation, attempts, finish, signal, probability, picks)
             ON CONFLICT DO NOTHING
             RETURNING decision",
    )
    .bind(namespace)
    .bind(sidecar)
    .bind(column(calls, |c| row::day(c.decision)))
    .bind(column(calls, |c| c.decision))
    .bind(column(calls, |c| c.trace))
    .bind(column(calls, |c| c.interaction))
    .bind(column(calls, |c| c.started_ms))
    .bind(column(calls, |c| c.policy.as_deref()))
    .bind(column(calls, |c| c.policy_generation))
    .bind(column(calls, |c| c.snapshot))
    .bind(column(calls, |c| c.endpoint.as_str()))
    .bind(column(calls, |c| c.session.as_deref()))
    .bind(column(calls, |c| c.category.as_deref()))
    .bind(column(calls, |c| c.complexity))
    .bind(column(calls, |c| c.streamed))
    .bind(column(calls, |c| c.asked.as_deref()))
    .bind(column(calls, |c| c.outcome.as_str()))
    .bind(column(calls, |c| c.status))
    .bind(column(calls, |c| c.error_type.as_deref()))
    .bind(column(calls, |c| c.model_key.as_deref()))
    .bind(column(calls, |c| c.deployment.as_deref()))
    .bind(column(calls, |c| c.provider.as_deref()))
    .bind(column(calls, |c| c.served.as_deref()))
    .bind(column(calls, |c| c.latency_ms))
    .bind(column(calls, |c| c.first_token_ms))
    .bind(column(calls, |c| c.decided_us))
    .bind(column(calls, |c| c.tokens.input))
    .bind(column(calls, |c| c.tokens.output))
    .bind(column(calls, |c| c.tokens.cache_read))
    .bind(column(calls, |c| c.tokens.cache_write))
    .bind(column(calls, |c| c.tokens.reasoning))
    .bind(column(calls, |c| c.cost_pusd))
    .bind(column(calls, |c| c.cache_savings_pusd))
    .bind(column(calls, |c| c.context_utilisation))
    .bind(column(calls, |c| i16::try_from(c.attempts.len()).unwrap_or(i16::MAX)))
    .bind(column(calls, |c| c.finish.as_deref()))
    .bind(column(calls, |c| c.signal.as_deref()))
    .bind(column(calls, |c| c.probability))
    .bind(column(calls, |c| array(&c.picks)))
    .fetch_all(tx)
    .await?;
    Ok(new)
}

/// The tries of these calls.
pub(super) async fn attempts(tx: &mut PgConnection, calls: &[&Call]) -> Result<()> {
    let mut tries: Vec<(Uuid, &Attempt)> = Vec::new();
    for call in calls {
        tries.extend(call.attempts.iter().map(|attempt| (call.decision, attempt)));
    }
    if tries.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO llm_attempt (
                day, decision, number, model_key, deployment, provider, served, outcome, error_type, status,
                span, started_ms, latency_ms, first_token_ms, input_tokens, output_tokens, cache_read_tokens,
                cache_write_tokens, reasoning_tokens, cost_pusd, assumed_cost_pusd)
             SELECT DATE '1970-01-01' + day, decision, number, model_key, deployment, provider, served, outcome,
                error_type, status, span, started_ms, latency_ms, first_token_ms, input_tokens, output_tokens,
                cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_pusd, assumed_cost_pusd
             FROM UNNEST($1::int[], $2::uuid[], $3::smallint[], $4::text[], $5::text[], $6::text[], $7::text[],
                $8::text[], $9::text[], $10::int[], $11::text[], $12::bigint[], $13::bigint[], $14::bigint[],
                $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[], $19::bigint[], $20::bigint[],
                $21::bigint[])
                 AS given (day, decision, number, model_key, deployment, provider, served, outcome, error_type, status,
                span, started_ms, latency_ms, first_token_ms, input_tokens, output_tokens, cache_read_tokens,
                cache_write_tokens, reasoning_tokens, cost_pusd, assumed_cost_pusd)
             ON CONFLICT DO NOTHING",
    )
    .bind(column(&tries, |(decision, _)| row::day(*decision)))
    .bind(column(&tries, |(decision, _)| *decision))
    .bind(column(&tries, |(_, a)| a.number))
    .bind(column(&tries, |(_, a)| a.model_key.as_str()))
    .bind(column(&tries, |(_, a)| a.deployment.as_str()))
    .bind(column(&tries, |(_, a)| a.provider.as_deref()))
    .bind(column(&tries, |(_, a)| a.served.as_deref()))
    .bind(column(&tries, |(_, a)| a.outcome.as_str()))
    .bind(column(&tries, |(_, a)| a.error_type.as_deref()))
    .bind(column(&tries, |(_, a)| a.status))
    .bind(column(&tries, |(_, a)| a.span.as_deref()))
    .bind(column(&tries, |(_, a)| a.started_ms))
    .bind(column(&tries, |(_, a)| a.latency_ms))
    .bind(column(&tries, |(_, a)| a.first_token_ms))
    .bind(column(&tries, |(_, a)| a.tokens.input))
    .bind(column(&tries, |(_, a)| a.tokens.output))
    .bind(column(&tries, |(_, a)| a.tokens.cache_read))
    .bind(column(&tries, |(_, a)| a.tokens.cache_write))
    .bind(column(&tries, |(_, a)| a.tokens.reasoning))
    .bind(column(&tries, |(_, a)| a.cost_pusd))
    .bind(column(&tries, |(_, a)| a.assumed_cost_pusd))
    .execute(tx)
    .await?;
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_written_so_that_they_are_read_again() {
        let texts = ["a/b", "", "q\"u\\o", "{,}", "NULL"].map(str::to_owned);
        assert_eq!(array(&texts), r#"{"a/b","","q\"u\\o","{,}","NULL"}"#);
        assert_eq!(array(&[]), "{}");
    }
}
