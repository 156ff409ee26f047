//! What is particular to a provider's rows: life cycles, aliases, adapters, units of prices, methods.
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers of tests are not in `#[test]` functions.

use vox_catalog::listing::Listing;
use vox_catalog::pages::Next;
use vox_catalog::sources::{anthropic, google, openai_compatible};
use vox_contracts::entry::{Deprecation, Pricing};
use vox_contracts::{ModelCatalogEntry, ProviderType};

fn compatible(provider: ProviderType, rows: &str) -> Listing {
    let listing = openai_compatible::parse(format!(r#"{{"data":[{rows}]}}"#).as_bytes(), &provider).unwrap();
    assert_eq!(listing.refusals.named(), []);
    listing
}

fn one(listing: Listing) -> ModelCatalogEntry {
    assert_eq!((listing.entries.len(), listing.refusals.named()), (1, &[][..]));
    listing.entries.into_iter().next().unwrap()
}

fn prices(pricing: &Pricing) -> [Option<String>; 3] {
    [pricing.input_usd_per_mtok, pricing.output_usd_per_mtok, pricing.cache_read_usd_per_mtok]
        .map(|price| price.map(|price| price.to_string()))
}

#[test]
fn an_anthropic_row_has_a_life_cycle_and_abilities_or_nothing_but_a_name() {
    let body = br#"{"data":[
        {"type":"model","id":"alpha-2","display_name":"Alpha 2","created_at":"2026-02-04T00:00:00Z",
         "max_input_tokens":200000,"max_tokens":64000,"lifecycle":"deprecated","deprecated_at":"2026-06-01T00:00:00Z",
         "retires_at":"2027-02-05T00:00:00Z","capabilities":{"image_input":{"supported":true},
         "pdf_input":{"supported":false},"structured_outputs":{"supported":true},"thinking":{"supported":true}}},
        {"id":"alpha-0","lifecycle":"retired"},
        {"id":"alpha-1","display_name":"alpha-1","created_at":"1970-01-01T00:00:00Z","capabilities":null}]}"#;
    let listing = anthropic::parse(body, &ProviderType::Anthropic).unwrap().value;
    let [new, old] = &listing.entries[..] else { panic!("{listing:?}") };
    assert_eq!((new.context_length_tokens, new.max_output_tokens), (Some(200_000), Some(64_000)));
    assert_eq!(new.input_modalities, ["text", "image"]);
    assert_eq!((new.supports.json_schema, new.supports.reasoning), (Some(true), Some(true)));
    let since = Some("2026-06-01T00:00:00Z".to_owned());
    assert_eq!(new.deprecation, Some(Deprecation { since, replaced_by: None }));
    assert_eq!(new.expires_at.as_deref(), Some("2027-02-05T00:00:00Z"));
    assert_eq!((&old.created_at, &old.display_name, &old.deprecation), (&None, &None, &None));
    assert_eq!(old.supports.tools, Some(true), "the API takes tools for every model");
}

