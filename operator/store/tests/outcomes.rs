//! Outcomes on a real Postgres: once, whole, and where they belong. `VOX_TEST_DATABASE_URL` names one.

// Clippy knows test functions, not their helpers.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Row as _};
use support::{connection, store};
use uuid::Uuid;
use vox_store::Store;
use vox_store::outcome::{Batch, Refused, Stored, day, untakable};
use vox_store::scoreboard::{Pass, Rules};

const DAY_MS: u64 = 86_400_000;
/// The end of the year 9998 UTC: no time is later.
const LAST_MS: i64 = 253_370_764_799_999;

fn now_ms() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap()
}

fn today() -> i32 {
    i32::try_from(now_ms() / DAY_MS).unwrap()
}

/// A `UUIDv7` of this moment.
fn id(ms: u64, tail: u16) -> Uuid {
    let [high, low] = tail.to_be_bytes();
    uuid::Builder::from_unix_timestamp_millis(ms, &[high, low, 1, 1, 1, 1, 1, 1, high, low]).into_uuid()
}

fn call(decision: Uuid, attempts: i64) -> Value {
    let tried = |number: i64| {
        json!({"event": "vox.model.attempt", "attributes": {
            "vox.attempt.number": number, "vox.attempt.outcome": "succeeded", "vox.latency_ms": 4,
            "vox.deployment": "up/m", "vox.model.key": "host/m", "gen_ai.provider.name": "vllm",
        }})
    };
    json!({"kind": "call", "event": "vox.model.response", "startedUnixMs": now_ms(), "attributes": {
        "vox.trace_id": decision, "vox.decision.id": decision, "vox.endpoint": "chat",
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "vllm", "gen_ai.request.model": "vox/auto",
        "vox.policy": "shop/p", "vox.task.category": "chat", "vox.outcome": "answered", "vox.latency_ms": 7,
        "vox.attempts": attempts, "vox.cost_usd": "0.003", "vox.deployment": "up/m", "vox.model.key": "host/m",
        "vox.decision.picks": ["up/m", "a\"b\\c,{}"],
    }, "attempts": (1..=attempts).map(tried).collect::<Vec<_>>()})
}

fn feedback(id: Uuid, decision: Uuid, more: Value) -> Value {
    let mut line = json!({"kind": "feedback", "id": id, "receivedUnixMs": now_ms(), "decision": decision});
    line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    line
}

fn unsure(id: Uuid, decision: Uuid) -> Value {
    feedback(id, decision, json!({"abstain": true, "confidence": 0.2}))
}

fn body(lines: &[Value]) -> Vec<u8> {
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    lines.join("\n").into_bytes()
}

fn batch(lines: &[Value]) -> Batch {
    Batch::read("shop", &body(lines))
}

/// How many lines were stored, were there and became penalties.
async fn put(store: &Store, lines: &[Value]) -> Stored {
    let stored = store.store_outcomes("shop", "pod", &batch(lines)).await.unwrap();
    Stored { calls: Default::default(), ..stored }
}

fn stored(stored: u64, repeated: u64) -> Stored {
    Stored { stored, repeated, ..Stored::default() }
}

/// How many rows this is.
async fn count(name: &str, of: &str) -> i64 {
    let statement = format!("SELECT count(*) FROM {of}");
    sqlx::query_scalar(AssertSqlSafe(statement)).fetch_one(&mut connection(name).await).await.unwrap()
}

async fn execute(name: &str, statement: &'static str) {
    sqlx::raw_sql(statement).execute(&mut connection(name).await).await.unwrap();
}

/// The namespace routes by the policy of these calls.
async fn programmed(name: &str) {
    execute(
        name,
        "INSERT INTO routing_policy (policy_uid, namespace, name, generation, spec, programmed_at)
         VALUES ('uid', 'shop', 'p', 1, '{}', now())",
    )
    .await;
}

fn calls(count: u16) -> Vec<Value> {
    (0..count).map(|n| call(id(now_ms(), n), 2)).collect()
}

