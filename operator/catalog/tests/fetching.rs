//! Catalogs fetched over HTTP from a server that speaks the providers' formats, when all is well.
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers of tests are not in `#[test]` functions.

mod common;

use common::{catalog, set, target};
use vox_catalog::{Credential, Fetched, discover};
use vox_contracts::ProviderType;
use vox_wire::{Provider, Running};

#[tokio::test]
async fn every_provider_gives_a_catalog() {
    let server = Running::start().await.unwrap();
    for (provider, models) in [
        (Provider::OpenRouter, 312),
        (Provider::Ollama, 8),
        (Provider::OpenAi, 119),
        // One of eight is not active.
        (Provider::Groq, 7),
        // Two of 57 ids stand there twice, in other words.
        (Provider::Mistral, 55),
        (Provider::Vllm, 2),
        // One of six is retired.
        (Provider::Anthropic, 5),
        // Two of eight neither write nor embed.
        (Provider::Google, 6),
        (Provider::HuggingFace, 7),
        (Provider::Xai, 4),
        (Provider::Cohere, 5),
        (Provider::Cerebras, 2),
        (Provider::SambaNova, 3),
        (Provider::DeepSeek, 2),
        (Provider::Together, 4),
        (Provider::Perplexity, 2),
        (Provider::LlamaCpp, 1),
        (Provider::LmStudio, 3),
    ] {
        let fetched = catalog(&target(&server, provider)).await;
        let refused = if provider == Provider::Mistral { 2 } else { 0 };
        assert_eq!((fetched.entries.len(), fetched.refused), (models, refused), "{:?}", fetched.refusals);
        assert!(fetched.entries.is_sorted_by(|a, b| a.model_id < b.model_id), "{provider:?}");
        // What llama.cpp's properties say is not in its list.
        assert_eq!(fetched.etag.is_some(), provider != Provider::LlamaCpp, "{provider:?}");
    }
}

