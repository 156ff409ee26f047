//! Whole answers, read and translated.

#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;
use serde_json::{Value, json};
use vox_dialects::answer::{AnswerError, AnswerFacts, ClientContext, read, translate};
use vox_dialects::dialect::Dialect::{
    self, AnthropicMessages, GeminiGenerate, OllamaChat, OpenAiChat, OpenAiEmbeddings,
};
use vox_dialects::error::ErrorClass;
use vox_dialects::finish::Finish;
use vox_dialects::usage::Usage;

fn context() -> ClientContext {
    ClientContext { id: "d-1".to_owned(), created: 7, model: None }
}

fn translated(from: Dialect, to: Dialect, body: &Value) -> (Value, AnswerFacts) {
    let made = translate(from, to, body.to_string().as_bytes(), &context()).unwrap();
    (serde_json::from_slice(&made.body).unwrap(), made.facts)
}

/// The same answer of every provider: a text, a call, 100 tokens in (60 from a cache), 20 out (5 of them thought).
fn answers() -> [(Dialect, Value); 3] {
    [
        (
            OpenAiChat,
            json!({"id": "a-1", "model": "served", "choices": [{"index": 0, "finish_reason": "tool_calls",
            "message": {"role": "assistant", "content": "so", "reasoning_content": "hm", "tool_calls": [
                {"id": "c-1", "type": "function", "function": {"name": "f", "arguments": "{\"z\":1}"}}]}}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120,
                "prompt_tokens_details": {"cached_tokens": 60},
                "completion_tokens_details": {"reasoning_tokens": 5}}}),
        ),
        (
            AnthropicMessages,
            json!({"id": "a-1", "model": "served", "type": "message", "stop_reason": "tool_use",
            "content": [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "so"},
                {"type": "tool_use", "id": "c-1", "name": "f", "input": {"z": 1}}],
            "usage": {"input_tokens": 40, "cache_read_input_tokens": 60, "output_tokens": 20,
                "output_tokens_details": {"thinking_tokens": 5}}}),
        ),
        (
            GeminiGenerate,
            json!({"responseId": "a-1", "modelVersion": "served", "candidates": [{"finishReason": "STOP",
            "content": {"parts": [{"text": "hm", "thought": true}, {"text": "so"},
                {"functionCall": {"id": "c-1", "name": "f", "args": {"z": 1}}}]}}],
            "usageMetadata": {"promptTokenCount": 100, "cachedContentTokenCount": 60,
                "candidatesTokenCount": 15, "thoughtsTokenCount": 5}}),
        ),
    ]
}

#[test]
fn every_provider_is_read_alike() {
    for (from, body) in answers() {
        let facts = read(from, body.to_string().as_bytes()).unwrap();
        let usage = Usage {
            input_tokens: Some(100),
            output_tokens: Some(20),
            cached_input_tokens: Some(60),
            cache_write_tokens: None,
            reasoning_tokens: Some(5),
        };
        assert_eq!(facts.usage, usage, "{from}");
        assert_eq!(facts.finish, Some(Finish::ToolCalls), "{from}");
        assert_eq!(facts.served_model.as_deref(), Some("served"), "{from}");
    }
}

#[test]
fn every_provider_answers_a_chat_client_alike() {
    for (from, body) in answers() {
        let (made, _) = translated(from, OpenAiChat, &body);
        assert_eq!(made["id"], "a-1");
        assert_eq!(made["model"], "served");
        let choice = &made["choices"][0];
        assert_eq!(choice["finish_reason"], "tool_calls", "{from}");
        assert_eq!(choice["message"]["content"], "so");
        assert_eq!(choice["message"]["reasoning_content"], "hm");
        let call = &choice["message"]["tool_calls"][0];
        assert_eq!((&call["id"], &call["function"]["arguments"]), (&json!("c-1"), &json!("{\"z\":1}")));
        assert_eq!(made["usage"]["prompt_tokens"], 100);
        assert_eq!(made["usage"]["total_tokens"], 120);
        assert_eq!(made["usage"]["prompt_tokens_details"]["cached_tokens"], 60);
        assert_eq!(made["usage"]["completion_tokens_details"]["reasoning_tokens"], 5);
    }
}

#[test]
fn every_provider_answers_a_client_of_messages_alike() {
    for (from, body) in answers() {
        let (made, _) = translated(from, AnthropicMessages, &body);
        assert_eq!(made["stop_reason"], "tool_use", "{from}");
        let content = &made["content"];
        assert_eq!(content[0]["thinking"], "hm");
        assert_eq!(content[1], json!({"type": "text", "text": "so"}));
        assert_eq!(content[2], json!({"type": "tool_use", "id": "c-1", "name": "f", "input": {"z": 1}}));
        assert_eq!(made["usage"]["input_tokens"], 40);
        assert_eq!(made["usage"]["cache_read_input_tokens"], 60);
        assert_eq!(made["usage"]["output_tokens"], 20);
    }
}