#[tokio::test]
async fn a_batch_that_comes_twice_and_in_another_order_is_there_once() {
    let Some(store) = store("outcomes_twice").await else { return };
    let mut lines = calls(50);
    lines.push(feedback(id(now_ms(), 900), id(now_ms(), 1), json!({"thumb": "up"})));
    assert_eq!(put(&store, &lines).await, stored(51, 0));
    assert_eq!(put(&store, &lines).await, stored(0, 51));
    lines.reverse();
    lines.push(lines[3].clone());
    assert_eq!(put(&store, &lines).await, stored(0, 52));
    let counts =
        [count("outcomes_twice", "llm_interaction").await, count("outcomes_twice", "llm_attempt").await];
    assert_eq!(counts, [50, 100]);
}

#[tokio::test]
async fn a_row_says_what_its_line_said() {
    let Some(store) = store("outcomes_row").await else { return };
    let decision = id(now_ms(), 1);
    put(&store, &[call(decision, 1)]).await;
    let row = sqlx::query(
        "SELECT decision, policy, namespace, sidecar, cost_pusd, picks, attempts::int,
             day = (started_at AT TIME ZONE 'UTC')::date AS of_its_day
         FROM llm_interaction",
    )
    .fetch_one(&mut connection("outcomes_row").await)
    .await
    .unwrap();
    assert_eq!(row.get::<Uuid, _>(0), decision);
    let texts = [row.get::<String, _>(1), row.get(2), row.get(3)];
    assert_eq!(texts, ["p", "shop", "pod"]);
    assert_eq!((row.get::<i64, _>(4), row.get::<i32, _>(6)), (3_000_000_000, 1));
    assert_eq!(row.get::<Vec<String>, _>(5), ["up/m", "a\"b\\c,{}"]);
    assert!(row.get::<bool, _>(7));
}

#[tokio::test]
async fn two_batches_of_the_same_lines_at_once_are_there_once() {
    let Some(store) = store("outcomes_race").await else { return };
    let lines = calls(300);
    let mut turned = lines.clone();
    turned.reverse();
    let (one, other) = tokio::join!(put(&store, &lines), put(&store, &turned));
    assert_eq!((one.stored + other.stored, one.repeated + other.repeated), (300, 300));
    assert_eq!(count("outcomes_race", "llm_attempt").await, 600);
}

#[tokio::test]
async fn a_call_that_the_database_does_not_take_leaves_nothing_and_keeps_no_other_out() {
    let Some(store) = store("outcomes_half").await else { return };
    execute("outcomes_half", "ALTER TABLE llm_attempt ADD CHECK (number < 3)").await;
    let bad = id(now_ms(), 77);
    let mut lines = calls(40);
    lines.insert(20, call(bad, 3));
    lines.push(feedback(id(now_ms(), 900), id(now_ms(), 1), json!({"thumb": "up"})));
    let why = "SQLSTATE 23514, table llm_attempt_default, constraint llm_attempt_number_check";
    let not_taken = BTreeMap::from([(bad, why.to_owned())]);
    let told = |new, repeated| Stored { untakable: not_taken.clone(), ..stored(new, repeated) };
    assert_eq!(put(&store, &lines).await, told(41, 0));
    let refused = untakable("shop", &body(&lines), &not_taken);
    assert_eq!(refused, [(21, Refused::Untakable(why.to_owned()))]);
    assert_eq!(put(&store, &lines).await, told(0, 41));
    let left = [count("outcomes_half", "llm_interaction").await, count("outcomes_half", "llm_attempt").await];
    assert_eq!(left, [40, 80]);
    execute("outcomes_half", "ALTER TABLE llm_attempt DROP CONSTRAINT llm_attempt_number_check").await;
    assert_eq!(put(&store, &lines).await, stored(1, 41));
}

