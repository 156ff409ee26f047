//! The catalog's tables on a real Postgres. `VOX_TEST_DATABASE_URL` names one; each test makes a database of its own in it.

// Clippy knows test functions, not their helpers.
#![allow(clippy::unwrap_used)]

mod support;

use support::{LIMITS, PACE, at, connection, entry, models, publish, run, source, store, upload};
use vox_contracts::ModelCatalogEntry;
use vox_contracts::discovery::{
    CatalogUpload, FailureClass, FetchFailure, FetchOutcome, Permission, RowRefusal,
};
use vox_contracts::inference::INFERRED_WITH;
use vox_store::catalog::{PublishLimits, SourceIdentity};
use vox_store::{Error, Store};

#[tokio::test]
async fn a_first_catalog_is_revision_one_and_reads_back_equal() {
    let Some(store) = store("first").await else { return };
    let receipt = publish(&store, "a", models(3), 0).await.unwrap();
    assert_eq!((receipt.revision, receipt.models, receipt.added), (1, 3, 3));
    let catalog = store.catalog(&source().source).await.unwrap().unwrap();
    assert_eq!(catalog.entries, models(3));
    assert_eq!(catalog.digest.as_deref(), Some(receipt.digest.as_str()));
    let state = store.source_state("uid-1").await.unwrap();
    assert_eq!(state.refreshed_at, Some(at(1)));
    assert_eq!(state.finished.unwrap().outcome, "Published");
}

#[tokio::test]
async fn the_same_catalog_again_is_a_refresh_and_no_revision() {
    let Some(store) = store("again").await else { return };
    publish(&store, "a", models(3), 0).await.unwrap();
    let receipt = publish(&store, "b", models(3), 4000).await.unwrap();
    assert_eq!((receipt.revision, receipt.added), (1, 0));
    let state = store.source_state("uid-1").await.unwrap();
    assert_eq!(state.refreshed_at, Some(at(4001)));
    assert_eq!(state.finished.unwrap().outcome, "Unchanged");
}

#[tokio::test]
async fn an_upload_whose_answer_was_lost_can_be_sent_again() {
    let Some(store) = store("resent").await else { return };
    let first = publish(&store, "a", models(3), 0).await.unwrap();
    let again =
        store.publish(&source(), &run("a", "p"), &upload(models(3), "p"), &LIMITS, at(5)).await.unwrap();
    let again = again.receipt;
    assert_eq!(first.revision, again.revision);
    assert_eq!(first.digest, again.digest);
}

#[tokio::test]
async fn changes_are_counted_and_kept() {
    let Some(store) = store("changes").await else { return };
    publish(&store, "a", models(4), 0).await.unwrap();
    let next = vec![entry(0, "1"), entry(1, "2.5"), entry(2, "1"), entry(9, "1")];
    let receipt = publish(&store, "b", next.clone(), 4000).await.unwrap();
    assert_eq!((receipt.revision, receipt.added, receipt.removed, receipt.repriced), (2, 1, 0, 1));
    assert_eq!(
        (receipt.models, listed(&store).await),
        (5, next.clone()),
        "one is missing, and stays as a suspect"
    );
    let receipt = publish(&store, "c", next.clone(), 8000).await.unwrap();
    assert_eq!((receipt.revision, receipt.models, receipt.removed), (3, 4, 1));
    assert_eq!(store.catalog(&source().source).await.unwrap().unwrap().entries, next);
}

/// The models that are no suspects.
async fn listed(store: &Store) -> Vec<ModelCatalogEntry> {
    let catalog = store.catalog(&source().source).await.unwrap().unwrap();
    catalog.entries.into_iter().filter(|entry| entry.suspect.is_none()).collect()
}

#[tokio::test]
async fn of_two_runs_that_ask_together_one_waits() {
    let Some(store) = store("together").await else { return };
    let (source, one, two) = (source(), run("a", "p"), run("b", "p"));
    let both = tokio::join!(
        store.begin_attempt(&source, &one, &PACE, at(0)),
        store.begin_attempt(&source, &two, &PACE, at(0)),
    );
    let granted = [both.0.unwrap(), both.1.unwrap()]
        .iter()
        .filter(|answer| matches!(answer, Permission::Fetch { .. }))
        .count();
    assert_eq!(granted, 1);
}

