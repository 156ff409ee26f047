//! What happens to models over time, on a real Postgres. `VOX_TEST_DATABASE_URL` names one.

// Clippy knows test functions, not their helpers.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;

use support::{LIMITS, PACE, at, connection, entry, models, publish, run, source, store, upload};
use vox_contracts::ModelCatalogEntry;
use vox_contracts::change::{CatalogChanges, ChangeKind, ChangesQuery};
use vox_contracts::discovery::Permission;
use vox_contracts::entry::Deprecation;
use vox_store::Store;
use vox_store::catalog::PublishLimits;

/// The models of the catalog; a suspect with the number of fetches that missed it.
async fn catalog(store: &Store) -> Vec<(String, Option<u32>)> {
    let catalog = store.catalog(&source().source).await.unwrap().unwrap();
    let of = |entry: ModelCatalogEntry| (entry.model_id, entry.suspect.map(|suspect| suspect.fetches));
    catalog.entries.into_iter().map(of).collect()
}

fn here(n: usize) -> (String, Option<u32>) {
    (format!("acme/m{n:05}"), None)
}

fn suspect(n: usize, fetches: u32) -> (String, Option<u32>) {
    (format!("acme/m{n:05}"), Some(fetches))
}

async fn changes(store: &Store, since: i64) -> CatalogChanges {
    let query = ChangesQuery { since: at(since), namespace: None, source: None, limit: 100 };
    store.catalog_changes(&query).await.unwrap()
}

/// Model and kind of the changes since then.
async fn told(store: &Store, since: i64) -> Vec<(String, ChangeKind)> {
    let changes = changes(store, since).await.changes;
    changes.into_iter().map(|change| (change.model, change.kind)).collect()
}

#[tokio::test]
async fn a_model_that_two_fetches_in_a_row_miss_is_a_suspect_first_and_then_gone() {
    let Some(store) = store("suspect").await else { return };
    publish(&store, "a", models(3), 0).await.unwrap();
    let receipt = publish(&store, "b", models(2), 4000).await.unwrap();
    assert_eq!((receipt.revision, receipt.models, receipt.removed), (2, 3, 0));
    assert_eq!(catalog(&store).await, [here(0), here(1), suspect(2, 1)]);
    let state = store.source_state("uid-1").await.unwrap().catalog.unwrap();
    assert_eq!((state.models, state.suspect), (3, 1));
    let receipt = publish(&store, "c", models(2), 8000).await.unwrap();
    assert_eq!((receipt.revision, receipt.models, receipt.removed), (3, 2, 1));
    assert_eq!(catalog(&store).await, [here(0), here(1)]);
    assert_eq!(told(&store, 8000).await, [("acme/m00002".to_owned(), ChangeKind::Removed)]);
}

#[tokio::test]
async fn a_suspect_that_is_listed_again_is_as_it_was() {
    let Some(store) = store("returned").await else { return };
    publish(&store, "a", models(3), 0).await.unwrap();
    publish(&store, "b", models(2), 4000).await.unwrap();
    publish(&store, "c", models(3), 8000).await.unwrap();
    assert_eq!(store.catalog(&source().source).await.unwrap().unwrap().entries, models(3));
    assert_eq!(told(&store, 8000).await, [("acme/m00002".to_owned(), ChangeKind::Returned)]);
    publish(&store, "d", models(2), 12_000).await.unwrap();
    assert_eq!(catalog(&store).await, [here(0), here(1), suspect(2, 1)], "the count begins anew");
}

#[tokio::test]
async fn an_upload_that_comes_twice_is_one_fetch() {
    let Some(store) = store("suspect_resent").await else { return };
    publish(&store, "a", models(3), 0).await.unwrap();
    let first = publish(&store, "b", models(2), 4000).await.unwrap();
    let again = store.publish(&source(), &run("b", "p"), &upload(models(2), "p"), &LIMITS, at(4009)).await;
    assert_eq!(first.revision, again.unwrap().receipt.revision);
    assert_eq!(catalog(&store).await, [here(0), here(1), suspect(2, 1)]);
}