#[tokio::test]
async fn a_database_that_takes_hardly_any_line_is_wrong_itself_and_none_is_given_up() {
    let Some(store) = store("outcomes_wrong").await else { return };
    execute("outcomes_wrong", "ALTER TABLE llm_attempt ADD CHECK (number < 2)").await;
    let lines = calls(40);
    assert!(store.store_outcomes("shop", "pod", &batch(&lines)).await.is_err());
    assert_eq!(count("outcomes_wrong", "llm_interaction").await, 0);
    execute("outcomes_wrong", "ALTER TABLE llm_attempt DROP CONSTRAINT llm_attempt_number_check").await;
    assert_eq!(put(&store, &lines).await, stored(40, 0));
}

#[tokio::test]
async fn a_database_that_takes_no_writes_is_away_and_loses_nothing() {
    let Some(store) = store("outcomes_read_only").await else { return };
    execute(
        "outcomes_read_only",
        "ALTER DATABASE store_outcomes_read_only SET default_transaction_read_only = on",
    )
    .await;
    // The setting holds for connections that begin after it.
    let url: url::Url = std::env::var("VOX_TEST_DATABASE_URL").unwrap().parse().unwrap();
    let mut url = url;
    url.set_path("store_outcomes_read_only");
    let read_only = Store::open(url.as_str(), 2).unwrap();
    let lines = calls(2);
    let error = read_only.store_outcomes("shop", "pod", &batch(&lines)).await.unwrap_err();
    assert!(error.is_unavailable(), "{error:?}");
    assert_eq!(put(&store, &lines).await, stored(2, 0));
}

#[tokio::test]
async fn a_line_that_is_refused_does_not_keep_others_out() {
    let Some(store) = store("outcomes_refused").await else { return };
    let mut bad = call(id(now_ms(), 1), 1);
    bad["attributes"]["vox.prompt"] = json!("the secret plan");
    let read = batch(&[bad, call(id(now_ms(), 2), 1)]);
    assert_eq!(read.refused.len(), 1);
    assert_eq!(store.store_outcomes("shop", "pod", &read).await.unwrap().stored, 1);
}

#[tokio::test]
async fn a_call_of_a_wrong_clock_is_kept_in_the_default_partition() {
    let Some(store) = store("outcomes_clock").await else { return };
    store.keep_partitions(today(), 90).await.unwrap();
    let last = u64::try_from(LAST_MS).unwrap();
    let lines = [call(id(0, 1), 1), call(id(last, 2), 1), call(id(now_ms(), 3), 1)];
    assert_eq!(put(&store, &lines).await, stored(3, 0));
    assert_eq!(put(&store, &lines).await, stored(0, 3));
    assert_eq!(count("outcomes_clock", "llm_interaction_default").await, 2);
    assert_eq!(count("outcomes_clock", "llm_attempt_default").await, 2);
}

#[tokio::test]
async fn nobody_adds_tries_to_a_call_that_is_there() {
    let Some(store) = store("outcomes_foreign").await else { return };
    let decision = id(now_ms(), 1);
    put(&store, &[call(decision, 1)]).await;
    assert_eq!(put(&store, &[call(decision, 3)]).await, stored(0, 1));
    assert_eq!(count("outcomes_foreign", "llm_attempt").await, 1);
}

#[tokio::test]
async fn an_unsure_abstention_is_a_penalty_whichever_comes_first() {
    let Some(store) = store("outcomes_penalty").await else { return };
    programmed("outcomes_penalty").await;
    let [early, late] = [id(now_ms(), 1), id(now_ms(), 2)];
    let [first, second] = [unsure(id(now_ms(), 3), early), unsure(id(now_ms(), 4), late)];
    assert_eq!(put(&store, &[first]).await.penalties, 0, "nobody knows of which model");
    assert_eq!(put(&store, &[call(early, 1), call(late, 1)]).await.penalties, 1);
    assert_eq!(put(&store, std::slice::from_ref(&second)).await.penalties, 1);
    assert_eq!(put(&store, &[second, call(late, 1)]).await.penalties, 0, "no penalty comes twice");
    let rows: Vec<(String, String, f64)> = sqlx::query_as(
        "SELECT model_key, category, extract(epoch FROM until - since)::double precision FROM model_penalty_event",
    )
    .fetch_all(&mut connection("outcomes_penalty").await)
    .await
    .unwrap();
    assert_eq!(rows, vec![("host/m".to_owned(), "chat".to_owned(), 600.0); 2]);
}

