//! What routing reads of what happened, on a real Postgres.

// Clippy knows test functions, not their helpers.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use jiff::Timestamp;
use support::{connection, store};

async fn run(test: &str, statement: &'static str) {
    sqlx::query(statement).execute(&mut connection(test).await).await.unwrap();
}

#[tokio::test]
async fn a_penalty_is_told_at_once_and_held_until_its_end() {
    let Some(store) = store("penalty").await else { return };
    let mut told = store.watch_penalties().await.unwrap();
    run(
        "penalty",
        "INSERT INTO model_penalty_event (penalty, model_key, category, cause, since, until) VALUES
         (gen_random_uuid(), 'hub/a', 'chat', 'abstain', now(), now() + interval '5 minutes'),
         (gen_random_uuid(), 'hub/a', 'chat', 'abstain', now(), now() + interval '10 minutes'),
         (gen_random_uuid(), 'hub/b', 'chat', 'abstain', now() - interval '1 hour', now() - interval '1 minute')",
    )
    .await;
    run("penalty", "NOTIFY vox_penalty").await;
    tokio::time::timeout(Duration::from_secs(20), told.next()).await.unwrap().unwrap();
    let now = Timestamp::now();
    let held = store.penalties_held(now).await.unwrap();
    assert_eq!(held.len(), 1);
    assert_eq!((held[0].model_key.as_str(), held[0].category.as_str()), ("hub/a", "chat"));
    assert!(store.penalties_held(held[0].until).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_scoreboard_is_read_with_its_windows_and_its_mark_moves_with_it() {
    let Some(store) = store("scored").await else { return };
    let empty = store.evidence_mark().await.unwrap();
    run(
        "scored",
        "INSERT INTO model_scoreboard (model_key, category, strength, window_days, calls, successes, success_rate,
             p50_latency_ms, quality, judged, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
             cache_savings_pusd, context_above, abstentions, first_at, last_at, computed_at)
         SELECT 'hub/a/b', 'chat', 'generalist', days, 10 * days, 9 * days, 0.9, 1200, 0.5, 4, 0, 0, 0, 0, 0, 2, 0,
             now(), now(), now() FROM unnest(ARRAY[7, 1]) AS days",
    )
    .await;
    let scored = store.scored().await.unwrap();
    let told: Vec<_> = scored.iter().map(|one| (one.window_days, one.calls, one.successes)).collect();
    assert_eq!(told, [(1, 10, 9), (7, 70, 63)]);
    assert_eq!(
        (scored[0].p50_latency_ms, scored[0].quality, scored[0].context_above),
        (Some(1200), Some(0.5), 2)
    );
    let mark = store.evidence_mark().await.unwrap();
    assert_ne!(mark, empty);
    assert_eq!(mark, store.evidence_mark().await.unwrap());
}

#[tokio::test]
async fn only_prices_that_enough_calls_tell_are_read() {
    let Some(store) = store("billed").await else { return };
    run(
        "billed",
        "INSERT INTO model_pricing_catalog (model_key, samples, input_usd_per_mtok, output_usd_per_mtok,
             blended_usd_per_mtok, confidence, listed_usd_per_mtok, first_at, last_at, computed_at)
         VALUES ('hub/a', 3, 1, 2, 1.5, 'low', NULL, now(), now(), now()),
                ('hub/b', 30, NULL, 2.50, 1.5, 'medium', 1, now(), now(), now())",
    )
    .await;
    let billed = store.billed_prices().await.unwrap();
    assert_eq!(billed.len(), 1);
    assert_eq!((billed[0].model_key.as_str(), billed[0].input_usd_per_mtok.as_deref()), ("hub/b", None));
    assert_eq!(billed[0].output_usd_per_mtok.as_deref(), Some("2.50"));
}