#[tokio::test]
async fn while_there_is_a_suspect_the_whole_list_is_asked_for() {
    let Some(store) = store("suspect_etag").await else { return };
    publish(&store, "a", models(3), 0).await.unwrap();
    publish(&store, "b", models(2), 4000).await.unwrap();
    let asked = store.begin_attempt(&source(), &run("c", "p"), &PACE, at(8000)).await.unwrap();
    assert_eq!(asked, Permission::Fetch { etag: None });
    store.publish(&source(), &run("c", "p"), &upload(models(2), "p"), &LIMITS, at(8001)).await.unwrap();
    let asked = store.begin_attempt(&source(), &run("d", "p"), &PACE, at(12_000)).await.unwrap();
    assert_eq!(asked, Permission::Fetch { etag: Some("\"e1\"".to_owned()) });
}

#[tokio::test]
async fn what_another_plan_or_a_person_takes_out_is_no_suspect() {
    let Some(store) = store("suspect_meant").await else { return };
    publish(&store, "a", models(4), 0).await.unwrap();
    store.begin_attempt(&source(), &run("b", "q"), &PACE, at(4000)).await.unwrap();
    store.publish(&source(), &run("b", "q"), &upload(models(3), "q"), &LIMITS, at(4001)).await.unwrap();
    assert_eq!(catalog(&store).await, [here(0), here(1), here(2)], "a narrower filter");
    let digest = vox_contracts::entry::digest(&models(1)).unwrap();
    let limits = PublishLimits { accepted_digest: Some(digest), ..LIMITS };
    store.begin_attempt(&source(), &run("c", "q"), &PACE, at(8000)).await.unwrap();
    store.publish(&source(), &run("c", "q"), &upload(models(1), "q"), &limits, at(8001)).await.unwrap();
    assert_eq!(catalog(&store).await, [here(0)], "a person has looked at it");
}

#[tokio::test]
async fn a_catalog_cannot_vanish_by_halves() {
    let Some(store) = store("suspect_halves").await else { return };
    publish(&store, "a", models(100), 0).await.unwrap();
    publish(&store, "b", models(60), 4000).await.unwrap();
    let refused = publish(&store, "c", models(30), 8000).await.unwrap_err();
    assert!(refused.to_string().contains("lists 30 models where it listed 100"), "{refused}");
    assert_eq!(catalog(&store).await.len(), 100);
}

#[tokio::test]
async fn each_change_of_a_model_is_a_row_with_what_was_and_what_is() {
    let Some(store) = store("lifecycle_rows").await else { return };
    publish(&store, "a", models(3), 0).await.unwrap();
    let ends = ModelCatalogEntry {
        context_length_tokens: Some(64_000),
        deprecation: Some(Deprecation { since: None, replaced_by: Some("acme/m00009".to_owned()) }),
        expires_at: Some("2026-12-31".to_owned()),
        ..entry(0, "2.5")
    };
    let sees = ModelCatalogEntry { input_modalities: vec!["image".to_owned()], ..entry(1, "1") };
    let next = vec![ends, sees, entry(2, "1"), entry(9, "1")];
    store.begin_attempt(&source(), &run("b", "p"), &PACE, at(4000)).await.unwrap();
    let published = store.publish(&source(), &run("b", "p"), &upload(next, "p"), &LIMITS, at(4001)).await;
    let kinds = [
        ChangeKind::Added,
        ChangeKind::Repriced,
        ChangeKind::Context,
        ChangeKind::Capability,
        ChangeKind::Deprecated,
        ChangeKind::Superseded,
    ];
    let counts: BTreeMap<ChangeKind, u64> = kinds.into_iter().map(|kind| (kind, 1)).collect();
    assert_eq!(published.unwrap().changes, counts);
    let changes = changes(&store, 1000).await;
    assert_eq!((changes.counts, changes.first), (counts, Vec::new()));
    let deprecated = changes.changes.iter().find(|one| one.kind == ChangeKind::Deprecated).unwrap();
    assert_eq!((deprecated.model.as_str(), &deprecated.source), ("acme/m00000", &source().source));
    assert_eq!(deprecated.before, Some(serde_json::json!({})));
    assert_eq!(
        deprecated.after,
        Some(serde_json::json!({
            "deprecation": { "replaced_by": "acme/m00009" }, "expires_at": "2026-12-31",
        }))
    );
}

