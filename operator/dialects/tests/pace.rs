//! How long a scan and a chunk take. `cargo test --release -p vox-dialects --test pace -- --ignored --nocapture`

#![allow(clippy::unwrap_used)]

use std::hint::black_box;
use std::time::Instant;

use serde_json::json;
use vox_dialects::dialect::Dialect::{AnthropicMessages, OpenAiChat};
use vox_dialects::request::{Target, rewrite_model, translate};
use vox_dialects::shape::scan;
use vox_dialects::stream::{StreamOptions, StreamTranslator};

fn time(what: &str, rounds: u32, mut work: impl FnMut()) {
    let begun = Instant::now();
    (0..rounds).for_each(|_| work());
    println!("{what}: {:?}", begun.elapsed() / rounds);
}

#[test]
#[ignore = "measures"]
fn pace() {
    for size in [1, 10, 100] {
        let said: Vec<_> =
            (0..size).map(|_| json!({"role": "user", "content": "a word \"or\" two\n".repeat(50)})).collect();
        let body = json!({"messages": said, "model": "m-1", "stream": true}).to_string().into_bytes();
        println!("{} bytes", body.len());
        time("  scan", 2000, || drop(black_box(scan(OpenAiChat, &body))));
        let shape = scan(OpenAiChat, &body).unwrap();
        time("  rewrite", 2000, || drop(black_box(rewrite_model(OpenAiChat, &body, &shape, "m-2", true))));
        let target = Target::new(AnthropicMessages, "m-2");
        time("  translate", 500, || drop(black_box(translate(OpenAiChat, &body, &target))));
    }
    let chunk = json!({"id": "a", "object": "chat.completion.chunk", "created": 1, "model": "m-1",
        "choices": [{"index": 0, "delta": {"content": "word"}, "finish_reason": null}], "usage": null});
    let chunk = format!("data: {chunk}\n\n");
    for to in [OpenAiChat, AnthropicMessages] {
        let mut stream = StreamTranslator::new(OpenAiChat, to, StreamOptions::default()).unwrap();
        let mut out = Vec::new();
        time(&format!("chunk to {to}"), 100_000, || {
            out.clear();
            stream.push(black_box(chunk.as_bytes()), &mut out);
        });
    }
}
