//! The budget tables on a real Postgres. `VOX_TEST_DATABASE_URL` names one; each test makes a database of its own in it.

// Clippy knows test functions, not their helpers.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use jiff::SignedDuration;
use jiff::civil::{Date, date};
use sqlx::Row as _;
use support::{at, connection, store};
use uuid::Uuid;
use vox_contracts::budget::{LeaseAnswer, LeaseRequest};
use vox_store::Store;
use vox_store::budget::Leased;
use vox_store::routing::ProgrammedPolicy;

const TODAY: Date = date(2027, 1, 15);
const LIMIT: u64 = 6_400_000;

fn call(lease: u128, spent: u64, need: u64) -> LeaseRequest {
    LeaseRequest {
        lease: Uuid::from_u128(lease),
        day: TODAY,
        holder: format!("pod-{lease}"),
        granted_pico_usd: 0,
        spent_pico_usd: spent,
        need_pico_usd: need,
        want_pico_usd: need,
        settled: false,
    }
}

async fn held(store: &Store, call: &LeaseRequest, limit: u64) -> LeaseAnswer {
    match store.lease("shop", "p", call, Some(limit), at(0)).await.unwrap() {
        Leased::Held(answer) => answer,
        Leased::Closed => panic!("the lease is closed"),
    }
}

fn programmed(spec: serde_json::Value) -> ProgrammedPolicy {
    let [uid, namespace, name] = ["u", "shop", "p"].map(str::to_owned);
    ProgrammedPolicy { uid, namespace, name, generation: 1, spec }
}

#[tokio::test]
async fn the_same_call_again_changes_nothing() {
    let Some(store) = store("budget_again").await else { return };
    let first = held(&store, &call(1, 0, 500_000), LIMIT).await;
    assert_eq!((first.granted_pico_usd, first.remaining_pico_usd), (500_000, LIMIT - 500_000));
    assert_eq!(held(&store, &call(1, 0, 500_000), LIMIT).await, first);
    let report = held(&store, &call(1, 400_000, 100_000), LIMIT).await;
    // An older report that comes late takes nothing back.
    let late = held(&store, &call(1, 300_000, 0), LIMIT).await;
    assert_eq!((report.granted_pico_usd, late.granted_pico_usd), (500_000, 500_000));
    assert_eq!(late.remaining_pico_usd, report.remaining_pico_usd);
}

#[tokio::test]
async fn what_is_settled_goes_back_and_the_lease_is_closed() {
    let Some(store) = store("budget_settled").await else { return };
    held(&store, &call(1, 0, 500_000), LIMIT).await;
    let last = LeaseRequest { settled: true, ..call(1, 120_000, 0) };
    assert_eq!(held(&store, &last, LIMIT).await.remaining_pico_usd, LIMIT - 120_000);
    assert_eq!(held(&store, &last, LIMIT).await.remaining_pico_usd, LIMIT - 120_000);
    let more = store.lease("shop", "p", &call(1, 120_000, 9), Some(LIMIT), at(0)).await.unwrap();
    assert_eq!(more, Leased::Closed);
}

#[tokio::test]
async fn a_lease_is_of_one_policy_and_one_day() {
    let Some(store) = store("budget_foreign").await else { return };
    held(&store, &call(1, 0, 5), LIMIT).await;
    assert_eq!(store.lease("shop", "q", &call(1, 0, 5), Some(LIMIT), at(0)).await.unwrap(), Leased::Closed);
    let tomorrow = LeaseRequest { day: TODAY.tomorrow().unwrap(), ..call(1, 0, 5) };
    assert_eq!(store.lease("shop", "p", &tomorrow, Some(LIMIT), at(0)).await.unwrap(), Leased::Closed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_lease_that_two_policies_ask_for_at_once_is_one_policys() {
    let Some(store) = store("budget_twice").await else { return };
    for lease in 1..=40 {
        let of = |policy: &'static str, need: u64| {
            let store = store.clone();
            let call = call(lease, 0, need);
            tokio::spawn(async move { store.lease("shop", policy, &call, Some(LIMIT), at(0)).await.unwrap() })
        };
        let (one, other) = (of("p", 1000), of("q", 9000));
        let closed =
            [one.await.unwrap(), other.await.unwrap()].iter().filter(|one| **one == Leased::Closed).count();
        assert_eq!(closed, 1);
    }
    let mut database = connection("budget_twice").await;
    let sums = "SELECT bool_and(d.leased_pusd = (SELECT coalesce(sum(granted_pusd), 0) FROM budget_lease l
        WHERE l.policy = d.policy)) FROM budget_day d";
    assert!(sqlx::query(sums).fetch_one(&mut database).await.unwrap().get::<bool, _>(0), "the sums hold");
}

