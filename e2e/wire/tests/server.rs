//! The server as a client sees it.

use vox_wire::{Provider, Running, client};

async fn ask(server: &Running, method: &str, path: &str, body: Option<&str>) -> Result<String, String> {
    client::send(&server.address.to_string(), method, path, body).await.map_err(|error| format!("{error:#}"))
}

#[tokio::test]
async fn every_list_is_served_and_counted() {
    let server = Running::start().await.unwrap();
    for (path, key, count) in [
        ("/openrouter/api/v1/models", "data", 312),
        ("/ollama/api/tags", "models", 8),
        ("/openai/v1/models", "data", 119),
        ("/groq/openai/v1/models", "data", 8),
        ("/mistral/v1/models", "data", 57),
        ("/vllm/v1/models", "data", 2),
    ] {
        let body: serde_json::Value =
            serde_json::from_str(&ask(&server, "GET", path, None).await.unwrap()).unwrap();
        assert_eq!(body[key].as_array().unwrap().len(), count, "{path}");
    }
    let counts = ask(&server, "GET", "/_wire/requests", None).await.unwrap();
    assert!(counts.contains(r#""/openrouter/api/v1/models":1"#), "{counts}");
    ask(&server, "DELETE", "/_wire/requests", None).await.unwrap();
    assert_eq!(server.wire.total(Provider::OpenRouter), 0);
    assert_eq!(ask(&server, "GET", "/healthz", None).await.unwrap(), "ok");
}

#[tokio::test]
async fn a_fault_holds_for_as_many_requests_as_asked_and_is_reset() {
    let server = Running::start().await.unwrap();
    let fault = r#"{"fault":{"kind":"status","status":503},"times":1}"#;
    ask(&server, "PUT", "/_wire/groq", Some(fault)).await.unwrap();
    assert!(ask(&server, "GET", "/groq/openai/v1/models", None).await.unwrap_err().contains("503"));
    ask(&server, "GET", "/groq/openai/v1/models", None).await.unwrap();
    ask(&server, "PUT", "/_wire/groq", Some(r#"{"key":"k"}"#)).await.unwrap();
    assert!(ask(&server, "GET", "/groq/openai/v1/models", None).await.unwrap_err().contains("401"));
    ask(&server, "DELETE", "/_wire/groq", None).await.unwrap();
    ask(&server, "GET", "/groq/openai/v1/models", None).await.unwrap();
}

#[tokio::test]
async fn settings_that_are_not_understood_change_nothing() {
    let server = Running::start().await.unwrap();
    let refusal = ask(&server, "PUT", "/_wire/groq", Some(r#"{"fault":{"kind":"fire"}}"#)).await.unwrap_err();
    assert!(refusal.contains("400") && refusal.contains("fire"), "{refusal}");
    assert!(ask(&server, "PUT", "/_wire/nobody", Some("{}")).await.unwrap_err().contains("openrouter"));
    ask(&server, "GET", "/groq/openai/v1/models", None).await.unwrap();
}

#[tokio::test]
async fn prices_and_numbers_of_models_follow_the_settings() {
    let server = Running::start().await.unwrap();
    let settings = r#"{"models":1000,"keep_per_cent":50,"reprice_per_cent":100}"#;
    ask(&server, "PUT", "/_wire/openrouter", Some(settings)).await.unwrap();
    let text = ask(&server, "GET", "/openrouter/api/v1/models", None).await.unwrap();
    let body: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(body["data"].as_array().unwrap().len(), 500);
}
