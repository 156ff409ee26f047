//! Faults of inference requests as a client sees them.

mod common;

use std::time::{Duration, Instant};

use common::{Answer, chat, fault, post};
use serde_json::json;
use vox_wire::{Provider, Running, client};

/// Asks OpenAI for a model, in one piece or as a stream.
async fn ask(server: &Running, model: &str, stream: bool) -> Answer {
    let messages = json!([{"role": "user", "content": "one two three"}]);
    let body = json!({"model": model, "messages": messages, "stream": stream}).to_string();
    post(server, "/openai/v1/chat/completions", &[], &body).await
}

/// How many tokens of text arrived.
fn tokens(answer: &Answer) -> usize {
    let texts = answer.events().into_iter().map(|event| event["choices"][0]["delta"]["content"].clone());
    texts.filter(|text| text.as_str().is_some_and(|text| !text.is_empty())).count()
}

#[tokio::test]
async fn a_status_comes_with_its_headers_and_the_providers_words() {
    let server = Running::start().await.unwrap();
    let status = r#"{"kind":"status","status":429,"retry_after":"7","message":"too fast"}"#;
    fault(&server, Provider::OpenAi, status);
    let answer = ask(&server, "a", true).await;
    assert_eq!(answer.status, 429);
    assert!(answer.head.contains("retry-after: 7"), "{}", answer.head);
    assert_eq!(answer.json()["error"]["message"], "too fast");
    fault(&server, Provider::OpenAi, r#"{"kind":"status","status":503,"body":"upstream down"}"#);
    assert_eq!(ask(&server, "a", false).await.body, "upstream down");
    fault(&server, Provider::Google, r#"{"kind":"status","status":429,"retry_after":"48"}"#);
    let body = r#"{"contents":[{"parts":[{"text":"hi"}]}]}"#;
    let google = post(&server, "/google/v1beta/models/m:generateContent", &[], body).await.json();
    assert_eq!(google["error"]["details"][0]["retryDelay"], "48s");
}

#[tokio::test]
async fn a_fault_is_for_one_model_and_for_so_many_requests() {
    let server = Running::start().await.unwrap();
    let one = r#"{"fault":{"kind":"status","status":500},"model":"a","times":2}"#;
    chat(&server, Provider::OpenAi, &format!(r#"{{"faults":[{one}]}}"#));
    assert_eq!(ask(&server, "b", false).await.status, 200);
    assert_eq!(ask(&server, "a", false).await.status, 500);
    assert_eq!(ask(&server, "a", true).await.status, 500);
    assert_eq!(ask(&server, "a", false).await.status, 200);
}

#[tokio::test]
async fn faults_of_lists_and_of_inference_do_not_meet() {
    let server = Running::start().await.unwrap();
    let address = server.address.to_string();
    let put = async |path: &str, body: &str| client::send(&address, "PUT", path, Some(body)).await.unwrap();
    put("/_wire/openai", r#"{"fault":{"kind":"status","status":503}}"#).await;
    assert_eq!(ask(&server, "a", false).await.status, 200);
    put("/_wire/openai/chat", r#"{"faults":[{"fault":{"kind":"status","status":418}}]}"#).await;
    assert_eq!(ask(&server, "a", false).await.status, 418);
    let list = client::send(&address, "GET", "/openai/v1/models", None).await.unwrap_err();
    assert!(format!("{list:#}").contains("503"), "{list:#}");
    client::send(&address, "DELETE", "/_wire/openai/chat", None).await.unwrap();
    assert_eq!(ask(&server, "a", false).await.status, 200);
    assert!(client::send(&address, "GET", "/_wire/openai", None).await.unwrap().contains("503"));
    let refused = client::send(&address, "PUT", "/_wire/openai/chat", Some(r#"{"fire":1}"#)).await;
    assert!(format!("{:#}", refused.unwrap_err()).contains("fire"));
}

#[tokio::test]
async fn an_error_can_come_under_a_200_in_one_piece_and_in_a_stream() {
    let server = Running::start().await.unwrap();
    fault(&server, Provider::OpenAi, r#"{"kind":"error_in_ok","status":502,"after_tokens":3}"#);
    let whole = ask(&server, "a", false).await;
    assert_eq!((whole.status, &whole.json()["error"]["type"]), (200, &json!("server_error")));
    let stream = ask(&server, "a", true).await;
    assert_eq!((stream.status, tokens(&stream), stream.complete), (200, 3, true));
    assert!(stream.events().last().unwrap()["error"].is_object());
    fault(&server, Provider::Ollama, r#"{"kind":"error_in_ok","status":500}"#);
    let body = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
    assert!(post(&server, "/ollama/api/chat", &[], body).await.json()["error"].is_string());
}

#[tokio::test]
async fn an_error_in_a_stream_of_anthropic_is_an_event_of_its_own() {
    let server = Running::start().await.unwrap();
    let body = r#"{"model":"m","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
    let headers = [("x-api-key", "k"), ("anthropic-version", "2023-06-01")];
    for (kind, last) in [
        (r#"{"kind":"error_in_ok","status":529,"after_tokens":1}"#, "error"),
        (r#"{"kind":"malformed","after_tokens":1}"#, "content_block_delta"),
    ] {
        fault(&server, Provider::Anthropic, kind);
        let answer = post(&server, "/anthropic/v1/messages", &headers, body).await;
        let names: Vec<&str> = answer.body.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
        assert_eq!(names[3..], ["content_block_delta", last], "{}", answer.body);
        assert_eq!(answer.body.contains("overloaded_error"), last == "error");
    }
}

#[tokio::test]
async fn bodies_can_be_empty_malformed_cut_or_a_page() {
    let server = Running::start().await.unwrap();
    fault(&server, Provider::OpenAi, r#"{"kind":"empty"}"#);
    for stream in [false, true] {
        let answer = ask(&server, "a", stream).await;
        assert_eq!((answer.status, answer.body.as_str(), answer.complete), (200, "", true));
    }
    fault(&server, Provider::OpenAi, r#"{"kind":"malformed"}"#);
    let answer = ask(&server, "a", false).await;
    assert!(answer.complete && serde_json::from_str::<serde_json::Value>(&answer.body).is_err());
    assert!(ask(&server, "a", true).await.events().last().unwrap().is_string());
    fault(&server, Provider::OpenAi, r#"{"kind":"cut","after_bytes":30}"#);
    for stream in [false, true] {
        let answer = ask(&server, "a", stream).await;
        assert_eq!((answer.status, answer.body.len(), answer.complete), (200, 30, false));
    }
    fault(&server, Provider::OpenAi, r#"{"kind":"html"}"#);
    assert!(ask(&server, "a", true).await.body.starts_with("<!doctype html>"));
}

#[tokio::test]
async fn a_stream_is_cut_before_and_after_tokens() {
    let server = Running::start().await.unwrap();
    for (after, clean) in [(0, false), (2, false), (2, true)] {
        let cut = json!({"kind": "cut_stream", "after_tokens": after, "clean": clean}).to_string();
        fault(&server, Provider::OpenAi, &cut);
        let answer = ask(&server, "a", true).await;
        assert_eq!((tokens(&answer), answer.complete), (after, clean), "{cut}");
        assert!(!answer.body.contains("[DONE]"));
    }
    assert!(ask(&server, "a", false).await.complete, "what is no stream is not cut");
}

#[tokio::test]
async fn answers_are_late_where_they_are_told_to_be() {
    let server = Running::start().await.unwrap();
    for settings in [
        r#"{"latency_ms":200}"#,
        r#"{"token_delay_ms":30}"#,
        r#"{"faults":[{"fault":{"kind":"slow","delay_ms":200}}]}"#,
        r#"{"faults":[{"fault":{"kind":"stall","delay_ms":200}}]}"#,
        r#"{"faults":[{"fault":{"kind":"stall","after_tokens":2,"delay_ms":200}}]}"#,
    ] {
        chat(&server, Provider::OpenAi, settings);
        for stream in [false, true] {
            let start = Instant::now();
            let answer = ask(&server, "a", stream).await;
            assert!(start.elapsed() >= Duration::from_millis(180), "{settings} stream {stream}");
            assert!(answer.status == 200 && answer.complete);
        }
    }
}

#[tokio::test]
async fn an_answer_is_as_long_as_told_and_can_come_uncounted() {
    let server = Running::start().await.unwrap();
    chat(&server, Provider::OpenAi, r#"{"tokens":500,"no_usage":true}"#);
    assert_eq!(tokens(&ask(&server, "a", true).await), 500);
    assert!(ask(&server, "a", false).await.json()["usage"].is_null());
}