#[tokio::test]
async fn a_first_catalog_is_told_by_its_size_and_a_query_by_its_bounds() {
    let Some(store) = store("lifecycle_bounds").await else { return };
    publish(&store, "a", models(3), 0).await.unwrap();
    publish(&store, "b", (0..3).map(|n| entry(n, "2")).collect(), 4000).await.unwrap();
    let all = changes(&store, 0).await;
    assert_eq!(all.first.iter().map(|first| first.models).collect::<Vec<_>>(), [3]);
    assert_eq!(all.changes.len(), 3);
    assert_eq!(changes(&store, 4002).await, CatalogChanges::default());
    let query = |namespace: &str, name: &str, limit| ChangesQuery {
        since: at(0),
        namespace: Some(namespace.to_owned()),
        source: Some(name.to_owned()),
        limit,
    };
    let few = store.catalog_changes(&query("shop", "acme", 2)).await.unwrap();
    assert_eq!((few.changes.len(), few.counts.get(&ChangeKind::Repriced)), (2, Some(&3)));
    for other in [query("shop", "other", 2), query("other", "acme", 2)] {
        assert_eq!(store.catalog_changes(&other).await.unwrap(), CatalogChanges::default());
    }
    let revision = store.revision_changes("uid-1", 2).await.unwrap();
    assert_eq!(revision.len(), 1);
    assert_eq!((revision[0].models, revision[0].named.len()), (3, 3));
}

#[tokio::test]
async fn a_model_that_is_gone_is_remembered_with_its_successor_until_it_is_back() {
    let Some(store) = store("lifecycle_gone").await else { return };
    let mut first = models(3);
    publish(&store, "a", first.clone(), 0).await.unwrap();
    first[2].deprecation = Some(Deprecation { since: None, replaced_by: Some("acme/m00001".to_owned()) });
    publish(&store, "b", first, 4000).await.unwrap();
    publish(&store, "c", models(2), 8000).await.unwrap();
    assert_eq!(store.known_source(&source().source).await.unwrap().unwrap().gone, [], "a suspect is there");
    publish(&store, "d", models(2), 12_000).await.unwrap();
    let gone = store.known_source(&source().source).await.unwrap().unwrap().gone;
    assert_eq!(gone.len(), 1);
    assert_eq!((gone[0].model_id.as_str(), gone[0].at), ("acme/m00002", at(12_001)));
    assert_eq!(gone[0].replaced_by.as_deref(), Some("acme/m00001"));
    publish(&store, "e", models(3), 16_000).await.unwrap();
    assert_eq!(store.known_source(&source().source).await.unwrap().unwrap().gone, []);
}

#[tokio::test]
async fn the_schema_goes_back_and_forth_with_suspects_in_it() {
    let Some(store) = store("lifecycle_down").await else { return };
    publish(&store, "a", models(3), 0).await.unwrap();
    publish(&store, "b", models(2), 4000).await.unwrap();
    let mut connection = connection("lifecycle_down").await;
    for text in [
        include_str!("../../../migrations/0014_extend_catalog_change.down.sql"),
        include_str!("../../../migrations/0014_extend_catalog_change.up.sql"),
    ] {
        sqlx::raw_sql(text).execute(&mut connection).await.unwrap();
    }
    assert_eq!(catalog(&store).await, [here(0), here(1), here(2)]);
    assert_eq!(told(&store, 1000).await, []);
}
