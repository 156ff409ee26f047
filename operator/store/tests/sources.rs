//! What policies go on with when a source is in trouble, on a real Postgres.

// Clippy knows test functions, not their helpers.
#![allow(clippy::unwrap_used)]

mod support;

use support::{PACE, at, models, publish, run, source, store};
use vox_contracts::ProviderType;
use vox_store::catalog::SourceIdentity;
use vox_store::routing::SourceUpstream;

#[tokio::test]
async fn a_source_that_is_gone_is_known_with_its_upstream_until_its_successor_has_a_catalog() {
    let Some(store) = store("known").await else { return };
    let name = source().source;
    assert_eq!(store.known_source(&name).await.unwrap(), None);
    publish(&store, "a", models(3), 0).await.unwrap();
    assert_eq!(store.known_source(&name).await.unwrap().unwrap().upstream, None);
    let upstream = SourceUpstream {
        provider: ProviderType::OpenRouter,
        base_url: "https://one.example/v1".to_owned(),
        tags: vec!["residency=eu".to_owned()],
    };
    store.remember_upstream("uid-1", &upstream).await.unwrap();
    let successor = SourceIdentity { uid: "uid-2".to_owned(), ..source() };
    store.begin_attempt(&successor, &run("a", "p"), &PACE, at(10)).await.unwrap();
    let known = store.known_source(&name).await.unwrap().unwrap();
    assert_eq!((known.uid.as_str(), known.upstream), ("uid-1", Some(upstream)));
    assert_eq!(known.catalog.entries, models(3));
    let upload = support::upload(models(2), "p");
    store.publish(&successor, &run("a", "p"), &upload, &support::LIMITS, at(11)).await.unwrap();
    let known = store.known_source(&name).await.unwrap().unwrap();
    assert_eq!((known.uid.as_str(), known.catalog.entries.len()), ("uid-2", 2));
}