#[tokio::test]
async fn the_minimum_interval_holds_and_the_etag_is_given_back_after_it() {
    let Some(store) = store("interval").await else { return };
    publish(&store, "a", models(3), 0).await.unwrap();
    let soon = store.begin_attempt(&source(), &run("b", "p"), &PACE, at(10)).await.unwrap();
    assert_eq!(soon, Permission::Wait { until: at(3600) });
    let later = store.begin_attempt(&source(), &run("b", "p"), &PACE, at(3600)).await.unwrap();
    assert_eq!(later, Permission::Fetch { etag: Some("\"e1\"".to_owned()) });
    let other_plan = store.begin_attempt(&source(), &run("c", "q"), &PACE, at(9000)).await.unwrap();
    assert_eq!(other_plan, Permission::Fetch { etag: None }, "an ETag is of one plan");
}

#[tokio::test]
async fn what_another_program_made_of_a_list_is_read_whole_once_more() {
    for (name, made_with) in [("etag_before", None), ("etag_upgraded", Some(INFERRED_WITH.wrapping_add(1)))] {
        let Some(store) = store(name).await else { return };
        publish(&store, "a", models(3), 0).await.unwrap();
        store.begin_attempt(&source(), &run("b", "p"), &PACE, at(4000)).await.unwrap();
        let by_another = CatalogUpload { inferred_with: made_with, ..upload(models(3), "p") };
        store.publish(&source(), &run("b", "p"), &by_another, &LIMITS, at(4001)).await.unwrap();
        let soon = store.begin_attempt(&source(), &run("c", "p"), &PACE, at(4010)).await.unwrap();
        assert_eq!(soon, Permission::Wait { until: at(7600) }, "an upgrade makes no run of its own");
        let asked = store.begin_attempt(&source(), &run("c", "p"), &PACE, at(8000)).await.unwrap();
        assert_eq!(asked, Permission::Fetch { etag: None });
        let ours = upload(models(3), "p");
        let published = store.publish(&source(), &run("c", "p"), &ours, &LIMITS, at(8001)).await.unwrap();
        assert_eq!(published.receipt.revision, 1, "the same entries are no new revision");
        let asked = store.begin_attempt(&source(), &run("d", "p"), &PACE, at(12_000)).await.unwrap();
        assert_eq!(asked, Permission::Fetch { etag: Some("\"e1\"".to_owned()) });
    }
}

#[tokio::test]
async fn rows_that_were_not_taken_are_kept_with_the_catalog_and_told_where_it_shrank() {
    let Some(store) = store("refused_rows").await else { return };
    publish(&store, "a", models(5), 0).await.unwrap();
    let refusal = RowRefusal { row: "acme/x".to_owned(), reason: "price \"free\" is no number".to_owned() };
    let with =
        |count| CatalogUpload { refusals: vec![refusal.clone()], refused: 7, ..upload(models(count), "p") };
    store.begin_attempt(&source(), &run("b", "p"), &PACE, at(4000)).await.unwrap();
    store.publish(&source(), &run("b", "p"), &with(5), &LIMITS, at(4001)).await.unwrap();
    let catalog = store.source_state("uid-1").await.unwrap().catalog.unwrap();
    assert_eq!((catalog.revision, catalog.refused), (1, 7), "the same entries are no new revision");
    assert_eq!(catalog.refusals, "acme/x: price \"free\" is no number and 6 more");
    store.begin_attempt(&source(), &run("c", "p"), &PACE, at(8000)).await.unwrap();
    let shrunk = store.publish(&source(), &run("c", "p"), &with(1), &LIMITS, at(8001)).await.unwrap_err();
    assert!(shrunk.to_string().contains("7 of its rows are no models (acme/x: price"), "{shrunk}");
    publish(&store, "d", models(5), 12_000).await.unwrap();
    assert_eq!(store.source_state("uid-1").await.unwrap().catalog.unwrap().refused, 0);
}

#[tokio::test]
async fn a_catalog_that_shrinks_too_far_is_refused_until_a_person_accepts_it() {
    let Some(store) = store("shrunk").await else { return };
    publish(&store, "a", models(100), 0).await.unwrap();
    let refused = publish(&store, "b", models(5), 4000).await.unwrap_err();
    assert!(matches!(&refused, Error::Refused { class: FailureClass::CatalogShrunk, .. }), "{refused}");
    let state = store.source_state("uid-1").await.unwrap();
    assert_eq!(state.catalog.as_ref().unwrap().models, 100, "the last good catalog stays");
    assert_eq!(state.refreshed_at, Some(at(1)));
    let attempt = state.finished.unwrap();
    assert_eq!((attempt.outcome.as_str(), attempt.failures), ("CatalogShrunk", 1));
    let digest = vox_contracts::entry::digest(&models(5)).unwrap();
    assert!(attempt.message.contains(&digest), "it says how to accept it");
    let limits = PublishLimits { accepted_digest: Some(digest), ..LIMITS };
    store.begin_attempt(&source(), &run("c", "p"), &PACE, at(9000)).await.unwrap();
    let receipt = store
        .publish(&source(), &run("c", "p"), &upload(models(5), "p"), &limits, at(9001))
        .await
        .unwrap()
        .receipt;
    assert_eq!((receipt.models, receipt.removed), (5, 95));
}

