//! What streams say against themselves, whether they pass through or are translated.

use vox_dialects::answer::Signal;

use super::*;

/// What a stream of these pieces of text, or of a call's arguments, says against itself.
fn signal(to: Dialect, json: bool, tools: bool, chunks: &[Value]) -> Option<Signal> {
    let asked = StreamOptions { json, tools, ..options() };
    let mut stream = StreamTranslator::new(OpenAiChat, to, asked).unwrap();
    let mut out = Vec::new();
    let sent = sse(chunks) + "data: [DONE]\n\n";
    sent.as_bytes().chunks(7).for_each(|piece| stream.push(piece, &mut out));
    stream.finish(&mut out);
    stream.signal()
}

fn chunk(delta: Value, finish: Value) -> Value {
    json!({"id": "a", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
}

fn text(pieces: &[&str], finish: &str) -> Vec<Value> {
    let texts = pieces.iter().map(|piece| chunk(json!({"content": piece}), Value::Null));
    texts.chain([chunk(json!({}), json!(finish))]).collect()
}

fn call(pieces: &[&str], finish: &str) -> Vec<Value> {
    let begin = json!({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}]});
    let piece = |text: &&str| {
        chunk(json!({"tool_calls": [{"index": 0, "function": {"arguments": text}}]}), Value::Null)
    };
    let chunks = [chunk(begin, Value::Null)].into_iter().chain(pieces.iter().map(piece));
    chunks.chain([chunk(json!({}), json!(finish))]).collect()
}

#[test]
fn a_text_that_is_no_json_is_seen_where_json_was_asked_for() {
    for to in [OpenAiChat, AnthropicMessages] {
        assert_eq!(signal(to, true, false, &text(&["{\"a\"", ": [1, ", "2]}"], "stop")), None, "{to}");
        let broken = text(&["Sure! ", "{\"a\": 1}"], "stop");
        assert_eq!(signal(to, true, false, &broken), Some(Signal::InvalidJson), "{to}");
        assert_eq!(signal(to, true, false, &text(&["{\"a\""], "stop")), Some(Signal::InvalidJson), "{to}");
        assert_eq!(signal(to, true, false, &text(&["{\"a\""], "length")), None, "{to}: it says so by itself");
        assert_eq!(signal(to, false, true, &broken), None, "{to}: nobody asked for JSON");
    }
}

#[test]
fn arguments_that_are_no_object_are_seen_where_tools_were_offered() {
    let good = call(&["{\"z\"", ":1}"], "tool_calls");
    let broken = call(&["{\"z\"", ":1"], "tool_calls");
    assert_eq!(signal(OpenAiChat, false, true, &good), None);
    assert_eq!(signal(OpenAiChat, false, true, &broken), Some(Signal::InvalidToolArguments));
    assert_eq!(
        signal(OpenAiChat, false, true, &call(&["[1]"], "tool_calls")),
        Some(Signal::InvalidToolArguments)
    );
    assert_eq!(signal(OpenAiChat, false, true, &call(&[], "tool_calls")), None, "a tool may take nothing");
    assert_eq!(signal(OpenAiChat, false, false, &broken), None, "nothing was asked to be checked");
    assert_eq!(signal(OpenAiChat, true, true, &good), None, "a call in the place of JSON is no fault");
}

#[test]
fn a_refusal_is_seen_whatever_was_asked_for() {
    let refusal = [chunk(json!({"refusal": "no"}), Value::Null), chunk(json!({}), json!("stop"))];
    assert_eq!(signal(OpenAiChat, false, false, &refusal), Some(Signal::Refusal));
    assert_eq!(signal(OpenAiChat, true, true, &refusal), Some(Signal::Refusal));
}

#[test]
fn what_is_checked_passes_as_it_came() {
    for (from, stream) in all() {
        let asked = StreamOptions { json: true, tools: true, ..options() };
        assert_eq!(run(from, from, asked, &[stream.as_bytes()]).0, stream, "{from}");
    }
}
