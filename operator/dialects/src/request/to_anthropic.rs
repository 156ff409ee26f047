//! The neutral form into Anthropic's messages.

use super::parts::{arguments, value_of};
use super::{Target, TranslateError, inexpressible, refuse};
use crate::conversation::{Conversation, Format, Given, Image, Part, Reasoning, Role, ToolChoice, Turn};
use crate::json::{Writer, object};

/// The least thinking that Anthropic accepts, in tokens.
const LEAST_BUDGET: u64 = 1024;

pub(super) fn write(conversation: &Conversation<'_>, target: &Target<'_>) -> Result<Vec<u8>, TranslateError> {
    let max_tokens = conversation.max_tokens.unwrap_or(target.default_max_tokens);
    let thinking = thinking(conversation, max_tokens);
    check(conversation, thinking.is_some())?;
    let sampling = &conversation.sampling;
    Ok(object(|w| {
        w.text_member("model", target.model);
        w.member("max_tokens", &max_tokens);
        let system = conversation.system();
        if !system.is_empty() {
            w.member("system", &system.join("\n\n"));
        }
        w.list_member("messages", |w| messages(w, &conversation.turns));
        if !conversation.tools.is_empty() {
            tools(w, conversation);
        }
        if !conversation.stop.is_empty() {
            w.member("stop_sequences", &conversation.stop);
        }
        w.optional("temperature", sampling.temperature.as_ref().map(|given| given.value));
        w.optional("top_p", sampling.top_p.as_ref().map(|given| given.value));
        w.optional("top_k", sampling.top_k.as_ref().map(|given| given.value));
        if let Some(tokens) = thinking {
            w.object_member("thinking", |w| {
                w.text_member("type", "enabled");
                w.member("budget_tokens", &tokens);
            });
        }
        if let Some(Given { value: Format::Schema { schema, .. }, .. }) = &conversation.format {
            w.object_member("output_config", |w| {
                w.object_member("format", |w| {
                    w.text_member("type", "json_schema");
                    w.member("schema", schema);
                });
            });
        }
        if let Some(user) = &conversation.user {
            w.object_member("metadata", |w| w.member("user_id", user));
        }
        if conversation.stream {
            w.member("stream", &true);
        }
    }))
}

/// Refuses what Anthropic cannot be told.
fn check(conversation: &Conversation<'_>, thinks: bool) -> Result<(), TranslateError> {
    let sampling = &conversation.sampling;
    refuse(sampling.seed.as_ref(), "Anthropic knows no `seed`")?;
    refuse(sampling.frequency_penalty.as_ref(), "Anthropic knows no penalties")?;
    refuse(sampling.presence_penalty.as_ref(), "Anthropic knows no penalties")?;
    if let Some(given) = &sampling.temperature {
        let value = value_of(given.value).unwrap_or(0.0);
        if value > 1.0 {
            return Err(inexpressible(&given.at, "Anthropic's temperature ends at 1"));
        }
        if thinks && value < 1.0 {
            return Err(inexpressible(&given.at, "Anthropic takes no temperature while it thinks"));
        }
    }
    if let (Some(given), true) = (&conversation.tool_choice, thinks)
        && matches!(given.value, ToolChoice::Required | ToolChoice::Tool(_))
    {
        return Err(inexpressible(&given.at, "Anthropic cannot be made to call a tool while it thinks"));
    }
    match &conversation.format {
        Some(Given { at, value: Format::Json }) => {
            Err(inexpressible(at, "Anthropic follows a JSON schema, and has no free JSON mode"))
        }
        _ => Ok(()),
    }
}

