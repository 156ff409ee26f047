//! Failures of providers, and how clients are told.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;
use vox_dialects::dialect::Dialect;
use vox_dialects::error::{ErrorClass, classify, error_body, error_event};

#[test]
fn a_status_says_what_kind_of_failure_it_is() {
    let cases = [
        (400, ErrorClass::BadRequest),
        (401, ErrorClass::Unauthorised),
        (402, ErrorClass::Quota),
        (403, ErrorClass::Forbidden),
        (404, ErrorClass::NotFound),
        (408, ErrorClass::Timeout),
        (409, ErrorClass::Conflict),
        (413, ErrorClass::BadRequest),
        (422, ErrorClass::BadRequest),
        (425, ErrorClass::TooEarly),
        (429, ErrorClass::RateLimited),
        (500, ErrorClass::Server),
        (502, ErrorClass::Server),
        (503, ErrorClass::Overloaded),
        (504, ErrorClass::Server),
        (524, ErrorClass::Server),
        (529, ErrorClass::Overloaded),
        (302, ErrorClass::Malformed),
    ];
    for (status, class) in cases {
        for body in [b"".as_slice(), b"<html>Bad Gateway</html>", b"{}", b"null", b"\xff"] {
            assert_eq!(classify(status, None, body).class, class, "{status}");
        }
    }
}

#[test]
fn the_body_says_it_better_than_the_status() {
    let cases = [
        (400, r#"{"error":{"code":"context_length_exceeded","message":"m"}}"#, ErrorClass::ContextTooLong),
        (
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 tokens > 8 maximum"}}"#,
            ErrorClass::ContextTooLong,
        ),
        (
            400,
            r#"{"message":"Input Tokens Exceeded: Number of input tokens exceeds maximum length."}"#,
            ErrorClass::ContextTooLong,
        ),
        (
            400,
            r#"{"error":{"code":400,"status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}"#,
            ErrorClass::Unauthorised,
        ),
        (
            400,
            r#"{"code":"invalid-argument","error":"Incorrect API key provided."}"#,
            ErrorClass::Unauthorised,
        ),
        (
            400,
            r#"{"error":{"type":"invalid_request_error","message":"Your credit balance is too low to access"}}"#,
            ErrorClass::Quota,
        ),
        (429, r#"{"error":{"code":"insufficient_quota","message":"m"}}"#, ErrorClass::Quota),
        (400, r#"{"error":{"code":"content_filter","message":"m"}}"#, ErrorClass::ContentFiltered),
        (400, r#"{"error":{"code":"model_not_found","message":"m"}}"#, ErrorClass::NotFound),
        (
            400,
            r#"{"object":"error","message":"bad","type":"BadRequestError","code":400}"#,
            ErrorClass::BadRequest,
        ),
        (400, r#"{"error":"context length exceeded"}"#, ErrorClass::ContextTooLong),
        (
            413,
            r#"{"error":{"message":"prompt is too long","type":"invalid_request_error"}}"#,
            ErrorClass::ContextTooLong,
        ),
        (
            413,
            r#"{"error":{"message":"Request too large for model m on tokens per minute (TPM): Limit 6000, Requested 9000","type":"tokens","code":"rate_limit_exceeded"}}"#,
            ErrorClass::RateLimited,
        ),
        (400, r#"{"error":{"message":"m","type":"server_error"}}"#, ErrorClass::Server),
        (400, r#"{"error":{"message":"m","code":502}}"#, ErrorClass::Server),
        (
            400,
            r#"{"error":{"message":"m","metadata":{"error_type":"provider_overloaded"}}}"#,
            ErrorClass::Overloaded,
        ),
        (
            400,
            r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#,
            ErrorClass::Overloaded,
        ),
        (400, r#"{"error":{"message":"Provider returned error","code":400}}"#, ErrorClass::Server),
        (
            400,
            r#"{"error":{"code":400,"status":"FAILED_PRECONDITION","message":"User location is not supported for the API use."}}"#,
            ErrorClass::Server,
        ),
        (422, r#"{"detail":[{"loc":["body","messages"],"msg":"field required"}]}"#, ErrorClass::BadRequest),
    ];
    for (status, body, class) in cases {
        assert_eq!(classify(status, None, body.as_bytes()).class, class, "{body}");
    }
}

#[test]
fn googles_delay_is_a_retry_after_and_a_header_wins() {
    let body = br#"[{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"m","details":[{"retryDelay":"48s"}]}}]"#;
    assert_eq!(classify(429, None, body).retry_after, Some(Duration::from_secs(48)));
    let header = Some(Duration::from_secs(2));
    assert_eq!(classify(429, header, body).retry_after, header);
}

#[test]
fn a_key_that_a_provider_repeats_is_not_kept() {
    let body = br#"{"error":{"message":"Incorrect API key provided: sk-secret","type":"invalid_request_error","code":"invalid_api_key"}}"#;
    for status in [400, 401] {
        let failure = classify(status, None, body);
        assert_eq!(failure.class, ErrorClass::Unauthorised);
        assert!(!format!("{failure:?}").contains("sk-secret"));
    }
}

#[test]
fn a_long_message_is_cut_between_characters() {
    let body = format!("{{\"message\":\"{}\"}}", "\u{e9}".repeat(3000));
    assert_eq!(classify(500, None, body.as_bytes()).message.len(), 2048);
}

#[test]
fn clients_are_told_in_their_own_dialect() {
    let told = |dialect| -> Value {
        serde_json::from_slice(&error_body(dialect, 429, "budget", "m \"q\"", Some("d-1"))).unwrap()
    };
    let chat = told(Dialect::OpenAiChat);
    assert_eq!(chat["error"]["type"], "rate_limit_error");
    assert_eq!((&chat["error"]["code"], &chat["error"]["decision_id"]), (&"budget".into(), &"d-1".into()));
    let messages = told(Dialect::AnthropicMessages);
    assert_eq!(
        (&messages["type"], &messages["error"]["type"]),
        (&"error".into(), &"rate_limit_error".into())
    );
    assert_eq!(messages["request_id"], "d-1");
    assert_eq!(told(Dialect::OllamaChat)["error"], "m \"q\"");
    let event = error_event(Dialect::AnthropicMessages, 529, "overloaded", "m", None);
    let event = String::from_utf8(event).unwrap();
    assert!(
        event.starts_with("event: error\ndata: {\"type\":\"error\"") && event.ends_with("}\n\n"),
        "{event}"
    );
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(status: u16, bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = classify(status, None, &bytes);
    }
}
