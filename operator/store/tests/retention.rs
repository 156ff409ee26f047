//! What is deleted from history, and what stays, on a real Postgres. `VOX_TEST_DATABASE_URL` names one.

// Clippy knows test functions, not their helpers.
#![allow(clippy::unwrap_used)]

mod support;

use jiff::SignedDuration;
use support::{PACE, at, connection, entry, models, publish, run, source, store};
use vox_contracts::ModelCatalogEntry;
use vox_contracts::discovery::{FailureClass, FetchFailure, FetchOutcome};
use vox_store::Store;
use vox_store::catalog::{Forgotten, Retention};

const DAY: i64 = 24 * 60 * 60;

const RETENTION: Retention = Retention {
    attempts: SignedDuration::from_hours(24 * 30),
    changes: SignedDuration::from_hours(24 * 400),
};

async fn fail(store: &Store, name: &str, second: i64) {
    let failed = FetchOutcome::Failed(FetchFailure {
        class: FailureClass::ProviderError,
        message: "it answered 500".to_owned(),
        retry_after_ms: None,
    });
    store.begin_attempt(&source(), &run(name, "p"), &PACE, at(second)).await.unwrap();
    store.finish_attempt(&source(), &run(name, "p"), &failed, at(second + 1)).await.unwrap();
}

/// The runs of the attempts that are left, by name.
async fn runs(name: &str) -> Vec<String> {
    sqlx::query_scalar("SELECT run FROM catalog_attempt ORDER BY run")
        .fetch_all(&mut connection(name).await)
        .await
        .unwrap()
}

/// The revisions whose changes are left.
async fn changed(name: &str) -> Vec<i64> {
    sqlx::query_scalar("SELECT DISTINCT revision FROM catalog_change ORDER BY revision")
        .fetch_all(&mut connection(name).await)
        .await
        .unwrap()
}

#[tokio::test]
async fn old_attempts_go_and_young_ones_stay() {
    let Some(store) = store("retention_old").await else { return };
    for (n, name) in ["a", "b", "c", "d"].into_iter().enumerate() {
        publish(&store, name, models(3), n as i64 * 20 * DAY).await.unwrap();
    }
    let forgotten = store.forget_old(&RETENTION, at(60 * DAY)).await.unwrap();
    assert_eq!(forgotten, Forgotten { attempts: 2, changes: 0 });
    assert_eq!(runs("retention_old").await, ["c", "d"]);
}

#[tokio::test]
async fn of_old_attempts_the_newest_and_the_newest_good_one_stay() {
    let Some(store) = store("retention_newest").await else { return };
    publish(&store, "a-good", models(3), 0).await.unwrap();
    publish(&store, "b-good", models(3), DAY).await.unwrap();
    fail(&store, "c-failed", 2 * DAY).await;
    fail(&store, "d-failed", 3 * DAY).await;
    let before = store.source_state("uid-1").await.unwrap();
    store.forget_old(&RETENTION, at(1000 * DAY)).await.unwrap();
    assert_eq!(runs("retention_newest").await, ["b-good", "d-failed"]);
    assert_eq!(store.source_state("uid-1").await.unwrap(), before, "the status says what it said");
}

#[tokio::test]
async fn a_source_that_only_ever_failed_keeps_its_newest_failure() {
    let Some(store) = store("retention_failed").await else { return };
    fail(&store, "a", 0).await;
    fail(&store, "b", DAY).await;
    store.forget_old(&RETENTION, at(1000 * DAY)).await.unwrap();
    assert_eq!(runs("retention_failed").await, ["b"]);
    assert_eq!(store.source_state("uid-1").await.unwrap().finished.unwrap().failures, 2);
}

#[tokio::test]
async fn a_run_that_has_not_ended_stays_with_the_last_that_did() {
    let Some(store) = store("retention_running").await else { return };
    publish(&store, "a", models(3), 0).await.unwrap();
    store.begin_attempt(&source(), &run("b", "p"), &PACE, at(DAY)).await.unwrap();
    store.forget_old(&RETENTION, at(1000 * DAY)).await.unwrap();
    assert_eq!(runs("retention_running").await, ["a", "b"]);
}

#[tokio::test]
async fn old_changes_go_and_neither_the_catalog_nor_its_revisions_do() {
    let Some(store) = store("retention_changes").await else { return };
    let dearer =
        |count: usize, price: &str| (0..count).map(|n| entry(n, price)).collect::<Vec<ModelCatalogEntry>>();
    publish(&store, "a", models(3), 0).await.unwrap();
    publish(&store, "b", dearer(3, "2"), 10 * DAY).await.unwrap();
    publish(&store, "c", dearer(3, "3"), 300 * DAY).await.unwrap();
    let before = store.catalog(&source().source).await.unwrap();
    let forgotten = store.forget_old(&RETENTION, at(420 * DAY)).await.unwrap();
    assert_eq!(forgotten.changes, 3);
    assert_eq!(changed("retention_changes").await, [3]);
    assert_eq!(store.catalog(&source().source).await.unwrap(), before);
    let state = store.source_state("uid-1").await.unwrap().catalog.unwrap();
    assert_eq!((state.revision, state.repriced), (3, 3));
}

#[tokio::test]
async fn more_than_a_batch_goes_at_once_and_a_second_time_there_is_nothing_left_to_delete() {
    let Some(store) = store("retention_twice").await else { return };
    publish(&store, "a", models(2500), 0).await.unwrap();
    publish(&store, "b", (0..2500).map(|n| entry(n, "2")).collect(), DAY).await.unwrap();
    sqlx::query(
        "INSERT INTO catalog_attempt (source_uid, run, plan_digest, started_at, finished_at, outcome)
         SELECT source_uid, 'old-' || n, plan_digest, started_at - n * interval '1 minute', finished_at, 'NotModified'
         FROM catalog_attempt, generate_series(1, 2500) AS n WHERE run = 'a'",
    )
    .execute(&mut connection("retention_twice").await)
    .await
    .unwrap();
    let first = store.forget_old(&RETENTION, at(1000 * DAY)).await.unwrap();
    assert_eq!(first, Forgotten { attempts: 2501, changes: 2500 });
    assert_eq!(runs("retention_twice").await, ["b"]);
    assert_eq!(store.forget_old(&RETENTION, at(1000 * DAY)).await.unwrap(), Forgotten::default());
}
