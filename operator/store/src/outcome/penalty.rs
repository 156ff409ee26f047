//! A model that abstained without confidence is kept from the category for a while (FIX-12).

use sqlx::PgConnection;
use uuid::Uuid;
use vox_contracts::generated::routing::{ABSTAIN_CONFIDENCE_BELOW_PER_MILLE, PENALTY};

use super::row::{self, Call, Feedback};
use crate::Result;

/// Whoever publishes penalties listens here.
const CHANNEL: &str = "vox_penalty";
/// Feedback comes within so many days of its call, or a little before it, since clocks differ.
const LATER_DAYS: i32 = 2;

/// Whether it is one that is penalised.
fn counts(feedback: &Feedback) -> bool {
    feedback.abstain == Some(true)
        && feedback
            .confidence
            .is_some_and(|sure| sure * 1000.0 < f64::from(ABSTAIN_CONFIDENCE_BELOW_PER_MILLE))
}

/// A call and an abstention of it that come at the same moment over two ways would not see each other. Abstentions are
/// few: they wait for the namespace's batches under way, and later batches for them.
pub(super) async fn lock(tx: &mut PgConnection, namespace: &str, feedback: &[&Feedback]) -> Result<()> {
    let alone = feedback.iter().any(|feedback| counts(feedback));
    let statement = if alone {
        "SELECT pg_advisory_xact_lock(hashtextextended('vox_outcome/' || $1::text, 0))"
    } else {
        "SELECT pg_advisory_xact_lock_shared(hashtextextended('vox_outcome/' || $1::text, 0))"
    };
    sqlx::query(statement).bind(namespace).execute(tx).await?;
    Ok(())
}

/// Makes the penalties that follow from what is new: from feedback whose call is there, and from calls whose feedback came
/// before them. Says how many hold now, and wakes whoever publishes them.
pub(super) async fn follow(tx: &mut PgConnection, calls: &[&Call], feedback: &[&Feedback]) -> Result<u64> {
    let mut decisions: Vec<Uuid> = Vec::new();
    let mut days: Vec<i32> = Vec::new();
    for call in calls.iter().filter(|call| call.model_key.is_some() && call.category.is_some()) {
        decisions.push(call.decision);
        days.extend([
            row::day(call.decision).saturating_sub(1),
            row::day(call.decision).saturating_add(LATER_DAYS),
        ]);
    }
    for feedback in feedback.iter().filter(|feedback| counts(feedback)) {
        decisions.push(feedback.decision);
        days.push(row::day(feedback.feedback));
    }
    let (Some(first), Some(last)) = (days.iter().min(), days.iter().max()) else { return Ok(0) };
    let made: Vec<bool> = sqlx::query_scalar(
        "INSERT INTO model_penalty_event (penalty, model_key, category, cause, decision, since, until)
         SELECT f.feedback, i.model_key, i.category, 'abstain', f.decision, s.since, s.since + make_interval(secs => $5)
         FROM llm_feedback f
         JOIN llm_interaction i ON i.day = f.decision_day AND i.decision = f.decision AND i.namespace = f.namespace
         CROSS JOIN LATERAL (SELECT least(f.received_at, now()) AS since) s
         WHERE f.abstain AND f.confidence * 1000 < $4 AND f.decision = ANY($1)
             AND f.day BETWEEN DATE '1970-01-01' + $2::int AND DATE '1970-01-01' + $3::int
             AND i.model_key IS NOT NULL AND i.category IS NOT NULL
             -- It holds for all namespaces: only one that routes by a policy can say so.
             AND EXISTS (SELECT FROM routing_policy p WHERE p.namespace = i.namespace AND p.name = i.policy)
         ON CONFLICT DO NOTHING
         RETURNING until > now()",
    )
    .bind(&decisions)
    .bind(first)
    .bind(last)
    .bind(f64::from(ABSTAIN_CONFIDENCE_BELOW_PER_MILLE))
    .bind(PENALTY.as_secs_f64())
    .fetch_all(&mut *tx)
    .await?;
    let hold = made.iter().filter(|holds| **holds).count();
    if hold > 0 {
        sqlx::query("SELECT pg_notify($1, '')").bind(CHANNEL).execute(tx).await?;
    }
    Ok(u64::try_from(hold).unwrap_or(u64::MAX))
}
