//! The neutral form into OpenAI's chat completions.

use super::parts::{joined, result_text};
use super::{Target, TranslateError, refuse};
use crate::conversation::{
    Call, Conversation, Effort, Format, Given, Image, Part, Reasoning, Role, Tool, ToolChoice, Turn,
};
use crate::json::{Writer, object};

pub(super) fn write(conversation: &Conversation<'_>, target: &Target<'_>) -> Result<Vec<u8>, TranslateError> {
    let sampling = &conversation.sampling;
    refuse(sampling.top_k.as_ref(), "chat completions know no `top_k`")?;
    let results = results(conversation)?;
    Ok(object(|w| {
        w.text_member("model", target.model);
        w.list_member("messages", |w| {
            let mut results = results.iter();
            for turn in &conversation.turns {
                message(w, turn, &mut results);
            }
        });
        if !conversation.tools.is_empty() {
            w.list_member("tools", |w| conversation.tools.iter().for_each(|tool| function(w, tool)));
        }
        if let (Some(choice), false) = (&conversation.tool_choice, conversation.tools.is_empty()) {
            tool_choice(w, &choice.value);
        }
        if let (Some(Given { value: false, .. }), false) =
            (&conversation.parallel_tool_calls, conversation.tools.is_empty())
        {
            w.member("parallel_tool_calls", &false);
        }
        if let Some(Given { value, .. }) = &conversation.format {
            w.object_member("response_format", |w| format(w, value));
        }
        let limit = if target.max_completion_tokens { "max_completion_tokens" } else { "max_tokens" };
        w.optional(limit, conversation.max_tokens);
        if !conversation.stop.is_empty() {
            w.member("stop", &conversation.stop);
        }
        w.optional("temperature", sampling.temperature.as_ref().map(|given| given.value));
        w.optional("top_p", sampling.top_p.as_ref().map(|given| given.value));
        w.optional("seed", sampling.seed.as_ref().map(|given| given.value));
        w.optional("frequency_penalty", sampling.frequency_penalty.as_ref().map(|given| given.value));
        w.optional("presence_penalty", sampling.presence_penalty.as_ref().map(|given| given.value));
        // "Off" stays out: only models that always think know the word `none`, and not all of those.
        match conversation.reasoning.as_ref().map(|given| given.value) {
            Some(Reasoning::Effort(effort)) => w.member("reasoning_effort", effort.as_str()),
            Some(Reasoning::Budget(tokens)) => {
                w.member("reasoning_effort", Effort::of_budget(tokens).as_str());
            }
            Some(Reasoning::Off | Reasoning::Adaptive) | None => {}
        }
        w.optional("user", conversation.user.as_ref());
        if conversation.stream {
            w.member("stream", &true);
        }
        if conversation.stream && target.ask_usage {
            w.object_member("stream_options", |w| w.member("include_usage", &true));
        }
    }))
}

/// The texts of all results in their order: what can fail, before anything is written.
fn results(conversation: &Conversation<'_>) -> Result<Vec<String>, TranslateError> {
    let parts = conversation.turns.iter().flat_map(|turn| &turn.parts);
    let results = parts.filter_map(|part| match part {
        Part::Result(result) => Some(result),
        _ => None,
    });
    results.map(|result| result_text(result).map(std::borrow::Cow::into_owned)).collect()
}

fn message(w: &mut Writer<'_>, turn: &Turn<'_>, results: &mut std::slice::Iter<'_, String>) {
    match turn.role {
        Role::System => {
            let texts = turn.parts.iter().filter_map(text);
            w.object(|w| {
                w.text_member("role", "system");
                w.text_member("content", &joined(texts));
            });
        }
        Role::User => user(w, turn, results),
        Role::Assistant => w.object(|w| {
            w.text_member("role", "assistant");
            let said = joined(turn.parts.iter().filter_map(text));
            w.member("content", &(!said.is_empty()).then_some(said));
            let calls = turn.parts.iter().filter_map(|part| match part {
                Part::Call(call) => Some(call),
                _ => None,
            });
            let mut calls = calls.peekable();
            if calls.peek().is_some() {
                w.list_member("tool_calls", |w| calls.for_each(|one| call(w, one)));
            }
        }),
    }
}

