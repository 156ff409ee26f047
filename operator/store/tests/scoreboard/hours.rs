//! Windows are made of hours and days: what comes late, what moves, what is dropped, and windows that begin within a day.

use jiff::{SignedDuration, Timestamp};
use sqlx::PgConnection;
use vox_contracts::scoreboard::{GroupBy, ScoreboardQuery};
use vox_store::Store;
use vox_store::scoreboard::{Pass, Rules};

use crate::raw::{Call, Dice, Feedback, insert, judge};
use crate::recomputed::{by_category, by_model, by_provider, each, recompute, window_begin};
use crate::support::{connection, store};
use crate::{Keyed, assert_same, assert_true, query, rows};

async fn run(raw: &mut PgConnection, statement: &'static str) -> u64 {
    sqlx::query(statement).execute(raw).await.unwrap().rows_affected()
}

async fn number(raw: &mut PgConnection, statement: &'static str) -> i64 {
    sqlx::query_scalar(statement).fetch_one(raw).await.unwrap()
}

fn ago(days: i64) -> Timestamp {
    Timestamp::now() - SignedDuration::from_hours(24 * days)
}

/// Days since 1970-01-01 UTC.
fn days(moment: Timestamp) -> i32 {
    i32::try_from(moment.as_second().div_euclid(86_400)).unwrap()
}

fn today() -> i32 {
    days(Timestamp::now())
}

/// Calls that came when they ended, so that none of them is news.
async fn long_known(raw: &mut PgConnection, calls: &[Call]) {
    insert(raw, calls).await;
    for statement in [
        "UPDATE llm_interaction SET ingested_at = least(started_at, now() - interval '1 hour')",
        "UPDATE llm_feedback SET ingested_at = now() - interval '1 hour'",
    ] {
        run(raw, statement).await;
    }
}

#[tokio::test]
async fn calls_and_feedback_that_come_days_late_count_in_the_hour_of_the_call() {
    let Some(store) = store("hours_late").await else { return };
    let mut raw = connection("hours_late").await;
    let (mut dice, rules) = (Dice(11), Rules::default());
    let mut calls: Vec<Call> = (0..200).map(|_| Call::any(&mut dice, Timestamp::now())).collect();
    long_known(&mut raw, &calls).await;
    store.roll_up(Pass::Live, &rules).await.unwrap();
    // An answer that spoke against itself, until somebody who knows better liked it.
    let mut broken = Call::plain(ago(3), "openrouter/a", "chat");
    broken.signal = Some("invalid_json".to_owned());
    insert(&mut raw, &[broken.clone()]).await;
    calls.push(broken);
    let done = store.roll_up(Pass::Live, &rules).await.unwrap();
    assert_true(&store, &calls, done.until, "a late call").await;
    let liked = Feedback { thumb: Some(1), score: None, abstain: None };
    for call in calls.iter_mut().filter(|call| call.started > ago(20)).step_by(9) {
        judge(&mut raw, call, std::slice::from_ref(&liked)).await;
        call.feedback.push(liked.clone());
    }
    let done = store.roll_up(Pass::Live, &rules).await.unwrap();
    assert_true(&store, &calls, done.until, "late feedback").await;
}

#[tokio::test]
async fn a_night_finds_what_no_pass_was_told_of() {
    let Some(store) = store("hours_night").await else { return };
    let mut raw = connection("hours_night").await;
    let rules = Rules::default();
    let hour = window_begin(ago(5), 0);
    let mut calls: Vec<Call> = (1..10)
        .map(|n| Call::plain(hour + SignedDuration::from_mins(5 * n), "openrouter/a", "chat"))
        .collect();
    for (n, call) in calls.iter_mut().enumerate() {
        call.latency = 100 * n as i64;
    }
    long_known(&mut raw, &calls).await;
    store.roll_up(Pass::Live, &rules).await.unwrap();
    // One goes over the hour, one goes, one was there all the time.
    calls[0].started = hour + SignedDuration::from_mins(61);
    run(
        &mut raw,
        "UPDATE llm_interaction SET started_at = started_at + interval '56 minutes' WHERE latency_ms = 0",
    )
    .await;
    calls.pop();
    run(&mut raw, "DELETE FROM llm_interaction WHERE latency_ms = 800").await;
    let found = Call::plain(ago(12), "openrouter/b", "codegen");
    long_known(&mut raw, std::slice::from_ref(&found)).await;
    calls.push(found);
    let done = store.roll_up(Pass::Full, &rules).await.unwrap();
    assert_true(&store, &calls, done.until, "at night").await;
    let hours = number(&mut raw, "SELECT count(*) FROM scoreboard_hour").await;
    assert_eq!(hours, 3, "the hour, the one after it, and the other model's");
}