#[test]
fn ollama_answers_with_ids_of_ours() {
    let body = json!({"model": "served", "done": true, "done_reason": "stop", "prompt_eval_count": 9, "eval_count": 4,
        "message": {"role": "assistant", "content": "", "tool_calls": [
            {"function": {"name": "f", "arguments": {"z": 1}}}, {"function": {"name": "g", "arguments": {}}}]}});
    let (made, facts) = translated(OllamaChat, OpenAiChat, &body);
    assert_eq!(made["id"], "chatcmpl-d-1");
    let calls = &made["choices"][0]["message"]["tool_calls"];
    assert_eq!((&calls[0]["id"], &calls[1]["id"]), (&json!("call_d-1_0"), &json!("call_d-1_1")));
    assert_eq!(facts.finish, Some(Finish::ToolCalls));
    assert_eq!(facts.usage.input_tokens, Some(9));
    assert_eq!(facts.usage.cached_input_tokens, None);
}

#[test]
fn the_clients_name_of_the_model_can_stay() {
    let context = ClientContext { model: Some("auto".to_owned()), ..context() };
    for (from, body) in answers() {
        let made = translate(from, OpenAiChat, body.to_string().as_bytes(), &context).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&made.body).unwrap()["model"], "auto");
        assert_eq!(made.facts.served_model.as_deref(), Some("served"));
    }
}

#[test]
fn reasons_for_the_end_are_kept() {
    let openai = |reason: &str| {
        (OpenAiChat, json!({"choices": [{"message": {"content": "x"}, "finish_reason": reason}]}))
    };
    let anthropic = |reason: &str| (AnthropicMessages, json!({"content": [], "stop_reason": reason}));
    let gemini = |reason: &str| (GeminiGenerate, json!({"candidates": [{"finishReason": reason}]}));
    let ollama = |reason: &str| {
        (OllamaChat, json!({"message": {"content": "x"}, "done": true, "done_reason": reason}))
    };
    let cases = [
        (openai("stop"), Finish::Stop, "stop", "end_turn"),
        (openai("length"), Finish::Length, "length", "max_tokens"),
        (openai("content_filter"), Finish::ContentFilter, "content_filter", "refusal"),
        (openai("odd"), Finish::Unknown("odd".to_owned()), "stop", "end_turn"),
        (anthropic("stop_sequence"), Finish::Stop, "stop", "end_turn"),
        (anthropic("max_tokens"), Finish::Length, "length", "max_tokens"),
        (anthropic("model_context_window_exceeded"), Finish::Length, "length", "max_tokens"),
        (anthropic("refusal"), Finish::Refusal, "content_filter", "refusal"),
        (gemini("MAX_TOKENS"), Finish::Length, "length", "max_tokens"),
        (gemini("SAFETY"), Finish::ContentFilter, "content_filter", "refusal"),
        (gemini("LANGUAGE"), Finish::Unknown("LANGUAGE".to_owned()), "stop", "end_turn"),
        (
            gemini("IMAGE_PROHIBITED_CONTENT"),
            Finish::Unknown("IMAGE_PROHIBITED_CONTENT".to_owned()),
            "content_filter",
            "refusal",
        ),
        (ollama("length"), Finish::Length, "length", "max_tokens"),
    ];
    for ((from, body), finish, chat, messages) in cases {
        let (made, facts) = translated(from, OpenAiChat, &body);
        assert_eq!(facts.finish, Some(finish), "{body}");
        assert_eq!(made["choices"][0]["finish_reason"], chat, "{body}");
        assert_eq!(translated(from, AnthropicMessages, &body).0["stop_reason"], messages, "{body}");
    }
}

#[test]
fn a_refusal_is_told_as_one() {
    let body = json!({"choices": [{"message": {"content": null, "refusal": "no"}, "finish_reason": "stop"}]});
    let facts = read(OpenAiChat, body.to_string().as_bytes()).unwrap();
    assert_eq!((facts.finish, facts.refusal.as_deref()), (Some(Finish::Refusal), Some("no")));
    let (made, _) = translated(OpenAiChat, AnthropicMessages, &body);
    assert_eq!((&made["stop_reason"], &made["content"][0]["text"]), (&json!("refusal"), &json!("no")));
}

#[test]
fn a_blocked_prompt_of_gemini_is_a_filtered_answer() {
    let body = json!({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}});
    let facts = read(GeminiGenerate, body.to_string().as_bytes()).unwrap();
    assert_eq!(facts.finish, Some(Finish::ContentFilter));
}

#[test]
fn xais_reasoning_is_added_and_openais_is_not() {
    let body = |total: u64| {
        json!({"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": 204, "completion_tokens": 1,
            "total_tokens": total, "completion_tokens_details": {"reasoning_tokens": 82}}})
    };
    let output = |total| read(OpenAiChat, body(total).to_string().as_bytes()).unwrap().usage.output_tokens;
    assert_eq!((output(287), output(205)), (Some(83), Some(1)));
}

