//! The routing tables on a real Postgres. `VOX_TEST_DATABASE_URL` names one; each test makes a database of its own in it.

// Clippy knows test functions, not their helpers.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use sqlx::{Connection as _, PgConnection};
use vox_store::Store;
use vox_store::routing::ProgrammedPolicy;

/// A migrated database that nobody else uses, or `None` where no Postgres is named.
async fn store(name: &str) -> Option<Store> {
    let Ok(url) = std::env::var("VOX_TEST_DATABASE_URL") else {
        eprintln!("skipped: VOX_TEST_DATABASE_URL is not set; `make test` sets it");
        return None;
    };
    let mut admin = PgConnection::connect(&url).await.unwrap();
    let database = format!("routing_{name}");
    for statement in
        [format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)"), format!("CREATE DATABASE {database}")]
    {
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut admin).await.unwrap();
    }
    let mut url: url::Url = url.parse().unwrap();
    url.set_path(&database);
    let store = Store::open(url.as_str(), 8).unwrap();
    store.migrate().await.unwrap();
    Some(store)
}

fn policy(uid: &str, name: &str, generation: i64) -> ProgrammedPolicy {
    ProgrammedPolicy {
        uid: uid.to_owned(),
        namespace: "shop".to_owned(),
        name: name.to_owned(),
        generation,
        spec: serde_json::json!({ "generation": generation }),
    }
}

fn document(version: u64) -> Result<Vec<u8>, serde_json::Error> {
    Ok(format!("{{\"version\":{version}}}").into_bytes())
}

#[tokio::test]
async fn the_last_programmed_generation_serves_and_an_older_one_does_not_replace_it() {
    let Some(store) = store("programmed").await else { return };
    store.program(&policy("a", "one", 2)).await.unwrap();
    store.program(&policy("a", "one", 1)).await.unwrap();
    store.program(&policy("b", "another", 1)).await.unwrap();
    assert_eq!(store.programmed("shop").await.unwrap(), [policy("b", "another", 1), policy("a", "one", 2)]);
    assert_eq!(store.programmed("elsewhere").await.unwrap(), []);
}

#[tokio::test]
async fn a_policy_that_is_gone_is_forgotten_and_its_namespace_told() {
    let Some(store) = store("forgotten").await else { return };
    store.program(&policy("a", "one", 1)).await.unwrap();
    store.program(&policy("b", "two", 1)).await.unwrap();
    assert_eq!(store.forget_missing_policies(&["b".to_owned()]).await.unwrap(), ["shop"]);
    assert_eq!(store.forget_missing_policies(&["b".to_owned()]).await.unwrap(), Vec::<String>::new());
    assert_eq!(store.programmed("shop").await.unwrap(), [policy("b", "two", 1)]);
}

#[tokio::test]
async fn versions_go_forwards_and_the_same_content_is_no_new_version() {
    let Some(store) = store("versions").await else { return };
    let first = store.publish_snapshot("shop", "sha256:1", document).await.unwrap();
    let again = store.publish_snapshot("shop", "sha256:1", document).await.unwrap();
    assert!(again.unchanged && again.version == first.version);
    let second = store.publish_snapshot("shop", "sha256:2", document).await.unwrap();
    assert!(second.version > first.version);
    let stored = store.snapshot_after("shop", first.version).await.unwrap().unwrap();
    assert_eq!(stored.document, document(second.version).unwrap());
    assert_eq!(store.snapshot_after("shop", second.version).await.unwrap(), None);
}

#[tokio::test]
async fn a_database_begun_anew_gives_higher_versions_than_the_lost_one() {
    let Some(store) = store("anew").await else { return };
    let before = u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap();
    let published = store.publish_snapshot("shop", "sha256:1", document).await.unwrap();
    assert!(published.version >= before);
}

#[tokio::test]
async fn two_publications_at_once_are_two_versions_of_which_the_later_serves() {
    let Some(store) = store("race").await else { return };
    let publish = |digest: &'static str| store.publish_snapshot("shop", digest, document);
    let (one, two) = tokio::join!(publish("sha256:1"), publish("sha256:2"));
    let newest = one.unwrap().version.max(two.unwrap().version);
    assert_eq!(store.snapshot_after("shop", 0).await.unwrap().unwrap().version, newest);
}

#[tokio::test]
async fn whoever_listens_hears_of_a_new_snapshot() {
    let Some(store) = store("heard").await else { return };
    let mut watch = store.watch_snapshots().await.unwrap();
    store.publish_snapshot("shop", "sha256:1", document).await.unwrap();
    let heard = tokio::time::timeout(Duration::from_secs(10), watch.next()).await.unwrap().unwrap();
    assert_eq!(heard.as_deref(), Some("shop"));
}

#[tokio::test]
async fn the_newest_snapshot_of_each_namespace_is_told() {
    let Some(store) = store("heads").await else { return };
    let mut newest = Vec::new();
    for (namespace, digest) in [("shop", "sha256:1"), ("office", "sha256:2"), ("shop", "sha256:3")] {
        newest.push(store.publish_snapshot(namespace, digest, document).await.unwrap().version);
    }
    let heads = store.snapshot_heads().await.unwrap();
    let told: Vec<_> =
        heads.iter().map(|head| (head.namespace.as_str(), head.version, head.digest.as_str())).collect();
    assert_eq!(told, [("office", newest[1], "sha256:2"), ("shop", newest[2], "sha256:3")]);
}
