//! What arrives at the target.

use super::*;

#[test]
fn chat_becomes_messages() {
    let made = into(OpenAiChat, AnthropicMessages, &openai());
    assert_eq!(made["model"], "m-2");
    assert_eq!(made["system"], "be brief");
    assert_eq!(made["max_tokens"], 300);
    assert_eq!(made["stop_sequences"], json!(["END"]));
    assert_eq!(made["metadata"]["user_id"], "u-1");
    assert_eq!(made["tools"][0]["input_schema"], schema());
    assert_eq!(made["tool_choice"], json!({"type": "auto"}));
    let said = &made["messages"];
    assert_eq!(said[0]["content"], anthropic()["messages"][0]["content"]);
    assert_eq!(said[1]["content"], anthropic()["messages"][1]["content"]);
    assert_eq!(
        said[2]["content"][1],
        json!({"type": "tool_result", "tool_use_id": "c-2", "content": [{"type": "text", "text": "none"}]})
    );
    assert_eq!(said[2]["content"][2]["text"], "and now?");
    assert_eq!(said.as_array().unwrap().len(), 3);
}

#[test]
fn messages_become_chat() {
    let made = into(AnthropicMessages, OpenAiChat, &anthropic());
    assert_eq!(made["max_tokens"], 300);
    assert_eq!(made["user"], "u-1");
    assert_eq!(made["stop"], json!(["END"]));
    assert_eq!(made["stream_options"]["include_usage"], true);
    assert_eq!(made["tools"][0]["function"]["parameters"], schema());
    let said = made["messages"].as_array().unwrap();
    let roles: Vec<_> = said.iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["system", "user", "assistant", "tool", "tool", "user"]);
    assert_eq!(said[1]["content"][1]["image_url"]["url"], "data:image/png;base64,QUJD");
    assert_eq!(said[2]["tool_calls"][0]["function"]["arguments"], "{\"z\":\"Bonn\"}");
    assert_eq!(said[3], json!({"role": "tool", "tool_call_id": "c-1", "content": "{\"deg\":3}"}));
    assert_eq!(said[5]["content"], json!("and now?"));
}

#[test]
fn there_and_back_again_is_the_same_conversation() {
    let once = into(AnthropicMessages, OpenAiChat, &anthropic());
    let back = into(OpenAiChat, AnthropicMessages, &once);
    let again = into(AnthropicMessages, OpenAiChat, &back);
    assert_eq!(once, again);
}

#[test]
fn both_clients_reach_gemini_with_the_same_request() {
    let made = into(OpenAiChat, GeminiGenerate, &openai());
    assert_eq!(made, into(AnthropicMessages, GeminiGenerate, &anthropic()));
    assert_eq!(made["systemInstruction"]["parts"], json!([{"text": "be brief"}]));
    assert_eq!(
        made["contents"][0]["parts"][1]["inlineData"],
        json!({"mimeType": "image/png", "data": "QUJD"})
    );
    assert_eq!(made["contents"][1]["role"], "model");
    assert_eq!(
        made["contents"][1]["parts"][0]["functionCall"],
        json!({"name": "weather", "args": {"z": "Bonn"}})
    );
    let results = &made["contents"][2]["parts"];
    assert_eq!(results[0]["functionResponse"], json!({"name": "weather", "response": {"deg": 3}}));
    assert_eq!(results[1]["functionResponse"], json!({"name": "weather", "response": {"result": "none"}}));
    assert_eq!(made["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"], schema());
    assert_eq!(made["generationConfig"]["maxOutputTokens"], 300);
    assert_eq!(made["generationConfig"]["stopSequences"], json!(["END"]));
    assert!(made.get("model").is_none() && made.get("stream").is_none());
}

#[test]
fn both_clients_reach_ollama() {
    for (from, body) in [(OpenAiChat, openai()), (AnthropicMessages, anthropic())] {
        let made = into(from, OllamaChat, &body);
        assert_eq!(made["stream"], true);
        assert_eq!(made["options"]["num_predict"], 300);
        let said = &made["messages"];
        assert_eq!(said[1], json!({"role": "user", "content": "look", "images": ["QUJD"]}));
        assert_eq!(said[2]["tool_calls"][0]["function"]["arguments"], json!({"z": "Bonn"}));
        assert_eq!(
            said[3],
            json!({"role": "tool", "tool_name": "weather", "tool_call_id": "c-1", "content": "{\"deg\":3}"})
        );
        assert_eq!(said[5], json!({"role": "user", "content": "and now?"}));
    }
}