#[tokio::test]
async fn what_was_counted_goes_with_the_partition_of_its_calls() {
    let Some(store) = store("hours_dropped").await else { return };
    let mut raw = connection("hours_dropped").await;
    let (mut dice, rules) = (Dice(12), Rules::default());
    let calls: Vec<Call> = (0..300).map(|_| Call::any(&mut dice, Timestamp::now())).collect();
    long_known(&mut raw, &calls).await;
    store.keep_partitions(today(), 90).await.unwrap();
    store.roll_up(Pass::Live, &rules).await.unwrap();
    assert!(store.keep_partitions(today(), 4).await.unwrap().dropped > 20);
    let older = "SELECT (SELECT count(*) FROM scoreboard_hour WHERE day < current_date - 4)
        + (SELECT count(*) FROM scoreboard_day WHERE day < current_date - 4)
        + (SELECT count(*) FROM scoreboard_hour_count WHERE day < current_date - 4)";
    assert_eq!(number(&mut raw, older).await, 0);
    let there: Vec<Call> = calls.iter().filter(|call| days(call.started) >= today() - 4).cloned().collect();
    let done = store.roll_up(Pass::Full, &rules).await.unwrap();
    assert_true(&store, &there, done.until, "what is left").await;
    // What is said of a dropped call later says nothing, and does no harm.
    let gone = calls.iter().find(|call| days(call.started) < today() - 4).unwrap();
    judge(&mut raw, gone, &[Feedback { thumb: Some(1), score: None, abstain: None }]).await;
    for pass in [Pass::Live, Pass::Full] {
        let done = store.roll_up(pass, &rules).await.unwrap();
        assert_true(&store, &there, done.until, "feedback on what is gone").await;
    }
}

#[tokio::test]
async fn a_day_that_lost_all_its_calls_is_found_though_no_night_counted_it() {
    let Some(store) = store("hours_lost").await else { return };
    let mut raw = connection("hours_lost").await;
    let rules = Rules::default();
    store.roll_up(Pass::Live, &rules).await.unwrap();
    insert(&mut raw, &[Call::plain(ago(3), "openrouter/a", "chat")]).await;
    store.roll_up(Pass::Live, &rules).await.unwrap();
    assert_eq!(rows(&store, &query(7), each).await.len(), 1);
    run(&mut raw, "DELETE FROM llm_interaction").await;
    store.roll_up(Pass::Full, &rules).await.unwrap();
    assert_eq!(rows(&store, &query(7), each).await.len(), 0);
    assert_eq!(number(&mut raw, "SELECT count(*) FROM scoreboard_day").await, 0);
}

#[tokio::test]
async fn a_call_counts_in_its_hour_though_its_id_is_of_another_day() {
    let Some(store) = store("hours_midnight").await else { return };
    let mut raw = connection("hours_midnight").await;
    let rules = Rules::default();
    // Ids of a day, starts from two days before it to a day after: every window begins within some of them.
    let calls: Vec<Call> = (0..90)
        .map(|n| Call::plain(Timestamp::now() - SignedDuration::from_hours(9 * n), "openrouter/a", "chat"))
        .collect();
    insert(&mut raw, &calls).await;
    for other in ["1 + 2 * (random() < 0.5)::int", "-1"] {
        let statement = format!(
            "UPDATE llm_interaction SET day = day + {other} WHERE random() < 0.4 AND day + 3 < current_date"
        );
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut raw).await.unwrap();
    }
    let done = store.roll_up(Pass::Full, &rules).await.unwrap();
    assert_true(&store, &calls, done.until, "beside their days").await;
}

async fn assert_groups_true(store: &Store, calls: &[Call], what: &str) {
    let groups: [(GroupBy, Keyed); 3] =
        [(GroupBy::Provider, by_provider), (GroupBy::Model, by_model), (GroupBy::Category, by_category)];
    for days in [3, 30, 34] {
        let begin = window_begin(Timestamp::now(), days.into());
        for (group, key) in groups {
            let asked = ScoreboardQuery { group_by: Some(group), ..query(days) };
            let what = format!("{what}, {group:?}, {days} days");
            assert_same(&rows(store, &asked, key).await, &recompute(calls, begin, key), &what);
        }
        for namespace in ["shop", "lab"] {
            let of: Vec<Call> = calls.iter().filter(|call| call.namespace == namespace).cloned().collect();
            let asked = ScoreboardQuery { namespace: Some(namespace.to_owned()), ..query(days) };
            let what = format!("{what}, {namespace}, {days} days");
            assert_same(&rows(store, &asked, each).await, &recompute(&of, begin, each), &what);
        }
    }
}

