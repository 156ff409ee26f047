//! Streams, passed through and translated, split wherever the network likes.

#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;
use serde_json::{Value, json};
use vox_dialects::answer::ClientContext;
use vox_dialects::dialect::Dialect::{self, AnthropicMessages, GeminiGenerate, OllamaChat, OpenAiChat};
use vox_dialects::error::ErrorClass;
use vox_dialects::stream::{
    Ending, LONGEST_FRAME, StreamFacts, StreamOptions, StreamReader, StreamTranslator,
};
use vox_dialects::usage::{Finish, Usage};

fn options() -> StreamOptions {
    let context = ClientContext { id: "d-1".to_owned(), created: 7, model: None };
    StreamOptions { context, include_usage: true, withhold_usage: false }
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

#[test]
fn every_stream_is_seen_alike_whatever_becomes_of_it() {
    for (from, stream) in all() {
        for to in [from, OpenAiChat, AnthropicMessages] {
            let (_, facts, ending) = whole(from, to, &stream);
            assert_eq!(ending, Ending::Clean, "{from} to {to}: {facts:?}");
            assert_eq!(facts.served_model.as_deref(), Some("served"));
            assert_eq!(facts.finish, Some(Finish::ToolCalls));
            let all = Usage {
                input_tokens: Some(100),
                output_tokens: Some(20),
                cached_input_tokens: Some(60),
                cache_write_tokens: None,
                reasoning_tokens: Some(5),
            };
            let few = Usage { cached_input_tokens: None, reasoning_tokens: None, ..all };
            assert_eq!(facts.usage, if from == OllamaChat { few } else { all }, "{from} to {to}");
        }
    }
}

#[test]
fn a_stream_of_its_own_dialect_passes_byte_for_byte() {
    for (from, stream) in all() {
        assert_eq!(whole(from, from, &stream).0, stream);
    }
}

#[test]
fn a_chat_client_reads_the_same_from_every_provider() {
    for (from, stream) in all().into_iter().skip(1) {
        let (out, ..) = whole(from, OpenAiChat, &stream);
        assert!(out.ends_with("data: [DONE]\n\n"), "{out}");
        let chunks = events(&out);
        let delta = |chunk: &Value| chunk["choices"][0]["delta"].clone();
        assert_eq!(delta(&chunks[0]), json!({"role": "assistant", "content": ""}));
        let said = |name: &str| -> String {
            chunks.iter().filter_map(|chunk| delta(chunk)[name].as_str().map(str::to_owned)).collect()
        };
        assert_eq!(
            (said("content").as_str(), said("reasoning_content").as_str()),
            ("s\u{f6} \"usage\":{ [DONE]", "hm")
        );
        let mut arguments = [String::new(), String::new()];
        let mut ids = Vec::new();
        for call in chunks.iter().filter_map(|chunk| delta(chunk)["tool_calls"].get(0).cloned()) {
            ids.extend(call["id"].as_str().map(str::to_owned));
            let text = call["function"]["arguments"].as_str().unwrap();
            arguments[usize::try_from(call["index"].as_u64().unwrap()).unwrap()] += text;
        }
        assert_eq!(ids, ["c-1", "c-2"]);
        assert_eq!(arguments, ["{\"z\":1}", "{}"], "{from}");
        let last = &chunks[chunks.len() - 2..];
        assert_eq!(last[0]["choices"][0]["finish_reason"], "tool_calls");
        assert_eq!((&last[1]["choices"], &last[1]["usage"]["prompt_tokens"]), (&json!([]), &json!(100)));
        assert!(
            chunks
                .iter()
                .all(|chunk| chunk["object"] == "chat.completion.chunk" && chunk["model"] == "served")
        );
    }
}

#[test]
fn a_client_of_messages_reads_the_same_from_every_provider() {
    for (from, stream) in all().into_iter().filter(|(from, _)| *from != AnthropicMessages) {
        let (out, ..) = whole(from, AnthropicMessages, &stream);
        let said = events(&out);
        let kinds: Vec<_> = said.iter().map(|event| event["type"].as_str().unwrap()).collect();
        assert_eq!((kinds[0], kinds[kinds.len() - 1]), ("message_start", "message_stop"), "{from}");
        let mut blocks: Vec<(String, String)> = Vec::new();
        let mut open = false;
        for event in &said {
            match event["type"].as_str().unwrap() {
                "content_block_start" => {
                    assert!(!std::mem::replace(&mut open, true));
                    assert_eq!(event["index"], blocks.len());
                    blocks.push((event["content_block"]["type"].as_str().unwrap().to_owned(), String::new()));
                }
                "content_block_delta" => {
                    assert!(open && event["index"] == blocks.len() - 1);
                    let delta = &event["delta"];
                    let texts =
                        ["text", "thinking", "partial_json"].iter().filter_map(|name| delta[*name].as_str());
                    blocks.last_mut().unwrap().1.extend(texts);
                }
                "content_block_stop" => assert!(std::mem::replace(&mut open, false)),
                _ => {}
            }
        }
        let blocks: Vec<_> = blocks.iter().map(|(kind, text)| (kind.as_str(), text.as_str())).collect();
        let text = "s\u{f6} \"usage\":{ [DONE]";
        assert_eq!(
            blocks,
            [("thinking", "hm"), ("text", text), ("tool_use", "{\"z\":1}"), ("tool_use", "{}")]
        );
        let delta = &said[said.len() - 2];
        assert_eq!(
            (&delta["delta"]["stop_reason"], &delta["usage"]["output_tokens"]),
            (&json!("tool_use"), &json!(20))
        );
        assert!(!out.contains("data: [DONE]"));
    }
}

#[test]
fn a_cut_stream_is_told_as_one_and_never_ended_well() {
    for (from, stream) in all() {
        for to in [from, OpenAiChat, AnthropicMessages] {
            let lines: Vec<_> = stream.split_inclusive('\n').collect();
            let beginning = lines[..lines.len() * 2 / 5].concat();
            for cut in [beginning.as_str(), &beginning[..beginning.len() - 3]] {
                let (out, facts, ending) = whole(from, to, cut);
                assert_eq!(ending, Ending::Cut, "{from} to {to}: {facts:?}");
                assert!(facts.error.is_some());
                assert!(!out.contains("data: [DONE]") && !out.contains("message_stop"), "{out}");
                assert!(!out.contains("\"done\":true"));
                let last = out.trim_end().rsplit('\n').next().unwrap();
                let last: Value = serde_json::from_str(last.trim_start_matches("data: ")).unwrap();
                assert!(last.get("error").is_some(), "{from} to {to}: {last}");
            }
        }
    }
}

#[test]
fn an_error_in_the_stream_ends_it() {
    let chat = sse(&[
        json!({"choices": [{"delta": {"content": "x"}}]}),
        json!({"error": {"code": 502, "message": "gone"}, "choices": [{"delta": {}, "finish_reason": "error"}]}),
    ]);
    let messages =
        named(&[json!({"type": "error", "error": {"type": "overloaded_error", "message": "gone"}})]);
    let lines = "{\"error\":\"gone\"}\n".to_owned();
    let google = sse(&[json!({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "gone"}})]);
    let cases = [
        (OpenAiChat, chat, ErrorClass::Server),
        (AnthropicMessages, messages, ErrorClass::Overloaded),
        (OllamaChat, lines, ErrorClass::UpstreamErrorIn200),
        (GeminiGenerate, google, ErrorClass::RateLimited),
    ];
    for (from, stream, class) in cases {
        for to in [from, OpenAiChat, AnthropicMessages] {
            let (out, facts, ending) = whole(from, to, &stream);
            assert_eq!(ending, Ending::Failed, "{from} to {to}");
            assert_eq!(facts.error.unwrap().class, class);
            assert_eq!(out.matches("gone").count(), 1, "{out}");
            assert!(!out.contains("[DONE]") && !out.contains("message_stop"), "{out}");
            assert!(from != to || out == stream);
        }
    }
}

