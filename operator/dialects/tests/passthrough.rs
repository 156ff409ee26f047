//! Requests that stay in their dialect.

// Clippy knows tests by their attribute and does not know their helpers.
#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;
use serde_json::{Value, json};
use vox_dialects::dialect::Dialect;
use vox_dialects::request::rewrite_model;
use vox_dialects::shape::{MAX_DEPTH, ShapeError, scan};

const CHAT: Dialect = Dialect::OpenAiChat;

fn rewritten(body: &str, model: &str, ask: bool) -> (String, bool) {
    let shape = scan(CHAT, body.as_bytes()).unwrap();
    let made = rewrite_model(CHAT, body.as_bytes(), &shape, model, ask);
    (String::from_utf8(made.body).unwrap(), made.withhold_usage)
}

#[test]
fn only_the_models_value_changes() {
    let body = "{ \"messages\" : [],\n\t\"model\" :  \"a\\u0062\" , \"x\":1.50e+1 }";
    let (made, withhold) = rewritten(body, "new \"one\"", true);
    assert_eq!(made, "{ \"messages\" : [],\n\t\"model\" :  \"new \\\"one\\\"\" , \"x\":1.50e+1 }");
    assert!(!withhold);
    assert_eq!(rewritten(body, "ab", true).0, body);
}

