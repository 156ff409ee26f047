//! What the generated enums, tables and validators promise to the rest of the project.

// Clippy knows tests by their attribute and does not know their helpers.
#![allow(clippy::unwrap_used)]

use std::fmt::{Debug, Display};
use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use url::Url;
use vox_contracts::generated::UnknownName;
use vox_contracts::generated::providers::{
    AuthStyle, ChatRouteBackend, OPENAI_COMPATIBLE, PROVIDERS, PricingUnit, ProviderType,
};
use vox_contracts::generated::routing::{
    CatalogKind, ModelTier, StrengthTag, TASK_CATEGORIES, TIERS, TaskCategory, discovery_defaults,
};
use vox_contracts::generated::telemetry::{
    AttributeType, TelemetryError, is_trace_id, session_prefix_registered, validate_event,
    validate_event_strict,
};

const TRACE: &str = "0190f3a4-5b6c-7d8e-9fab-0123456789ab";

#[track_caller]
fn survives<T>(all: &[T], names: &[&str])
where
    T: Copy + Debug + Display + PartialEq + Serialize + DeserializeOwned + FromStr<Err = UnknownName>,
{
    assert_eq!(all.len(), names.len());
    for (value, name) in all.iter().zip(names) {
        assert_eq!(value.to_string(), *name);
        assert_eq!(name.parse::<T>(), Ok(*value));
        assert_eq!(serde_json::to_value(value).unwrap(), json!(name));
        assert_eq!(serde_json::from_value::<T>(json!(name)).unwrap(), *value);
    }
    let error = "telex".parse::<T>().unwrap_err().to_string();
    assert!(error.contains("\"telex\"") && error.contains(names[0]), "{error}");
}

#[test]
fn every_value_survives_every_wire() {
    survives(ModelTier::ALL, ModelTier::NAMES);
    survives(StrengthTag::ALL, StrengthTag::NAMES);
    survives(TaskCategory::ALL, TaskCategory::NAMES);
    survives(CatalogKind::ALL, CatalogKind::NAMES);
    survives(ChatRouteBackend::ALL, ChatRouteBackend::NAMES);
    survives(AuthStyle::ALL, AuthStyle::NAMES);
    survives(PricingUnit::ALL, PricingUnit::NAMES);
}

#[test]
fn tables_stand_in_the_order_of_their_enums() {
    assert!(ModelTier::ALL.is_sorted());
    assert!(ModelTier::Economy < ModelTier::Premium);
    assert_eq!(TIERS.iter().map(|row| row.tier).collect::<Vec<_>>(), ModelTier::ALL);
    for category in TaskCategory::ALL {
        let info = category.info();
        assert_eq!(info.category, *category);
        assert!(info.tier_floor <= info.preferred_tier, "{category}");
    }
    assert_eq!(TASK_CATEGORIES.len(), TaskCategory::ALL.len());
    for info in &PROVIDERS {
        assert_eq!(info.provider.info(), Some(info));
        assert_eq!(info.provider.as_str(), info.name);
    }
}

#[test]
fn an_unknown_strength_is_kept_as_unknown() {
    assert_eq!(serde_json::from_value::<StrengthTag>(json!("juggling")).unwrap(), StrengthTag::Unknown);
    assert!(!StrengthTag::ALL.contains(&StrengthTag::Unknown));
    assert_eq!("unknown".parse(), Ok(StrengthTag::Unknown));
}

#[test]
fn throttles_are_those_of_the_source() {
    let openrouter = discovery_defaults(CatalogKind::Openrouter);
    assert_eq!(openrouter.min_interval, Duration::from_secs(3600));
    assert_eq!(openrouter.max_age, Duration::from_secs(36 * 3600));
    assert_eq!(discovery_defaults(CatalogKind::Ollama).schedule, "*/10 * * * *");
}

#[test]
fn a_provider_is_a_name_or_a_host() {
    for name in ProviderType::NAMES {
        let provider: ProviderType = name.parse().unwrap();
        assert!(!matches!(provider, ProviderType::Custom(_)));
        assert_eq!(serde_json::to_value(&provider).unwrap(), json!(name));
    }
    let custom: ProviderType = serde_json::from_value(json!("LLM.Example.com")).unwrap();
    assert_eq!(custom, ProviderType::Custom("llm.example.com".to_owned()));
    assert_eq!(custom.info(), None);
    assert_eq!(custom.semconv_name(), "llm.example.com");
    for text in
        ["", "telex", "a b.c", "..", ".example.com", "example.com/", "exa_mple.com", &"a.".repeat(200)]
    {
        assert!(text.parse::<ProviderType>().is_err(), "{text:?}");
    }
}

#[test]
fn a_base_url_names_its_provider() {
    let of = |url: &str| ProviderType::of_base_url(&Url::parse(url).unwrap()).unwrap();
    for info in &PROVIDERS {
        if let Some(base_url) = info.base_url {
            assert_eq!(of(base_url), info.provider);
        }
    }
    assert_eq!(of("https://LLM.Example.com:8443/v1").as_str(), "llm.example.com");
    assert_eq!(of("http://llm.example.com./v1").as_str(), "llm.example.com");
    assert_eq!(of("http://gateway/v1").as_str(), "gateway:80");
    assert_eq!(of("http://[::1]:8000/v1").as_str(), "[::1]");
    for url in
        ["http://gateway:8080/v1", "http://10.0.0.7:8000", "http://localhost:1", "http://[::1]:8000/v1"]
    {
        let provider = of(url);
        assert_eq!(provider.as_str().parse(), Ok(provider.clone()), "{url}");
    }
}