#[tokio::test]
async fn failures_count_up_and_a_good_run_resets_them() {
    let Some(store) = store("failures").await else { return };
    let failed = FetchOutcome::Failed(FetchFailure {
        class: FailureClass::ProviderError,
        message: "it answered 500 with a \0".to_owned(),
        retry_after_ms: None,
    });
    for (n, name) in ["a", "b"].into_iter().enumerate() {
        let second = 1000 * (n as i64 + 1);
        store.begin_attempt(&source(), &run(name, "p"), &PACE, at(second)).await.unwrap();
        store.finish_attempt(&source(), &run(name, "p"), &failed, at(second + 1)).await.unwrap();
        assert_eq!(store.source_state("uid-1").await.unwrap().finished.unwrap().failures, n as i64 + 1);
    }
    publish(&store, "c", models(3), 9000).await.unwrap();
    assert_eq!(store.source_state("uid-1").await.unwrap().finished.unwrap().failures, 0);
}

#[tokio::test]
async fn an_upload_for_a_run_that_never_asked_is_superseded_and_writes_nothing() {
    let Some(store) = store("superseded").await else { return };
    let refused =
        store.publish(&source(), &run("x", "p"), &upload(models(3), "p"), &LIMITS, at(0)).await.unwrap_err();
    assert!(matches!(refused, Error::Superseded { .. }));
    assert_eq!(store.catalog(&source().source).await.unwrap(), None);
}

/// Begins `old`, gives it up, and lets `new` publish three models.
async fn overtaken(store: &Store) {
    store.begin_attempt(&source(), &run("old", "p"), &PACE, at(0)).await.unwrap();
    publish(store, "new", models(3), 301).await.unwrap();
}

#[tokio::test]
async fn a_late_upload_of_an_older_run_does_not_replace_the_newer_catalog() {
    let Some(store) = store("outdated").await else { return };
    overtaken(&store).await;
    let late = upload(models(2), "p");
    for second in [400, 401] {
        let refused =
            store.publish(&source(), &run("old", "p"), &late, &LIMITS, at(second)).await.unwrap_err();
        assert!(matches!(refused, Error::Outdated { .. }), "{refused}");
        assert!(!refused.is_unavailable(), "another try would be refused again");
    }
    assert_eq!(store.catalog(&source().source).await.unwrap().unwrap().entries, models(3));
    let state = store.source_state("uid-1").await.unwrap();
    assert_eq!(state.refreshed_at, Some(at(302)));
    assert_eq!(state.finished.unwrap().run, "new", "the status tells of the newer run");
    let recorded: (String, String) =
        sqlx::query_as("SELECT outcome, message FROM catalog_attempt WHERE run = 'old'")
            .fetch_one(&mut connection("outdated").await)
            .await
            .unwrap();
    assert_eq!(recorded.0, "Outdated");
    assert!(recorded.1.contains("began later"), "{}", recorded.1);
}

#[tokio::test]
async fn a_late_304_to_an_older_run_does_not_make_the_newer_catalog_younger() {
    let Some(store) = store("outdated_304").await else { return };
    overtaken(&store).await;
    let late = store
        .finish_attempt(&source(), &run("old", "p"), &FetchOutcome::NotModified, at(900))
        .await
        .unwrap_err();
    assert!(matches!(late, Error::Outdated { .. }), "{late}");
    assert_eq!(store.source_state("uid-1").await.unwrap().refreshed_at, Some(at(302)));
}

#[tokio::test]
async fn a_run_that_was_taken_for_lost_may_still_publish_when_nothing_newer_came() {
    let Some(store) = store("outdated_not").await else { return };
    store.begin_attempt(&source(), &run("old", "p"), &PACE, at(0)).await.unwrap();
    store.begin_attempt(&source(), &run("new", "p"), &PACE, at(301)).await.unwrap();
    let receipt =
        store.publish(&source(), &run("old", "p"), &upload(models(2), "p"), &LIMITS, at(302)).await.unwrap();
    assert_eq!(receipt.receipt.revision, 1);
    let receipt =
        store.publish(&source(), &run("new", "p"), &upload(models(3), "p"), &LIMITS, at(303)).await.unwrap();
    assert_eq!(receipt.receipt.revision, 2);
}

