//! Lists in pages: whole or not at all, and bounded.
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers of tests are not in `#[test]` functions.

mod common;

use common::{catalog, failure, hub, set, target};
use vox_catalog::{Fetched, discover};
use vox_contracts::discovery::{FailureClass, FetchTarget, HubQuery};
use vox_contracts::entry::Access;
use vox_wire::{Provider, Running};

/// Everybody whose list comes in pages, and a text that stands in the address of every page but the first.
fn paged(server: &Running) -> Vec<(Provider, FetchTarget, &'static str)> {
    vec![
        (Provider::OpenRouter, target(server, Provider::OpenRouter), "Some(100)"),
        (Provider::Anthropic, target(server, Provider::Anthropic), "after_id=claude"),
        (Provider::Google, target(server, Provider::Google), "pageToken=Ch-"),
        (Provider::Cohere, target(server, Provider::Cohere), "page_token=2"),
        (Provider::HuggingFace, hub(server), "cursor="),
    ]
}

const fn page_size(provider: Provider) -> usize {
    if matches!(provider, Provider::OpenRouter) { 100 } else { 2 }
}

#[tokio::test]
async fn a_list_in_pages_is_the_same_catalog_as_a_whole_one() {
    let server = Running::start().await.unwrap();
    for (provider, target, _) in paged(&server) {
        let whole = catalog(&target).await;
        let pages = format!(r#"{{"page_size":{}}}"#, page_size(provider));
        set(&server, provider, &pages);
        server.wire.forget_counts();
        let paged = catalog(&target).await;
        assert_eq!(paged.entries, whole.entries, "{provider:?}");
        assert!(server.wire.total(provider) >= 3, "{provider:?}");
        if provider != Provider::HuggingFace {
            assert_eq!(paged.etag, None, "the etag of one page is not the list's: {provider:?}");
        }
    }
}

#[tokio::test]
async fn a_list_without_links_is_counted_to_its_end() {
    let server = Running::start().await.unwrap();
    let target = target(&server, Provider::OpenRouter);
    let whole = catalog(&target).await;
    set(&server, Provider::OpenRouter, r#"{"page_size":100,"no_page_links":true}"#);
    server.wire.forget_counts();
    assert_eq!(catalog(&target).await.entries, whole.entries);
    assert_eq!(server.wire.total(Provider::OpenRouter), 4);
}

#[tokio::test]
async fn a_page_that_fails_fails_the_list() {
    let server = Running::start().await.unwrap();
    for (provider, target, later) in paged(&server) {
        let fault = r#"{"kind":"status","status":403}"#;
        let size = page_size(provider);
        set(&server, provider, &format!(r#"{{"page_size":{size},"fault":{fault},"only":"{later}"}}"#));
        assert_eq!(failure(&target).await.class, FailureClass::Forbidden, "{provider:?}");
    }
}

#[tokio::test]
async fn a_cursor_that_leads_back_is_refused() {
    let server = Running::start().await.unwrap();
    for (provider, target, _) in paged(&server) {
        set(&server, provider, &format!(r#"{{"page_size":{},"loop_pages":true}}"#, page_size(provider)));
        server.wire.forget_counts();
        let failure = failure(&target).await;
        assert_eq!(failure.class, FailureClass::BodyInvalid, "{provider:?}: {failure:?}");
        assert!(server.wire.total(provider) <= 3, "{provider:?}");
    }
}

#[tokio::test]
async fn pages_are_bounded_in_number_and_in_bytes_together() {
    let server = Running::start().await.unwrap();
    let mut target = target(&server, Provider::Anthropic);
    set(&server, Provider::Anthropic, r#"{"models":1000,"page_size":1}"#);
    let endless = failure(&target).await;
    assert_eq!(endless.class, FailureClass::BodyTooLarge);
    assert!(endless.message.contains("does not end"), "{endless:?}");
    target.max_body_bytes = 4000;
    let heavy = failure(&target).await;
    assert_eq!(heavy.class, FailureClass::BodyTooLarge);
    assert!(heavy.message.contains("together larger than 4000 bytes"), "{heavy:?}");
}

#[tokio::test]
async fn a_model_of_the_hub_has_what_hub_and_router_know_of_it() {
    let server = Running::start().await.unwrap();
    let fetched = catalog(&hub(&server)).await;
    let of = |name: &str| fetched.entries.iter().find(|entry| entry.model_id.contains(name));
    assert!(of("unserved").is_none(), "nobody serves it");
    assert!(of("GLM").is_none(), "the hub does not list it");
    let gated = of("Llama").unwrap();
    assert_eq!((gated.access, gated.context_length_tokens), (Some(Access::Gated), Some(131_072)));
    assert_eq!(
        gated.pricing.input_usd_per_mtok.unwrap().to_string(),
        "0.88",
        "the dearest of those who serve it"
    );
    let weights = gated.local.as_ref().unwrap();
    assert_eq!(
        (weights.parameters.as_deref(), weights.quantization.as_deref(), weights.size_bytes),
        (Some("70.6B"), Some("BF16"), Some(141_107_412_992))
    );
    assert_eq!(of("internal").unwrap().access, Some(Access::Private));
    assert_eq!(of("Qwen3").unwrap().access, None);
}

#[tokio::test]
async fn a_hub_that_did_not_change_is_asked_once() {
    let server = Running::start().await.unwrap();
    set(&server, Provider::HuggingFace, r#"{"page_size":2}"#);
    let target = hub(&server);
    let etag = catalog(&target).await.etag;
    server.wire.forget_counts();
    assert_eq!(discover(&target, None, etag.as_deref()).await.unwrap(), Fetched::NotModified);
    assert_eq!(server.wire.counts()["huggingface"]["/huggingface/api/models"], 1);
    // A repository less at its end shows in what the router serves, too, or does not matter.
    set(&server, Provider::HuggingFace, r#"{"page_size":2,"keep_per_cent":60}"#);
    assert!(matches!(discover(&target, None, etag.as_deref()).await.unwrap(), Fetched::Catalog(_)));
}

#[tokio::test]
async fn only_what_was_asked_for_is_listed_of_the_hub() {
    let server = Running::start().await.unwrap();
    let mut target = hub(&server);
    target.hub = Some(HubQuery { author: Some("openai".to_owned()), ..HubQuery::default() });
    let fetched = catalog(&target).await;
    assert_eq!(fetched.entries.len(), 1);
    assert!(fetched.entries[0].model_id.starts_with("openai/"));
}