#[tokio::test]
async fn a_namespace_that_routes_by_no_policy_keeps_no_model_from_the_others() {
    let Some(store) = store("outcomes_penalty_foreign").await else { return };
    let decision = id(now_ms(), 1);
    assert_eq!(put(&store, &[call(decision, 1), unsure(id(now_ms(), 2), decision)]).await, stored(2, 0));
    assert_eq!(count("outcomes_penalty_foreign", "model_penalty_event").await, 0);
}

#[tokio::test]
async fn numbers_and_times_that_would_stop_the_roll_up_of_all_are_refused() {
    let Some(store) = store("outcomes_extreme").await else { return };
    let (mut late, mut large) = (call(id(now_ms(), 1), 1), call(id(now_ms(), 2), 1));
    let mut slow = call(id(now_ms(), 4), 1);
    slow["attributes"]["vox.latency_ms"] = json!(i64::MAX);
    late["startedUnixMs"] = json!((1_u64 << 48) - 1);
    large["attributes"]["gen_ai.usage.input_tokens"] = json!(i64::MAX);
    let of_a_far_day = call(id((1 << 48) - 1, 3), 1);
    let read = batch(&[late, large, of_a_far_day, slow]);
    let refused = [
        (1, Refused::Value("startedUnixMs")),
        (2, Refused::Value("gen_ai.usage.input_tokens")),
        (3, Refused::Id("vox.trace_id")),
        (4, Refused::Value("vox.latency_ms")),
    ];
    assert_eq!((read.calls.len(), read.refused.as_slice()), (0, refused.as_slice()));
    let largest = |tail| {
        let mut call = call(id(now_ms(), tail), 1);
        call["startedUnixMs"] = json!(LAST_MS);
        for name in ["gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "vox.usage.cache_read_tokens"]
        {
            call["attributes"][name] = json!(1_000_000_000);
        }
        call["attributes"]["vox.latency_ms"] = json!(1_i64 << 53);
        call["attributes"]["vox.time_to_first_token_ms"] = json!(0);
        call["attributes"]["vox.cost_usd"] = json!("9000000");
        call["attributes"]["vox.cache_savings_usd"] = json!("9000000");
        call
    };
    let sent: Vec<Value> = (10..14).map(largest).collect();
    assert_eq!(put(&store, &sent).await, stored(4, 0));
    for pass in [Pass::Live, Pass::Full] {
        store.roll_up(pass, &Rules::default()).await.unwrap();
    }
}

#[tokio::test]
async fn an_abstention_that_comes_with_its_call_over_another_way_is_seen() {
    let Some(store) = store("outcomes_penalty_race").await else { return };
    programmed("outcomes_penalty_race").await;
    for n in 0..20 {
        let decision = id(now_ms(), n);
        let (call, abstained) = ([call(decision, 1)], [unsure(id(now_ms(), 500 + n), decision)]);
        let (one, other) = tokio::join!(put(&store, &call), put(&store, &abstained));
        assert_eq!(one.penalties + other.penalties, 1, "{n}");
    }
}

#[tokio::test]
async fn whoever_publishes_penalties_is_woken_and_other_feedback_wakes_nobody() {
    let Some(store) = store("outcomes_notify").await else { return };
    programmed("outcomes_notify").await;
    let decision = id(now_ms(), 1);
    let mut listener = sqlx::postgres::PgListener::connect(&{
        let mut url: url::Url = std::env::var("VOX_TEST_DATABASE_URL").unwrap().parse().unwrap();
        url.set_path("store_outcomes_notify");
        url.to_string()
    })
    .await
    .unwrap();
    listener.listen("vox_penalty").await.unwrap();
    let sure = feedback(id(now_ms(), 2), decision, json!({"abstain": true, "confidence": 0.5}));
    let liked = feedback(id(now_ms(), 3), decision, json!({"thumb": "up"}));
    assert_eq!(put(&store, &[call(decision, 1), sure, liked]).await, stored(3, 0));
    assert_eq!(put(&store, &[unsure(id(now_ms(), 4), decision)]).await.penalties, 1);
    assert_eq!(listener.recv().await.unwrap().channel(), "vox_penalty");
    assert!(listener.next_buffered().is_none());
}

#[tokio::test]
async fn a_penalty_that_is_over_when_it_comes_is_history() {
    let Some(store) = store("outcomes_penalty_old").await else { return };
    programmed("outcomes_penalty_old").await;
    let decision = id(now_ms(), 1);
    let mut old = unsure(id(now_ms(), 2), decision);
    old["receivedUnixMs"] = json!(now_ms() - 3_600_000);
    assert_eq!(put(&store, &[call(decision, 1), old]).await, stored(2, 0));
    assert_eq!(count("outcomes_penalty_old", "model_penalty_event WHERE until < now()").await, 1);
}

#[tokio::test]
async fn a_partition_takes_what_waited_for_it_and_goes_when_it_is_old() {
    let Some(store) = store("outcomes_partitions").await else { return };
    let name = "outcomes_partitions";
    let old = id(now_ms() - 9 * DAY_MS, 1);
    put(&store, &[call(old, 2), call(id(now_ms(), 2), 1), call(id(0, 3), 1)]).await;
    assert_eq!(count(name, "llm_interaction_default").await, 3);
    let made = store.keep_partitions(today(), 30).await.unwrap();
    assert_eq!((made.made, made.moved, made.dropped), (6 + 6 + 5, 5, 0));
    assert_eq!(count(name, "llm_interaction_default").await, 1);
    assert_eq!(put(&store, &[call(old, 2)]).await, stored(0, 1), "what was moved meets itself");
    assert_eq!(store.keep_partitions(today(), 30).await.unwrap(), Default::default());
    assert_eq!(count(name, "llm_interaction").await, 3);
    let later = store.keep_partitions(today(), 7).await.unwrap();
    assert_eq!((later.dropped, later.made), (2, 0));
    assert_eq!(count(name, "llm_interaction").await, 2);
    assert_eq!(day(old), today() - 9);
}

#[tokio::test]
async fn what_a_wrong_clock_left_goes_by_its_arrival() {
    let Some(store) = store("outcomes_default").await else { return };
    put(&store, &[call(id(0, 1), 2), call(id(1, 2), 1)]).await;
    execute(
        "outcomes_default",
        "UPDATE llm_interaction SET ingested_at = now() - interval '40 days' WHERE attempts = 2",
    )
    .await;
    assert_eq!(store.keep_partitions(today(), 30).await.unwrap().deleted, 3);
    assert_eq!(count("outcomes_default", "llm_attempt").await, 1);
}

#[tokio::test]
async fn feedback_whose_call_does_not_come_is_counted_after_a_day() {
    let Some(store) = store("outcomes_orphans").await else { return };
    let there = id(now_ms(), 1);
    let likes = |n, decision| feedback(id(now_ms(), n), decision, json!({"score": 0.5}));
    put(&store, &[call(there, 1), likes(10, there), likes(11, id(now_ms(), 2))]).await;
    assert_eq!(store.feedback_without_call().await.unwrap(), 0);
    execute("outcomes_orphans", "UPDATE llm_feedback SET ingested_at = now() - interval '25 hours'").await;
    assert_eq!(store.feedback_without_call().await.unwrap(), 1);
}

#[tokio::test]
async fn the_lines_of_new_calls_are_named_each_once() {
    let Some(store) = store("outcomes_new").await else { return };
    let lines = calls(2);
    put(&store, &lines[..1]).await;
    let body = [&lines[0], &lines[1], &lines[1]].map(Value::to_string).join("\n");
    let batch = Batch::read("shop", body.as_bytes());
    let stored = store.store_outcomes("shop", "pod", &batch).await.unwrap();
    let new: Vec<&str> = stored.places(&batch).into_iter().map(|place| &body[place]).collect();
    assert_eq!(new, [lines[1].to_string()]);
}