#[test]
fn a_malformed_piece_is_an_error() {
    let stream =
        "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\ndata: {\"choices\":\n\ndata: [DONE]\n\n";
    let (out, facts, ending) = whole(OpenAiChat, AnthropicMessages, stream);
    assert_eq!((ending, facts.error.unwrap().class), (Ending::Failed, ErrorClass::Malformed));
    assert!(out.contains("event: error") && !out.contains("message_stop"));
}

#[test]
fn an_end_without_an_answer_is_empty() {
    for to in [OpenAiChat, AnthropicMessages] {
        let (_, facts, ending) = whole(OpenAiChat, to, "data: [DONE]\n\n");
        assert_eq!((ending, facts.error.unwrap().class), (Ending::Failed, ErrorClass::Empty));
        assert_eq!(whole(OpenAiChat, to, "").2, Ending::Cut);
    }
}

#[test]
fn an_answer_that_is_whole_without_a_mark_is_unterminated() {
    let stream = openai().replace("data: [DONE]\n\n", "");
    let (out, _, ending) = whole(OpenAiChat, OpenAiChat, &stream);
    assert_eq!((ending, out == stream), (Ending::Unterminated, true));
    let (out, _, ending) = whole(OpenAiChat, AnthropicMessages, &stream);
    assert!(ending == Ending::Unterminated && out.contains("message_stop"));
}