#[test]
fn providers_chosen_by_name_take_chat_completions_and_have_a_list() {
    assert!(OPENAI_COMPATIBLE.contains(&"groq") && OPENAI_COMPATIBLE.contains(&"lm-studio"));
    assert!(!OPENAI_COMPATIBLE.contains(&"anthropic"), "it has a member of its own");
    for name in OPENAI_COMPATIBLE {
        let provider: ProviderType = name.parse().unwrap();
        let info = provider.info().unwrap();
        assert!(info.catalog.is_some() && info.openai_compatible && info.list_endpoint.is_some(), "{name}");
    }
}

#[test]
fn a_provider_is_usable_with_its_credential_only() {
    assert!(!ProviderType::OpenRouter.is_usable(|_| false));
    assert!(ProviderType::OpenRouter.is_usable(|name| name == "OPENROUTER_API_KEY"));
    assert!(ProviderType::Ollama.is_usable(|_| false));
    assert_eq!(AuthStyle::Bearer.header(), Some(("authorization", "Bearer ")));
    assert_eq!(AuthStyle::None.header(), None);
}

fn attempt() -> Map<String, Value> {
    let event = json!({
        "vox.trace_id": TRACE,
        "vox.session.id": "chat:1",
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openrouter",
        "gen_ai.request.model": "some-model",
        "vox.attempt.number": 1,
        "vox.attempt.outcome": "failed",
        "vox.latency_ms": 12,
        "error.type": "503",
    });
    event.as_object().unwrap().clone()
}

fn refused(change: impl FnOnce(&mut Map<String, Value>)) -> TelemetryError {
    let mut attributes = attempt();
    change(&mut attributes);
    validate_event("vox.model.attempt", &attributes).unwrap_err()
}

#[test]
fn events_follow_the_contract_or_are_refused() {
    let event = "vox.model.attempt";
    assert_eq!(validate_event_strict(event, &attempt()), Ok(()));
    assert!(matches!(
        validate_event("vox.model.wish", &attempt()),
        Err(TelemetryError::UnknownEvent { event }) if event == "vox.model.wish"
    ));
    let unknown = refused(|a| drop(a.insert("gen_ai.system".to_owned(), json!("openai"))));
    assert_eq!(unknown, TelemetryError::UnknownAttribute { event, attribute: "gen_ai.system".to_owned() });
    // Known to the contract, but not on this event.
    let elsewhere = refused(|a| drop(a.insert("vox.catalog.models".to_owned(), json!(1))));
    assert!(matches!(elsewhere, TelemetryError::UnknownAttribute { .. }));
    let expected = AttributeType::Int;
    for value in [json!("1"), json!(1.5), json!(null)] {
        let wrong = refused(|a| drop(a.insert("vox.attempt.number".to_owned(), value)));
        assert_eq!(wrong, TelemetryError::WrongType { event, attribute: "vox.attempt.number", expected });
    }
    let wrong = refused(|a| drop(a.insert("vox.attempt.outcome".to_owned(), json!("maybe"))));
    assert!(matches!(wrong, TelemetryError::WrongValue { attribute: "vox.attempt.outcome", .. }));
    let missing = refused(|a| drop(a.remove("gen_ai.request.model")));
    assert_eq!(missing, TelemetryError::Missing { event, attribute: "gen_ai.request.model" });
    assert_eq!(refused(|a| drop(a.remove("vox.trace_id"))), TelemetryError::TraceId { event });
}

#[test]
fn a_trace_id_is_a_uuid_of_version_7() {
    assert!(is_trace_id(TRACE));
    let version_4 = TRACE.replacen("-7", "-4", 1);
    let variant = TRACE.replacen("-9", "-c", 1);
    for text in
        ["", &TRACE.to_uppercase(), &TRACE.replace('-', ""), &version_4, &variant, &format!("{TRACE}0")]
    {
        assert!(!is_trace_id(text), "{text}");
    }
}

#[test]
fn sessions_begin_with_a_registered_prefix() {
    for session in ["bench:7", "mcp:x", "workflow:a:b", "chat:1", "e2e:1"] {
        assert!(session_prefix_registered(session), "{session}");
    }
    for session in ["", "bench:", "bench", "other:1", "Bench:1"] {
        assert!(!session_prefix_registered(session), "{session}");
    }
    let mut attributes = attempt();
    attributes.insert("vox.session.id".to_owned(), json!("other:1"));
    assert_eq!(validate_event("vox.model.attempt", &attributes), Ok(()));
    assert!(matches!(
        validate_event_strict("vox.model.attempt", &attributes),
        Err(TelemetryError::SessionPrefix { session, .. }) if session == "other:1"
    ));
}
