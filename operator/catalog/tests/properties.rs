//! Whatever a server sends is read or refused; nothing panics.
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers of tests are not in `#[test]` functions.

use proptest::prelude::*;
use vox_catalog::listing::Listing;
use vox_catalog::sources::openrouter::endpoints;
use vox_catalog::sources::{
    anthropic, google, huggingface, llama_cpp, ollama, openai_compatible, openrouter,
};
use vox_contracts::ProviderType;

fn all_parsers(body: &[u8]) {
    let custom = ProviderType::Custom("models.acme.test".to_owned());
    let listings: Vec<Listing> = [
        openrouter::parse_models(body, &ProviderType::OpenRouter).map(|page| page.value),
        anthropic::parse(body, &ProviderType::Anthropic).map(|page| page.value),
        google::parse(body, &ProviderType::Google).map(|page| page.value),
        ollama::parse_tags(body, &ProviderType::Ollama),
        openai_compatible::parse(body, &custom),
        openai_compatible::parse(body, &ProviderType::HuggingFace),
        openai_compatible::parse(body, &ProviderType::XAi),
        openai_compatible::parse(body, &ProviderType::LmStudio),
    ]
    .into_iter()
    .flatten()
    .collect();
    for listing in listings {
        assert!(listing.refusals.named().len() <= 20);
        assert!(listing.entries.iter().all(|entry| !entry.model_id.is_empty()));
        for entry in &listing.entries {
            let json = serde_json::to_string(entry).unwrap();
            assert_eq!(serde_json::from_str::<vox_contracts::ModelCatalogEntry>(&json).unwrap(), *entry);
        }
    }
    let _ = endpoints::parse_endpoints(body);
    let _ = endpoints::parse_zero_retention(body);
    let _ = huggingface::parse_page(body);
    let _ = llama_cpp::parse_props(body);
    let _ = ollama::parse_show(body);
}

/// Values of every kind, numbers near the edges among them.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("-1".to_owned()),
        Just("\"-1\"".to_owned()),
        Just("1e999".to_owned()),
        Just("18446744073709551616".to_owned()),
        Just("0.000000000000000000000000000000000001".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_filter("JSON has no NaN", |n| n.is_finite()).prop_map(|number| number.to_string()),
        "\\PC{0,20}".prop_map(|text| serde_json::to_string(&text).unwrap()),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((key(), inner), 0..4).prop_map(object),
        ]
    })
}

/// The keys that the parsers look at.
fn key() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "id",
        "name",
        "model",
        "created",
        "context_length",
        "max_model_len",
        "meta",
        "n_ctx",
        "pricing",
        "prompt",
        "completion",
        "input",
        "output",
        "discount",
        "overrides",
        "min_prompt_tokens",
        "unit",
        "architecture",
        "input_modalities",
        "supported_parameters",
        "capabilities",
        "top_provider",
        "providers",
        "status",
        "details",
        "size",
        "remote_host",
        "active",
        "parent",
        "expiration_date",
        "data",
        "endpoints",
        "uptime_last_1d",
        "model_info",
        "general.architecture",
        "parameters",
        "displayName",
        "inputTokenLimit",
        "supportedGenerationMethods",
        "nextPageToken",
        "has_more",
        "last_id",
        "max_input_tokens",
        "lifecycle",
        "deprecated_at",
        "deprecation",
        "deprecation_replacement_model",
        "aliases",
        "prompt_text_token_price",
        "completion_text_token_price",
        "utc_start",
        "utc_end",
        "key",
        "loaded_instances",
        "config",
        "quantization",
        "gated",
        "private",
        "safetensors",
        "total",
        "default_generation_settings",
        "tag",
        "provider_name",
        "model_id",
        "pagination",
        "page",
        "totalPage",
    ])
    .prop_map(str::to_owned)
}

