//! The calls of one policy, as another one is asked about them.

use super::*;
use vox_contracts::traffic::{AlikeCalls, LeftOut, TrafficQuery};

/// What a gateway says of a call beside what [`Call::plain`] has.
async fn decided(raw: &mut sqlx::PgConnection, call: &Call, tokens: Option<i64>, probability: f64) {
    sqlx::query(
        "UPDATE llm_interaction SET policy = 'shop', complexity = 5, asked = 'vox/auto', picks = ARRAY[deployment, 'hub/next'],
            estimated_tokens = $3, probability = $4, needs = '{tools}', max_output_tokens = 50
         WHERE day = ($2::timestamptz AT TIME ZONE 'UTC')::date AND decision = $1",
    )
    .bind(call.id)
    .bind(jiff_sqlx::Timestamp::from(call.started))
    .bind(tokens)
    .bind(probability)
    .execute(raw)
    .await
    .unwrap();
}

async fn all(store: &Store, now: Timestamp) -> (Vec<AlikeCalls>, LeftOut) {
    let query = TrafficQuery { policy: "shop".to_owned(), hours: 24 };
    let traffic = store.traffic("shop", &query, now).await.unwrap();
    assert_eq!((traffic.from, traffic.until), (now - SignedDuration::from_hours(24), now));
    (traffic.alike, traffic.left_out)
}

#[tokio::test]
async fn calls_that_were_asked_and_decided_alike_are_one_line_of_sums() {
    let Some(store) = store("traffic_alike").await else { return };
    let mut raw = connection("traffic_alike").await;
    let now = Timestamp::now();
    let mut calls: Vec<Call> =
        (1..=5).map(|ago| Call::plain(now - SignedDuration::from_mins(ago), "hub/a", "chat")).collect();
    calls[1].outcome = "failed".to_owned();
    calls[1].cost = None;
    // Broken JSON that somebody was content with.
    calls[2].signal = Some("invalid_json".to_owned());
    calls[2].feedback = vec![Feedback { thumb: Some(1), score: None, abstain: None }];
    calls[3].attempts.insert(0, Attempt { model: "hub/a".to_owned(), outcome: "failed" });
    insert(&mut raw, &calls).await;
    for (call, tokens) in calls.iter().zip([100, 101, 99, 100, 4_000]) {
        decided(&mut raw, call, Some(tokens), 0.95).await;
    }
    let (alike, left_out) = all(&store, now).await;
    assert_eq!((alike.len(), left_out), (2, LeftOut::default()));
    let one = &alike[0];
    assert_eq!((one.calls, one.successes, one.fell_back, one.input_tokens), (4, 3, 1, 101));
    assert_eq!((one.first.as_str(), one.probability, one.max_output_tokens), ("hub/a", 0.95, Some(50)));
    assert_eq!(
        (one.asked.as_deref(), one.needs.as_slice()),
        (Some("vox/auto"), ["tools".to_owned()].as_slice())
    );
    assert_eq!((one.cost_usd.count, one.latency_ms.count), (3, 3));
    assert!((one.cost_usd.sum - 3e-6).abs() < 1e-12 && (one.cost_usd.squares - 3e-12).abs() < 1e-18);
    assert_eq!((one.latency_ms.sum, one.latency_ms.squares), (300.0, 30_000.0));
    assert_eq!(alike[1].input_tokens, 4_000);
}

#[tokio::test]
async fn calls_that_say_nothing_of_another_policy_are_counted_apart() {
    let Some(store) = store("traffic_left_out").await else { return };
    let mut raw = connection("traffic_left_out").await;
    let now = Timestamp::now();
    let call = |minutes| Call::plain(now - SignedDuration::from_mins(minutes), "hub/a", "chat");
    let [mut cancelled, unsaid, narrowed, mut elsewhere, old] = [1, 2, 3, 4, 60 * 25].map(call);
    cancelled.outcome = "cancelled".to_owned();
    elsewhere.namespace = "lab".to_owned();
    let calls = [cancelled, unsaid, narrowed, elsewhere, old];
    insert(&mut raw, &calls).await;
    for (place, call) in calls.iter().enumerate() {
        decided(&mut raw, call, (place != 1).then_some(10), 1.0).await;
    }
    sqlx::query("UPDATE llm_interaction SET narrowed = true WHERE decision = $1")
        .bind(calls[2].id)
        .execute(&mut raw)
        .await
        .unwrap();
    let (alike, left_out) = all(&store, now).await;
    assert_eq!((alike, left_out), (vec![], LeftOut { undecided: 1, narrowed: 1, unsaid: 1 }));
}
