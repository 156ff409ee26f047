//! The neutral form into Ollama's chat.

use std::collections::HashMap;

use super::parts::{arguments, joined, result_text};
use super::to_openai::function;
use super::{Target, TranslateError, inexpressible};
use crate::conversation::{
    Call, Conversation, Effort, Format, Given, Image, Part, Reasoning, Role, ToolChoice, Turn,
};
use crate::json::{Writer, object};

pub(super) fn write(conversation: &Conversation<'_>, target: &Target<'_>) -> Result<Vec<u8>, TranslateError> {
    check(conversation)?;
    let calls = conversation.calls();
    let choice = conversation.tool_choice.as_ref().map(|given| &given.value);
    Ok(object(|w| {
        w.text_member("model", target.model);
        w.list_member("messages", |w| {
            conversation.turns.iter().for_each(|turn| messages(w, turn, &calls));
        });
        // Ollama streams unless told otherwise.
        w.member("stream", &conversation.stream);
        if !conversation.tools.is_empty() && choice != Some(&ToolChoice::None) {
            w.list_member("tools", |w| conversation.tools.iter().for_each(|tool| function(w, tool)));
        }
        match &conversation.format {
            Some(Given { value: Format::Json, .. }) => w.text_member("format", "json"),
            Some(Given { value: Format::Schema { schema, .. }, .. }) => w.member("format", schema),
            None => {}
        }
        match conversation.reasoning.as_ref().map(|given| given.value) {
            None | Some(Reasoning::Adaptive) => {}
            Some(reasoning) => w.member("think", &(reasoning != Reasoning::Off && !hardly(reasoning))),
        }
        options(w, conversation);
    }))
}

/// Models of Ollama think or do not think; the least effort is not to.
fn hardly(reasoning: Reasoning) -> bool {
    matches!(reasoning, Reasoning::Effort(Effort::Minimal) | Reasoning::Budget(0))
}

/// Refuses what Ollama cannot be told.
fn check(conversation: &Conversation<'_>) -> Result<(), TranslateError> {
    if let Some(Given { at, value: ToolChoice::Required | ToolChoice::Tool(_) }) = &conversation.tool_choice {
        return Err(inexpressible(at, "Ollama cannot be made to call a tool"));
    }
    if let Some(Given { at, value: false }) = &conversation.parallel_tool_calls
        && !conversation.tools.is_empty()
    {
        return Err(inexpressible(at, "Ollama calls as many tools at once as it likes"));
    }
    for part in conversation.turns.iter().flat_map(|turn| &turn.parts) {
        match part {
            Part::Image(Given { at, value: Image::Url(_) }) => {
                return Err(inexpressible(at, "Ollama fetches no images; they have to be in the request"));
            }
            Part::Result(result) => drop(result_text(result)?),
            _ => {}
        }
    }
    Ok(())
}

fn messages(w: &mut Writer<'_>, turn: &Turn<'_>, calls: &HashMap<&str, &str>) {
    for part in &turn.parts {
        if let Part::Result(result) = part {
            w.object(|w| {
                w.text_member("role", "tool");
                w.optional("tool_name", calls.get(result.id.as_ref()));
                w.member("tool_call_id", &result.id);
                let text = result_text(result).unwrap_or_default();
                let prefix = if result.is_error { "Error: " } else { "" };
                w.text_member("content", &format!("{prefix}{text}"));
            });
        }
    }
    if !turn.parts.is_empty() && turn.parts.iter().all(|part| matches!(part, Part::Result(_))) {
        return;
    }
    w.object(|w| {
        let role = match turn.role {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        w.member("role", role);
        let texts = turn.parts.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.as_ref()),
            _ => None,
        });
        w.text_member("content", &joined(texts));
        let images = turn.parts.iter().filter_map(|part| match part {
            Part::Image(Given { value: Image::Data { data, .. }, .. }) => Some(data),
            _ => None,
        });
        let images: Vec<_> = images.collect();
        if !images.is_empty() {
            w.member("images", &images);
        }
        let calls = turn.parts.iter().filter_map(|part| match part {
            Part::Call(call) => Some(call),
            _ => None,
        });
        let calls: Vec<_> = calls.collect();
        if !calls.is_empty() {
            w.list_member("tool_calls", |w| calls.into_iter().for_each(|one| call(w, one)));
        }
    });
}

fn call(w: &mut Writer<'_>, call: &Call<'_>) {
    w.object(|w| {
        w.text_member("id", &call.id);
        w.object_member("function", |w| {
            w.text_member("name", &call.name);
            w.member("arguments", &arguments(&call.arguments));
        });
    });
}

fn options(w: &mut Writer<'_>, conversation: &Conversation<'_>) {
    let sampling = &conversation.sampling;
    w.object_member("options", |w| {
        w.optional("num_predict", conversation.max_tokens);
        w.optional("temperature", sampling.temperature.as_ref().map(|given| given.value));
        w.optional("top_p", sampling.top_p.as_ref().map(|given| given.value));
        w.optional("top_k", sampling.top_k.as_ref().map(|given| given.value));
        w.optional("seed", sampling.seed.as_ref().map(|given| given.value));
        w.optional("frequency_penalty", sampling.frequency_penalty.as_ref().map(|given| given.value));
        w.optional("presence_penalty", sampling.presence_penalty.as_ref().map(|given| given.value));
        if !conversation.stop.is_empty() {
            w.member("stop", &conversation.stop);
        }
    });
}
