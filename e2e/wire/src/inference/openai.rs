//! `POST /chat/completions`, as OpenAI and those who are compatible with it speak it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::answer::{Answer, CREATED, Call, Finish, Usage, pieces_of};
use super::question::{Choice, Question, Tool, limit, list, required, text};
use super::stream::{Frame, Frames};
use crate::providers::Provider;

/// Reads a request.
pub(crate) fn read(body: &Value) -> Result<Question, String> {
    let messages = list(body, "messages")?;
    let said = messages.last().filter(|last| last["role"] == "user").map(|last| text(&last["content"]));
    Ok(Question {
        model: required(body, "model")?,
        stream: body["stream"] == true,
        include_usage: body["stream_options"]["include_usage"] == true,
        said: said.unwrap_or_default(),
        prompt_bytes: messages.iter().map(|message| text(&message["content"]).len()).sum(),
        tools: tools(body),
        choice: choice(&body["tool_choice"]),
        schema: schema(&body["response_format"]),
        max_tokens: limit(body, &["max_completion_tokens", "max_tokens"]),
    })
}

/// The tools of a request; Ollama writes them in the same way.
pub(crate) fn tools(body: &Value) -> Vec<Tool> {
    let listed = body["tools"].as_array().into_iter().flatten();
    listed
        .filter_map(|tool| {
            let function = &tool["function"];
            let name = function["name"].as_str()?.to_owned();
            Some(Tool { name, schema: function["parameters"].clone() })
        })
        .collect()
}

fn choice(value: &Value) -> Choice {
    match (value.as_str(), value["function"]["name"].as_str()) {
        (_, Some(name)) => Choice::Named(name.to_owned()),
        (Some("none"), _) => Choice::Never,
        (Some("required" | "any"), _) => Choice::Any,
        _ => Choice::Auto,
    }
}

fn schema(format: &Value) -> Option<Value> {
    match format["type"].as_str()? {
        "json_object" => Some(json!({})),
        "json_schema" => Some(format["json_schema"]["schema"].clone()),
        _ => None,
    }
}

/// The answer in one piece.
pub(crate) fn whole(answer: &Answer) -> Value {
    let mut message = json!({"role": "assistant", "content": answer.text(), "refusal": null});
    if !answer.calls.is_empty() {
        message["content"] = Value::Null;
        message["tool_calls"] = answer
            .calls
            .iter()
            .map(|call| {
                json!({"id": call_id(call), "type": "function",
                       "function": {"name": call.name, "arguments": call.arguments.to_string()}})
            })
            .collect();
    }
    let mut body = json!({
        "id": id(answer), "object": "chat.completion", "created": CREATED, "model": answer.model,
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": finish(answer)}],
    });
    if let Some(used) = &answer.usage {
        body["usage"] = usage(used);
    }
    body
}

/// The answer as server-sent events.
pub(crate) fn frames(answer: &Arc<Answer>, include_usage: bool, provider: Provider) -> Frames {
    let mut first = Vec::new();
    if provider == Provider::OpenRouter {
        // A comment, which keeps the connection open; a client has to skip it.
        first.push(Frame::other(": still at work\n\n".to_owned()));
    }
    let content = if answer.calls.is_empty() { json!("") } else { Value::Null };
    let role = json!({"role": "assistant", "content": content});
    first.push(Frame::other(event(&chunk(answer, include_usage, role))));
    let of_calls = calls(answer, include_usage);
    let last = end(answer, include_usage, provider);
    let said = Arc::clone(answer);
    let texts = (0..answer.pieces.len())
        .map(move |index| event(&chunk(&said, include_usage, json!({"content": said.piece(index)}))))
        .map(Frame::token);
    Box::new(first.into_iter().chain(texts).chain(of_calls).chain(last))
}

fn chunk(answer: &Answer, include_usage: bool, delta: Value) -> Value {
    let mut chunk = json!({
        "id": id(answer), "object": "chat.completion.chunk", "created": CREATED, "model": answer.model,
        "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": null}],
    });
    if include_usage {
        chunk["usage"] = Value::Null;
    }
    chunk
}

/// The calls: each begins with its name, and its arguments follow in pieces.
fn calls(answer: &Answer, include_usage: bool) -> Vec<Frame> {
    let mut frames = Vec::new();
    for (index, call) in answer.calls.iter().enumerate() {
        let begin = json!({"index": index, "id": call_id(call), "type": "function",
                           "function": {"name": call.name, "arguments": ""}});
        frames.push(Frame::other(event(&chunk(answer, include_usage, json!({"tool_calls": [begin]})))));
        for piece in pieces_of(&call.arguments.to_string()) {
            let part = json!({"index": index, "function": {"arguments": piece}});
            frames.push(Frame::token(event(&chunk(answer, include_usage, json!({"tool_calls": [part]})))));
        }
    }
    frames
}

/// Why the answer ends, and what was counted.
fn end(answer: &Answer, include_usage: bool, provider: Provider) -> Vec<Frame> {
    let mut finished = chunk(answer, include_usage, json!({}));
    finished["choices"][0]["finish_reason"] = json!(finish(answer));
    if let (Provider::Groq, Some(used)) = (provider, &answer.usage) {
        finished["x_groq"] = json!({"id": id(answer), "usage": usage(used)});
    }
    let mut frames = vec![Frame::other(event(&finished))];
    if let (true, Some(used)) = (include_usage, &answer.usage) {
        let mut counted = chunk(answer, include_usage, Value::Null);
        counted["choices"] = json!([]);
        counted["usage"] = usage(used);
        frames.push(Frame::other(event(&counted)));
    }
    frames.push(Frame::other("data: [DONE]\n\n".to_owned()));
    frames
}

/// One server-sent event without a name.
pub(crate) fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}

fn id(answer: &Answer) -> String {
    format!("chatcmpl-{}", answer.id)
}

fn call_id(call: &Call) -> String {
    format!("call_{}", call.id)
}

fn finish(answer: &Answer) -> &'static str {
    match answer.finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::Tools => "tool_calls",
    }
}

fn usage(used: &Usage) -> Value {
    json!({
        "prompt_tokens": used.prompt, "completion_tokens": used.completion,
        "total_tokens": used.prompt + used.completion,
        "prompt_tokens_details": {"cached_tokens": used.cached},
        "completion_tokens_details": {"reasoning_tokens": 0},
    })
}
