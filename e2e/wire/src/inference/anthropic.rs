//! `POST /messages`, as Anthropic speaks it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::answer::{Answer, Finish, Usage, pieces_of};
use super::question::{Choice, Question, Tool, limit, list, required, text};
use super::stream::{Frame, Frames};

/// Reads a request.
pub(crate) fn read(body: &Value) -> Result<Question, String> {
    let messages = list(body, "messages")?;
    let max_tokens = limit(body, &["max_tokens"]).ok_or("`max_tokens` must be a number")?;
    let said = messages.last().filter(|last| last["role"] == "user" && !has_result(&last["content"]));
    let in_messages: usize = messages.iter().map(|message| text(&message["content"]).len()).sum();
    Ok(Question {
        model: required(body, "model")?,
        stream: body["stream"] == true,
        include_usage: true,
        said: said.map(|last| text(&last["content"])).unwrap_or_default(),
        prompt_bytes: in_messages + text(&body["system"]).len(),
        tools: tools(body),
        choice: match body["tool_choice"]["type"].as_str() {
            Some("none") => Choice::Never,
            Some("any") => Choice::Any,
            Some("tool") => {
                Choice::Named(body["tool_choice"]["name"].as_str().unwrap_or_default().to_owned())
            }
            _ => Choice::Auto,
        },
        schema: body["output_config"]["format"].get("schema").cloned(),
        max_tokens: Some(max_tokens),
    })
}

fn has_result(content: &Value) -> bool {
    content.as_array().into_iter().flatten().any(|part| part["type"] == "tool_result")
}

fn tools(body: &Value) -> Vec<Tool> {
    let listed = body["tools"].as_array().into_iter().flatten();
    listed
        .filter_map(|tool| {
            Some(Tool { name: tool["name"].as_str()?.to_owned(), schema: tool["input_schema"].clone() })
        })
        .collect()
}

/// The answer in one piece.
pub(crate) fn whole(answer: &Answer) -> Value {
    let content: Vec<Value> = if answer.calls.is_empty() {
        vec![json!({"type": "text", "text": answer.text()})]
    } else {
        (answer.calls.iter())
            .map(|call| {
                json!({"type": "tool_use", "id": format!("toolu_{}", call.id), "name": call.name, "input": call.arguments})
            })
            .collect()
    };
    let mut body = message(answer);
    body["content"] = json!(content);
    body["stop_reason"] = json!(stop_reason(answer));
    if let Some(used) = &answer.usage {
        body["usage"] = usage(used, used.completion);
    }
    body
}

/// A message of which nothing has been said yet.
fn message(answer: &Answer) -> Value {
    json!({
        "id": format!("msg_{}", answer.id), "type": "message", "role": "assistant", "model": answer.model,
        "content": [], "stop_reason": null, "stop_sequence": null,
    })
}

/// The answer as named server-sent events.
pub(crate) fn frames(answer: &Arc<Answer>) -> Frames {
    let mut start = message(answer);
    if let Some(used) = &answer.usage {
        start["usage"] = usage(used, 1);
    }
    let first = [json!({"type": "message_start", "message": start}), json!({"type": "ping"})].map(other);
    let (mut before, mut after) = (Vec::from(first), Vec::new());
    if answer.calls.is_empty() {
        before.push(begin(0, &json!({"type": "text", "text": ""})));
        after.push(stop(0));
    }
    for (index, call) in answer.calls.iter().enumerate() {
        let id = format!("toolu_{}", call.id);
        after.push(begin(index, &json!({"type": "tool_use", "id": id, "name": call.name, "input": {}})));
        for piece in pieces_of(&call.arguments.to_string()) {
            after.push(delta(index, &json!({"type": "input_json_delta", "partial_json": piece})));
        }
        after.push(stop(index));
    }
    let reason = json!({"stop_reason": stop_reason(answer), "stop_sequence": null});
    let mut end = json!({"type": "message_delta", "delta": reason});
    if let Some(used) = &answer.usage {
        end["usage"] = json!({"output_tokens": used.completion});
    }
    after.extend([other(end), other(json!({"type": "message_stop"}))]);
    let said = Arc::clone(answer);
    let texts = (0..answer.pieces.len())
        .map(move |index| delta(0, &json!({"type": "text_delta", "text": said.piece(index)})));
    Box::new(before.into_iter().chain(texts).chain(after))
}

fn other(data: Value) -> Frame {
    Frame::other(event(&data))
}

fn begin(index: usize, block: &Value) -> Frame {
    other(json!({"type": "content_block_start", "index": index, "content_block": block}))
}

fn delta(index: usize, delta: &Value) -> Frame {
    Frame::token(event(&json!({"type": "content_block_delta", "index": index, "delta": delta})))
}

fn stop(index: usize) -> Frame {
    other(json!({"type": "content_block_stop", "index": index}))
}

/// One server-sent event, named as its data names itself.
fn event(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or_default())
}

fn stop_reason(answer: &Answer) -> &'static str {
    match answer.finish {
        Finish::Stop => "end_turn",
        Finish::Length => "max_tokens",
        Finish::Tools => "tool_use",
    }
}

/// What comes from the cache is not in `input_tokens`.
fn usage(used: &Usage, output: usize) -> Value {
    json!({
        "input_tokens": used.prompt - used.cached, "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": used.cached, "output_tokens": output,
    })
}