/// Results are messages of their own and come first: they belong to the calls right before.
fn user(w: &mut Writer<'_>, turn: &Turn<'_>, results: &mut std::slice::Iter<'_, String>) {
    let mut rest = Vec::new();
    for part in &turn.parts {
        if let Part::Result(result) = part {
            w.object(|w| {
                w.text_member("role", "tool");
                w.member("tool_call_id", &result.id);
                let text = results.next().map(String::as_str).unwrap_or_default();
                // Chat completions have no flag for a failed tool; the model reads it.
                let prefix = if result.is_error { "Error: " } else { "" };
                w.text_member("content", &format!("{prefix}{text}"));
            });
        } else {
            rest.push(part);
        }
    }
    if rest.is_empty() && !turn.parts.is_empty() {
        return;
    }
    w.object(|w| {
        w.text_member("role", "user");
        match rest.as_slice() {
            [] => w.text_member("content", ""),
            [Part::Text(text)] => w.text_member("content", text),
            parts => w.list_member("content", |w| parts.iter().for_each(|one| part(w, one))),
        }
    });
}

fn text<'p>(part: &'p Part<'_>) -> Option<&'p str> {
    match part {
        Part::Text(text) => Some(text.as_ref()),
        _ => None,
    }
}

fn part(w: &mut Writer<'_>, part: &Part<'_>) {
    match part {
        Part::Text(text) => w.object(|w| {
            w.text_member("type", "text");
            w.text_member("text", text);
        }),
        Part::Image(image) => w.object(|w| {
            w.text_member("type", "image_url");
            w.object_member("image_url", |w| match &image.value {
                Image::Url(url) => w.member("url", url),
                Image::Data { media_type, data } => {
                    w.member("url", &format!("data:{media_type};base64,{data}"));
                }
            });
        }),
        Part::Call(_) | Part::Result(_) | Part::Thinking(_) => {}
    }
}

fn call(w: &mut Writer<'_>, call: &Call<'_>) {
    w.object(|w| {
        w.text_member("id", &call.id);
        w.text_member("type", "function");
        w.object_member("function", |w| {
            w.text_member("name", &call.name);
            w.text_member("arguments", &call.arguments);
        });
    });
}

/// A tool; Ollama writes it the same way.
pub(super) fn function(w: &mut Writer<'_>, tool: &Tool<'_>) {
    w.object(|w| {
        w.text_member("type", "function");
        w.object_member("function", |w| {
            w.member("name", &tool.name);
            w.optional("description", tool.description.as_ref());
            w.optional("parameters", tool.schema);
            w.optional("strict", tool.strict);
        });
    });
}

fn tool_choice(w: &mut Writer<'_>, choice: &ToolChoice<'_>) {
    match choice {
        ToolChoice::Auto => w.text_member("tool_choice", "auto"),
        ToolChoice::None => w.text_member("tool_choice", "none"),
        ToolChoice::Required => w.text_member("tool_choice", "required"),
        ToolChoice::Tool(name) => w.object_member("tool_choice", |w| {
            w.text_member("type", "function");
            w.object_member("function", |w| w.member("name", name));
        }),
    }
}

fn format(w: &mut Writer<'_>, format: &Format<'_>) {
    match format {
        Format::Json => w.text_member("type", "json_object"),
        Format::Schema { name, description, schema, strict } => {
            w.text_member("type", "json_schema");
            w.object_member("json_schema", |w| {
                w.member("name", name.as_deref().unwrap_or("answer"));
                w.optional("description", description.as_ref());
                w.member("schema", schema);
                w.optional("strict", *strict);
            });
        }
    }
}
