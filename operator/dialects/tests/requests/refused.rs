//! What does not, and what must not go wrong.

use super::*;

#[test]
fn json_without_a_schema_is_not_for_anthropic() {
    let body = json!({"messages": [], "response_format": {"type": "json_object"}});
    assert_eq!(refused(OpenAiChat, AnthropicMessages, &body), "/response_format");
    assert_eq!(into(OpenAiChat, OllamaChat, &body)["format"], "json");
    assert_eq!(
        into(OpenAiChat, GeminiGenerate, &body)["generationConfig"]["responseMimeType"],
        "application/json"
    );
}

#[test]
fn what_would_change_the_answer_is_refused_with_its_place() {
    let with = |name: &str, value: Value| {
        let mut body = json!({"messages": [{"role": "user", "content": "x"}]});
        body[name] = value;
        body
    };
    let cases = [
        ("logprobs", json!(true), "/logprobs"),
        ("n", json!(2), "/n"),
        ("logit_bias", json!({"1": 2}), "/logit_bias"),
        ("seed", json!(1), "/seed"),
        ("temperature", json!(1.5), "/temperature"),
        ("frequency_penalty", json!(0.5), "/frequency_penalty"),
        ("modalities", json!(["text", "audio"]), "/modalities/1"),
        ("messages", json!([{"role": "function", "name": "f", "content": "x"}]), "/messages/0/role"),
        ("web_search_options", json!({}), "/web_search_options"),
        ("invented~by/us", json!(1), "/invented~0by~1us"),
        (
            "messages",
            json!([{"role": "user", "content": [{"type": "input_audio"}]}]),
            "/messages/0/content/0",
        ),
    ];
    for (name, value, pointer) in cases {
        assert_eq!(refused(OpenAiChat, AnthropicMessages, &with(name, value)), pointer);
    }
    for harmless in
        [("logprobs", json!(false)), ("frequency_penalty", json!(0)), ("metadata", json!({"a": "b"}))]
    {
        into(OpenAiChat, AnthropicMessages, &with(harmless.0, harmless.1));
    }
}

#[test]
fn an_image_in_the_network_goes_where_someone_fetches_it() {
    let body = json!({"messages": [{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]}]});
    let made = into(OpenAiChat, AnthropicMessages, &body);
    let source = json!({"type": "url", "url": "https://example.com/a.png"});
    assert_eq!(made["messages"][0]["content"][0]["source"], source);
    for to in [GeminiGenerate, OllamaChat] {
        assert_eq!(refused(OpenAiChat, to, &body), "/messages/0/content/0/image_url/url");
    }
}

#[test]
fn an_image_in_a_tools_result_stays_with_anthropic() {
    let body = json!({"max_tokens": 1, "messages": [
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": [
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QQ=="}}]}]}]});
    for to in [OpenAiChat, GeminiGenerate, OllamaChat] {
        assert_eq!(refused(AnthropicMessages, to, &body), "/messages/1/content/0/content/0");
    }
}

#[test]
fn a_failed_tool_is_told_as_one() {
    let body = json!({"max_tokens": 1, "messages": [
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "is_error": true, "content": "no"}]}]});
    assert_eq!(into(AnthropicMessages, OpenAiChat, &body)["messages"][1]["content"], "Error: no");
    let made = into(AnthropicMessages, GeminiGenerate, &body);
    assert_eq!(made["contents"][1]["parts"][0]["functionResponse"]["response"], json!({"error": "no"}));
}

#[test]
fn a_broken_request_is_the_clients_mistake_and_says_where() {
    let cases = [
        (json!({}), "/messages"),
        (json!({"messages": [{"content": "x"}]}), "/messages/0/role"),
        (json!({"messages": [{"role": "judge"}]}), "/messages/0/role"),
        (json!({"messages": [{"role": "tool", "content": "x"}]}), "/messages/0/tool_call_id"),
        (json!({"messages": [], "max_tokens": -1}), "/max_tokens"),
        (json!({"messages": [], "stop": [1]}), "/stop/0"),
        (
            json!({"messages": [{"role": "assistant", "tool_calls": [
            {"id": "c", "function": {"name": "f", "arguments": "{"}}]}]}),
            "/messages/0/tool_calls/0/function/arguments",
        ),
    ];
    for (body, place) in cases {
        match try_into(OpenAiChat, AnthropicMessages, &body) {
            Err(TranslateError::Malformed { pointer, .. }) => assert_eq!(pointer, place),
            other => panic!("{body}: {other:?}"),
        }
    }
}

#[test]
fn clients_speak_two_dialects() {
    let error = translate(OllamaChat, b"{}", &Target::new(OpenAiChat, "m-2")).unwrap_err();
    assert_eq!(error, TranslateError::Unsupported { from: OllamaChat, to: OpenAiChat });
}

#[test]
fn depth_cannot_overflow_the_stack() {
    let deep = "[".repeat(200_000) + &"]".repeat(200_000);
    for body in [
        format!("{{\"messages\":[],\"x\":{deep}}}"),
        format!("{{\"messages\":[{{\"role\":\"user\",\"content\":{deep}}}]}}"),
        format!("{{\"messages\":[],\"tools\":[{{\"function\":{{\"name\":\"f\",\"parameters\":{deep}}}}}]}}"),
    ] {
        let _ = translate(OpenAiChat, body.as_bytes(), &Target::new(OllamaChat, "m-2"));
        let _ = translate(AnthropicMessages, body.as_bytes(), &Target::new(OllamaChat, "m-2"));
    }
}

#[test]
fn many_results_of_one_call_take_no_longer_than_as_many_calls() {
    let result = r#",{"role":"tool","tool_call_id":"c","content":""}"#.repeat(50_000);
    let call = r#"{"id":"c","function":{"name":"f","arguments":"{}"}}"#;
    let calls = format!("{call},").repeat(50_000) + call;
    let body = format!(r#"{{"messages":[{{"role":"assistant","tool_calls":[{calls}]}}{result}]}}"#);
    let begun = std::time::Instant::now();
    translate(OpenAiChat, body.as_bytes(), &Target::new(GeminiGenerate, "m-2")).unwrap();
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}