fn object(fields: Vec<(String, String)>) -> String {
    let fields: Vec<String> = fields.into_iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
    format!("{{{}}}", fields.join(","))
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..300)) {
        all_parsers(&body);
    }

    #[test]
    fn any_json_is_read_or_refused(body in value()) {
        all_parsers(body.as_bytes());
    }

    #[test]
    fn any_rows_are_read_or_refused(
        envelope in prop::sample::select(vec!["data", "models", "items"]),
        rows in prop::collection::vec(prop::collection::vec((key(), value()), 0..8).prop_map(object), 0..4),
    ) {
        all_parsers(format!(r#"{{"{envelope}":[{}]}}"#, rows.join(",")).as_bytes());
    }

    #[test]
    fn a_cut_list_is_never_taken_for_a_whole_one(at in 0_usize..60) {
        let whole = br#"{"data":[{"id":"acme/alpha-1","context_length":1000,"x":"y"}]}"#;
        prop_assert!(openrouter::parse_models(&whole[..at], &ProviderType::OpenRouter).is_err());
    }
}

/// The rows of a family's list, with a value that does not belong in one of its fields.
fn with_odd(field: &str, value: &str) -> Vec<(ProviderType, String)> {
    vec![
        (
            ProviderType::OpenRouter,
            format!(r#"{{"id":"acme/a","pricing":{{"prompt":{value},"completion":"1"}}}}"#),
        ),
        (ProviderType::Cerebras, format!(r#"{{"id":"acme/a","pricing":{{"{field}":{value}}}}}"#)),
        (ProviderType::Perplexity, format!(r#"{{"id":"acme/a","pricing":{{"input":{value},"output":1}}}}"#)),
        (ProviderType::XAi, format!(r#"{{"id":"acme/a","prompt_text_token_price":{value}}}"#)),
    ]
}

fn parsed(provider: &ProviderType, row: &str) -> Listing {
    let body = format!(r#"{{"data":[{row}]}}"#);
    match provider {
        ProviderType::OpenRouter => openrouter::parse_models(body.as_bytes(), provider).unwrap().value,
        _ => openai_compatible::parse(body.as_bytes(), provider).unwrap(),
    }
}

#[test]
fn a_price_is_known_unknown_or_a_refusal_with_field_and_value() {
    for (provider, row) in with_odd("prompt", "null").into_iter().chain(with_odd("prompt", "-1")) {
        let entry = parsed(&provider, &row).entries.remove(0);
        assert!(!entry.pricing.is_known() && entry.pricing.input_usd_per_mtok.is_none(), "{provider}: {row}");
    }
    for (provider, row) in with_odd("prompt", "\"1e-7\"").into_iter().chain(with_odd("prompt", "1e-7")) {
        let entry = parsed(&provider, &row).entries.remove(0);
        assert!(entry.pricing.input_usd_per_mtok.is_some_and(|price| !price.is_free()), "{provider}: {row}");
    }
    for odd in ["\"NaN\"", "\"Infinity\"", "\"-0.5\"", "\"free\"", "{}", "true"] {
        for (provider, row) in with_odd("prompt", odd) {
            let listing = parsed(&provider, &row);
            let [refusal] = listing.refusals.named() else { panic!("{provider}: {row}: {listing:?}") };
            assert_eq!(refusal.row, "acme/a");
            assert!(refusal.reason.contains("pr"), "{provider}: {refusal:?}");
            if odd.starts_with('"') {
                assert!(refusal.reason.contains(odd), "the value is named: {provider}: {refusal:?}");
            }
        }
    }
    // NaN is no JSON at all.
    let body = br#"{"data":[{"id":"a","pricing":{"prompt":NaN}}]}"#;
    assert!(openai_compatible::parse(body, &ProviderType::Cerebras).is_err());
}

#[test]
fn an_id_of_ten_thousand_bytes_is_refused_and_named_in_short() {
    let id = "a".repeat(10_240);
    let listing = parsed(&ProviderType::Groq, &format!(r#"{{"id":"{id}"}},{{"id":"fine"}}"#));
    assert_eq!(listing.entries.len(), 1);
    let refusal = &listing.refusals.named()[0];
    assert!(refusal.row.len() < 300 && refusal.reason.contains("longer than 256 bytes"), "{refusal:?}");
}

#[test]
fn deep_nesting_is_no_stack_overflow() {
    let deep = format!(r#"{{"data":[{{"id":"a","x":{}{}}}]}}"#, "[".repeat(100_000), "]".repeat(100_000));
    all_parsers(deep.as_bytes());
    all_parsers("[".repeat(1_000_000).as_bytes());
}