#[tokio::test]
async fn a_day_that_is_over_takes_reports_and_grants_nothing() {
    let Some(store) = store("budget_over").await else { return };
    held(&store, &call(1, 0, 500_000), LIMIT).await;
    let report = store.lease("shop", "p", &call(1, 500_000, 500_000), None, at(0)).await.unwrap();
    let Leased::Held(report) = report else { panic!("closed") };
    assert_eq!((report.granted_pico_usd, report.limit_pico_usd), (500_000, LIMIT));
}

#[tokio::test]
async fn the_rest_of_a_silent_holder_is_shown_as_spent_until_it_reports() {
    let Some(store) = store("budget_silent").await else { return };
    store.program(&programmed(serde_json::json!({"budget": {"perDayUsd": "1"}}))).await.unwrap();
    let figures = async |second| {
        let day = store.budgets(TODAY, at(second)).await.unwrap().remove(0);
        assert_eq!(day.per_day_usd, "1");
        (day.spent_pico_usd, day.leased_pico_usd)
    };
    assert_eq!(figures(0).await, (0, 0));
    held(&store, &call(1, 0, 500_000), LIMIT).await;
    held(&store, &call(1, 100_000, 0), LIMIT).await;
    let soon = SignedDuration::from_mins(14).as_secs();
    assert_eq!(figures(soon).await, (100_000, 400_000));
    assert_eq!(figures(soon + 120).await, (500_000, 0));
    held(&store, &LeaseRequest { settled: true, ..call(1, 150_000, 0) }, LIMIT).await;
    assert_eq!(figures(soon + 120).await, (150_000, 0));
}

#[tokio::test]
async fn a_policy_without_a_days_budget_is_not_listed() {
    let Some(store) = store("budget_none").await else { return };
    store.program(&programmed(serde_json::json!({"budget": {"perRequestUsd": "1"}}))).await.unwrap();
    assert_eq!(store.budgets(TODAY, at(0)).await.unwrap(), []);
}

#[tokio::test]
async fn old_days_go_with_their_leases() {
    let Some(store) = store("budget_old").await else { return };
    held(&store, &call(1, 0, 5), LIMIT).await;
    assert_eq!(store.forget_budgets(TODAY).await.unwrap(), 0);
    assert_eq!(store.forget_budgets(TODAY.tomorrow().unwrap()).await.unwrap(), 1);
    let mut database = connection("budget_old").await;
    let rows = sqlx::query("SELECT count(*) FROM budget_lease").fetch_one(&mut database).await.unwrap();
    assert_eq!(rows.get::<i64, _>(0), 0);
}

/// Sixteen sidecars that ask, spend all they get, and sometimes end and begin anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixteen_sidecars_at_once_never_spend_more_than_the_limit() {
    let Some(store) = store("budget_race").await else { return };
    let sidecar = |number: u128| {
        let store = store.clone();
        async move {
            let (mut total, mut generation, mut spent) = (0, 0, 0);
            for round in 0_u64..25 {
                let id = number * 1000 + generation;
                let need = 20_000 + u64::try_from(number).unwrap() * 997 + round * 13;
                let granted = held(&store, &call(id, spent, need), LIMIT).await.granted_pico_usd;
                assert!(granted >= spent, "a grant never shrinks");
                // Most of it, as real requests do; all of it in the end.
                spent += if round % 3 == 0 { granted - spent } else { (granted - spent) * 7 / 8 };
                if round % 5 == 4 {
                    held(&store, &LeaseRequest { settled: true, ..call(id, spent, 0) }, LIMIT).await;
                    (total, generation, spent) = (total + spent, generation + 1, 0);
                }
            }
            total + spent
        }
    };
    let tasks: Vec<_> = (1..=16).map(|number| tokio::spawn(sidecar(number))).collect();
    let mut total = 0;
    for task in tasks {
        total += task.await.unwrap();
    }
    assert!(total <= LIMIT, "{total} of {LIMIT}");
    assert!(total > LIMIT * 9 / 10, "the budget can be used: {total} of {LIMIT}");
    let mut database = connection("budget_race").await;
    let sums = "SELECT d.spent_pusd = l.spent AND d.leased_pusd = l.rest AND d.spent_pusd + d.leased_pusd <= d.limit_pusd
        FROM budget_day d, (SELECT sum(spent_pusd)::bigint AS spent,
            coalesce(sum(greatest(granted_pusd - spent_pusd, 0)) FILTER (WHERE settled_at IS NULL), 0)::bigint AS rest
            FROM budget_lease) l";
    assert!(sqlx::query(sums).fetch_one(&mut database).await.unwrap().get::<bool, _>(0), "the sums hold");
}
