//! Which sidecars are there, on a real Postgres.

// Clippy knows test functions, not their helpers.
#![allow(clippy::unwrap_used)]

mod support;

use support::{connection, store};
use uuid::Uuid;
use vox_store::routing::{MissingKey, SidecarCount, SidecarPresence};

fn sidecar(pod: &str, policy: Option<&str>, stream: u128, version: u64) -> SidecarPresence {
    SidecarPresence {
        namespace: "shop".to_owned(),
        pod: pod.to_owned(),
        policy: policy.map(ToOwned::to_owned),
        stream: Uuid::from_u128(stream),
        version,
        missing: Vec::new(),
    }
}

fn count(policy: Option<&str>, version: u64, sidecars: u64) -> SidecarCount {
    SidecarCount { namespace: "shop".to_owned(), policy: policy.map(ToOwned::to_owned), version, sidecars }
}

#[tokio::test]
async fn sidecars_are_counted_by_policy_and_version() {
    let Some(store) = store("presence").await else { return };
    let there = [
        sidecar("a", None, 1, 7),
        sidecar("b", None, 2, 7),
        sidecar("c", None, 3, 6),
        sidecar("a", Some("main"), 4, 7),
    ];
    store.see_sidecars(&there).await.unwrap();
    store.see_sidecars(&[sidecar("c", None, 3, 7)]).await.unwrap();
    store.see_sidecars(&[]).await.unwrap();
    assert_eq!(store.count_sidecars().await.unwrap(), [count(None, 7, 3), count(Some("main"), 7, 1)]);
    store.forget_sidecars(&[Uuid::from_u128(2)]).await.unwrap();
    assert_eq!(store.count_sidecars().await.unwrap()[0], count(None, 7, 2));
}

#[tokio::test]
async fn a_pod_that_connects_anew_is_one_sidecar_and_the_end_of_its_old_stream_is_not_its_own() {
    let Some(store) = store("reconnected").await else { return };
    store.see_sidecars(&[sidecar("a", None, 1, 6), sidecar("a", None, 2, 7)]).await.unwrap();
    assert_eq!(store.count_sidecars().await.unwrap(), [count(None, 7, 1)]);
    store.forget_sidecars(&[Uuid::from_u128(1)]).await.unwrap();
    assert_eq!(store.count_sidecars().await.unwrap(), [count(None, 7, 1)]);
}

#[tokio::test]
async fn a_sidecar_that_nobody_sees_any_more_does_not_count_and_is_removed() {
    let Some(store) = store("unseen").await else { return };
    store.see_sidecars(&[sidecar("a", None, 1, 7)]).await.unwrap();
    let mut raw = connection("unseen").await;
    let long_ago = "UPDATE sidecar_presence SET seen_at = now() - interval '91 seconds'";
    sqlx::query(long_ago).execute(&mut raw).await.unwrap();
    assert_eq!(store.count_sidecars().await.unwrap(), []);
    store.forget_sidecars(&[]).await.unwrap();
    let left: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sidecar_presence").fetch_one(&mut raw).await.unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn keys_that_sidecars_miss_are_counted_until_they_have_them() {
    let Some(store) = store("presence_missing").await else { return };
    let without = |pod, stream, keys: &[&str]| SidecarPresence {
        missing: keys.iter().map(|&key| key.to_owned()).collect(),
        ..sidecar(pod, None, stream, 7)
    };
    let missing =
        |key: &str, sidecars| MissingKey { namespace: "shop".to_owned(), key: key.to_owned(), sidecars };
    let there = [without("a", 1, &["main/b", "main/a"]), without("b", 2, &["main/a"]), without("c", 3, &[])];
    store.see_sidecars(&there).await.unwrap();
    assert_eq!(store.missing_keys().await.unwrap(), [missing("main/a", 2), missing("main/b", 1)]);
    store.see_sidecars(&[without("a", 4, &[])]).await.unwrap();
    assert_eq!(store.missing_keys().await.unwrap(), [missing("main/a", 1)]);
}

#[tokio::test]
async fn sidecars_that_were_not_yet_sent_the_newest_snapshot_are_named() {
    let Some(store) = store("followers").await else { return };
    store.see_sidecars(&[sidecar("alone", None, 9, 7)]).await.unwrap();
    assert_eq!(store.followers().await.unwrap(), [], "without a snapshot there is nothing to follow");
    let published = store.publish_snapshot("shop", "sha256:1", |_| Ok(Vec::new())).await.unwrap();
    let there = [sidecar("b", None, 1, published.version - 1), sidecar("a", None, 2, 0)];
    store.see_sidecars(&there).await.unwrap();
    store.see_sidecars(&[sidecar("alone", None, 9, published.version)]).await.unwrap();
    let [shop] = &store.followers().await.unwrap()[..] else { panic!("one namespace") };
    assert_eq!((shop.sidecars, shop.behind, shop.version), (3, 2, published.version));
    assert_eq!(shop.pods_behind, ["a", "b"]);
}