#[test]
fn usage_that_the_client_did_not_ask_for_is_withheld() {
    let stream = openai();
    let asked = StreamOptions { withhold_usage: true, ..options() };
    let (out, facts, ending) = run(OpenAiChat, OpenAiChat, asked, &[stream.as_bytes()]);
    let extra = stream.split("\n\n").find(|frame| frame.contains("\"choices\":[],")).unwrap();
    assert_eq!(out, stream.replace(&format!("{extra}\n\n"), ""));
    assert_eq!((facts.usage.input_tokens, ending), (Some(100), Ending::Clean));
    let silent = StreamOptions { include_usage: false, ..options() };
    assert!(
        !run(AnthropicMessages, OpenAiChat, silent, &[anthropic().as_bytes()])
            .0
            .contains("\"prompt_tokens\"")
    );
}

#[test]
fn a_comment_does_not_wait_for_the_next_event() {
    let asked = StreamOptions { withhold_usage: true, ..options() };
    let mut stream = StreamTranslator::new(OpenAiChat, OpenAiChat, asked).unwrap();
    let mut out = Vec::new();
    stream.push(b": alive\n\n", &mut out);
    assert_eq!(out, b": alive\n\n");
}

#[test]
fn the_first_token_is_seen_when_it_comes() {
    for (from, stream) in all() {
        for to in [from, OpenAiChat] {
            let mut translator = StreamTranslator::new(from, to, options()).unwrap();
            let at = stream.find("hm").unwrap();
            translator.push(&stream.as_bytes()[..at], &mut Vec::new());
            assert!(!translator.facts().first_token, "{from}");
            let end = at + stream[at..].find("\n\n").or(stream[at..].find("\r\n\r\n")).unwrap_or(200) + 4;
            translator.push(&stream.as_bytes()[at..end], &mut Vec::new());
            assert!(translator.facts().first_token, "{from}");
        }
    }
}

#[test]
fn events_are_read_as_the_standard_has_them() {
    let mut found = Vec::new();
    let stream =
        "\u{feff}data: a\rdata:b\r\n\r\n: no\nevent: x\ndata\n\nid: 1\ndata:  c\n\ndatax: d\n\ndata: e";
    let mut reader = StreamReader::new(OpenAiChat);
    reader.push(stream.as_bytes(), |data| found.push(data.to_owned())).unwrap();
    assert_eq!(found, ["a\nb", " c"]);
    reader.finish(|data| found.push(data.to_owned())).unwrap();
    assert_eq!(found.last().unwrap(), "e");
}

#[test]
fn a_frame_has_a_greatest_length() {
    let mut reader = StreamReader::new(OpenAiChat);
    let piece = vec![b'x'; LONGEST_FRAME / 4];
    let results: Vec<_> = (0..6).map(|_| reader.push(&piece, |_| {})).collect();
    assert!(results[3].is_ok() && results[5].is_err());
}

#[test]
fn clients_speak_two_dialects() {
    assert!(StreamTranslator::new(OpenAiChat, GeminiGenerate, options()).is_none());
    assert!(StreamTranslator::new(AnthropicMessages, OllamaChat, options()).is_none());
}

#[test]
fn every_place_to_split_gives_the_same() {
    for (from, stream) in all() {
        for to in [from, OpenAiChat, AnthropicMessages] {
            for withhold_usage in [false, true] {
                let options = StreamOptions { withhold_usage, ..options() };
                let expected = run(from, to, options.clone(), &[stream.as_bytes()]);
                for at in 0..stream.len() {
                    let (one, two) = stream.as_bytes().split_at(at);
                    assert_eq!(
                        run(from, to, options.clone(), &[one, two]),
                        expected,
                        "{from} to {to} at {at}"
                    );
                }
            }
        }
    }
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
