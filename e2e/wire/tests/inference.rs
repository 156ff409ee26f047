//! Chat and embeddings as a client sees them.
#![allow(clippy::unwrap_used)] // Helpers of tests are not in `#[test]` functions.

mod common;

use common::{chat, post};
use serde_json::{Value, json};
use vox_wire::{Provider, Running, client};

const CHAT: &str = "/openrouter/api/v1/chat/completions";
const ANTHROPIC: [(&str, &str); 2] = [("x-api-key", "k"), ("anthropic-version", "2023-06-01")];

/// A request in OpenAI's format, with more keys.
fn asking(said: &str, more: Value) -> String {
    let mut body = json!({"model": "house/small", "messages": [{"role": "user", "content": said}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body.to_string()
}

fn weather() -> Value {
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    json!([{"type": "function", "function": {"name": "weather", "parameters": parameters}}])
}

#[tokio::test]
async fn every_openai_path_answers_in_the_name_of_the_model_that_was_asked() {
    let server = Running::start().await.unwrap();
    for base in
        ["/openrouter/api/v1", "/openai/v1", "/groq/openai/v1", "/mistral/v1", "/vllm/v1", "/ollama/v1"]
    {
        let path = format!("{base}/chat/completions");
        let answer = post(&server, &path, &[], &asking("one two three", json!({}))).await.json();
        assert_eq!(answer["model"], "house/small", "{base}");
        let message = &answer["choices"][0]["message"];
        assert_eq!(message["content"], "house/small heard 3 words: one two three");
        assert_eq!(answer["choices"][0]["finish_reason"], "stop");
        assert_eq!(answer["usage"]["prompt_tokens"], 4);
        assert_eq!(answer["usage"]["total_tokens"], 14);
    }
}

#[tokio::test]
async fn a_stream_says_the_same_as_an_answer_in_one_piece() {
    let server = Running::start().await.unwrap();
    let more = json!({"stream": true, "stream_options": {"include_usage": true}});
    let answer = post(&server, CHAT, &[], &asking("one two three", more)).await;
    assert!(answer.head.contains("text/event-stream") && answer.complete);
    let events = answer.events();
    assert_eq!(events[0]["choices"][0]["delta"]["role"], "assistant");
    let text: String =
        events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text, "house/small heard 3 words: one two three");
    let [.., finish, usage, done] = &events[..] else { panic!("{events:?}") };
    assert_eq!(finish["choices"][0]["finish_reason"], "stop");
    assert_eq!((&usage["choices"], &usage["usage"]["completion_tokens"]), (&json!([]), &json!(10)));
    assert_eq!(done, "[DONE]");
}

#[tokio::test]
async fn a_stream_counts_tokens_only_when_asked() {
    let server = Running::start().await.unwrap();
    let answer = post(&server, CHAT, &[], &asking("hi", json!({"stream": true}))).await;
    assert!(!answer.body.contains("usage"), "{}", answer.body);
}

#[tokio::test]
async fn a_tool_is_called_where_the_message_asks_for_it() {
    let server = Running::start().await.unwrap();
    let whole = post(&server, CHAT, &[], &asking("call weather", json!({"tools": weather()}))).await.json();
    let call = &whole["choices"][0]["message"]["tool_calls"][0];
    assert_eq!(whole["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(call["function"]["arguments"], r#"{"city":"call weather"}"#);
    let more = json!({"tools": weather(), "stream": true});
    let events = post(&server, CHAT, &[], &asking("call weather", more)).await.events();
    let part = |event: &Value| event["choices"][0]["delta"]["tool_calls"][0]["function"].clone();
    let arguments: String =
        events.iter().filter_map(|e| part(e)["arguments"].as_str().map(str::to_owned)).collect();
    assert_eq!(arguments, r#"{"city":"call weather"}"#);
    let not_asked = post(&server, CHAT, &[], &asking("hello", json!({"tools": weather()}))).await.json();
    assert!(not_asked["choices"][0]["message"]["tool_calls"].is_null());
}

#[tokio::test]
async fn a_response_format_gets_json() {
    let server = Running::start().await.unwrap();
    let more = json!({"response_format": {"type": "json_object"}});
    let answer = post(&server, CHAT, &[], &asking("hello there", more)).await.json();
    let content: Value =
        serde_json::from_str(answer["choices"][0]["message"]["content"].as_str().unwrap()).unwrap();
    assert_eq!(content, json!({"model": "house/small", "heard": 2, "words": "hello there"}));
}

#[tokio::test]
async fn ollama_answers_in_lines_unless_told_otherwise() {
    let server = Running::start().await.unwrap();
    let answer = post(&server, "/ollama/api/chat", &[], &asking("one two", json!({}))).await;
    assert!(answer.head.contains("application/x-ndjson"), "{}", answer.head);
    let lines: Vec<Value> = answer.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let text: String = lines.iter().filter_map(|line| line["message"]["content"].as_str()).collect();
    assert_eq!(text, "house/small heard 2 words: one two");
    let last = lines.last().unwrap();
    assert_eq!((&last["done"], &last["done_reason"]), (&json!(true), &json!("stop")));
    assert_eq!((&last["prompt_eval_count"], &last["eval_count"]), (&json!(2), &json!(9)));
    let whole =
        post(&server, "/ollama/api/chat", &[], &asking("one two", json!({"stream": false}))).await.json();
    assert_eq!(whole["message"]["content"], text.as_str());
}

#[tokio::test]
async fn anthropic_wants_its_headers_and_streams_named_events() {
    let server = Running::start().await.unwrap();
    let path = "/anthropic/v1/messages";
    let body = asking("one two", json!({"max_tokens": 100, "stream": true, "system": "be kind"}));
    assert_eq!(post(&server, path, &[], &body).await.status, 401);
    let refused = post(&server, path, &ANTHROPIC[..1], &body).await;
    assert_eq!((refused.status, &refused.json()["error"]["type"]), (400, &json!("invalid_request_error")));
    let answer = post(&server, path, &ANTHROPIC, &body).await;
    let kinds: Vec<&str> = answer.body.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!(kinds[..4], ["message_start", "ping", "content_block_start", "content_block_delta"]);
    assert_eq!(kinds[kinds.len() - 3..], ["content_block_stop", "message_delta", "message_stop"]);
    let events = answer.events();
    let text: String = events.iter().filter_map(|event| event["delta"]["text"].as_str()).collect();
    assert_eq!(text, "house/small heard 2 words: one two");
    assert_eq!(events[0]["message"]["usage"]["input_tokens"], 4);
    assert_eq!(events[events.len() - 2]["usage"]["output_tokens"], 9);
}

#[tokio::test]
async fn anthropic_counts_what_is_cached_apart() {
    let server = Running::start().await.unwrap();
    chat(&server, Provider::Anthropic, r#"{"cached_per_cent":50}"#);
    let tool = json!([{"name": "weather", "input_schema": {"type": "object", "properties": {}}}]);
    let body = asking("call weather", json!({"max_tokens": 100, "tools": tool}));
    let answer = post(&server, "/anthropic/v1/messages", &ANTHROPIC, &body).await.json();
    assert_eq!(answer["usage"]["input_tokens"], 2);
    assert_eq!(answer["usage"]["cache_read_input_tokens"], 1);
    assert_eq!(
        (&answer["stop_reason"], &answer["content"][0]["name"]),
        (&json!("tool_use"), &json!("weather"))
    );
}

#[tokio::test]
async fn gemini_takes_model_and_stream_from_the_path() {
    let server = Running::start().await.unwrap();
    let body = json!({"contents": [{"role": "user", "parts": [{"text": "one two"}]}]}).to_string();
    let path = "/google/v1beta/models/house-small";
    let whole = post(&server, &format!("{path}:generateContent"), &[], &body).await.json();
    let said = "house-small heard 2 words: one two";
    assert_eq!(whole["candidates"][0]["content"]["parts"][0]["text"], said);
    assert_eq!(whole["usageMetadata"]["totalTokenCount"], 11);
    let events = post(&server, &format!("{path}:streamGenerateContent?alt=sse"), &[], &body).await.events();
    let texts = events.iter().filter_map(|e| e["candidates"][0]["content"]["parts"][0]["text"].as_str());
    assert_eq!(texts.collect::<String>(), said);
    assert_eq!(events.last().unwrap()["candidates"][0]["finishReason"], "STOP");
    assert_eq!(post(&server, &format!("{path}:dream"), &[], &body).await.status, 404);
}

#[tokio::test]
async fn a_key_is_asked_for_in_each_providers_way() {
    let server = Running::start().await.unwrap();
    let key = vox_wire::Settings::read(br#"{"key":"right"}"#).unwrap();
    for provider in [Provider::OpenAi, Provider::Google] {
        server.wire.set(provider, key.clone());
    }
    let body = asking("hi", json!({"contents": [{"parts": [{"text": "hi"}]}]}));
    let openai = "/openai/v1/chat/completions";
    let missing = post(&server, openai, &[], &body).await;
    assert_eq!((missing.status, &missing.json()["error"]["code"]), (401, &json!("invalid_api_key")));
    assert_eq!(post(&server, openai, &[("authorization", "Bearer right")], &body).await.status, 200);
    let google = "/google/v1beta/models/m:generateContent";
    assert_eq!(post(&server, google, &[], &body).await.status, 403);
    assert_eq!(post(&server, google, &[("x-goog-api-key", "wrong")], &body).await.status, 400);
    assert_eq!(post(&server, &format!("{google}?key=right"), &[], &body).await.status, 200);
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_in_the_providers_own_shape() {
    let server = Running::start().await.unwrap();
    for body in ["{", r#"{"messages":[]}"#, r#"{"messages":[{"role":"user","content":"x"}]}"#, "[]"] {
        let answer = post(&server, "/openai/v1/chat/completions", &[], body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
    }
    let ollama = post(&server, "/ollama/api/chat", &[], "{").await.json();
    assert!(ollama["error"].is_string());
    assert!(post(&server, "/ollama/v1/chat/completions", &[], "{").await.json()["error"].is_object());
}

#[tokio::test]
async fn models_that_are_not_listed_are_refused_only_when_told() {
    let server = Running::start().await.unwrap();
    let path = "/vllm/v1/chat/completions";
    assert_eq!(post(&server, path, &[], &asking("hi", json!({}))).await.status, 200);
    chat(&server, Provider::Vllm, r#"{"listed_models_only":true}"#);
    assert_eq!(post(&server, path, &[], &asking("hi", json!({}))).await.status, 404);
    let address = server.address.to_string();
    let list = client::send(&address, "GET", "/vllm/v1/models", None).await.unwrap();
    let id = serde_json::from_str::<Value>(&list).unwrap()["data"][0]["id"].clone();
    assert_eq!(post(&server, path, &[], &asking("hi", json!({ "model": id }))).await.status, 200);
}

#[tokio::test]
async fn embeddings_are_the_same_for_the_same_text() {
    let server = Running::start().await.unwrap();
    let body = json!({"model": "house/vector", "input": ["a", "b", "a"], "dimensions": 4}).to_string();
    let answer = post(&server, "/openai/v1/embeddings", &[], &body).await.json();
    let vector = |index: usize| answer["data"][index]["embedding"].clone();
    assert_eq!(vector(0).as_array().unwrap().len(), 4);
    assert!(vector(0) == vector(2) && vector(0) != vector(1));
    assert_eq!((&answer["model"], &answer["usage"]["prompt_tokens"]), (&json!("house/vector"), &json!(3)));
}

#[tokio::test]
async fn what_arrived_can_be_read_without_the_key() {
    let server = Running::start().await.unwrap();
    let headers = [("authorization", "Bearer very-secret"), ("traceparent", "00-1-2-03")];
    post(&server, CHAT, &headers, &asking("hi", json!({}))).await;
    post(&server, "/google/v1beta/models/m:generateContent?key=very-secret", &[], "not json").await;
    let address = server.address.to_string();
    let text = client::send(&address, "GET", "/_wire/inference", None).await.unwrap();
    assert!(!text.contains("secret"), "{text}");
    let arrived: Value = serde_json::from_str(&text).unwrap();
    let openrouter = &arrived["openrouter"];
    assert_eq!((&openrouter["arrived"], &openrouter["models"]), (&json!(1), &json!({"house/small": 1})));
    assert_eq!(openrouter["last"]["body"]["messages"][0]["content"], "hi");
    assert!(openrouter["last"]["headers"].as_array().unwrap().contains(&json!("traceparent")));
    assert_eq!(arrived["google"]["last"]["body"], "not json");
    client::send(&address, "DELETE", "/_wire/inference", None).await.unwrap();
    assert_eq!(server.wire.arrivals(Provider::OpenRouter).arrived, 0);
}