/// The budget for thinking. None where it does not fit under the output limit, and where the last answer called tools
/// and its thinking is not there: Anthropic wants that back, and another dialect's client never had it.
fn thinking(conversation: &Conversation<'_>, max_tokens: u64) -> Option<u64> {
    let wanted = match conversation.reasoning.as_ref()?.value {
        Reasoning::Off | Reasoning::Adaptive => return None,
        Reasoning::Effort(effort) => effort.budget(),
        Reasoning::Budget(tokens) => tokens,
    };
    let last = conversation.turns.iter().rev().find(|turn| turn.role == Role::Assistant);
    let called = last.is_some_and(|turn| {
        let has = |wanted: fn(&Part<'_>) -> bool| turn.parts.iter().any(wanted);
        has(|part| matches!(part, Part::Call(_))) && !has(|part| matches!(part, Part::Thinking(_)))
    });
    let budget = wanted.min(max_tokens.saturating_sub(1));
    (!called && budget >= LEAST_BUDGET).then_some(budget)
}

/// The turns without the system's; sides that follow each other after that are joined.
fn messages(w: &mut Writer<'_>, turns: &[Turn<'_>]) {
    let said: Vec<&Turn<'_>> = turns.iter().filter(|turn| turn.role != Role::System).collect();
    for group in said.chunk_by(|one, next| one.role == next.role) {
        let role = match group.first().map(|turn| turn.role) {
            Some(Role::Assistant) => "assistant",
            _ => "user",
        };
        let parts = group.iter().flat_map(|turn| &turn.parts);
        // Anthropic refuses empty texts, and wants results before all else.
        let parts = parts.filter(|part| !matches!(part, Part::Text(text) if text.is_empty()));
        let (results, others): (Vec<_>, Vec<_>) = parts.partition(|part| matches!(part, Part::Result(_)));
        if results.is_empty() && others.is_empty() {
            continue;
        }
        w.object(|w| {
            w.member("role", role);
            w.list_member("content", |w| results.into_iter().chain(others).for_each(|one| block(w, one)));
        });
    }
}

fn block(w: &mut Writer<'_>, part: &Part<'_>) {
    match part {
        Part::Thinking(raw) => w.value(raw),
        Part::Text(text) => w.object(|w| {
            w.text_member("type", "text");
            w.text_member("text", text);
        }),
        Part::Image(image) => w.object(|w| {
            w.text_member("type", "image");
            w.object_member("source", |w| match &image.value {
                Image::Data { media_type, data } => {
                    w.text_member("type", "base64");
                    w.member("media_type", media_type);
                    w.member("data", data);
                }
                Image::Url(url) => {
                    w.text_member("type", "url");
                    w.member("url", url);
                }
            });
        }),
        Part::Call(call) => w.object(|w| {
            w.text_member("type", "tool_use");
            w.text_member("id", &call.id);
            w.text_member("name", &call.name);
            w.member("input", &arguments(&call.arguments));
        }),
        Part::Result(result) => w.object(|w| {
            w.text_member("type", "tool_result");
            w.member("tool_use_id", &result.id);
            if result.is_error {
                w.member("is_error", &true);
            }
            w.list_member("content", |w| {
                let parts = result.parts.iter();
                let said = parts.filter(|part| !matches!(part, Part::Text(text) if text.is_empty()));
                said.for_each(|part| block(w, part));
            });
        }),
    }
}

fn tools(w: &mut Writer<'_>, conversation: &Conversation<'_>) {
    w.list_member("tools", |w| {
        for tool in &conversation.tools {
            w.object(|w| {
                w.member("name", &tool.name);
                w.optional("description", tool.description.as_ref());
                w.name("input_schema");
                match tool.schema {
                    Some(schema) => w.value(schema),
                    None => w.object(|w| w.text_member("type", "object")),
                }
            });
        }
    });
    let one_at_a_time = matches!(&conversation.parallel_tool_calls, Some(Given { value: false, .. }));
    let choice = conversation.tool_choice.as_ref().map(|given| &given.value);
    if choice.is_none() && !one_at_a_time {
        return;
    }
    w.object_member("tool_choice", |w| {
        match choice {
            None | Some(ToolChoice::Auto) => w.text_member("type", "auto"),
            Some(ToolChoice::None) => w.text_member("type", "none"),
            Some(ToolChoice::Required) => w.text_member("type", "any"),
            Some(ToolChoice::Tool(name)) => {
                w.text_member("type", "tool");
                w.member("name", name);
            }
        }
        if one_at_a_time && choice != Some(&ToolChoice::None) {
            w.member("disable_parallel_tool_use", &true);
        }
    });
}
