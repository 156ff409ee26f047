//! Streams, passed through and translated, split wherever the network likes.

#![allow(clippy::unwrap_used, clippy::panic)]

mod checked;
mod ended;
mod seen;

use proptest::prelude::*;
use serde_json::{Value, json};
use vox_dialects::answer::ClientContext;
use vox_dialects::dialect::Dialect::{self, AnthropicMessages, GeminiGenerate, OllamaChat, OpenAiChat};
use vox_dialects::error::ErrorClass;
use vox_dialects::finish::Finish;
use vox_dialects::stream::{
    Ending, LONGEST_FRAME, StreamFacts, StreamOptions, StreamReader, StreamTranslator, whole_events,
};
use vox_dialects::usage::Usage;

fn options() -> StreamOptions {
    let context = ClientContext { id: "d-1".to_owned(), created: 7, model: None };
    StreamOptions { context, include_usage: true, ..StreamOptions::default() }
}

/// The client's bytes, what was seen, and how it ended.
fn run(
    from: Dialect,
    to: Dialect,
    options: StreamOptions,
    pieces: &[&[u8]],
) -> (String, StreamFacts, Ending) {
    let mut stream = StreamTranslator::new(from, to, options).unwrap();
    let mut out = Vec::new();
    pieces.iter().for_each(|piece| stream.push(piece, &mut out));
    let ending = stream.finish(&mut out);
    (String::from_utf8(out).unwrap(), stream.facts().clone(), ending)
}

fn whole(from: Dialect, to: Dialect, stream: &str) -> (String, StreamFacts, Ending) {
    run(from, to, options(), &[stream.as_bytes()])
}

/// The data of a stream's events that are JSON.
fn events(stream: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let mut reader = StreamReader::new(OpenAiChat);
    reader.push(stream.as_bytes(), |data| found.extend(serde_json::from_str(data).ok())).unwrap();
    found
}

fn sse(chunks: &[Value]) -> String {
    chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect()
}

fn named(chunks: &[Value]) -> String {
    chunks
        .iter()
        .map(|chunk| format!("event: {}\ndata: {chunk}\n\n", chunk["type"].as_str().unwrap()))
        .collect()
}

fn openai() -> String {
    let delta = |delta: Value, finish: Value| {
        json!({"id": "a-1", "model": "served", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
            "usage": null})
    };
    let piece = |text: &str| {
        delta(json!({"tool_calls": [{"index": 0, "function": {"arguments": text}}]}), Value::Null)
    };
    let mut stream = String::from(": a comment\n\n");
    stream += &sse(&[
        delta(json!({"role": "assistant", "content": ""}), Value::Null),
        delta(json!({"reasoning_content": "hm"}), Value::Null),
        delta(json!({"content": "s\u{f6}"}), Value::Null),
        delta(json!({"content": " \"usage\":{ [DONE]"}), Value::Null),
        delta(
            json!({"tool_calls": [{"index": 0, "id": "c-1", "function": {"name": "f", "arguments": ""}}]}),
            Value::Null,
        ),
        piece("{\"z\""),
        piece(":1}"),
        delta(
            json!({"tool_calls": [{"index": 1, "id": "c-2", "function": {"name": "g", "arguments": "{}"}}]}),
            Value::Null,
        ),
        delta(json!({}), json!("tool_calls")),
        json!({"id": "a-1", "model": "served", "choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 20,
            "prompt_tokens_details": {"cached_tokens": 60}, "completion_tokens_details": {"reasoning_tokens": 5}}}),
    ]);
    stream + "data: [DONE]\n\n"
}

