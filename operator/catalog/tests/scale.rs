//! Ten thousand models are read and inferred well within half a second, when built for release.
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers of tests are not in `#[test]` functions.

mod common;

use std::time::{Duration, Instant};

use vox_catalog::normalise;
use vox_catalog::sources::openrouter;
use vox_contracts::ProviderType;
use vox_wire::{Provider, Running, client};

#[tokio::test]
async fn ten_thousand_models_become_a_catalog_quickly() {
    let server = Running::start().await.unwrap();
    common::set(&server, Provider::OpenRouter, r#"{"models":10000}"#);
    let target = common::target(&server, Provider::OpenRouter);
    let path = "/openrouter/api/v1/models";
    let body = client::send(&server.address.to_string(), "GET", path, None).await.unwrap();
    let start = Instant::now();
    let page = openrouter::parse_models(body.as_bytes(), &ProviderType::OpenRouter).unwrap();
    let parsed = start.elapsed();
    let catalog = normalise(page.listing, &target).unwrap();
    let all = start.elapsed();
    println!("{} bytes parsed in {parsed:?}, {} models in {all:?}", body.len(), catalog.entries.len());
    assert_eq!((catalog.entries.len(), catalog.refused), (10_000, 0));
    if !cfg!(debug_assertions) {
        assert!(all < Duration::from_millis(500), "{all:?}");
    }
}