#[test]
fn a_page_leads_to_the_next_in_its_providers_words() {
    let next = |body: &str| anthropic::parse(body.as_bytes(), &ProviderType::Anthropic).map(|page| page.next);
    assert_eq!(next(r#"{"data":[],"has_more":false,"last_id":"a"}"#), Ok(None));
    assert_eq!(
        next(r#"{"data":[],"has_more":true,"last_id":"a"}"#),
        Ok(Some(Next::Cursor("after_id", "a".to_owned())))
    );
    assert!(next(r#"{"data":[],"has_more":true,"last_id":null}"#).unwrap_err().what.contains("last_id"));
    let google = google::parse(br#"{"models":[],"nextPageToken":"t"}"#, &ProviderType::Google).unwrap();
    assert_eq!(google.next, Some(Next::Cursor("pageToken", "t".to_owned())));
    let more = openai_compatible::parse(br#"{"data":[{"id":"a"}],"has_more":true}"#, &ProviderType::OpenAi);
    assert!(more.unwrap_err().what.contains("has_more"));
}

#[test]
fn googles_models_are_those_that_write_or_embed() {
    let row = |name: &str, methods: &str| {
        format!(
            r#"{{"name":"models/{name}","displayName":"X","inputTokenLimit":1048576,"outputTokenLimit":65536,
               "supportedGenerationMethods":[{methods}],"thinking":true}}"#
        )
    };
    let rows = [
        row("writes", r#""generateContent","countTokens""#),
        row("embeds", r#""embedContent""#),
        row("draws", r#""predict""#),
        row("speaks", r#""bidiGenerateContent""#),
    ];
    let body = format!(r#"{{"models":[{}]}}"#, rows.join(","));
    let listing = google::parse(body.as_bytes(), &ProviderType::Google).unwrap().value;
    assert_eq!(listing.refusals.total(), 0, "what does neither is no wrong row");
    let [writes, embeds] = &listing.entries[..] else { panic!("{listing:?}") };
    assert_eq!((writes.model_id.as_str(), embeds.model_id.as_str()), ("writes", "embeds"));
    assert_eq!((writes.context_length_tokens, writes.max_output_tokens), (Some(1_048_576), Some(65_536)));
    assert_eq!((writes.supports.reasoning, embeds.supports.reasoning), (Some(true), None));
    assert_eq!(embeds.output_modalities, ["embedding"]);
}

#[test]
fn xais_prices_are_cents_of_a_hundred_million_tokens() {
    let row = |cached: u32| {
        format!(
            r#"{{"id":"alpha-3","prompt_text_token_price":30000,"cached_prompt_text_token_price":{cached},
               "completion_text_token_price":150000,"input_modalities":["text","image"],"output_modalities":["text"],
               "aliases":["alpha","alpha-latest","alpha-3","alpha"," "]}}"#
        )
    };
    let text = |texts: [&str; 3]| texts.map(|text| Some(text.to_owned()).filter(|text| !text.is_empty()));
    let entry = one(compatible(ProviderType::XAi, &row(7500)));
    assert_eq!(prices(&entry.pricing), text(["3", "15", "0.75"]));
    assert_eq!(entry.aliases, ["alpha", "alpha-latest"]);
    let uncached = one(compatible(ProviderType::XAi, &row(0)));
    assert_eq!(prices(&uncached.pricing), text(["3", "15", ""]), "no price of a cache is no free cache");
    let elsewhere = one(compatible(ProviderType::Custom("proxy.test".to_owned()), &row(7500)));
    assert!(!elsewhere.pricing.is_known(), "nobody said in which unit");
}

#[test]
fn a_model_on_its_way_out_says_when_and_what_comes_instead() {
    let row =
        r#"{"id":"alpha-1","deprecation":"2026-03-31T12:00:00Z","deprecation_replacement_model":"alpha-2"}"#;
    let entry = one(compatible(ProviderType::Mistral, row));
    assert_eq!(entry.expires_at.as_deref(), Some("2026-03-31T12:00:00Z"));
    assert_eq!(entry.deprecation.unwrap().replaced_by.as_deref(), Some("alpha-2"));
    let kept = one(compatible(ProviderType::Mistral, r#"{"id":"alpha-2","deprecation":null}"#));
    assert_eq!((kept.deprecation, kept.expires_at), (None, None));
    let azure = |status: &str| {
        let row = format!(
            r#"{{"id":"alpha-1","lifecycle_status":"{status}","deprecation":{{"inference":1771372800}}}}"#
        );
        one(compatible(ProviderType::AzureOpenAi, &row))
    };
    let planned = azure("generally-available");
    assert_eq!(planned.expires_at.as_deref(), Some("2026-02-18T00:00:00Z"));
    assert_eq!(planned.deprecation, None, "Azure gives every model an end on its first day");
    assert!(azure("deprecated").deprecation.is_some());
}

#[test]
fn an_adapter_names_its_parent() {
    let rows = r#"{"id":"adapter","parent":"base","root":"/adapters/a","max_model_len":null},
                  {"id":"base","parent":null,"max_model_len":4096}"#;
    let listing = compatible(ProviderType::Vllm, rows);
    assert_eq!(listing.entries[0].parent.as_deref(), Some("base"));
    assert_eq!(listing.entries[0].context_length_tokens, Some(4096));
    assert_eq!(listing.entries[1].parent, None);
}

#[test]
fn coheres_models_are_for_what_their_endpoints_say() {
    for (endpoints, writes) in
        [(r#""generate","chat""#, "text"), (r#""embed""#, "embedding"), (r#""rerank""#, "rerank")]
    {
        let body =
            format!(r#"{{"models":[{{"name":"alpha","endpoints":[{endpoints}],"supports_vision":true}}]}}"#);
        let entry = one(openai_compatible::parse(body.as_bytes(), &ProviderType::Cohere).unwrap());
        assert_eq!(entry.output_modalities, [writes]);
        assert_eq!(entry.input_modalities, ["text", "image"]);
    }
}

#[test]
fn prices_at_hours_of_the_day_are_kept_as_such() {
    let row = r#"{"id":"alpha","pricing":{"prompt":"0.000002","completion":"0.000004","overrides":[
        {"utc_start":"1630","utc_end":"0030","prompt":"0.000001"},
        {"utc_start":1630,"utc_end":2400,"min_prompt_tokens":1000,"completion":"0.000002"},
        {"utc_start":"noon","utc_end":"1300","prompt":"0.000009"},
        {"min_prompt_tokens":200000,"prompt":"0.000004"}]}}"#;
    let pricing = one(compatible(ProviderType::Cerebras, row)).pricing;
    let hours: Vec<_> = pricing
        .hours
        .iter()
        .map(|hour| (hour.utc_start.as_str(), hour.utc_end.as_str(), hour.above_input_tokens))
        .collect();
    assert_eq!(hours, [("16:30", "00:30", None), ("16:30", "00:00", Some(1000))]);
    assert_eq!(pricing.long_context.len(), 1);
    assert_eq!(prices(&pricing)[0].as_deref(), Some("2"), "the price of the day stays what it is");
}

#[test]
fn what_a_sidecar_decides_with_has_nothing_that_only_people_read() {
    let row = r#"{"id":"alpha","aliases":["a"],"parent":"b","deprecated":true,"pricing":{"prompt":"1e-6","completion":"1e-6",
        "overrides":[{"utc_start":"1630","utc_end":"0030","prompt":"0"}]}}"#;
    let entry = one(compatible(ProviderType::Cerebras, row)).to_decide_with();
    let mut plain = one(compatible(
        ProviderType::Cerebras,
        r#"{"id":"alpha","pricing":{"prompt":"1e-6","completion":"1e-6"}}"#,
    ));
    plain.strengths.clone_from(&entry.strengths);
    assert_eq!(entry, plain);
}
