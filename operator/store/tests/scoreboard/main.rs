//! The scoreboard on a real Postgres: what it says equals what an independent recomputation says, however often, late or at
//! once it is rolled up.

// Clippy knows test functions, not their helpers.
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod hours;
mod prices;
mod raw;
mod recomputed;
mod trace;
mod traffic;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use raw::{Attempt, Call, Dice, Feedback, insert, judge};
use recomputed::{Figures, Key, by_category, by_model, by_provider, each, recompute, shown, window_begin};
use support::{connection, store};
use vox_contracts::scoreboard::{GroupBy, ScoreboardQuery};
use vox_store::Store;
use vox_store::scoreboard::{Pass, Rules};

const WINDOWS: [u32; 3] = [1, 7, 30];

fn query(window_days: u32) -> ScoreboardQuery {
    ScoreboardQuery { window_days, ..ScoreboardQuery::default() }
}

async fn rows(store: &Store, query: &ScoreboardQuery, key: fn(&str, &str) -> Key) -> BTreeMap<Key, Figures> {
    let board = store.scoreboard(query, &Rules::default(), Timestamp::now()).await.unwrap();
    let keyed = shown(&board.rows, key);
    assert_eq!(keyed.len(), board.rows.len(), "a key stands twice");
    keyed
}

#[track_caller]
fn assert_same(seen: &BTreeMap<Key, Figures>, expected: &BTreeMap<Key, Figures>, what: &str) {
    assert!(seen.keys().eq(expected.keys()), "{what}: {:?} and not {:?}", seen.keys(), expected.keys());
    for (key, figures) in expected {
        assert!(seen[key].is_close_to(figures), "{what}, {key:?}: {:?} and not {figures:?}", seen[key]);
    }
}

/// That all windows say what the calls say.
async fn assert_true(store: &Store, calls: &[Call], until: Timestamp, what: &str) {
    for days in WINDOWS {
        let expected = recompute(calls, window_begin(until, days.into()), each);
        assert_same(&rows(store, &query(days), each).await, &expected, &format!("{what}, {days} days"));
    }
}

#[tokio::test]
async fn every_pass_leaves_what_an_independent_recomputation_says() {
    let Some(store) = store("scoreboard_true").await else { return };
    let mut raw = connection("scoreboard_true").await;
    let (mut dice, rules) = (Dice(1), Rules::default());
    let mut calls = Vec::new();
    // The first pass of all is whole whatever it is called; then what comes in between is found by its arrival.
    for (round, pass) in [Pass::Live, Pass::Live, Pass::Full, Pass::Live].into_iter().enumerate() {
        let new: Vec<Call> = (0..120).map(|_| Call::any(&mut dice, Timestamp::now())).collect();
        insert(&mut raw, &new).await;
        calls.extend(new);
        let done = store.roll_up(pass, &rules).await.unwrap();
        assert_true(&store, &calls, done.until, &format!("round {round}")).await;
    }
    let again = store.roll_up(Pass::Live, &rules).await.unwrap();
    assert_true(&store, &calls, again.until, "again").await;
}

#[tokio::test]
async fn passes_at_once_leave_what_one_leaves() {
    let Some(store) = store("scoreboard_at_once").await else { return };
    let mut raw = connection("scoreboard_at_once").await;
    let (mut dice, rules) = (Dice(2), Rules::default());
    let calls: Vec<Call> = (0..150).map(|_| Call::any(&mut dice, Timestamp::now())).collect();
    insert(&mut raw, &calls).await;
    let passes = [Pass::Full, Pass::Live, Pass::Full, Pass::Live].map(|pass| store.roll_up(pass, &rules));
    let done = futures::future::try_join_all(passes).await.unwrap();
    let last = done.iter().map(|done| done.until).max().unwrap();
    assert_true(&store, &calls, last, "at once").await;
    let kinds: Vec<String> = store.roll_ups().await.unwrap().into_iter().map(|pass| pass.kind).collect();
    assert_eq!(kinds, ["full", "live"]);
}

#[tokio::test]
async fn feedback_that_comes_later_changes_only_what_it_speaks_of() {
    let Some(store) = store("scoreboard_late").await else { return };
    let mut raw = connection("scoreboard_late").await;
    let rules = Rules::default();
    let now = Timestamp::now() - SignedDuration::from_hours(2);
    let mut calls = vec![Call::plain(now, "openrouter/a", "chat"), Call::plain(now, "openrouter/b", "chat")];
    insert(&mut raw, &calls).await;
    // Long ago, so that nothing but the feedback is new.
    sqlx::query("UPDATE llm_interaction SET ingested_at = ingested_at - interval '1 hour'")
        .execute(&mut raw)
        .await
        .unwrap();
    store.roll_up(Pass::Live, &rules).await.unwrap();
    let said = [
        Feedback { thumb: Some(1), score: None, abstain: None },
        Feedback { thumb: None, score: Some(-1.0), abstain: None },
        Feedback { thumb: None, score: None, abstain: Some(true) },
    ];
    judge(&mut raw, &calls[0], &said).await;
    calls[0].feedback = said.to_vec();
    let done = store.roll_up(Pass::Live, &rules).await.unwrap();
    assert_eq!(done.rows, 3, "one cell in three windows");
    assert_true(&store, &calls, done.until, "late feedback").await;
    let board = store.scoreboard(&query(7), &rules, done.until).await.unwrap();
    let judged = board.rows.iter().find(|row| row.model_key.as_deref() == Some("openrouter/a")).unwrap();
    assert_eq!((judged.calls, judged.judged, judged.quality), (1, 1, Some(0.5)));
}