#[tokio::test]
async fn a_lost_run_is_recorded_once_and_never_over_its_own_report() {
    let Some(store) = store("lost").await else { return };
    let failure =
        FetchFailure { class: FailureClass::RunLost, message: "gone".to_owned(), retry_after_ms: None };
    store.record_lost(&source(), &run("never-asked", "p"), &failure, at(0), at(1)).await.unwrap();
    store.record_lost(&source(), &run("never-asked", "p"), &failure, at(0), at(2)).await.unwrap();
    assert_eq!(store.source_state("uid-1").await.unwrap().finished.unwrap().failures, 1);
    publish(&store, "good", models(3), 100).await.unwrap();
    store.record_lost(&source(), &run("good", "p"), &failure, at(100), at(102)).await.unwrap();
    assert_eq!(store.source_state("uid-1").await.unwrap().finished.unwrap().outcome, "Published");
}

#[tokio::test]
async fn a_deleted_source_is_retired_and_a_new_one_of_its_name_starts_anew() {
    let Some(store) = store("retired").await else { return };
    publish(&store, "a", models(3), 0).await.unwrap();
    let successor = SourceIdentity { uid: "uid-2".to_owned(), ..source() };
    let permission = store.begin_attempt(&successor, &run("a", "p"), &PACE, at(10)).await.unwrap();
    assert_eq!(permission, Permission::Fetch { etag: None });
    assert_eq!(
        store.catalog(&source().source).await.unwrap(),
        None,
        "the old one's catalog is not the new one's"
    );
    assert_eq!(store.retire_missing(&["other".to_owned()]).await.unwrap(), 1);
}

#[tokio::test]
async fn a_run_that_has_ended_cannot_be_made_a_failure_afterwards() {
    let Some(store) = store("ended").await else { return };
    publish(&store, "a", models(3), 0).await.unwrap();
    let failure =
        FetchFailure { class: FailureClass::Unauthorized, message: "late".to_owned(), retry_after_ms: None };
    let late = store
        .finish_attempt(&source(), &run("a", "p"), &FetchOutcome::Failed(failure), at(9))
        .await
        .unwrap_err();
    assert!(matches!(late, Error::Superseded { .. }));
    assert_eq!(store.source_state("uid-1").await.unwrap().finished.unwrap().outcome, "Published");
}

#[tokio::test]
async fn a_fault_between_two_writes_leaves_nothing_half_written() {
    let Some(store) = store("fault").await else { return };
    publish(&store, "a", models(3), 0).await.unwrap();
    // The third model breaks a constraint in the last of the transaction's writes: an id of its own makes the entry's
    // insert fail after the revision and the changes were written.
    let mut broken = models(4);
    broken[3].model_id = "acme/nul\0".to_owned();
    let run = run("b", "p");
    store.begin_attempt(&source(), &run, &PACE, at(4000)).await.unwrap();
    let error = store.publish(&source(), &run, &upload(broken, "p"), &LIMITS, at(4001)).await.unwrap_err();
    assert!(!error.is_unavailable(), "the database is there, the data is bad: {error}");
    let state = store.source_state("uid-1").await.unwrap();
    assert_eq!(state.catalog.unwrap().revision, 1);
    assert_eq!(state.refreshed_at, Some(at(1)));
    assert_eq!(state.last.unwrap().finished_at, None, "the run has not ended and may send again");
    assert_eq!(store.catalog(&source().source).await.unwrap().unwrap().entries, models(3));
}

#[tokio::test]
async fn a_database_that_is_away_is_an_error_of_the_query_and_says_so() {
    let store = Store::open("postgres://nobody:secret@127.0.0.1:9/none", 1).unwrap();
    let error = store.source_state("uid").await.unwrap_err();
    assert!(error.is_unavailable());
    assert!(!format!("{error:?} {error}").contains("secret"));
}

#[tokio::test]
async fn ten_thousand_models_are_one_catalog() {
    let Some(store) = store("many").await else { return };
    let receipt = publish(&store, "a", models(10_000), 0).await.unwrap();
    assert_eq!(receipt.models, 10_000);
}