fn anthropic() -> String {
    let delta =
        |index: u64, delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
    let start = |index: u64, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
    let stop = |index: u64| json!({"type": "content_block_stop", "index": index});
    let call = |id: &str, name: &str| json!({"type": "tool_use", "id": id, "name": name, "input": {}});
    named(&[
        json!({"type": "message_start", "message": {"id": "a-1", "model": "served", "content": [],
            "usage": {"input_tokens": 40, "cache_read_input_tokens": 60, "output_tokens": 1}}}),
        start(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
        json!({"type": "ping"}),
        delta(0, json!({"type": "thinking_delta", "thinking": "hm"})),
        delta(0, json!({"type": "signature_delta", "signature": "seal"})),
        stop(0),
        start(1, json!({"type": "text", "text": ""})),
        delta(1, json!({"type": "text_delta", "text": "s\u{f6}"})),
        delta(1, json!({"type": "text_delta", "text": " \"usage\":{ [DONE]"})),
        stop(1),
        start(2, call("c-1", "f")),
        delta(2, json!({"type": "input_json_delta", "partial_json": ""})),
        delta(2, json!({"type": "input_json_delta", "partial_json": "{\"z\""})),
        delta(2, json!({"type": "input_json_delta", "partial_json": ":1}"})),
        stop(2),
        start(3, call("c-2", "g")),
        delta(3, json!({"type": "input_json_delta", "partial_json": "{}"})),
        stop(3),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 20,
            "output_tokens_details": {"thinking_tokens": 5}}}),
        json!({"type": "message_stop"}),
    ])
}

fn gemini() -> String {
    let chunk = |parts: Value| {
        json!({"responseId": "a-1", "modelVersion": "served", "candidates": [
        {"content": {"parts": parts}}], "usageMetadata": {"promptTokenCount": 100}})
    };
    let mut last = chunk(json!([{"functionCall": {"id": "c-1", "name": "f", "args": {"z":1}}},
        {"functionCall": {"id": "c-2", "name": "g"}}]));
    last["candidates"][0]["finishReason"] = json!("STOP");
    last["usageMetadata"] = json!({"promptTokenCount": 100, "cachedContentTokenCount": 60,
        "candidatesTokenCount": 15, "thoughtsTokenCount": 5});
    sse(&[
        chunk(json!([{"text": "hm", "thought": true}])),
        chunk(json!([{"text": "s\u{f6}"}])),
        chunk(json!([{"text": " \"usage\":{ [DONE]"}])),
        last,
    ])
    .replace('\n', "\r\n")
}

fn ollama() -> String {
    let line = |message: Value| json!({"model": "served", "message": message, "done": false});
    let mut last = line(json!({"content": "", "tool_calls": [
        {"id": "c-1", "function": {"name": "f", "arguments": {"z":1}}}, {"id": "c-2", "function": {"name": "g"}}]}));
    last["done"] = json!(true);
    last["done_reason"] = json!("stop");
    last["prompt_eval_count"] = json!(100);
    last["eval_count"] = json!(20);
    let lines = [
        line(json!({"content": "", "thinking": "hm"})),
        line(json!({"content": "s\u{f6}"})),
        line(json!({"content": " \"usage\":{ [DONE]"})),
        last,
    ];
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn all() -> [(Dialect, String); 4] {
    [
        (OpenAiChat, openai()),
        (AnthropicMessages, anthropic()),
        (GeminiGenerate, gemini()),
        (OllamaChat, ollama()),
    ]
}

proptest! {
    #[test]
    fn many_pieces_give_the_same(which in 0usize..4, sizes in prop::collection::vec(1usize..40, 1..200), crlf: bool) {
        let (from, stream) = all()[which].clone();
        let stream = if crlf && from != GeminiGenerate { stream.replace('\n', "\r\n") } else { stream };
        for to in [from, OpenAiChat, AnthropicMessages] {
            let mut rest = stream.as_bytes();
            let mut pieces = Vec::new();
            for size in &sizes {
                let (piece, after) = rest.split_at((*size).min(rest.len()));
                pieces.push(piece);
                rest = after;
            }
            pieces.push(rest);
            prop_assert_eq!(run(from, to, options(), &pieces), whole(from, to, &stream));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(which in 0usize..4, at in 0usize..4000, new: u8, bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let (from, stream) = all()[which].clone();
        let mut stream = stream.into_bytes();
        let at = at % stream.len();
        stream[at] = new;
        stream.splice(at..at, bytes);
        for to in [from, OpenAiChat, AnthropicMessages] {
            let asked = StreamOptions { withhold_usage: true, ..options() };
            let mut translator = StreamTranslator::new(from, to, asked).unwrap();
            let mut out = Vec::new();
            translator.push(&stream, &mut out);
            let ending = translator.finish(&mut out);
            if to != from && ending == Ending::Cut {
                prop_assert!(!out.ends_with(b"data: [DONE]\n\n"));
            }
        }
    }
}