/// The group of a model and a category.
type Keyed = fn(&str, &str) -> Key;

#[tokio::test]
async fn groups_and_namespaces_have_percentiles_of_their_own() {
    let Some(store) = store("scoreboard_groups").await else { return };
    let mut raw = connection("scoreboard_groups").await;
    let mut dice = Dice(3);
    let calls: Vec<Call> = (0..200).map(|_| Call::any(&mut dice, Timestamp::now())).collect();
    insert(&mut raw, &calls).await;
    store.roll_up(Pass::Live, &Rules::default()).await.unwrap();
    let groups: [(GroupBy, Keyed); 3] =
        [(GroupBy::Provider, by_provider), (GroupBy::Model, by_model), (GroupBy::Category, by_category)];
    for (group, key) in groups {
        let expected = recompute(&calls, window_begin(Timestamp::now(), 7), key);
        let asked = ScoreboardQuery { group_by: Some(group), ..query(7) };
        assert_same(&rows(&store, &asked, key).await, &expected, &format!("{group:?}"));
    }
    let of_lab: Vec<Call> = calls.into_iter().filter(|call| call.namespace == "lab").collect();
    let expected = recompute(&of_lab, window_begin(Timestamp::now(), 30), each);
    let asked = ScoreboardQuery { namespace: Some("lab".to_owned()), ..query(30) };
    assert_same(&rows(&store, &asked, each).await, &expected, "one namespace");
}

#[tokio::test]
async fn a_cell_whose_calls_are_all_gone_is_gone() {
    let Some(store) = store("scoreboard_gone").await else { return };
    let mut raw = connection("scoreboard_gone").await;
    let rules = Rules::default();
    let edge = window_begin(Timestamp::now(), 1);
    insert(&mut raw, &[Call::plain(edge + SignedDuration::from_mins(70), "openrouter/a", "chat")]).await;
    store.roll_up(Pass::Live, &rules).await.unwrap();
    assert_eq!(rows(&store, &query(1), each).await.len(), 1);
    // Two hours pass.
    let older = "UPDATE llm_interaction SET started_at = started_at - interval '2 hours', ingested_at = ingested_at - interval '2 hours'";
    sqlx::query(older).execute(&mut raw).await.unwrap();
    let hours =
        ["scoreboard_hour", "scoreboard_day"].map(|of| format!("{of} SET hour = hour - interval '2 hours',"));
    for of in hours.into_iter().chain(["model_scoreboard SET".to_owned()]) {
        let older = format!(
            "UPDATE {of} first_at = first_at - interval '2 hours', last_at = last_at - interval '2 hours'"
        );
        sqlx::query(sqlx::AssertSqlSafe(older)).execute(&mut raw).await.unwrap();
    }
    store.roll_up(Pass::Live, &rules).await.unwrap();
    assert_eq!(rows(&store, &query(1), each).await.len(), 0);
    assert_eq!(rows(&store, &query(7), each).await.len(), 1);
    sqlx::query("DELETE FROM llm_interaction").execute(&mut raw).await.unwrap();
    store.roll_up(Pass::Full, &rules).await.unwrap();
    assert_eq!(rows(&store, &query(7), each).await.len(), 0);
}

#[tokio::test]
async fn a_model_that_always_fails_over_does_not_look_clean() {
    let Some(store) = store("scoreboard_over").await else { return };
    let mut raw = connection("scoreboard_over").await;
    let mut call = Call::plain(Timestamp::now(), "openrouter/good", "chat");
    for _ in 0..2 {
        call.attempts.insert(0, Attempt { model: "openrouter/bad".to_owned(), outcome: "failed" });
    }
    call.cost = Some(7);
    insert(&mut raw, &[call]).await;
    store.roll_up(Pass::Full, &Rules::default()).await.unwrap();
    let board = store.scoreboard(&query(1), &Rules::default(), Timestamp::now()).await.unwrap();
    let figures: Vec<_> = board
        .rows
        .iter()
        .map(|row| {
            (
                row.model_key.as_deref().unwrap(),
                row.calls,
                row.successes,
                row.cost_usd.unwrap().as_decimal().to_string(),
            )
        })
        .collect();
    assert_eq!(
        figures,
        [("openrouter/bad", 1, 0, "0".to_owned()), ("openrouter/good", 1, 1, "0.000000000007".to_owned())]
    );
}
