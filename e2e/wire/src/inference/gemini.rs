//! `POST /models/{id}:generateContent` and `:streamGenerateContent?alt=sse`, as Google's Gemini API speaks it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::answer::{Answer, Finish, Usage};
use super::openai::event;
use super::question::{Choice, Question, Tool, limit, list, text};
use super::stream::{Frame, Frames};

/// Reads a request. Its path names the model and whether it streams.
pub(crate) fn read(body: &Value, model: &str, stream: bool) -> Result<Question, String> {
    let contents = list(body, "contents")?;
    let said = contents.last().filter(|last| last["role"] != "model" && !has_result(&last["parts"]));
    let in_contents: usize = contents.iter().map(|content| text(&content["parts"]).len()).sum();
    let config = &body["generationConfig"];
    let json = config["responseMimeType"] == "application/json";
    let schema =
        [&config["responseJsonSchema"], &config["responseSchema"]].into_iter().find(|s| s.is_object());
    Ok(Question {
        model: model.to_owned(),
        stream,
        include_usage: true,
        said: said.map(|last| text(&last["parts"])).unwrap_or_default(),
        prompt_bytes: in_contents + text(&body["systemInstruction"]["parts"]).len(),
        tools: tools(body),
        choice: choice(&body["toolConfig"]["functionCallingConfig"]),
        schema: json.then(|| schema.cloned().unwrap_or_else(|| json!({}))),
        max_tokens: limit(config, &["maxOutputTokens"]),
    })
}

fn has_result(parts: &Value) -> bool {
    parts.as_array().into_iter().flatten().any(|part| part["functionResponse"].is_object())
}

fn tools(body: &Value) -> Vec<Tool> {
    let groups = body["tools"].as_array().into_iter().flatten();
    let listed = groups.flat_map(|group| group["functionDeclarations"].as_array().into_iter().flatten());
    listed
        .filter_map(|tool| {
            let schema = tool.get("parameters").or_else(|| tool.get("parametersJsonSchema"));
            Some(Tool {
                name: tool["name"].as_str()?.to_owned(),
                schema: schema.cloned().unwrap_or_default(),
            })
        })
        .collect()
}

fn choice(config: &Value) -> Choice {
    match (config["mode"].as_str(), config["allowedFunctionNames"][0].as_str()) {
        (Some("NONE"), _) => Choice::Never,
        (Some("ANY"), Some(name)) => Choice::Named(name.to_owned()),
        (Some("ANY"), None) => Choice::Any,
        _ => Choice::Auto,
    }
}

/// The answer in one piece.
pub(crate) fn whole(answer: &Answer) -> Value {
    let parts = if answer.calls.is_empty() { json!([{"text": answer.text()}]) } else { calls(answer) };
    response(answer, parts, true, answer.usage)
}

/// The answer as server-sent events; each repeats what has been used so far, and the last ends the answer.
pub(crate) fn frames(answer: &Arc<Answer>) -> Frames {
    if !answer.calls.is_empty() || answer.pieces.is_empty() {
        return Box::new(std::iter::once(Frame::token(event(&whole(answer)))));
    }
    let count = answer.pieces.len();
    let said = Arc::clone(answer);
    Box::new((0..count).map(move |index| {
        let so_far = said.usage.map(|used| Usage { completion: index + 1, ..used });
        let parts = json!([{"text": said.piece(index)}]);
        Frame::token(event(&response(&said, parts, index + 1 == count, so_far)))
    }))
}

fn calls(answer: &Answer) -> Value {
    answer
        .calls
        .iter()
        .map(|call| json!({"functionCall": {"name": call.name, "args": call.arguments}}))
        .collect()
}

fn response(answer: &Answer, parts: Value, last: bool, used: Option<Usage>) -> Value {
    let mut candidate = json!({"content": {"parts": parts, "role": "model"}, "index": 0});
    if last {
        let reason = if answer.finish == Finish::Length { "MAX_TOKENS" } else { "STOP" };
        candidate["finishReason"] = json!(reason);
    }
    let mut body = json!({"candidates": [candidate], "modelVersion": answer.model, "responseId": answer.id});
    if let Some(used) = used {
        body["usageMetadata"] = json!({
            "promptTokenCount": used.prompt, "cachedContentTokenCount": used.cached,
            "candidatesTokenCount": used.completion, "totalTokenCount": used.prompt + used.completion,
        });
    }
    body
}
