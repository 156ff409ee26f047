//! The parsers on small answers, source by source: what is read, what is refused, what is left unknown.
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers of tests are not in `#[test]` functions.

use vox_catalog::listing::Listing;
use vox_catalog::sources::openrouter::endpoints;
use vox_catalog::sources::{ollama, openai_compatible, openrouter};
use vox_contracts::discovery::FailureClass;
use vox_contracts::entry::Pricing;
use vox_contracts::{ModelCatalogEntry, ProviderType};

fn openrouter(rows: &str) -> Listing {
    let body = format!(r#"{{"data":[{rows}]}}"#);
    openrouter::parse_models(body.as_bytes(), &ProviderType::OpenRouter).unwrap().value
}

fn one(listing: Listing) -> ModelCatalogEntry {
    assert_eq!(listing.refusals.named(), []);
    assert_eq!(listing.entries.len(), 1);
    listing.entries.into_iter().next().unwrap()
}

fn compatible(provider: ProviderType, row: &str) -> ModelCatalogEntry {
    let body = format!(r#"{{"object":"list","data":[{row}]}}"#);
    one(openai_compatible::parse(body.as_bytes(), &provider).unwrap())
}

fn custom() -> ProviderType {
    ProviderType::Custom("models.acme.test".to_owned())
}

fn prices(pricing: &Pricing) -> (String, String) {
    let text = |price: Option<vox_contracts::UsdPerMTok>| {
        price.map_or("unknown".to_owned(), |price| price.to_string())
    };
    (text(pricing.input_usd_per_mtok), text(pricing.output_usd_per_mtok))
}

fn is(input: &str, output: &str) -> (String, String) {
    (input.to_owned(), output.to_owned())
}

#[test]
fn an_openrouter_row_is_read_in_full() {
    let entry = one(openrouter(
        r#"{"id":"acme/alpha-1","name":"Acme: Alpha 1","created":1770219050,"context_length":200000,
            "architecture":{"input_modalities":["text","image"],"output_modalities":["text"]},
            "pricing":{"prompt":"0.000005","completion":"0.000025","input_cache_read":"0.0000005","request":"0.01"},
            "top_provider":{"context_length":131072,"max_completion_tokens":8192,"is_moderated":true},
            "supported_parameters":["tools","reasoning","temperature"],"expiration_date":"2026-12-31"}"#,
    ));
    assert_eq!(entry.display_name.as_deref(), Some("Acme: Alpha 1"));
    assert_eq!(entry.context_length_tokens, Some(131_072), "as served, not as trained");
    assert_eq!(entry.max_output_tokens, Some(8192));
    assert_eq!(entry.input_modalities, ["text", "image"]);
    assert_eq!(prices(&entry.pricing), is("5", "25"));
    assert_eq!(entry.pricing.cache_read_usd_per_mtok.unwrap().to_string(), "0.5");
    assert_eq!((entry.supports.tools, entry.supports.json_schema), (Some(true), Some(false)));
    assert_eq!(entry.created_at.as_deref(), Some("2026-02-04T15:30:50Z"));
    assert_eq!(entry.expires_at.as_deref(), Some("2026-12-31"));
}

#[test]
fn an_openrouter_price_is_known_free_unknown_or_dynamic() {
    let pricing =
        |json: &str| one(openrouter(&format!(r#"{{"id":"acme/alpha-1","pricing":{json}}}"#))).pricing;
    assert_eq!(prices(&pricing(r#"{"prompt":"0.00000001703012","completion":"0"}"#)), is("0.01703012", "0"));
    assert_eq!(prices(&pricing("{}")), is("unknown", "unknown"));
    assert_eq!(prices(&pricing("null")), is("unknown", "unknown"));
    let dynamic = pricing(r#"{"prompt":"-1","completion":"-1"}"#);
    assert!(dynamic.dynamic);
    assert_eq!(prices(&dynamic), is("unknown", "unknown"));
}

#[test]
fn a_wrong_row_is_refused_with_its_id_and_the_field() {
    let listing = openrouter(
        r#"{"id":"acme/good"},{"id":7},{"id":"acme/context","context_length":"many"},
           {"id":"acme/price","pricing":{"prompt":"free","completion":"0"}},{"id":"acme/minus","context_length":-1},
           {"id":""},{"name":"no id"},null,[],"text",{"id":" padded "}"#,
    );
    assert_eq!(listing.entries.len(), 1);
    let refusals: Vec<_> = listing
        .refusals
        .named()
        .iter()
        .map(|refusal| (refusal.row.as_str(), refusal.reason.as_str()))
        .collect();
    assert_eq!(refusals.len(), 10);
    assert_eq!(refusals[0], ("7", "id: invalid type: integer `7`, expected a string"));
    assert_eq!(refusals[1], ("acme/context", "context_length: invalid type: string \"many\", expected u64"));
    assert!(refusals[2].0 == "acme/price" && refusals[2].1.contains("pricing.prompt"), "{:?}", refusals[2]);
    assert_eq!(refusals[5].0, "no id");
    assert_eq!(refusals[6].0, "row 7");
}

#[test]
fn many_refusals_are_counted_and_some_are_named() {
    let listing = openrouter(&vec!["1"; 500].join(","));
    assert_eq!((listing.refusals.total(), listing.refusals.named().len()), (500, 20));
}

#[test]
fn an_envelope_of_another_type_is_named_with_its_place() {
    let invalid =
        |body: &str| openrouter::parse_models(body.as_bytes(), &ProviderType::OpenRouter).unwrap_err();
    assert_eq!(invalid(r#"{"data":5}"#).class, FailureClass::BodyInvalid);
    assert!(
        invalid(r#"{"data":5}"#).what.starts_with("at data: invalid type"),
        "{}",
        invalid(r#"{"data":5}"#).what
    );
    assert!(invalid(r#"{"error":{"message":"no balance"}}"#).what.ends_with("(no balance)"));
    assert!(invalid(r#"{"error":{}}"#).what.contains("missing field `data`"));
    assert!(invalid("<html>").what.contains("web page"));
    assert_eq!(invalid("").class, FailureClass::BodyCut);
    assert_eq!(invalid(r#"{"data":[{"id":"acme/alp"#).class, FailureClass::BodyCut);
}

#[test]
fn endpoints_that_do_not_work_do_not_count() {
    let body = br#"{"data":{"endpoints":[
        {"status":0,"uptime_last_1d":99.12345},{"uptime_last_1d":98.5},{"status":-2,"uptime_last_1d":100},
        {"status":0,"uptime_last_1d":null},{"status":0,"uptime_last_1d":250},{"status":"odd"}]}}"#;
    let availability = endpoints::parse_endpoints(body).unwrap();
    assert_eq!(availability.uptime_percent.as_deref(), Some("99.123"));
    assert_eq!(availability.endpoints, Some(4));
    let none = endpoints::parse_endpoints(br#"{"data":{"endpoints":[]}}"#).unwrap();
    assert_eq!((none.uptime_percent, none.endpoints), (None, Some(0)));
}

#[test]
fn ollama_tags_are_free_on_own_hardware_and_of_unknown_price_elsewhere() {
    let body = br#"{"models":[
        {"name":"alpha:7b","model":"alpha:7b","size":4683087519,"digest":"00",
         "details":{"family":"alpha","families":null,"parameter_size":"7.6B","quantization_level":"Q4_K_M"},
         "capabilities":["completion","tools","vision"]},
        {"name":"beta:cloud","size":384,"remote_host":"https://models.acme.test:443","details":{}}]}"#;
    let listing = ollama::parse_tags(body, &ProviderType::Ollama).unwrap();
    let [local, remote] = &listing.entries[..] else { panic!("{listing:?}") };
    assert_eq!(prices(&local.pricing), is("0", "0"));
    assert_eq!(local.local.as_ref().unwrap().parameters.as_deref(), Some("7.6B"));
    assert_eq!((local.supports.tools, local.supports.reasoning), (Some(true), Some(false)));
    assert_eq!(
        (&local.input_modalities[..], &local.output_modalities[..]),
        (&["text".to_owned(), "image".to_owned()][..], &["text".to_owned()][..])
    );
    assert_eq!(prices(&remote.pricing), is("unknown", "unknown"));
    assert_eq!(remote.local, None);
}

#[test]
fn ollamas_context_is_under_its_own_architecture_and_no_longer_than_served() {
    let context = |json: &str| ollama::parse_show(json.as_bytes()).map(|shown| shown.context_length_tokens);
    let info = r#""model_info":{"general.architecture":"alpha2","alpha2.context_length":32768,"alpha.context_length":1,"x":null,"y":[1]}"#;
    assert_eq!(context(&format!("{{{info}}}")), Ok(Some(32_768)));
    assert_eq!(context(&format!(r#"{{{info},"parameters":"stop \"x\"\nnum_ctx    8192"}}"#)), Ok(Some(8192)));
    assert_eq!(context(r#"{"model_info":{}}"#), Ok(None));
    assert_eq!(context(r#"{"model_info":{"general.architecture":7}}"#), Ok(None));
    assert_eq!(context(r#"{"error":"model not found"}"#).unwrap_err().class, FailureClass::BodyInvalid);
}

#[test]
fn every_envelope_of_a_compatible_list_is_understood() {
    for body in [
        r#"{"object":"list","data":[{"id":"alpha-1"}]}"#,
        r#"[{"id":"alpha-1"}]"#,
        r#"{"models":[{"name":"alpha-1"}]}"#,
        r#"{"items":[{"id":7,"name":"alpha-1","categories":["llm"]}],"pagination":{"page":1}}"#,
        r#"{"models":[{"key":"alpha-1","type":"llm","architecture":"alpha"}]}"#,
        r#"{"data":[{"id":"alpha-1","meta":null}],"models":[{"name":"other"}]}"#,
    ] {
        let entry = one(openai_compatible::parse(body.as_bytes(), &custom()).unwrap());
        assert_eq!(entry.model_id, "alpha-1", "{body}");
    }
    for (body, words) in [
        (r#"{"error":{"message":"no balance"}}"#, "no balance"),
        (r#"{"data":{"id":"alpha-1"}}"#, "at data"),
        (r#"{"code":401,"reason":"Unauthorized","message":"Invalid credentials"}"#, "Invalid credentials"),
        ("7", "invalid type"),
    ] {
        let error = openai_compatible::parse(body.as_bytes(), &custom()).unwrap_err();
        assert!(error.class == FailureClass::BodyInvalid && error.what.contains(words), "{error:?}");
    }
}

#[test]
fn the_context_is_the_served_one_under_whatever_name() {
    for (fields, expected) in [
        (r#""context_length":1000"#, Some(1000)),
        (r#""context_window":1000"#, Some(1000)),
        (r#""max_context_length":1000"#, Some(1000)),
        (r#""max_context_length":4000,"loaded_context_length":1000"#, Some(1000)),
        (r#""max_model_len":1000"#, Some(1000)),
        (r#""meta":{"n_ctx":1000,"n_ctx_train":4000}"#, Some(1000)),
        (r#""meta":{"n_ctx":4000,"n_slot_ctx":1000,"n_ctx_train":8000}"#, Some(1000)),
        (r#""meta":{"n_ctx_train":4000}"#, Some(4000)),
        (r#""context_length":4000,"top_provider":{"context_length":1000}"#, Some(1000)),
        (r#""limits":{"max_context_length":1000,"requests_per_minute":null}"#, Some(1000)),
        (
            r#""providers":[{"status":"live","context_length":4000},{"status":"live","context_length":1000},{"status":"error","context_length":1}]"#,
            Some(1000),
        ),
        (r#""context_length":0"#, None),
        (r#""max_model_len":null"#, None),
    ] {
        let entry = compatible(custom(), &format!(r#"{{"id":"alpha-1",{fields}}}"#));
        assert_eq!(entry.context_length_tokens, expected, "{fields}");
    }
}

#[test]
fn prices_follow_the_unit_that_the_row_or_the_contract_states() {
    let row = |pricing: &str| format!(r#"{{"id":"alpha-1","pricing":{pricing}}}"#);
    let of = |provider: ProviderType, pricing: &str| prices(&compatible(provider, &row(pricing)).pricing);
    assert_eq!(
        of(ProviderType::SambaNova, r#"{"prompt":0.000002,"completion":2e-06,"duration_per_hour":null}"#),
        is("2", "2")
    );
    assert_eq!(
        of(ProviderType::Perplexity, r#"{"input":1,"output":5.5,"unit":"usd_per_1m_tokens"}"#),
        is("1", "5.5")
    );
    assert_eq!(of(custom(), r#"{"prompt":"0.000002","completion":"0.000003"}"#), is("2", "3"));
    assert_eq!(of(custom(), r#"{"input":2,"output":3}"#), is("2", "3"));
    assert_eq!(of(custom(), r#"{"input":2,"output":3,"unit":"per_fortnight"}"#), is("unknown", "unknown"));
    assert_eq!(
        of(ProviderType::OpenAi, r#"{"input":2,"output":3}"#),
        is("unknown", "unknown"),
        "its list has no prices"
    );
}

#[test]
fn behind_a_router_the_dearest_live_server_sets_the_price() {
    let of = |servers: &str| {
        prices(
            &compatible(
                ProviderType::HuggingFace,
                &format!(r#"{{"id":"acme/alpha-1","providers":[{servers}]}}"#),
            )
            .pricing,
        )
    };
    let cheap = r#"{"status":"live","pricing":{"input":1,"output":2},"is_free":false}"#;
    let dear = r#"{"status":"live","pricing":{"input":3,"output":1},"is_free":false}"#;
    assert_eq!(of(&format!("{cheap},{dear}")), is("3", "2"));
    assert_eq!(of(&format!(r#"{cheap},{{"status":"live"}}"#)), is("unknown", "unknown"));
    assert_eq!(
        of(&format!(r#"{cheap},{{"status":"error","pricing":{{"input":9,"output":9}}}}"#)),
        is("1", "2")
    );
    assert_eq!(
        of(r#"{"status":"live","pricing":{"input":0,"output":0},"is_free":false}"#),
        is("unknown", "unknown")
    );
}

#[test]
fn models_on_own_hardware_are_free_and_others_without_a_price_unknown() {
    assert_eq!(prices(&compatible(ProviderType::Vllm, r#"{"id":"acme/alpha-1"}"#).pricing), is("0", "0"));
    assert_eq!(
        prices(&compatible(ProviderType::Groq, r#"{"id":"acme/alpha-1"}"#).pricing),
        is("unknown", "unknown")
    );
    assert_eq!(prices(&compatible(custom(), r#"{"id":"acme/alpha-1"}"#).pricing), is("unknown", "unknown"));
}

#[test]
fn what_a_model_can_do_is_said_in_many_forms() {
    for fields in [
        r#""capabilities":{"completion_chat":true,"function_calling":true,"vision":true}"#,
        r#""supported_parameters":{"tools":true},"capabilities":{"vision":true},"type":"chat""#,
        r#""capabilities":["completion","tools","vision"]"#,
        r#""supported_features":["tools"],"input_modalities":["text","image"],"output_modalities":["text"]"#,
        r#""meta":{"support_tool_calls":true,"support_vision":true},"type":"llm""#,
        r#""capabilities":{"vision":true,"trained_for_tool_use":true},"type":"vlm","architecture":"alpha""#,
    ] {
        let entry = compatible(custom(), &format!(r#"{{"id":"alpha-1",{fields}}}"#));
        assert_eq!(entry.supports.tools, Some(true), "{fields}");
        assert_eq!(entry.input_modalities, ["text", "image"], "{fields}");
        assert_eq!(entry.output_modalities, ["text"], "{fields}");
    }
    let silent =
        compatible(custom(), r#"{"id":"alpha-1","capabilities":7,"type":[],"architecture":{"x":1}}"#);
    assert_eq!(silent.supports, vox_contracts::entry::Supports::default());
    assert!(silent.output_modalities.is_empty());
}

#[test]
fn a_model_that_is_not_offered_is_no_model_and_no_refusal() {
    let body = br#"{"data":[{"id":"alpha-1","active":false},{"id":"alpha-2","archived":true},{"id":"alpha-3","active":true}]}"#;
    let entry = one(openai_compatible::parse(body, &ProviderType::Groq).unwrap());
    assert_eq!(entry.model_id, "alpha-3");
}

#[test]
fn an_adapter_has_the_context_of_the_model_that_it_sits_on() {
    let body = br#"{"data":[{"id":"adapter","parent":"base","max_model_len":null},{"id":"base","parent":null,"max_model_len":4096}]}"#;
    let listing = openai_compatible::parse(body, &ProviderType::Vllm).unwrap();
    assert_eq!(listing.entries[0].context_length_tokens, Some(4096));
}

#[test]
fn times_are_kept_only_where_they_are_the_models_own() {
    let own = br#"{"data":[{"id":"a","created":1700000000},{"id":"b","created":1710000000},{"id":"c","created":"soon"}]}"#;
    let listing = openai_compatible::parse(own, &ProviderType::OpenAi).unwrap();
    let dated: Vec<bool> = listing.entries.iter().map(|entry| entry.created_at.is_some()).collect();
    assert_eq!(dated, [true, true, false]);
    let clock = br#"{"data":[{"id":"a","created":1700000000},{"id":"b","created":1700000001}]}"#;
    let listing = openai_compatible::parse(clock, &ProviderType::Vllm).unwrap();
    assert!(listing.entries.iter().all(|entry| entry.created_at.is_none()));
}