#[test]
fn counts_that_are_none_are_left_out() {
    let body = json!({"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": 3.0,
        "completion_tokens": null, "prompt_tokens_details": null, "prompt_cache_hit_tokens": "many"}});
    let usage = read(OpenAiChat, body.to_string().as_bytes()).unwrap().usage;
    assert_eq!(usage, Usage { input_tokens: Some(3), ..Usage::default() });
}

#[test]
fn embeddings_say_what_they_cost() {
    let body = json!({"object": "list", "model": "served", "data": [{"embedding": [0.1]}], "usage":
        {"prompt_tokens": 4, "total_tokens": 4}});
    let facts = read(OpenAiEmbeddings, body.to_string().as_bytes()).unwrap();
    assert_eq!((facts.usage.input_tokens, facts.finish), (Some(4), None));
    assert_eq!(read(OpenAiEmbeddings, b"{\"data\":[]}").unwrap_err(), AnswerError::NoChoices);
}

#[test]
fn a_200_with_an_error_is_an_error() {
    let cases = [
        (OpenAiChat, json!({"error": {"code": 429, "message": "slow"}}), ErrorClass::RateLimited),
        (OpenAiChat, json!({"error": {"code": 502, "message": "x"}, "choices": []}), ErrorClass::Server),
        (OpenAiChat, json!({"error": {"message": "odd"}}), ErrorClass::UpstreamErrorIn200),
        (OpenAiChat, json!({"choices": [{"error": {"code": 503, "message": "x"}}]}), ErrorClass::Overloaded),
        (
            AnthropicMessages,
            json!({"type": "error", "error": {"type": "overloaded_error", "message": "x"}}),
            ErrorClass::Overloaded,
        ),
        (
            GeminiGenerate,
            json!({"error": {"code": 503, "message": "x", "status": "UNAVAILABLE"}}),
            ErrorClass::Overloaded,
        ),
        (OllamaChat, json!({"error": "model runner stopped"}), ErrorClass::UpstreamErrorIn200),
    ];
    for (from, body, class) in cases {
        let error = read(from, body.to_string().as_bytes()).unwrap_err();
        assert!(matches!(&error, AnswerError::Upstream(_)), "{error}");
        assert_eq!(error.class(), class, "{body}");
    }
}

#[test]
fn arguments_that_are_no_object_are_not_called_empty() {
    let body = |reason: &str| {
        json!({"choices": [{"finish_reason": reason, "message": {"tool_calls": [
            {"id": "c", "function": {"name": "f", "arguments": "{\"path\": \"/"}}]}}]})
        .to_string()
    };
    let made = |reason: &str, to| translate(OpenAiChat, to, body(reason).as_bytes(), &context());
    assert_eq!(made("tool_calls", AnthropicMessages).unwrap_err().class(), ErrorClass::Malformed);
    let cut: Value = serde_json::from_slice(&made("length", AnthropicMessages).unwrap().body).unwrap();
    assert_eq!((&cut["stop_reason"], &cut["content"][0]["input"]), (&json!("max_tokens"), &json!({})));
    assert!(made("tool_calls", OpenAiChat).is_ok());
}

#[test]
fn no_answer_is_no_answer() {
    for dialect in Dialect::ALL {
        assert_eq!(read(*dialect, b" \n").unwrap_err(), AnswerError::Empty);
        assert_eq!(read(*dialect, b"{}").unwrap_err(), AnswerError::NoChoices, "{dialect}");
        for body in [b"<html>".as_slice(), b"[1]", b"{\"choices\":", b"\xff"] {
            let error = read(*dialect, body).unwrap_err();
            assert_eq!(error.class(), ErrorClass::Malformed, "{dialect}: {error}");
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(which in 0usize..3, at in 0usize..600, new: u8) {
        let (from, body) = answers()[which].clone();
        let mut body = body.to_string().into_bytes();
        let at = at % body.len();
        body[at] = new;
        for to in [OpenAiChat, AnthropicMessages] {
            if let Ok(made) = translate(from, to, &body, &context()) {
                prop_assert!(serde_json::from_slice::<Value>(&made.body).is_ok());
            }
        }
    }

    #[test]
    fn an_answer_that_passes_through_is_understood_as_one_that_is_translated(
        which in 0usize..3,
        at in 0usize..600,
        new in prop::option::of(any::<u8>()),
    ) {
        let (from, body) = answers()[which].clone();
        let mut body = body.to_string().into_bytes();
        let at = at % body.len();
        body[at] = new.unwrap_or(body[at]);
        let made = translate(from, OpenAiChat, &body, &context()).map(|made| made.facts);
        prop_assert_eq!(read(from, &body), made);
    }
}