#[test]
fn schemas_and_arguments_keep_their_order_and_their_digits() {
    let body = r#"{"messages":[{"role":"user","content":"x"}],"temperature":0.70,
        "tools":[{"type":"function","function":{"name":"f","parameters":{"z":1.0,"a":12345678901234567890123}}}]}"#;
    for to in [AnthropicMessages, GeminiGenerate, OllamaChat] {
        let made = translate(OpenAiChat, body.as_bytes(), &Target::new(to, "m-2")).unwrap();
        let made = String::from_utf8(made).unwrap();
        assert!(made.contains(r#"{"z":1.0,"a":12345678901234567890123}"#), "{made}");
        assert!(made.contains("\"temperature\":0.70"), "{made}");
    }
}

#[test]
fn a_json_schema_reaches_every_target() {
    let body = json!({"messages": [{"role": "user", "content": "x"}], "response_format":
        {"type": "json_schema", "json_schema": {"name": "n", "schema": schema(), "strict": true}}});
    let made = into(OpenAiChat, AnthropicMessages, &body);
    assert_eq!(made["output_config"]["format"], json!({"type": "json_schema", "schema": schema()}));
    let made = into(OpenAiChat, GeminiGenerate, &body);
    assert_eq!(made["generationConfig"]["responseMimeType"], "application/json");
    assert_eq!(made["generationConfig"]["responseJsonSchema"], schema());
    assert_eq!(into(OpenAiChat, OllamaChat, &body)["format"], schema());
    let body = json!({"max_tokens": 1, "messages": [{"role": "user", "content": "x"}],
        "output_config": {"format": {"type": "json_schema", "schema": schema()}}});
    let made = into(AnthropicMessages, OpenAiChat, &body);
    assert_eq!(made["response_format"]["json_schema"]["schema"], schema());
}

#[test]
fn a_choice_of_tool_is_kept_or_refused() {
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    let with = |choice: Value| json!({"messages": [], "tools": tools, "tool_choice": choice});
    let one = with(json!({"type": "function", "function": {"name": "f"}}));
    assert_eq!(
        into(OpenAiChat, AnthropicMessages, &one)["tool_choice"],
        json!({"type": "tool", "name": "f"})
    );
    let config = &into(OpenAiChat, GeminiGenerate, &one)["toolConfig"]["functionCallingConfig"];
    assert_eq!(*config, json!({"mode": "ANY", "allowedFunctionNames": ["f"]}));
    assert_eq!(refused(OpenAiChat, OllamaChat, &one), "/tool_choice");
    let any = with(json!("required"));
    assert_eq!(into(OpenAiChat, AnthropicMessages, &any)["tool_choice"]["type"], "any");
    assert_eq!(refused(OpenAiChat, OllamaChat, &any), "/tool_choice");
    assert!(into(OpenAiChat, OllamaChat, &with(json!("none"))).get("tools").is_none());
}

#[test]
fn one_call_at_a_time_is_kept_or_refused() {
    let mut body = openai();
    body["parallel_tool_calls"] = json!(false);
    let made = into(OpenAiChat, AnthropicMessages, &body);
    assert_eq!(made["tool_choice"]["disable_parallel_tool_use"], true);
    assert_eq!(into(AnthropicMessages, OpenAiChat, &made)["parallel_tool_calls"], false);
    assert_eq!(refused(OpenAiChat, GeminiGenerate, &body), "/parallel_tool_calls");
    assert_eq!(refused(OpenAiChat, OllamaChat, &body), "/parallel_tool_calls");
}

#[test]
fn an_effort_becomes_a_budget_that_fits_and_back() {
    let with = |effort: &str, limit: u64| json!({"messages": [{"role": "user", "content": "x"}], "reasoning_effort": effort, "max_tokens": limit});
    let made = into(OpenAiChat, AnthropicMessages, &with("medium", 9000));
    assert_eq!(made["thinking"], json!({"type": "enabled", "budget_tokens": 4096}));
    assert_eq!(into(AnthropicMessages, OpenAiChat, &made)["reasoning_effort"], "medium");
    let made = into(OpenAiChat, AnthropicMessages, &with("high", 2000));
    assert_eq!(made["thinking"]["budget_tokens"], 1999);
    assert!(into(OpenAiChat, AnthropicMessages, &with("high", 500)).get("thinking").is_none());
    let made = into(OpenAiChat, GeminiGenerate, &with("none", 5));
    assert_eq!(made["generationConfig"]["thinkingConfig"]["thinkingBudget"], 0);
    assert_eq!(into(OpenAiChat, OllamaChat, &with("low", 5))["think"], true);
    assert_eq!(into(OpenAiChat, OllamaChat, &with("none", 5))["think"], false);
}

#[test]
fn thinking_of_earlier_answers_is_kept_for_anthropic_only() {
    let thinking = json!({"type": "thinking", "thinking": "hm", "signature": "s"});
    let body = json!({"max_tokens": 1, "messages": [
        {"role": "assistant", "content": [thinking, {"type": "text", "text": "a"}]}]});
    assert_eq!(into(AnthropicMessages, AnthropicMessages, &body)["messages"][0]["content"][0], thinking);
    assert_eq!(
        into(AnthropicMessages, OpenAiChat, &body)["messages"][0],
        json!({"role": "assistant", "content": "a"})
    );
}

#[test]
fn geminis_signature_comes_back_with_the_call() {
    let body = json!({"messages": [{"role": "assistant", "tool_calls": [{"id": "c", "type": "function",
        "function": {"name": "f", "arguments": "{}"},
        "extra_content": {"google": {"thought_signature": "sig"}}}]}]});
    assert_eq!(into(OpenAiChat, GeminiGenerate, &body)["contents"][0]["parts"][0]["thoughtSignature"], "sig");
}

#[test]
fn the_output_limit_has_the_name_that_the_provider_knows() {
    let body = anthropic().to_string();
    let target = Target { max_completion_tokens: true, ..Target::new(OpenAiChat, "m-2") };
    let made: Value =
        serde_json::from_slice(&translate(AnthropicMessages, body.as_bytes(), &target).unwrap()).unwrap();
    assert_eq!((&made["max_completion_tokens"], made.get("max_tokens")), (&json!(300), None));
    let target = Target { default_max_tokens: 77, ..Target::new(AnthropicMessages, "m-2") };
    let body = br#"{"messages":[{"role":"user","content":"x"}]}"#;
    let made: Value = serde_json::from_slice(&translate(OpenAiChat, body, &target).unwrap()).unwrap();
    assert_eq!(made["max_tokens"], 77);
}

#[test]
fn usage_is_asked_for_where_it_is_known() {
    let body = anthropic().to_string();
    let target = Target { ask_usage: false, ..Target::new(OpenAiChat, "m-2") };
    let made: Value =
        serde_json::from_slice(&translate(AnthropicMessages, body.as_bytes(), &target).unwrap()).unwrap();
    assert_eq!((&made["stream"], made.get("stream_options")), (&json!(true), None));
}
