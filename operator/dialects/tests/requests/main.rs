//! Requests from one dialect into another.

#![allow(clippy::unwrap_used, clippy::panic)]

mod kept;
mod refused;

use proptest::prelude::*;
use serde_json::{Value, json};
use vox_dialects::dialect::Dialect::{self, AnthropicMessages, GeminiGenerate, OllamaChat, OpenAiChat};
use vox_dialects::request::{Target, TranslateError, translate};

fn try_into(from: Dialect, to: Dialect, body: &Value) -> Result<Value, TranslateError> {
    let made = translate(from, body.to_string().as_bytes(), &Target::new(to, "m-2"))?;
    Ok(serde_json::from_slice(&made).unwrap())
}

fn into(from: Dialect, to: Dialect, body: &Value) -> Value {
    try_into(from, to, body).unwrap_or_else(|error| panic!("{from} to {to}: {error}"))
}

/// Where the translation stops.
fn refused(from: Dialect, to: Dialect, body: &Value) -> String {
    match try_into(from, to, body) {
        Err(TranslateError::Inexpressible { pointer, .. }) => pointer,
        other => panic!("{from} to {to}: {other:?}"),
    }
}

fn schema() -> Value {
    json!({"type": "object", "properties": {"z": {"type": "string"}, "a": {"type": "number"}}})
}

/// A conversation with everything that all dialects can say.
fn openai() -> Value {
    json!({
        "model": "m-1", "max_tokens": 300, "temperature": 0.5, "top_p": 0.9, "stop": ["END"], "user": "u-1",
        "store": true, "stream": true, "n": 1, "parallel_tool_calls": true,
        "tools": [{"type": "function", "function":
            {"name": "weather", "description": "d", "parameters": schema(), "strict": true}}],
        "tool_choice": "auto",
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": [
                {"type": "text", "text": "look"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD", "detail": "low"}}]},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "c-1", "type": "function", "function": {"name": "weather", "arguments": "{\"z\":\"Bonn\"}"}},
                {"id": "c-2", "type": "function", "function": {"name": "weather", "arguments": ""}}]},
            {"role": "tool", "tool_call_id": "c-1", "content": "{\"deg\":3}"},
            {"role": "tool", "tool_call_id": "c-2", "content": "none"},
            {"role": "user", "content": "and now?"},
        ],
    })
}

fn anthropic() -> Value {
    json!({
        "model": "m-1", "max_tokens": 300, "temperature": 0.5, "top_p": 0.9, "stop_sequences": ["END"],
        "metadata": {"user_id": "u-1"}, "stream": true, "system": [{"type": "text", "text": "be brief",
            "cache_control": {"type": "ephemeral"}}],
        "tools": [{"name": "weather", "description": "d", "input_schema": schema()}],
        "tool_choice": {"type": "auto"},
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "look"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}}]},
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": "c-1", "name": "weather", "input": {"z": "Bonn"}},
                {"type": "tool_use", "id": "c-2", "name": "weather", "input": {}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "c-1", "content": "{\"deg\":3}"},
                {"type": "tool_result", "tool_use_id": "c-2", "content": [{"type": "text", "text": "none"}]},
                {"type": "text", "text": "and now?"}]},
        ],
    })
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(at in 0usize..1500, new: u8, which: bool) {
        let (from, body) = if which { (OpenAiChat, openai()) } else { (AnthropicMessages, anthropic()) };
        let mut body = body.to_string().into_bytes();
        let at = at % body.len();
        body[at] = new;
        for to in Dialect::ALL {
            if let Ok(made) = translate(from, &body, &Target::new(*to, "m-2")) {
                prop_assert!(serde_json::from_slice::<Value>(&made).is_ok());
            }
        }
    }

    #[test]
    fn every_text_arrives_as_it_was(text: String) {
        let body = json!({"messages": [{"role": "user", "content": text}], "max_tokens": 1});
        let made = into(OpenAiChat, OllamaChat, &body);
        prop_assert_eq!(made["messages"][0]["content"].as_str(), Some(text.as_str()));
        let made = into(AnthropicMessages, OpenAiChat, &body);
        prop_assert_eq!(made["messages"][0]["content"].as_str(), Some(text.as_str()));
    }
}
