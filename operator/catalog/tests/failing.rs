//! What becomes of a fetch when the provider, the network or the configuration is at fault.
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers of tests are not in `#[test]` functions.

mod common;

use std::time::{Duration, Instant};

use common::{catalog, failure, set, target};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use vox_catalog::{Credential, Fetched, discover};
use vox_contracts::discovery::FailureClass;
use vox_wire::{Provider, Running};

#[tokio::test]
async fn every_final_status_has_its_class_and_is_asked_once() {
    let server = Running::start().await.unwrap();
    let target = target(&server, Provider::OpenRouter);
    for (status, class) in [
        (400, FailureClass::UnexpectedStatus),
        (401, FailureClass::Unauthorized),
        (402, FailureClass::Forbidden),
        (403, FailureClass::Forbidden),
        (404, FailureClass::EndpointNotFound),
        (405, FailureClass::EndpointNotFound),
    ] {
        let fault = format!(r#"{{"fault":{{"kind":"status","status":{status}}}}}"#);
        set(&server, Provider::OpenRouter, &fault);
        server.wire.forget_counts();
        let failure = failure(&target).await;
        assert_eq!(failure.class, class, "{failure:?}");
        assert!(failure.message.contains("a fault was asked for"), "the provider's own words: {failure:?}");
        assert!(failure.message.contains("/openrouter/api/v1/models"), "{failure:?}");
        assert_eq!(server.wire.total(Provider::OpenRouter), 1);
    }
}

#[tokio::test]
async fn what_may_succeed_a_moment_later_is_tried_again() {
    let server = Running::start().await.unwrap();
    for status in [408, 429, 500, 502, 503, 529] {
        let fault = format!(r#"{{"fault":{{"kind":"status","status":{status}}},"times":1}}"#);
        set(&server, Provider::Groq, &fault);
        assert_eq!(catalog(&target(&server, Provider::Groq)).await.entries.len(), 7, "{status}");
    }
}

#[tokio::test]
async fn a_server_that_stays_broken_is_given_up_within_the_time() {
    let server = Running::start().await.unwrap();
    set(&server, Provider::Groq, r#"{"fault":{"kind":"status","status":502}}"#);
    let mut target = target(&server, Provider::Groq);
    target.timeout_ms = 5000;
    let start = Instant::now();
    let failure = failure(&target).await;
    assert_eq!(failure.class, FailureClass::ProviderError);
    assert!(start.elapsed() < Duration::from_secs(20));
    assert!(server.wire.total(Provider::Groq) >= 2);
}

#[tokio::test]
async fn a_short_wait_that_the_server_asks_for_is_kept() {
    let server = Running::start().await.unwrap();
    set(&server, Provider::Groq, r#"{"fault":{"kind":"status","status":429,"retry_after":"1"},"times":1}"#);
    let start = Instant::now();
    catalog(&target(&server, Provider::Groq)).await;
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_wait_longer_than_the_time_left_is_passed_on_at_once() {
    let server = Running::start().await.unwrap();
    let in_an_hour = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&in_an_hour).unwrap();
    for text in ["3600", date.as_str()] {
        let fault = format!(r#"{{"fault":{{"kind":"status","status":429,"retry_after":"{text}"}}}}"#);
        set(&server, Provider::Groq, &fault);
        server.wire.forget_counts();
        let start = Instant::now();
        let failure = failure(&target(&server, Provider::Groq)).await;
        assert_eq!(failure.class, FailureClass::RateLimited);
        assert!((3_500_000..=3_600_000).contains(&failure.retry_after_ms.unwrap()), "{failure:?}");
        assert!(start.elapsed() < Duration::from_secs(20));
        assert_eq!(server.wire.total(Provider::Groq), 1);
    }
}

#[tokio::test]
async fn a_cut_answer_is_tried_again_and_then_named() {
    let server = Running::start().await.unwrap();
    set(&server, Provider::OpenRouter, r#"{"fault":{"kind":"cut","after_bytes":1000},"times":1}"#);
    assert_eq!(catalog(&target(&server, Provider::OpenRouter)).await.entries.len(), 312);
    set(&server, Provider::OpenRouter, r#"{"fault":{"kind":"cut","after_bytes":1000}}"#);
    let mut target = target(&server, Provider::OpenRouter);
    target.timeout_ms = 1200;
    assert_eq!(failure(&target).await.class, FailureClass::BodyCut);
}

#[tokio::test]
async fn an_oversized_answer_is_not_read_to_its_end() {
    let server = Running::start().await.unwrap();
    let mut target = target(&server, Provider::OpenRouter);
    target.max_body_bytes = 1 << 20;
    for fault in [r#"{"kind":"oversized","bytes":1000000000}"#, r#"{"kind":"gzip_bomb"}"#] {
        set(&server, Provider::OpenRouter, &format!(r#"{{"fault":{fault}}}"#));
        server.wire.forget_counts();
        let failure = failure(&target).await;
        assert_eq!(failure.class, FailureClass::BodyTooLarge, "{failure:?}");
        assert_eq!(server.wire.total(Provider::OpenRouter), 1, "asking again would not make it smaller");
    }
}

#[tokio::test]
async fn a_slow_answer_runs_out_of_time() {
    let server = Running::start().await.unwrap();
    set(&server, Provider::Groq, r#"{"fault":{"kind":"slow","delay_ms":60000}}"#);
    let mut target = target(&server, Provider::Groq);
    target.timeout_ms = 1000;
    let start = Instant::now();
    assert_eq!(failure(&target).await.class, FailureClass::TimedOut);
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn a_web_page_is_no_catalog() {
    let server = Running::start().await.unwrap();
    for provider in [Provider::OpenRouter, Provider::Ollama, Provider::OpenAi] {
        set(&server, provider, r#"{"fault":{"kind":"html"}}"#);
        let failure = failure(&target(&server, provider)).await;
        assert_eq!(failure.class, FailureClass::BodyInvalid);
        assert!(failure.message.contains("web page"), "{failure:?}");
    }
}

#[tokio::test]
async fn a_list_without_models_is_an_empty_catalog_and_says_why() {
    let server = Running::start().await.unwrap();
    let mut target = target(&server, Provider::OpenRouter);
    target.filter.include = vec!["nobody/*".to_owned()];
    let filtered = failure(&target).await;
    assert_eq!(filtered.class, FailureClass::CatalogEmpty);
    assert!(filtered.message.contains("filter"), "{filtered:?}");
    set(&server, Provider::OpenRouter, r#"{"fault":{"kind":"empty"}}"#);
    let empty = failure(&target).await;
    assert_eq!(empty.class, FailureClass::CatalogEmpty);
    assert!(empty.message.contains("lists no model"), "{empty:?}");
}

#[tokio::test]
async fn more_models_than_allowed_are_refused_as_a_whole() {
    let server = Running::start().await.unwrap();
    let mut target = target(&server, Provider::OpenRouter);
    target.max_models = 100;
    let failure = failure(&target).await;
    assert_eq!(failure.class, FailureClass::BodyTooLarge);
    assert!(failure.message.contains("312") && failure.message.contains("100"), "{failure:?}");
}

#[tokio::test]
async fn a_redirect_to_another_host_is_not_followed() {
    let server = Running::start().await.unwrap();
    let other = Running::start().await.unwrap();
    let fault = format!(
        r#"{{"fault":{{"kind":"redirect","location":"http://{}/groq/openai/v1/models?key=secret"}}}}"#,
        other.address
    );
    set(&server, Provider::Groq, &fault);
    let failure = failure(&target(&server, Provider::Groq)).await;
    assert_eq!(failure.class, FailureClass::UnexpectedStatus);
    assert!(failure.message.contains(&other.address.to_string()), "{failure:?}");
    assert!(!failure.message.contains("secret"), "{failure:?}");
    assert_eq!(other.wire.total(Provider::Groq), 0);
}

#[tokio::test]
async fn a_redirect_in_a_circle_ends() {
    let server = Running::start().await.unwrap();
    let fault = r#"{"fault":{"kind":"redirect","location":"/groq/openai/v1/models"}}"#;
    set(&server, Provider::Groq, fault);
    assert_eq!(failure(&target(&server, Provider::Groq)).await.class, FailureClass::UnexpectedStatus);
    assert!(server.wire.total(Provider::Groq) <= 5);
}

#[tokio::test]
async fn nobody_listening_is_unreachable() {
    let server = Running::start().await.unwrap();
    let mut target = target(&server, Provider::Groq);
    target.endpoint = "http://127.0.0.1:1/v1".to_owned();
    target.timeout_ms = 1000;
    let failure = failure(&target).await;
    assert_eq!(failure.class, FailureClass::Unreachable);
    assert!(failure.message.contains("http://127.0.0.1:1/v1/models"), "{failure:?}");
}

#[tokio::test]
async fn an_endpoint_that_is_no_base_url_is_never_asked() {
    let server = Running::start().await.unwrap();
    let mut target = target(&server, Provider::Groq);
    for endpoint in ["nonsense", "ftp://a.test", "https://user:pass@a.test/v1"] {
        target.endpoint = endpoint.to_owned();
        let failure = failure(&target).await;
        assert_eq!(failure.class, FailureClass::EndpointNotFound, "{endpoint}");
        assert!(!failure.message.contains("pass@"), "{failure:?}");
    }
}

#[tokio::test]
async fn a_wrong_key_is_named_but_never_shown_even_when_the_server_repeats_it() {
    let server = Running::start().await.unwrap();
    for provider in [
        Provider::OpenRouter,
        Provider::Ollama,
        Provider::OpenAi,
        Provider::Mistral,
        Provider::Vllm,
        Provider::Anthropic,
        // These two answer 400.
        Provider::Google,
        Provider::Xai,
        Provider::HuggingFace,
    ] {
        set(&server, provider, r#"{"key":"right-key"}"#);
        let mut target = target(&server, provider);
        // Ollama's own servers take no key; behind a custom name they do.
        if provider == Provider::Ollama {
            target.provider = vox_contracts::ProviderType::Custom("ollama.acme.test".to_owned());
        }
        let credential = Credential::read("sk-made-up-0123456789").unwrap();
        let failure = discover(&target, Some(&credential), None).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Unauthorized, "{failure:?}");
        assert!(failure.message.contains("<REDACTED>"), "{failure:?}");
        assert!(!format!("{failure:?}").contains("0123456789"), "{failure:?}");
    }
}

#[tokio::test]
async fn a_missing_key_is_asked_for() {
    let server = Running::start().await.unwrap();
    set(&server, Provider::OpenAi, r#"{"key":"right-key"}"#);
    let failure = failure(&target(&server, Provider::OpenAi)).await;
    assert_eq!(failure.class, FailureClass::Unauthorized);
    assert!(failure.message.contains("set credentialsRef"), "{failure:?}");
}

#[tokio::test]
async fn a_model_that_is_called_by_the_key_is_refused_without_it() {
    let body = r#"{"data":[{"id":"alpha-1"},{"id":"leak-sk-made-up-0123456789"},{"id":"b","aliases":["sk-made-up-0123456789"]}]}"#;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await;
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ";
        let _ = stream.write_all(format!("{head}{}\r\n\r\n{body}", body.len()).as_bytes()).await;
    });
    let server = Running::start().await.unwrap();
    let mut target = target(&server, Provider::Mistral);
    target.endpoint = format!("http://127.0.0.1:{port}/v1");
    let credential = Credential::read("sk-made-up-0123456789").unwrap();
    let Fetched::Catalog(catalog) = discover(&target, Some(&credential), None).await.unwrap() else {
        panic!("a catalog")
    };
    let ids: Vec<&str> = catalog.entries.iter().map(|entry| entry.model_id.as_str()).collect();
    assert_eq!((ids, catalog.refused), (vec!["alpha-1"], 2));
    assert!(!format!("{catalog:?}").contains("0123456789"), "{catalog:?}");
}
