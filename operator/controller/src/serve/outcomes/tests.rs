//! Batches as the control API takes them, on a real Postgres. `VOX_TEST_DATABASE_URL` names one; each test makes a
//! database of its own in it.

// Clippy knows test functions, not their helpers.
#![allow(clippy::unwrap_used)]

mod exported;
mod kill;

use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::serve::tests::database;

fn call(decision: Uuid) -> String {
    json!({"kind": "call", "event": "vox.model.error", "startedUnixMs": 1, "attempts": [], "attributes": {
        "vox.trace_id": decision, "vox.decision.id": decision, "vox.endpoint": "chat", "vox.outcome": "refused",
        "gen_ai.operation.name": "chat", "error.type": "too_dear", "vox.latency_ms": 1, "vox.attempts": 0,
    }})
    .to_string()
}

async fn take(store: &Store, intake: &Intake, body: impl Into<Body>) -> Result<OutcomesReceipt, (u16, bool)> {
    let taken = intake.take(store, &Metrics::new(), "shop", "pod", body.into()).await;
    let response = match taken {
        Ok(took) => return Ok(took.receipt),
        Err(problem) => answer(Err(problem)),
    };
    Err((response.status().as_u16(), response.headers().contains_key(header::RETRY_AFTER)))
}

#[tokio::test]
async fn a_receipt_counts_lines_and_tells_why_some_are_not_taken() {
    let Some(url) = database("outcomes_receipt").await else { return };
    let store = Store::open(&url, 4).unwrap();
    store.migrate().await.unwrap();
    let line = call(Uuid::now_v7());
    let body = format!("{line}\n{line}\n{}\nthe secret plan", call(Uuid::from_u128(7)));
    let receipt = take(&store, &Intake::new(), body).await.unwrap();
    assert_eq!((receipt.stored, receipt.repeated, receipt.refused), (1, 1, 2));
    assert_eq!((receipt.refusals[0].line, receipt.refusals[1].line), (3, 4));
    let told = format!("{receipt:?}");
    assert!(told.contains("vox.decision.id") || told.contains("vox.trace_id"), "{told}");
    assert!(!told.contains("secret"), "{told}");
}

#[tokio::test]
async fn while_the_database_is_away_a_sidecar_hears_when_to_come_again() {
    let away = Store::open("postgres://nobody@127.0.0.1:1/none", 1).unwrap();
    assert_eq!(take(&away, &Intake::new(), call(Uuid::now_v7())).await, Err((503, true)));
}

#[tokio::test]
async fn too_much_at_once_is_for_later_and_too_long_for_never() {
    let away = Store::open("postgres://nobody@127.0.0.1:1/none", 1).unwrap();
    let intake = Intake::new();
    assert_eq!(take(&away, &intake, vec![b' '; LARGEST_BODY + 1]).await, Err((413, false)));
    let all = intake.bodies.clone().acquire_many_owned(u32::try_from(BODIES).unwrap()).await.unwrap();
    assert_eq!(take(&away, &intake, "").await, Err((429, true)));
    drop(all);
    assert!(take(&away, &intake, "").await.is_ok(), "nothing to write needs no database");
}
