//! Anthropic's messages into the neutral form.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::TranslateError;
use super::parts::{image_of_url, number};
use crate::conversation::{
    Call, Conversation, Effort, Format, Given, Image, Part, Reasoning, Role, Sampling, Tool, ToolChoice,
    ToolResult,
};
use crate::json::{Object, list, text, wrong};

/// Members of a request that do not change the answer.
const HARMLESS: &[&str] = &["model", "service_tier", "context_management", "cache_control", "inference_geo"];

pub(super) fn read(body: &str) -> Result<Conversation<'_>, TranslateError> {
    let mut request = Object::read(body, "")?;
    let mut conversation = Conversation::default();
    let system = content(&mut request, "system")?;
    if !system.is_empty() {
        conversation.say(Role::System, system);
    }
    let messages = request.list("messages")?.ok_or_else(|| wrong("/messages", "a list"))?;
    for (at, raw) in messages {
        let mut message = Object::read(raw.get(), &at)?;
        let role = match message.needed_text("role")?.as_ref() {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "system" => Role::System,
            _ => return Err(wrong(&message.pointer("role"), "user or assistant")),
        };
        let parts = content(&mut message, "content")?;
        conversation.say(role, parts);
        message.finish()?;
    }
    for (at, raw) in request.list("tools")?.unwrap_or_default() {
        conversation.tools.push(tool(raw, &at)?);
    }
    tool_choice(&mut request, &mut conversation)?;
    conversation.max_tokens = request.count("max_tokens")?;
    for (at, raw) in request.list("stop_sequences")?.unwrap_or_default() {
        conversation.stop.push(text(raw.get()).ok_or_else(|| wrong(&at, "a string"))?);
    }
    conversation.sampling = Sampling {
        temperature: number(&mut request, "temperature")?,
        top_p: number(&mut request, "top_p")?,
        top_k: number(&mut request, "top_k")?,
        ..Sampling::default()
    };
    thinking(&mut request, &mut conversation)?;
    output(&mut request, &mut conversation)?;
    if let Some(mut metadata) = request.object("metadata")? {
        conversation.user = metadata.text("user_id")?;
    }
    conversation.stream = request.flag("stream")?.unwrap_or(false);
    request.ignore(HARMLESS);
    request.finish()?;
    Ok(conversation)
}

/// A text, or a list of blocks.
fn content<'a>(object: &mut Object<'a>, name: &str) -> Result<Vec<Part<'a>>, TranslateError> {
    let at = object.pointer(name);
    let Some(raw) = object.take(name) else { return Ok(Vec::new()) };
    if let Some(text) = text(raw.get()) {
        return Ok(vec![Part::Text(text)]);
    }
    list(raw, &at)?.into_iter().map(|(at, raw)| block(raw, &at)).collect()
}

fn block<'a>(raw: &'a RawValue, at: &str) -> Result<Part<'a>, TranslateError> {
    let mut object = Object::read(raw.get(), at)?;
    object.ignore(&["cache_control"]);
    let kind = object.needed_text("type")?;
    let part = match kind.as_ref() {
        "text" => {
            object.ignore(&["citations"]);
            Part::Text(object.needed_text("text")?)
        }
        "image" => Part::Image(Given { at: at.to_owned(), value: image(&mut object)? }),
        "tool_use" => {
            let input = object.take("input").map_or("{}", RawValue::get);
            if !input.starts_with('{') {
                return Err(wrong(&object.pointer("input"), "an object"));
            }
            object.ignore(&["caller"]);
            Part::Call(Call {
                id: object.needed_text("id")?,
                name: object.needed_text("name")?,
                arguments: Cow::Borrowed(input),
                signature: None,
            })
        }
        "tool_result" => Part::Result(ToolResult {
            at: at.to_owned(),
            id: object.needed_text("tool_use_id")?,
            is_error: object.flag("is_error")?.unwrap_or(false),
            parts: result_content(&mut object)?,
        }),
        "thinking" | "redacted_thinking" => return Ok(Part::Thinking(raw)),
        _ => return Err(super::inexpressible(at, "only texts, images and tools can be translated")),
    };
    object.finish()?;
    Ok(part)
}

/// What a tool gave: texts and images only, so that no content can hold results of results.
fn result_content<'a>(object: &mut Object<'a>) -> Result<Vec<Part<'a>>, TranslateError> {
    let at = object.pointer("content");
    let Some(raw) = object.take("content") else { return Ok(Vec::new()) };
    if let Some(text) = text(raw.get()) {
        return Ok(vec![Part::Text(text)]);
    }
    let mut parts = Vec::new();
    for (at, raw) in list(raw, &at)? {
        let kind = Object::read(raw.get(), &at)?.needed_text("type")?;
        if !matches!(kind.as_ref(), "text" | "image") {
            return Err(super::inexpressible(&at, "results of tools are texts and images"));
        }
        parts.push(block(raw, &at)?);
    }
    Ok(parts)
}