#[tokio::test]
async fn groups_and_namespaces_say_what_the_calls_say_in_any_window() {
    let Some(store) = store("hours_groups").await else { return };
    let mut raw = connection("hours_groups").await;
    let (mut dice, rules) = (Dice(13), Rules::default());
    let mut calls: Vec<Call> = (0..200).map(|_| Call::any(&mut dice, Timestamp::now())).collect();
    long_known(&mut raw, &calls).await;
    store.roll_up(Pass::Full, &rules).await.unwrap();
    assert_groups_true(&store, &calls, "after the first pass").await;
    let since: Vec<Call> = (0..60).map(|_| Call::any(&mut dice, Timestamp::now())).collect();
    insert(&mut raw, &since).await;
    calls.extend(since);
    store.roll_up(Pass::Live, &rules).await.unwrap();
    assert_groups_true(&store, &calls, "after the next").await;
    let board = store.scoreboard(&query(7), &rules, Timestamp::now()).await.unwrap();
    let of_tiers: u64 = board.tiers.iter().map(|tier| tier.calls).sum();
    let of_rows: u64 = board.rows.iter().map(|row| row.calls).sum();
    assert!(of_tiers > 0 && of_tiers < of_rows, "tiers are of calls, rows also of tries in vain");
}

#[tokio::test]
async fn another_limit_for_contexts_counts_all_hours_anew() {
    let Some(store) = store("hours_limit").await else { return };
    let mut raw = connection("hours_limit").await;
    let mut call = Call::plain(ago(6), "openrouter/a", "chat");
    call.context = Some(0.7);
    long_known(&mut raw, &[call]).await;
    for (limit, above) in [(0.8, 0), (0.6, 1), (0.8, 0)] {
        let rules = Rules { context_above: limit, ..Rules::default() };
        store.roll_up(Pass::Live, &rules).await.unwrap();
        let board = store.scoreboard(&query(7), &rules, Timestamp::now()).await.unwrap();
        assert_eq!(board.rows[0].context_above, above, "a limit of {limit}");
    }
}

/// Latencies that differ by the hour, with hours of one call and of hundreds, and with many equal ones.
const UNEVEN: &str = "
    INSERT INTO llm_interaction (day, decision, trace, interaction, started_at, namespace, sidecar, endpoint, category, streamed,
        outcome, model_key, deployment, latency_ms, first_token_ms, output_tokens, attempts)
    SELECT (at AT TIME ZONE 'UTC')::date, id, id, id, at, 'shop', 'pod', 'chat', category, true, 'answered', 'openrouter/' || model,
        'd', latency, (latency * random())::bigint, (random() * 40)::bigint, 1
    FROM (SELECT now() - (n % 97) ^ 1.4 * interval '1 hour' AS at, gen_random_uuid() AS id, (ARRAY['a', 'b', 'c'])[1 + n % 3] AS model,
            (ARRAY['chat', 'codegen'])[1 + n % 2] AS category,
            CASE n % 5 WHEN 0 THEN 7 WHEN 1 THEN (n % 97) * 100 ELSE (exp(random() * 9))::bigint END AS latency
        FROM generate_series(1, 6000) AS n WHERE n % 97 < 90 OR n < 98) AS made";
/// How many percentiles of the board are not those of the calls.
const WRONG: &str = "
    SELECT count(*) FROM model_scoreboard AS s
    JOIN LATERAL (SELECT count(*) AS calls,
            percentile_disc(0.5) WITHIN GROUP (ORDER BY latency_ms) AS p50,
            percentile_disc(0.99) WITHIN GROUP (ORDER BY latency_ms) AS p99,
            percentile_disc(0.5) WITHIN GROUP (ORDER BY first_token_ms) AS first_p50,
            percentile_disc(0.99) WITHIN GROUP (ORDER BY first_token_ms) AS first_p99,
            percentile_disc(0.5) WITHIN GROUP (ORDER BY (latency_ms - first_token_ms)::float8 / (output_tokens - 1))
                FILTER (WHERE output_tokens > 1) AS token_p50
        FROM llm_interaction AS i WHERE i.model_key = s.model_key AND i.category = s.category
            AND i.started_at >= date_trunc('hour', s.computed_at) - make_interval(hours => 24 * s.window_days)) AS raw ON true
    WHERE (s.calls, p50_latency_ms, p99_latency_ms, p50_first_token_ms, p99_first_token_ms, p50_token_ms)
        IS DISTINCT FROM (raw.calls, p50, p99, first_p50, first_p99, token_p50)";

#[tokio::test]
async fn percentiles_of_uneven_hours_are_those_of_all_their_calls() {
    let Some(store) = store("hours_uneven").await else { return };
    let mut raw = connection("hours_uneven").await;
    run(&mut raw, UNEVEN).await;
    let done = store.roll_up(Pass::Full, &Rules::default()).await.unwrap();
    assert_eq!(done.rows, 18, "three models, two categories, three windows");
    assert_eq!(number(&mut raw, WRONG).await, 0);
}
