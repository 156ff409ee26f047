//! Reading is linear in the number of models, and quick when built for release.
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers of tests are not in `#[test]` functions.

mod common;

use std::time::{Duration, Instant};

use vox_catalog::normalise;
use vox_catalog::sources::{openai_compatible, openrouter};
use vox_contracts::ProviderType;
use vox_contracts::discovery::FailureClass;
use vox_wire::{Provider, Running, client};

/// A list of so many models of a provider, as its server writes it.
async fn list(server: &Running, provider: Provider, path: &str, models: usize) -> String {
    common::set(server, provider, &format!(r#"{{"models":{models}}}"#));
    client::send(&server.address.to_string(), "GET", path, None).await.unwrap()
}

#[tokio::test]
async fn reading_is_linear_up_to_a_hundred_thousand_models() {
    let server = Running::start().await.unwrap();
    for (provider, path) in
        [(Provider::OpenRouter, "/openrouter/api/v1/models"), (Provider::Cerebras, "/cerebras/v1/models")]
    {
        let mut target = common::target(&server, provider);
        target.max_models = 200_000;
        let mut per_model = Vec::new();
        for models in [1000, 10_000, 100_000] {
            let body = list(&server, provider, path, models).await;
            let start = Instant::now();
            let listing = match provider {
                Provider::OpenRouter => {
                    openrouter::parse_models(body.as_bytes(), &ProviderType::OpenRouter).unwrap().value
                }
                _ => openai_compatible::parse(body.as_bytes(), &target.provider).unwrap(),
            };
            let parsed = start.elapsed();
            let catalog = normalise(listing, &target).unwrap();
            let all = start.elapsed();
            println!(
                "{}: {models} models, {} bytes: parsed in {parsed:?}, a catalog in {all:?}",
                provider.as_str(),
                body.len()
            );
            assert_eq!((catalog.entries.len(), catalog.refused), (models, 0));
            per_model.push(all.as_nanos() / models as u128);
            if models == 10_000 && !cfg!(debug_assertions) {
                assert!(all < Duration::from_millis(500), "{all:?}");
            }
        }
        // Ten times as many may take a little more than ten times as long: sorting, and memory that is new.
        assert!(per_model[2] < 5 * per_model[1].max(1), "{}: {per_model:?} ns each", provider.as_str());
    }
}

#[tokio::test]
async fn a_provider_that_suddenly_lists_a_hundred_thousand_models_is_refused_as_a_whole() {
    let server = Running::start().await.unwrap();
    common::set(&server, Provider::Groq, r#"{"models":100000}"#);
    let mut target = common::target(&server, Provider::Groq);
    target.max_body_bytes = 64 << 20;
    let failure = common::failure(&target).await;
    assert_eq!(failure.class, FailureClass::BodyTooLarge);
    assert!(failure.message.contains("lists 100000 models"), "before anything is made of them: {failure:?}");
}