fn image<'a>(block: &mut Object<'a>) -> Result<Image<'a>, TranslateError> {
    let missing = wrong(&block.pointer("source"), "an object");
    let mut source = block.object("source")?.ok_or(missing)?;
    let kind = source.needed_text("type")?;
    let image = match kind.as_ref() {
        "base64" => {
            Image::Data { media_type: source.needed_text("media_type")?, data: source.needed_text("data")? }
        }
        "url" => image_of_url(source.needed_text("url")?, &source.pointer("url"))?,
        _ => return Err(super::inexpressible(&source.at, "uploaded files stay with their provider")),
    };
    source.finish()?;
    Ok(image)
}

fn tool<'a>(raw: &'a RawValue, at: &str) -> Result<Tool<'a>, TranslateError> {
    let mut object = Object::read(raw.get(), at)?;
    object.ignore(&["cache_control", "eager_input_streaming", "input_examples", "allowed_callers"]);
    if object.text("type")?.is_some_and(|kind| kind != "custom") {
        return Err(super::inexpressible(&object.pointer("type"), "the provider's own tools stay with it"));
    }
    let tool = Tool {
        name: object.needed_text("name")?,
        description: object.text("description")?,
        schema: object.take("input_schema"),
        strict: object.flag("strict")?,
    };
    object.finish()?;
    Ok(tool)
}

fn tool_choice<'a>(
    request: &mut Object<'a>,
    conversation: &mut Conversation<'a>,
) -> Result<(), TranslateError> {
    let Some(mut choice) = request.object("tool_choice")? else { return Ok(()) };
    let kind = choice.needed_text("type")?;
    let value = match kind.as_ref() {
        "auto" => ToolChoice::Auto,
        "none" => ToolChoice::None,
        "any" => ToolChoice::Required,
        "tool" => ToolChoice::Tool(choice.needed_text("name")?),
        _ => return Err(wrong(&choice.pointer("type"), "auto, any, tool or none")),
    };
    conversation.tool_choice = Some(Given { at: choice.at.clone(), value });
    let at = choice.pointer("disable_parallel_tool_use");
    let disabled = choice.flag("disable_parallel_tool_use")?;
    conversation.parallel_tool_calls = disabled.map(|disabled| Given { at, value: !disabled });
    choice.finish()
}

fn thinking(request: &mut Object<'_>, conversation: &mut Conversation<'_>) -> Result<(), TranslateError> {
    let Some(mut thinking) = request.object("thinking")? else { return Ok(()) };
    let kind = thinking.needed_text("type")?;
    let value = match kind.as_ref() {
        "enabled" => {
            let missing = wrong(&thinking.pointer("budget_tokens"), "a whole number");
            Reasoning::Budget(thinking.count("budget_tokens")?.ok_or(missing)?)
        }
        "disabled" => Reasoning::Off,
        "adaptive" => Reasoning::Adaptive,
        _ => return Err(wrong(&thinking.pointer("type"), "enabled, disabled or adaptive")),
    };
    conversation.reasoning = Some(Given { at: thinking.at.clone(), value });
    thinking.ignore(&["display"]);
    thinking.finish()
}

/// `output_config`, and `output_format`, which stood beside it before.
fn output<'a>(request: &mut Object<'a>, conversation: &mut Conversation<'a>) -> Result<(), TranslateError> {
    if let Some(format) = request.object("output_format")? {
        conversation.format = Some(schema(format)?);
    }
    let Some(mut config) = request.object("output_config")? else { return Ok(()) };
    if let Some(format) = config.object("format")? {
        conversation.format = Some(schema(format)?);
    }
    let at = config.pointer("effort");
    if let Some(name) = config.text("effort")? {
        let effort = Effort::named(&name).ok_or_else(|| wrong(&at, "low, medium, high or max"))?;
        let off = matches!(&conversation.reasoning, Some(given) if given.value == Reasoning::Off);
        if !off {
            conversation.reasoning = Some(Given { at, value: Reasoning::Effort(effort) });
        }
    }
    config.finish()
}

fn schema<'a>(mut format: Object<'a>) -> Result<Given<Format<'a>>, TranslateError> {
    if format.needed_text("type")? != "json_schema" {
        return Err(wrong(&format.pointer("type"), "json_schema"));
    }
    let missing = wrong(&format.pointer("schema"), "a JSON schema");
    let schema = format.take("schema").ok_or(missing)?;
    let at = format.at.clone();
    format.finish()?;
    let value = Format::Schema { name: None, description: None, schema, strict: Some(true) };
    Ok(Given { at, value })
}
