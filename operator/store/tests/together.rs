//! Sources that ask the same host, or with the same key, wait for each other; on a real Postgres.

// Clippy knows test functions, not their helpers.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use jiff::Timestamp;
use support::{PACE, at, run, source, store};
use vox_contracts::discovery::{FailureClass, FetchFailure, FetchOutcome, Permission};
use vox_contracts::entry::CatalogSourceRef;
use vox_store::Store;
use vox_store::catalog::gate::Pace;
use vox_store::catalog::{Asked, SourceIdentity};

fn named(name: &str) -> SourceIdentity {
    SourceIdentity {
        uid: format!("uid-{name}"),
        source: CatalogSourceRef { namespace: "shop".to_owned(), name: name.to_owned() },
        ..source()
    }
}

/// Twice an hour, at this host with this key.
fn pace(host: &str, key: Option<&str>) -> Pace {
    let asked = Asked {
        host: host.to_owned(),
        credential: key.map(|key| format!("shop/{key}/apiKey")),
        fetches_per_hour: 2,
        timeout: Duration::from_secs(120),
    };
    Pace { asked: Some(asked), ..PACE }
}

async fn ask(store: &Store, name: &str, pace: &Pace, now: Timestamp) -> Permission {
    store.begin_attempt(&named(name), &run(name, "p"), pace, now).await.unwrap()
}

async fn end(store: &Store, name: &str, outcome: FetchOutcome, now: Timestamp) {
    store.finish_attempt(&named(name), &run(name, "p"), &outcome, now).await.unwrap();
}

fn limited(seconds: u64) -> FetchOutcome {
    FetchOutcome::Failed(FetchFailure {
        class: FailureClass::RateLimited,
        message: "it answered 429".to_owned(),
        retry_after_ms: Some(seconds * 1000),
    })
}

const FETCH: Permission = Permission::Fetch { etag: None };
const QUEUE: Permission = Permission::Queue { again_ms: 500 };

#[tokio::test]
async fn a_host_is_asked_by_one_source_at_a_time() {
    let Some(store) = store("host").await else { return };
    let here = pace("llm:443", None);
    assert_eq!(ask(&store, "one", &here, at(0)).await, FETCH);
    assert_eq!(ask(&store, "two", &here, at(1)).await, QUEUE);
    assert_eq!(ask(&store, "three", &pace("other:443", None), at(1)).await, FETCH, "another host");
    end(&store, "one", FetchOutcome::NotModified, at(2)).await;
    assert_eq!(ask(&store, "two", &here, at(3)).await, FETCH);
}

#[tokio::test]
async fn of_many_that_come_together_one_asks() {
    let Some(store) = store("host_at_once").await else { return };
    let here = pace("llm:443", None);
    let names = ["a", "b", "c", "d", "e", "f"];
    let all = futures::future::join_all(names.map(|name| ask(&store, name, &here, at(0)))).await;
    assert_eq!(all.iter().filter(|answer| **answer == FETCH).count(), 1, "{all:?}");
}

#[tokio::test]
async fn a_run_that_died_lets_others_in_when_its_time_is_over() {
    let Some(store) = store("host_died").await else { return };
    let here = pace("llm:443", None);
    assert_eq!(ask(&store, "one", &here, at(0)).await, FETCH);
    assert_eq!(ask(&store, "two", &here, at(119)).await, QUEUE);
    assert_eq!(ask(&store, "two", &here, at(121)).await, FETCH);
}

#[tokio::test]
async fn a_run_whose_source_is_deleted_keeps_nobody_out() {
    let Some(store) = store("host_deleted").await else { return };
    let here = pace("llm:443", None);
    assert_eq!(ask(&store, "one", &here, at(0)).await, FETCH);
    assert_eq!(ask(&store, "two", &here, at(1)).await, QUEUE);
    store.retire_missing(&[named("two").uid]).await.unwrap();
    assert_eq!(ask(&store, "two", &here, at(2)).await, FETCH);
}

#[tokio::test]
async fn a_run_that_begins_again_keeps_the_host_no_longer() {
    let Some(store) = store("host_again").await else { return };
    let here = pace("llm:443", None);
    assert_eq!(ask(&store, "one", &here, at(0)).await, FETCH);
    assert_eq!(ask(&store, "one", &here, at(110)).await, FETCH, "its Job's next pod");
    assert_eq!(ask(&store, "two", &here, at(121)).await, FETCH);
}

#[tokio::test]
async fn without_a_key_what_a_host_told_another_source_holds_for_a_quarter_of_an_hour_at_most() {
    let Some(store) = store("told_without_key").await else { return };
    let here = pace("llm:443", None);
    assert_eq!(ask(&store, "one", &here, at(0)).await, FETCH);
    end(&store, "one", limited(86_400), at(0)).await;
    assert_eq!(ask(&store, "two", &here, at(1)).await, Permission::Wait { until: at(900) });
    assert_eq!(ask(&store, "three", &here, at(901)).await, FETCH);
}

#[tokio::test]
async fn what_a_host_told_one_source_holds_for_all_of_the_key() {
    let Some(store) = store("told").await else { return };
    let key = pace("llm:443", Some("key"));
    assert_eq!(ask(&store, "one", &key, at(0)).await, FETCH);
    end(&store, "one", limited(60), at(1)).await;
    assert_eq!(ask(&store, "two", &key, at(10)).await, Permission::Wait { until: at(61) });
    let known = store.source_state("uid-two").await.unwrap().finished.unwrap();
    assert_eq!(known.outcome, "Withheld");
    assert!(known.message.contains("told source shop/one to wait"), "{}", known.message);
    assert!(known.message.contains("shop/key/apiKey"), "{}", known.message);
    assert_eq!(ask(&store, "three", &pace("llm:443", Some("own")), at(11)).await, FETCH, "another key");
    end(&store, "three", FetchOutcome::NotModified, at(12)).await;
    assert_eq!(ask(&store, "two", &key, at(61)).await, FETCH);
}

#[tokio::test]
async fn what_was_withheld_holds_up_nobody_else() {
    let Some(store) = store("withheld").await else { return };
    let key = pace("llm:443", Some("key"));
    assert_eq!(ask(&store, "one", &key, at(0)).await, FETCH);
    end(&store, "one", limited(60), at(1)).await;
    for name in ["two", "three", "four"] {
        assert_eq!(ask(&store, name, &key, at(10)).await, Permission::Wait { until: at(61) }, "{name}");
    }
    assert_eq!(ask(&store, "five", &key, at(62)).await, FETCH);
}

#[tokio::test]
async fn sources_of_one_key_share_the_fetches_of_an_hour() {
    let Some(store) = store("budget").await else { return };
    let key = pace("llm:443", Some("key"));
    for (name, second) in [("one", 0), ("two", 100)] {
        assert_eq!(ask(&store, name, &key, at(second)).await, FETCH);
        end(&store, name, FetchOutcome::NotModified, at(second + 1)).await;
    }
    assert_eq!(ask(&store, "three", &key, at(200)).await, Permission::Wait { until: at(3600) });
    let known = store.source_state("uid-three").await.unwrap().finished.unwrap();
    assert!(known.message.contains("its 2 fetches an hour are used up"), "{}", known.message);
    assert_eq!(ask(&store, "four", &pace("llm:443", None), at(201)).await, FETCH, "without a key");
    end(&store, "four", FetchOutcome::NotModified, at(202)).await;
    assert_eq!(ask(&store, "three", &key, at(3600)).await, FETCH);
}