#[test]
fn a_missing_model_is_put_in_front() {
    assert_eq!(rewritten("{}", "m", false).0, r#"{"model":"m"}"#);
    assert_eq!(rewritten(r#" { "a":1}"#, "m", false).0, r#" {"model":"m", "a":1}"#);
    assert_eq!(rewritten(r#"{"model":null,"a":1}"#, "m", false).0, r#"{"model":"m","a":1}"#);
}

#[test]
fn usage_of_a_stream_is_asked_for_in_the_clients_place() {
    let cases = [
        (r#"{"model":"m","stream":true}"#, true),
        (r#"{"stream":true,"stream_options":{"include_usage":false,"x":[1]},"model":"m"}"#, true),
        (r#"{"stream":true,"stream_options":null,"model":"m"}"#, true),
        (r#"{"stream":true,"stream_options":{},"model":"m"}"#, true),
        (r#"{"stream":true,"stream_options":{"include_usage":true},"model":"m"}"#, false),
    ];
    for (body, withheld) in cases {
        let (made, withhold) = rewritten(body, "n", true);
        let value: Value = serde_json::from_str(&made).unwrap();
        assert_eq!(value["stream_options"]["include_usage"], true, "{made}");
        assert_eq!(value["model"], "n");
        assert_eq!(withhold, withheld, "{body}");
    }
    assert!(!rewritten(r#"{"model":"m","stream":true}"#, "m", false).1);
}

#[test]
fn the_shape_says_what_routing_asks() {
    let body = json!({
        "model": "m", "stream": true, "max_tokens": 5, "max_completion_tokens": 9, "temperature": 0.5,
        "metadata": {"vox-category": "Code\u{e9}", "n": 1},
        "tools": [{"type": "function"}, {"type": "function"}],
        "response_format": {"type": "json_schema", "json_schema": {"schema": {}}},
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "user", "content": "first"},
            {"role": "assistant", "content": "```rust\n```"},
            {"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{}", "A".repeat(4000))}},
                {"type": "text", "text": "what is \"this\"?"},
                {"type": "input_audio", "input_audio": {"data": "AAAA"}},
            ]},
            {"role": "tool", "content": "r"},
        ],
    })
    .to_string();
    let shape = scan(CHAT, body.as_bytes()).unwrap();
    assert_eq!(shape.model.as_deref(), Some("m"));
    assert!(shape.stream && shape.json && shape.json_schema && shape.code);
    assert_eq!((shape.messages, shape.tools, shape.images), (5, 2, 1));
    assert_eq!(shape.output_limit, Some(9));
    assert_eq!(shape.temperature, Some("0.5"));
    assert_eq!(shape.metadata("vox-category"), Some("Code\u{e9}"));
    assert!((50..200).contains(&shape.input_tokens), "{}", shape.input_tokens);
}

fn to_anthropic(body: &Value) -> Value {
    let body = body.to_string();
    let shape = scan(Dialect::AnthropicMessages, body.as_bytes()).unwrap();
    let made = rewrite_model(Dialect::AnthropicMessages, body.as_bytes(), &shape, "claude", false);
    serde_json::from_slice(&made.body).unwrap()
}

#[test]
fn thinking_of_another_providers_model_does_not_go_to_anthropic() {
    let foreign = json!({"type": "thinking", "thinking": "hm", "signature": ""});
    let own = json!({"type": "thinking", "thinking": "so", "signature": "sig"});
    let text = json!({"type": "text", "text": "a \"signature\":\"\""});
    let call = json!({"type": "tool_use", "id": "c", "name": "f", "input": {}});
    let think = json!({"type": "enabled", "budget_tokens": 2000});
    let with = |content: Value, last: Value| {
        json!({"model": "vox/auto", "max_tokens": 9, "thinking": think, "messages": [
            {"role": "user", "content": "q"}, {"role": "assistant", "content": content},
            {"role": "user", "content": "w"}, {"role": "assistant", "content": last}]})
    };
    let made = to_anthropic(&with(json!([foreign, text, call]), json!([own, text])));
    assert_eq!(made["messages"][1]["content"], json!([text, call]));
    assert_eq!(made["messages"][3]["content"], json!([own, text]));
    assert_eq!((&made["thinking"], &made["model"]), (&think, &json!("claude")));
    // The thinking before an open call is gone: Anthropic would want it back.
    let made = to_anthropic(&with(json!([own, text]), json!([foreign, call])));
    assert_eq!(made["thinking"], json!({"type": "disabled"}));
    assert_eq!(made["messages"][3]["content"], json!([call]));
    let made = to_anthropic(&with(json!("said"), json!([foreign])));
    assert_eq!(made["messages"][3]["content"], json!([{"type": "text", "text": "hm"}]));
    let untouched = with(json!([own, call]), json!([text]));
    assert_eq!(to_anthropic(&untouched)["messages"], untouched["messages"]);
}

#[test]
fn of_two_limits_the_larger_one_counts_and_those_of_other_dialects_do_not() {
    let limit = |dialect, members: &str| {
        scan(dialect, format!("{{\"messages\":[],{members}}}").as_bytes()).unwrap().output_limit
    };
    assert_eq!(limit(CHAT, r#""max_completion_tokens":5,"max_tokens":9000"#), Some(9000));
    assert_eq!(limit(CHAT, r#""options":{"num_predict":1}"#), None);
    assert_eq!(limit(CHAT, r#""generationConfig":{"maxOutputTokens":1},"max_tokens":7"#), Some(7));
    assert_eq!(limit(Dialect::AnthropicMessages, r#""max_tokens":7,"max_completion_tokens":9"#), Some(7));
    assert_eq!(limit(CHAT, r#""max_tokens":0"#), None);
    assert_eq!(limit(CHAT, r#""max_tokens":-1"#), None);
}

#[test]
fn several_answers_are_counted() {
    let answers = |n: &str| {
        let body = format!("{{\"messages\":[],\"n\":{n}}}");
        scan(CHAT, body.as_bytes()).map(|shape| shape.answers).ok()
    };
    assert_eq!([answers("5"), answers("null"), answers("0")], [Some(5), Some(1), Some(1)]);
    assert_eq!([answers("\"5\""), answers("1e400"), answers("1.5")], [None; 3]);
}

#[test]
fn other_dialects_say_the_same_in_other_places() {
    let ollama = br#"{"model":"m","messages":[{"role":"user","content":"x","images":["AA","BB"]}],
        "format":"json","options":{"num_predict":7}}"#;
    let shape = scan(Dialect::OllamaChat, ollama).unwrap();
    assert!(shape.stream && shape.json && !shape.json_schema);
    assert_eq!((shape.images, shape.output_limit), (2, Some(7)));
    let gemini = br#"{"contents":[{"role":"user","parts":[{"text":"hi"},
        {"inlineData":{"mimeType":"image/png","data":"AA"}}]}],"generationConfig":{"maxOutputTokens":3}}"#;
    let shape = scan(Dialect::GeminiGenerate, gemini).unwrap();
    assert_eq!((shape.model, shape.images, shape.output_limit), (None, 1, Some(3)));
    let anthropic = br#"{"model":"m","messages":[{"role":"user","content":[{"type":"tool_result",
        "content":[{"type":"image","source":{}}]}]}],"system":"s","max_tokens":4}"#;
    let shape = scan(Dialect::AnthropicMessages, anthropic).unwrap();
    assert_eq!((shape.images, shape.output_limit), (1, Some(4)));
}

#[test]
fn what_is_no_json_is_refused_with_its_place() {
    let cases = [
        ("", 0),
        ("[]", 0),
        ("{", 1),
        ("{\"a\"}", 4),
        ("{\"a\":}", 5),
        ("{\"a\":1,}", 7),
        ("{\"a\":1}x", 7),
        ("{\"a\":01}", 6),
        ("{\"a\":1.}", 7),
        ("{\"a\":\"\n\"}", 6),
        ("{\"a\":\"\\x\"}", 7),
        ("{\"a\":[1,]}", 8),
        ("{\"a\":[1}", 7),
        ("{\"a\":tru}", 5),
        ("{\"a\":\"", 6),
    ];
    for (body, place) in cases {
        match scan(CHAT, body.as_bytes()) {
            Err(ShapeError::Malformed { offset, .. }) => assert_eq!(offset, place, "{body}"),
            other => panic!("{body}: {other:?}"),
        }
    }
    assert!(matches!(scan(CHAT, b"{\"a\":\"\xff\"}"), Err(ShapeError::Malformed { offset: 6, .. })));
}

#[test]
fn a_member_that_stands_twice_is_refused() {
    let error = scan(CHAT, br#"{"model":"cheap","mod\u0065l":"dear"}"#).unwrap_err();
    assert_eq!(error, ShapeError::Twice { member: "model", offset: 30 });
}

#[test]
fn members_of_a_wrong_type_are_refused() {
    for body in [r#"{"model":1}"#, r#"{"stream":"yes"}"#, r#"{"max_tokens":"5"}"#, r#"{"messages":{}}"#] {
        assert!(matches!(scan(CHAT, body.as_bytes()), Err(ShapeError::WrongType { .. })), "{body}");
    }
}

#[test]
fn depth_has_an_end_and_the_stack_does_not() {
    for (open, close) in [("[", "]"), ("{\"content\":", "}")] {
        let nested = |depth: usize| {
            let value = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            format!("{{\"messages\":[{{\"content\":[{value}]}}]}}")
        };
        assert!(scan(CHAT, nested(MAX_DEPTH - 4).as_bytes()).is_ok());
        let error = scan(CHAT, nested(100_000).as_bytes()).unwrap_err();
        assert!(matches!(error, ShapeError::TooDeep { .. }), "{error}");
    }
}

/// Any JSON value.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[a-z_\"\\\\]{0,6}", inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn everything_but_the_models_value_passes_byte_for_byte(
        mut members in prop::collection::btree_map("[a-mo-z][a-z]{0,2}", value(), 0..6),
        pretty: bool,
        model: String,
    ) {
        members.insert("model".to_owned(), "old".into());
        let value = json!(members);
        let body = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let shape = scan(CHAT, body.as_bytes()).unwrap();
        let range = shape.model_range.clone().unwrap();
        let made = rewrite_model(CHAT, body.as_bytes(), &shape, &model, true).body;
        prop_assert!(made.starts_with(&body.as_bytes()[..range.start]));
        prop_assert!(made.ends_with(&body.as_bytes()[range.end..]));
        let read: Value = serde_json::from_slice(&made).unwrap();
        prop_assert_eq!(read["model"].as_str(), Some(model.as_str()));
    }

    #[test]
    fn the_scan_takes_what_serde_takes_and_nothing_else(text in "[\\[\\]{}:,\"\\\\a-c0-2.eE+\\- \ntrufalsn]{0,24}") {
        let body = format!("{{\"x\":{text}}}");
        let taken = scan(CHAT, body.as_bytes()).is_ok();
        let serde = serde_json::from_str::<&serde_json::value::RawValue>(&body).is_ok();
        prop_assert_eq!(taken, serde, "{}", body);
    }

    #[test]
    fn texts_of_any_length_end_where_serde_says(
        before in "[a-z\u{e9}\u{ff}\u{1F600} ]{0,150}", odd: char, after in "[a-z]{0,20}", low in 0u8..0x24,
    ) {
        for odd in [odd, char::from(low), '\\'] {
            let body = format!("{{\"x\":\"{before}{odd}{after}\"}}");
            let taken = scan(CHAT, body.as_bytes()).is_ok();
            let serde = serde_json::from_str::<&serde_json::value::RawValue>(&body).is_ok();
            prop_assert_eq!(taken, serde, "{}", body);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0usize..300) {
        for dialect in Dialect::ALL {
            let _ = scan(*dialect, &bytes);
            let body = br#"{"model":"m","stream":true,"messages":[{"role":"user","content":[{"type":"text","text":"a\u0041"}]}],"metadata":{"a":"b"},"stream_options":{"include_usage":false}}"#;
            let mut body = body.to_vec();
            body.truncate(at);
            if let (Some(byte), Some(new)) = (body.last_mut(), bytes.first()) {
                *byte = *new;
            }
            if let Ok(shape) = scan(*dialect, &body) {
                let _ = rewrite_model(*dialect, &body, &shape, "n", true);
            }
        }
    }
}
