//! `POST /api/chat`, as Ollama itself speaks it: lines of JSON.

use std::sync::Arc;

use serde_json::{Value, json};

use super::answer::{Answer, CREATED_TEXT, Finish};
use super::openai;
use super::question::{Choice, Question, limit, list, required, text};
use super::stream::{Frame, Frames};

/// How long a token is said to have taken, in nanoseconds.
const TOKEN_NS: usize = 1_000_000;

/// Reads a request. A stream is the rule, and `stream: false` the exception.
pub(crate) fn read(body: &Value) -> Result<Question, String> {
    let messages = list(body, "messages")?;
    let said = messages.last().filter(|last| last["role"] == "user").map(|last| text(&last["content"]));
    let schema = match &body["format"] {
        Value::String(format) if format == "json" => Some(json!({})),
        schema @ Value::Object(_) => Some(schema.clone()),
        _ => None,
    };
    Ok(Question {
        model: required(body, "model")?,
        stream: body["stream"] != false,
        include_usage: true,
        said: said.unwrap_or_default(),
        prompt_bytes: messages.iter().map(|message| text(&message["content"]).len()).sum(),
        tools: openai::tools(body),
        choice: Choice::Auto,
        schema,
        max_tokens: limit(&body["options"], &["num_predict"]),
    })
}

/// The answer in one piece.
pub(crate) fn whole(answer: &Answer) -> Value {
    last(answer, message(answer.text(), answer))
}

/// The answer in lines.
pub(crate) fn frames(answer: &Arc<Answer>) -> Frames {
    let mut last = Vec::new();
    if !answer.calls.is_empty() {
        last.push(line(answer, message(String::new(), answer)));
    }
    let end = self::last(answer, json!({"role": "assistant", "content": ""}));
    last.push(Frame::other(format!("{end}\n")));
    let said = Arc::clone(answer);
    let texts = (0..answer.pieces.len())
        .map(move |index| line(&said, json!({"role": "assistant", "content": said.piece(index)})));
    Box::new(texts.chain(last))
}

fn line(answer: &Answer, message: Value) -> Frame {
    let line = json!({"model": answer.model, "created_at": CREATED_TEXT, "message": message, "done": false});
    Frame::token(format!("{line}\n"))
}

fn message(content: String, answer: &Answer) -> Value {
    let mut message = json!({"role": "assistant", "content": content});
    if !answer.calls.is_empty() {
        message["tool_calls"] = answer
            .calls
            .iter()
            .map(|call| json!({"function": {"name": call.name, "arguments": call.arguments}}))
            .collect();
    }
    message
}

/// The line that ends an answer, with what was counted; durations in nanoseconds.
fn last(answer: &Answer, message: Value) -> Value {
    let reason = if answer.finish == Finish::Length { "length" } else { "stop" };
    let mut line = json!({
        "model": answer.model, "created_at": CREATED_TEXT, "message": message, "done": true, "done_reason": reason,
    });
    if let Some(used) = answer.usage {
        let (prompt, eval) = (used.prompt * TOKEN_NS, used.completion * TOKEN_NS);
        line["total_duration"] = json!(prompt + eval);
        line["load_duration"] = json!(0);
        line["prompt_eval_count"] = json!(used.prompt);
        line["prompt_eval_duration"] = json!(prompt);
        line["eval_count"] = json!(used.completion);
        line["eval_duration"] = json!(eval);
    }
    line
}
