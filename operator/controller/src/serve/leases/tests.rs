//! Leases as a sidecar gets them, on a real Postgres. `VOX_TEST_DATABASE_URL` names one; each test makes a database of its
//! own in it.

// Clippy knows test functions, not their helpers.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use uuid::Uuid;
use vox_store::routing::ProgrammedPolicy;

use super::*;
use crate::serve::tests::database;

const NOW: &str = "2027-01-15T12:00:00Z";

fn request(lease: u128, spent: u64, need: u64) -> LeaseRequest {
    LeaseRequest {
        lease: Uuid::from_u128(lease),
        day: "2027-01-15".parse().unwrap(),
        holder: "pod".to_owned(),
        granted_pico_usd: 0,
        spent_pico_usd: spent,
        need_pico_usd: need,
        want_pico_usd: need,
        settled: false,
    }
}

/// A database of one's own with this policy, or nothing where no Postgres is named.
async fn store(name: &str, spec: Value) -> Option<Store> {
    let store = Store::open(&database(name).await?, 4).unwrap();
    store.migrate().await.unwrap();
    let [uid, namespace, name] = ["u", "shop", "p"].map(str::to_owned);
    let policy = ProgrammedPolicy { uid, namespace, name, generation: 1, spec };
    store.program(&policy).await.unwrap();
    Some(store)
}

async fn asked(store: &Store, request: &LeaseRequest) -> Result<LeaseAnswer, (u16, String)> {
    let answered = answer(store, "shop", "p", request, NOW.parse().unwrap()).await;
    match answered {
        Ok(answer) => Ok(answer),
        Err(problem) => {
            let response = problem.into_response();
            let status = response.status().as_u16();
            let body = axum::body::to_bytes(response.into_body(), 1 << 10).await.unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap();
            Err((status, body["error"]["code"].as_str().unwrap().to_owned()))
        }
    }
}

fn refused(status: u16, code: &str) -> Result<LeaseAnswer, (u16, String)> {
    Err((status, code.to_owned()))
}

fn spec(budget: &Value) -> Value {
    json!({"catalogs": [{"name": "acme"}], "budget": budget})
}

#[tokio::test]
async fn the_limit_is_the_policys_and_what_is_spent_is_refused() {
    let Some(store) = store("leases_spent", spec(&json!({"perDayUsd": "0.000001"}))).await else { return };
    let all = asked(&store, &request(1, 0, 1_000_000)).await.unwrap();
    assert_eq!((all.granted_pico_usd, all.limit_pico_usd, all.remaining_pico_usd), (1_000_000, 1_000_000, 0));
    assert_eq!(asked(&store, &request(2, 0, 1)).await, refused(409, codes::BUDGET_SPENT));
    // Its holder may report that, and asks for nothing.
    assert!(asked(&store, &request(1, 1_000_000, 0)).await.is_ok());
}

#[tokio::test]
async fn without_a_days_budget_there_is_nothing_to_lease() {
    let Some(store) = store("leases_none", spec(&json!({"perRequestUsd": "1"}))).await else { return };
    assert_eq!(asked(&store, &request(1, 0, 1)).await, refused(404, codes::NO_BUDGET));
}

#[tokio::test]
async fn another_day_is_reported_and_not_leased() {
    let Some(store) = store("leases_day", spec(&json!({"perDayUsd": "1"}))).await else { return };
    let yesterday = |need| LeaseRequest { day: "2027-01-14".parse().unwrap(), ..request(1, 5, need) };
    assert_eq!(asked(&store, &yesterday(1)).await, refused(409, codes::WRONG_DAY));
    assert!(asked(&store, &yesterday(0)).await.is_ok());
}

#[tokio::test]
async fn a_day_to_come_is_neither_leased_nor_reported() {
    let Some(store) = store("leases_to_come", spec(&json!({"perDayUsd": "1"}))).await else { return };
    for need in [0, 1] {
        let tomorrow = LeaseRequest { day: "2027-01-16".parse().unwrap(), ..request(1, 5, need) };
        assert_eq!(asked(&store, &tomorrow).await, refused(409, codes::WRONG_DAY), "{need}");
    }
}

#[tokio::test]
async fn what_was_leased_is_settled_when_the_budget_is_gone_and_nothing_else_is() {
    let Some(store) = store("leases_gone", spec(&json!({"perDayUsd": "1"}))).await else { return };
    asked(&store, &request(1, 0, 9)).await.unwrap();
    let [uid, namespace, name] = ["u", "shop", "p"].map(str::to_owned);
    let without = ProgrammedPolicy { uid, namespace, name, generation: 2, spec: spec(&json!({})) };
    store.program(&without).await.unwrap();
    assert_eq!(asked(&store, &request(1, 5, 1)).await, refused(404, codes::NO_BUDGET), "no more is granted");
    let settled = LeaseRequest { settled: true, ..request(1, 5, 0) };
    let answered = asked(&store, &settled).await.unwrap();
    assert_eq!(answered.remaining_pico_usd, 999_999_999_995, "the rest is given back");
    let unknown = LeaseRequest { settled: true, ..request(2, 5, 0) };
    assert_eq!(asked(&store, &unknown).await, refused(404, codes::NO_BUDGET), "nobody leased that");
}

#[tokio::test]
async fn a_settled_lease_is_closed() {
    let Some(store) = store("leases_closed", spec(&json!({"perDayUsd": "1"}))).await else { return };
    asked(&store, &LeaseRequest { settled: true, ..request(1, 5, 0) }).await.unwrap();
    assert_eq!(asked(&store, &request(1, 5, 1)).await, refused(409, codes::LEASE_CLOSED));
}

#[tokio::test]
async fn a_database_that_is_away_is_said_so() {
    let store = Store::open("postgres://vox@127.0.0.1:1/none", 1).unwrap();
    assert_eq!(asked(&store, &request(1, 0, 1)).await, refused(503, "StoreUnavailable"));
}

#[test]
fn clocks_may_differ_by_minutes_around_midnight() {
    let day: Date = "2027-01-15".parse().unwrap();
    let today = |time: &str| is_today(day, time.parse().unwrap());
    assert!(today("2027-01-14T23:55:00Z") && today("2027-01-16T00:04:59Z"));
    assert!(!today("2027-01-14T23:54:59Z") && !today("2027-01-16T00:05:01Z"));
}

#[test]
fn a_holder_is_a_pods_name() {
    assert!(check(&request(1, 0, 0)).is_ok());
    assert!(check(&LeaseRequest { holder: "a\u{0}b".to_owned(), ..request(1, 0, 0) }).is_err());
}