#[tokio::test]
async fn an_unchanged_list_is_not_sent_again() {
    let server = Running::start().await.unwrap();
    for provider in [Provider::OpenRouter, Provider::Ollama, Provider::OpenAi] {
        let target = target(&server, provider);
        let etag = catalog(&target).await.etag;
        let again = discover(&target, None, etag.as_deref()).await.unwrap();
        assert_eq!(again, Fetched::NotModified, "{provider:?}");
        set(&server, provider, r#"{"keep_per_cent":50}"#);
        assert!(matches!(discover(&target, None, etag.as_deref()).await.unwrap(), Fetched::Catalog(_)));
    }
}

#[tokio::test]
async fn the_clock_of_a_server_makes_no_new_catalog() {
    let server = Running::start().await.unwrap();
    for provider in [Provider::Mistral, Provider::Vllm] {
        let fetched = catalog(&target(&server, provider)).await;
        assert!(fetched.entries.iter().all(|entry| entry.created_at.is_none()), "{provider:?}");
    }
}

#[tokio::test]
async fn uptimes_come_from_each_models_working_endpoints() {
    let server = Running::start().await.unwrap();
    set(&server, Provider::OpenRouter, r#"{"models":20}"#);
    let mut target = target(&server, Provider::OpenRouter);
    target.include_endpoints = true;
    let fetched = catalog(&target).await;
    for entry in &fetched.entries {
        let availability = entry.availability.as_ref().unwrap();
        assert_eq!(availability.endpoints, Some(2), "the third has a negative status");
        assert!(availability.uptime_percent.is_some());
        let [north, south] = &availability.served_by[..] else { panic!("{availability:?}") };
        assert_eq!((north.name.as_str(), north.quantization.as_deref()), ("north", Some("fp8")));
        assert_eq!((north.zero_data_retention, south.zero_data_retention), (Some(true), Some(false)));
        assert_eq!(north.pricing, entry.pricing);
    }
    assert_eq!(fetched.etag, None);
    assert_eq!(server.wire.total(Provider::OpenRouter), 22, "the list, who keeps nothing, and each model");
}

#[tokio::test]
async fn a_models_endpoints_that_fail_cost_no_model() {
    let server = Running::start().await.unwrap();
    let settings = r#"{"models":5,"fault":{"kind":"status","status":404},"only":"endpoints"}"#;
    set(&server, Provider::OpenRouter, settings);
    let mut target = target(&server, Provider::OpenRouter);
    target.include_endpoints = true;
    let fetched = catalog(&target).await;
    assert_eq!(fetched.entries.len(), 5);
    assert!(fetched.entries.iter().all(|entry| entry.availability.is_none()));
}

#[tokio::test]
async fn only_models_that_the_filter_may_keep_are_asked_about() {
    let server = Running::start().await.unwrap();
    let mut target = target(&server, Provider::Ollama);
    let all = catalog(&target).await.entries;
    target.filter.include = vec![all[0].model_id.clone()];
    server.wire.forget_counts();
    assert_eq!(catalog(&target).await.entries.len(), 1);
    assert_eq!(server.wire.total(Provider::Ollama), 2, "one list, one model shown");
}

#[tokio::test]
async fn local_models_are_free_and_remote_ones_have_no_known_price() {
    let server = Running::start().await.unwrap();
    let fetched = catalog(&target(&server, Provider::Ollama)).await;
    let (local, remote): (Vec<_>, Vec<_>) = fetched.entries.iter().partition(|entry| entry.local.is_some());
    assert_eq!((local.len(), remote.len()), (7, 1));
    assert!(local.iter().all(|entry| entry.pricing.input_usd_per_mtok.is_some_and(|price| price.is_free())));
    assert!(remote.iter().all(|entry| !entry.pricing.is_known()));
    assert!(fetched.entries.iter().all(|entry| entry.context_length_tokens.is_some()));
}

#[tokio::test]
async fn a_model_that_cannot_be_shown_stays_with_an_unknown_context() {
    let server = Running::start().await.unwrap();
    set(&server, Provider::Ollama, r#"{"fault":{"kind":"status","status":404},"only":"show"}"#);
    let fetched = catalog(&target(&server, Provider::Ollama)).await;
    assert_eq!(fetched.entries.len(), 8);
    assert!(fetched.entries.iter().all(|entry| entry.context_length_tokens.is_none()));
}

#[tokio::test]
async fn the_key_is_shown_to_a_provider_that_asks_for_it() {
    let server = Running::start().await.unwrap();
    set(&server, Provider::OpenAi, r#"{"key":"right-key"}"#);
    let credential = Credential::read("right-key\n").unwrap();
    let target = target(&server, Provider::OpenAi);
    assert!(discover(&target, Some(&credential), None).await.is_ok());
}

#[tokio::test]
async fn rows_of_wrong_types_are_refused_by_name_and_the_others_stay() {
    let server = Running::start().await.unwrap();
    for provider in [Provider::OpenRouter, Provider::Ollama, Provider::OpenAi, Provider::Groq] {
        let target = target(&server, provider);
        server.wire.reset(provider);
        let healthy = catalog(&target).await.entries.len();
        set(&server, provider, r#"{"fault":{"kind":"wrong_types"}}"#);
        let fetched = catalog(&target).await;
        assert_eq!((fetched.refused, fetched.entries.len()), (4, healthy - 4), "{provider:?}");
        assert_eq!(fetched.refusals[0].row, "42");
        assert_eq!(fetched.refusals[2].row, "row 2");
        assert!(fetched.refusals.iter().all(|refusal| !refusal.reason.is_empty()));
    }
}

#[tokio::test]
async fn of_two_rows_with_one_id_the_first_holds() {
    let server = Running::start().await.unwrap();
    let target = target(&server, Provider::OpenRouter);
    let healthy = catalog(&target).await;
    set(&server, Provider::OpenRouter, r#"{"fault":{"kind":"duplicates"}}"#);
    let fetched = catalog(&target).await;
    assert_eq!(fetched.entries, healthy.entries);
    assert_eq!(fetched.refused, 1, "the identical one is dropped without a word");
    assert!(fetched.refusals[0].reason.contains("first row holds"), "{:?}", fetched.refusals);
}

#[tokio::test]
async fn words_that_nobody_knows_do_no_harm() {
    let server = Running::start().await.unwrap();
    for provider in [Provider::OpenRouter, Provider::Ollama, Provider::OpenAi] {
        let target = target(&server, provider);
        let healthy = catalog(&target).await.entries.len();
        set(&server, provider, r#"{"fault":{"kind":"unknown_strings"}}"#);
        let fetched = catalog(&target).await;
        assert_eq!((fetched.entries.len(), fetched.refused), (healthy, 0), "{provider:?}");
    }
}

#[tokio::test]
async fn a_llama_cpp_server_serves_the_context_of_a_slot() {
    let server = Running::start().await.unwrap();
    let target = target(&server, Provider::LlamaCpp);
    let context = async || catalog(&target).await.entries[0].context_length_tokens;
    assert_eq!(context().await, Some(8192), "not what was trained");
    set(&server, Provider::LlamaCpp, r#"{"fault":{"kind":"status","status":404},"only":"props"}"#);
    assert_eq!(context().await, Some(40_960), "its list says no more");
}

#[tokio::test]
async fn an_old_lm_studio_is_asked_as_openai_is() {
    let server = Running::start().await.unwrap();
    let target = target(&server, Provider::LmStudio);
    let loaded = |entries: &[vox_contracts::ModelCatalogEntry]| {
        entries.iter().find(|entry| entry.model_id.ends_with("qwen3-8b")).unwrap().clone()
    };
    let entry = loaded(&catalog(&target).await.entries);
    assert_eq!(entry.context_length_tokens, Some(8192), "as loaded");
    assert_eq!(entry.local.unwrap().quantization.as_deref(), Some("Q4_K_M"));
    for fault in [r#"{"kind":"status","status":404}"#, r#"{"kind":"html"}"#] {
        set(&server, Provider::LmStudio, &format!(r#"{{"fault":{fault},"only":"api/v1"}}"#));
        let entries = catalog(&target).await.entries;
        assert_eq!((entries.len(), loaded(&entries).context_length_tokens), (3, None), "{fault}");
    }
}

/// The row that is not active lost its name, too, and is still not offered.
#[tokio::test]
async fn a_field_with_another_name_costs_its_own_provider_only() {
    let server = Running::start().await.unwrap();
    set(&server, Provider::Groq, r#"{"fault":{"kind":"renamed","from":"id","to":"identifier"}}"#);
    let broken = common::failure(&target(&server, Provider::Groq)).await;
    assert!(broken.message.contains("none of the 7 listed rows is a model"), "{broken:?}");
    assert!(broken.message.contains("the row has no id"), "{broken:?}");
    assert_eq!(catalog(&target(&server, Provider::Cerebras)).await.entries.len(), 2);
}

#[tokio::test]
async fn a_redirect_on_the_same_host_is_followed() {
    let server = Running::start().await.unwrap();
    let fault = r#"{"fault":{"kind":"redirect","location":"/openai/v1/models"},"times":1}"#;
    set(&server, Provider::Groq, fault);
    assert_eq!(catalog(&target(&server, Provider::Groq)).await.entries.len(), 119);
}

#[tokio::test]
async fn a_host_of_ones_own_lists_under_its_own_name() {
    let server = Running::start().await.unwrap();
    let mut target = target(&server, Provider::Vllm);
    target.provider = ProviderType::Custom("models.acme.test".to_owned());
    let fetched = catalog(&target).await;
    assert!(fetched.entries.iter().all(|entry| entry.provider == target.provider));
    assert!(fetched.entries.iter().all(|entry| !entry.pricing.is_known()), "nobody said what it costs");
    let contexts: Vec<_> = fetched.entries.iter().map(|entry| entry.context_length_tokens).collect();
    assert_eq!(contexts, [Some(32_768), Some(32_768)], "the adapter has the context of its base");
}
