//! The neutral form into Gemini's generateContent. The model and the stream stand in the path.

use std::collections::HashMap;

use serde_json::value::RawValue;

use super::parts::{arguments, result_text};
use super::{TranslateError, inexpressible};
use crate::conversation::{
    Conversation, Format, Given, Image, Part, Reasoning, Role, ToolChoice, ToolResult, Turn,
};
use crate::json::{Writer, object};

/// Tools' names by the ids of their calls.
type Calls<'c> = HashMap<&'c str, &'c str>;

pub(super) fn write(conversation: &Conversation<'_>) -> Result<Vec<u8>, TranslateError> {
    let calls = conversation.calls();
    check(conversation, &calls)?;
    Ok(object(|w| {
        let system = conversation.system();
        if !system.is_empty() {
            w.object_member("systemInstruction", |w| {
                w.list_member("parts", |w| {
                    system.iter().for_each(|text| w.object(|w| w.text_member("text", text)));
                });
            });
        }
        w.list_member("contents", |w| contents(w, conversation, &calls));
        if !conversation.tools.is_empty() {
            tools(w, conversation);
        }
        let mut config = Vec::new();
        Writer::new(&mut config).object(|w| generation_config(w, conversation));
        if let (true, Ok(config)) = (config.len() > 2, serde_json::from_slice::<&RawValue>(&config)) {
            w.member("generationConfig", config);
        }
    }))
}

/// Refuses what Gemini cannot be told.
fn check(conversation: &Conversation<'_>, calls: &Calls<'_>) -> Result<(), TranslateError> {
    if let Some(Given { at, value: false }) = &conversation.parallel_tool_calls
        && !conversation.tools.is_empty()
    {
        return Err(inexpressible(at, "Gemini calls as many tools at once as it likes"));
    }
    for part in conversation.turns.iter().flat_map(|turn| &turn.parts) {
        match part {
            Part::Image(Given { at, value: Image::Url(_) }) => {
                return Err(inexpressible(at, "Gemini fetches no images; they have to be in the request"));
            }
            Part::Result(result) => {
                result_text(result)?;
                if !calls.contains_key(result.id.as_ref()) {
                    return Err(inexpressible(
                        &result.at,
                        "Gemini wants the tool's name, and no call has this id",
                    ));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn contents(w: &mut Writer<'_>, conversation: &Conversation<'_>, calls: &Calls<'_>) {
    let turns = conversation.turns.iter().filter(|turn| turn.role != Role::System);
    let said: Vec<&Turn<'_>> = turns.collect();
    for group in said.chunk_by(|one, next| one.role == next.role) {
        let parts = group.iter().flat_map(|turn| &turn.parts);
        let skipped = |part: &&Part<'_>| match part {
            Part::Text(text) => text.is_empty(),
            Part::Thinking(_) => true,
            _ => false,
        };
        let parts: Vec<&Part<'_>> = parts.filter(|part| !skipped(part)).collect();
        if parts.is_empty() {
            continue;
        }
        w.object(|w| {
            let model = group.first().is_some_and(|turn| turn.role == Role::Assistant);
            w.member("role", if model { "model" } else { "user" });
            w.list_member("parts", |w| parts.iter().for_each(|one| part(w, one, calls)));
        });
    }
}

fn part(w: &mut Writer<'_>, part: &Part<'_>, calls: &Calls<'_>) {
    match part {
        Part::Text(text) => w.object(|w| w.text_member("text", text)),
        Part::Image(Given { value: Image::Data { media_type, data }, .. }) => w.object(|w| {
            w.object_member("inlineData", |w| {
                w.member("mimeType", media_type);
                w.member("data", data);
            });
        }),
        Part::Call(call) => w.object(|w| {
            w.object_member("functionCall", |w| {
                w.text_member("name", &call.name);
                w.member("args", &arguments(&call.arguments));
            });
            w.optional("thoughtSignature", call.signature.as_ref());
        }),
        Part::Result(result) => {
            let name = calls.get(result.id.as_ref()).copied().unwrap_or_default();
            function_response(w, result, name);
        }
        Part::Image(_) | Part::Thinking(_) => {}
    }
}

/// Gemini wants an object: one that the tool gave, or the text within one.
fn function_response(w: &mut Writer<'_>, result: &ToolResult<'_>, name: &str) {
    let text = result_text(result).unwrap_or_default();
    w.object(|w| {
        w.object_member("functionResponse", |w| {
            w.member("name", name);
            match arguments(&text) {
                Some(given) if !result.is_error && !text.is_empty() => w.member("response", &given),
                _ => w.object_member("response", |w| {
                    w.member(if result.is_error { "error" } else { "result" }, &text);
                }),
            }
        });
    });
}

fn tools(w: &mut Writer<'_>, conversation: &Conversation<'_>) {
    w.list_member("tools", |w| {
        w.object(|w| {
            w.list_member("functionDeclarations", |w| {
                for tool in &conversation.tools {
                    w.object(|w| {
                        w.member("name", &tool.name);
                        w.optional("description", tool.description.as_ref());
                        // `parameters` would take a subset of OpenAPI only.
                        w.optional("parametersJsonSchema", tool.schema);
                    });
                }
            });
        });
    });
    let Some(Given { value, .. }) = &conversation.tool_choice else { return };
    let mode = match value {
        ToolChoice::Auto => "AUTO",
        ToolChoice::None => "NONE",
        ToolChoice::Required | ToolChoice::Tool(_) => "ANY",
    };
    w.object_member("toolConfig", |w| {
        w.object_member("functionCallingConfig", |w| {
            w.member("mode", mode);
            if let ToolChoice::Tool(name) = value {
                w.member("allowedFunctionNames", &[name]);
            }
        });
    });
}

fn generation_config(w: &mut Writer<'_>, conversation: &Conversation<'_>) {
    let sampling = &conversation.sampling;
    w.optional("maxOutputTokens", conversation.max_tokens);
    w.optional("temperature", sampling.temperature.as_ref().map(|given| given.value));
    w.optional("topP", sampling.top_p.as_ref().map(|given| given.value));
    w.optional("topK", sampling.top_k.as_ref().map(|given| given.value));
    w.optional("seed", sampling.seed.as_ref().map(|given| given.value));
    w.optional("frequencyPenalty", sampling.frequency_penalty.as_ref().map(|given| given.value));
    w.optional("presencePenalty", sampling.presence_penalty.as_ref().map(|given| given.value));
    if !conversation.stop.is_empty() {
        w.member("stopSequences", &conversation.stop);
    }
    if let Some(Given { value, .. }) = &conversation.format {
        w.text_member("responseMimeType", "application/json");
        if let Format::Schema { schema, .. } = value {
            w.member("responseJsonSchema", schema);
        }
    }
    let budget = match conversation.reasoning.as_ref().map(|given| given.value) {
        None | Some(Reasoning::Adaptive) => return,
        Some(Reasoning::Off) => 0,
        Some(Reasoning::Effort(effort)) => effort.budget(),
        Some(Reasoning::Budget(tokens)) => tokens,
    };
    w.object_member("thinkingConfig", |w| w.member("thinkingBudget", &budget));
}
