//! What routing reads of what happened, on a real Postgres.

// Clippy knows test functions, not their helpers.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use jiff::Timestamp;
use support::{connection, store};
use vox_store::evidence::QuarantineHeld;

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

fn fell(since: Timestamp) -> QuarantineHeld {
    QuarantineHeld {
        model_key: "hub/a".to_owned(),
        category: "chat".to_owned(),
        since,
        was_per_mille: 970,
        low_per_mille: 910,
        is_per_mille: 400,
        released_at: None,
    }
}

#[tokio::test]
async fn a_quarantine_holds_until_it_is_released_and_may_begin_again() {
    let Some(store) = store("quarantine").await else { return };
    let begun: Timestamp = "2027-01-15T12:00:00Z".parse().unwrap();
    let later: Timestamp = "2027-01-17T12:00:00Z".parse().unwrap();
    store.quarantine(&fell(begun)).await.unwrap();
    store.quarantine(&fell(later)).await.unwrap();
    assert_eq!(store.quarantines().await.unwrap(), [fell(begun)]);
    store.release(&fell(begun), later).await.unwrap();
    assert_eq!(store.quarantines().await.unwrap()[0].released_at, Some(later));
    store.quarantine(&fell(later)).await.unwrap();
    assert_eq!(store.quarantines().await.unwrap(), [fell(later)]);
}

#[tokio::test]
async fn probes_are_the_calls_since_and_a_try_that_another_answered_for_is_a_failed_one() {
    let Some(store) = store("probes").await else { return };
    run(
        "probes",
        "INSERT INTO llm_interaction (day, decision, trace, interaction, started_at, namespace, sidecar, endpoint, category,
             streamed, outcome, model_key, latency_ms, attempts)
         SELECT '2027-01-15', id::uuid, id::uuid, id::uuid, at::timestamptz, 'shop', 'pod', 'chat', category, false, outcome,
             key, 1, tries
         FROM (VALUES
             ('00000000-0000-7000-8000-000000000001', '2027-01-15T11:00:00Z', 'chat', 'answered', 'hub/a', 1),
             ('00000000-0000-7000-8000-000000000002', '2027-01-15T13:00:00Z', 'chat', 'answered', 'hub/a', 1),
             ('00000000-0000-7000-8000-000000000003', '2027-01-15T13:00:00Z', 'chat', 'failed', 'hub/a', 1),
             ('00000000-0000-7000-8000-000000000004', '2027-01-15T13:00:00Z', 'parsing', 'answered', 'hub/a', 1),
             ('00000000-0000-7000-8000-000000000005', '2027-01-15T13:00:00Z', 'chat', 'answered', 'hub/b', 2),
             ('00000000-0000-7000-8000-000000000006', '2027-01-15T13:00:00Z', 'chat', 'answered', 'hub/a', 1)
         ) AS call (id, at, category, outcome, key, tries)",
    )
    .await;
    run(
        "probes",
        "INSERT INTO llm_attempt (day, decision, number, model_key, deployment, outcome, started_ms, latency_ms)
         VALUES ('2027-01-15', '00000000-0000-7000-8000-000000000005', 1, 'hub/a', 'u/a', 'failed', 0, 1),
                ('2027-01-15', '00000000-0000-7000-8000-000000000005', 2, 'hub/b', 'u/b', 'succeeded', 1, 1)",
    )
    .await;
    run(
        "probes",
        "UPDATE llm_interaction SET signal = 'invalid_json' WHERE decision = '00000000-0000-7000-8000-000000000006'",
    )
    .await;
    let probes = store.probes(&fell("2027-01-15T12:00:00Z".parse().unwrap())).await.unwrap();
    assert_eq!((probes.calls, probes.successes), (4, 1), "broken JSON is no success");
}
