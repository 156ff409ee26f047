//! OpenAI's chat completions into the neutral form.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::TranslateError;
use super::parts::{image_of_url, number, number_or_zero};
use crate::conversation::{
    Call, Conversation, Effort, Format, Given, Part, Reasoning, Role, Sampling, Tool, ToolChoice, ToolResult,
};
use crate::json::{Object, list, text, wrong};

/// Members of a request that do not change the answer.
const HARMLESS: &[&str] = &[
    "model",
    "store",
    "metadata",
    "service_tier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "stream_options",
];

pub(super) fn read(body: &str) -> Result<Conversation<'_>, TranslateError> {
    let mut request = Object::read(body, "")?;
    let mut conversation = Conversation::default();
    let messages = request.list("messages")?.ok_or_else(|| wrong("/messages", "a list"))?;
    for (at, raw) in messages {
        message(&mut conversation, raw, &at)?;
    }
    for (at, raw) in request.list("tools")?.unwrap_or_default() {
        conversation.tools.push(tool(raw, &at)?);
    }
    conversation.tool_choice = tool_choice(&mut request)?;
    let at = request.pointer("parallel_tool_calls");
    let parallel = request.flag("parallel_tool_calls")?;
    conversation.parallel_tool_calls = parallel.map(|value| Given { at, value });
    conversation.format = format(&mut request)?;
    let older = request.count("max_tokens")?;
    conversation.max_tokens = request.count("max_completion_tokens")?.or(older);
    conversation.stop = stop(&mut request)?;
    conversation.sampling = Sampling {
        temperature: number(&mut request, "temperature")?,
        top_p: number(&mut request, "top_p")?,
        top_k: number(&mut request, "top_k")?,
        seed: number(&mut request, "seed")?,
        frequency_penalty: number_or_zero(&mut request, "frequency_penalty")?,
        presence_penalty: number_or_zero(&mut request, "presence_penalty")?,
    };
    conversation.reasoning = reasoning(&mut request)?;
    let identifier = request.text("safety_identifier")?;
    conversation.user = request.text("user")?.or(identifier);
    conversation.stream = request.flag("stream")?.unwrap_or(false);
    defaults(&mut request)?;
    request.ignore(HARMLESS);
    request.finish()?;
    Ok(conversation)
}

/// Lets members go whose value is the default.
fn defaults(request: &mut Object<'_>) -> Result<(), TranslateError> {
    let says = |name, value| super::inexpressible(name, value);
    if request.count("n")?.is_some_and(|count| count != 1) {
        return Err(says("/n", "it gives one answer to a request"));
    }
    if request.flag("logprobs")? == Some(true) {
        return Err(says("/logprobs", "it tells no probabilities"));
    }
    if request.text("verbosity")?.is_some_and(|verbosity| verbosity != "medium") {
        return Err(says("/verbosity", "it has nothing like it"));
    }
    if request.take("logit_bias").is_some_and(|bias| bias.get() != "{}") {
        return Err(says("/logit_bias", "tokens have other numbers there"));
    }
    let kinds = request.list("modalities")?.unwrap_or_default();
    match kinds.iter().find(|(_, kind)| kind.get() != "\"text\"") {
        Some((at, _)) => Err(says(at, "answers are texts there")),
        None => Ok(()),
    }
}

fn message<'a>(
    conversation: &mut Conversation<'a>,
    raw: &'a RawValue,
    at: &str,
) -> Result<(), TranslateError> {
    let mut message = Object::read(raw.get(), at)?;
    let role = message.needed_text("role")?;
    match role.as_ref() {
        "system" | "developer" => {
            let parts = content(&mut message)?;
            message.ignore(&["name"]);
            conversation.say(Role::System, parts);
        }
        "user" => {
            let parts = content(&mut message)?;
            conversation.say(Role::User, parts);
        }
        "assistant" => {
            let mut parts = content(&mut message)?;
            parts.extend(message.text("refusal")?.map(Part::Text));
            for (at, raw) in message.list("tool_calls")?.unwrap_or_default() {
                parts.push(Part::Call(call(raw, &at)?));
            }
            message.ignore(&[
                "annotations",
                "reasoning",
                "reasoning_content",
                "reasoning_details",
                "logprobs",
            ]);
            conversation.say(Role::Assistant, parts);
        }
        "tool" => {
            let id = message.needed_text("tool_call_id")?;
            let parts = content(&mut message)?;
            message.ignore(&["name"]);
            let result = ToolResult { at: at.to_owned(), id, parts, is_error: false };
            conversation.say(Role::User, vec![Part::Result(result)]);
        }
        "function" => {
            return Err(super::inexpressible(
                &message.pointer("role"),
                "tools have taken the place of functions",
            ));
        }
        _ => return Err(wrong(&message.pointer("role"), "system, developer, user, assistant or tool")),
    }
    message.finish()
}

fn content<'a>(message: &mut Object<'a>) -> Result<Vec<Part<'a>>, TranslateError> {
    let at = message.pointer("content");
    let Some(raw) = message.take("content") else { return Ok(Vec::new()) };
    if let Some(text) = text(raw.get()) {
        return Ok(vec![Part::Text(text)]);
    }
    list(raw, &at)?.into_iter().map(|(at, raw)| part(raw, &at)).collect()
}

fn part<'a>(raw: &'a RawValue, at: &str) -> Result<Part<'a>, TranslateError> {
    let mut object = Object::read(raw.get(), at)?;
    object.ignore(&["cache_control", "annotations"]);
    let kind = object.needed_text("type")?;
    let part = match kind.as_ref() {
        "text" => Part::Text(object.needed_text("text")?),
        "refusal" => Part::Text(object.needed_text("refusal")?),
        "image_url" => {
            let missing = || wrong(&format!("{at}/image_url"), "an object with `url`");
            let mut image = object.object("image_url")?.ok_or_else(missing)?;
            // How closely the model looks: a hint, which others decide themselves.
            image.ignore(&["detail"]);
            let value = image_of_url(image.needed_text("url")?, &image.pointer("url"))?;
            let at = image.pointer("url");
            image.finish()?;
            Part::Image(Given { at, value })
        }
        _ => return Err(super::inexpressible(at, "only texts and images can be translated")),
    };
    object.finish()?;
    Ok(part)
}

fn call<'a>(raw: &'a RawValue, at: &str) -> Result<Call<'a>, TranslateError> {
    let mut object = Object::read(raw.get(), at)?;
    let id = object.needed_text("id")?;
    function_type(&mut object)?;
    let missing = || wrong(&format!("{at}/function"), "an object");
    let mut function = object.object("function")?.ok_or_else(missing)?;
    let name = function.needed_text("name")?;
    let arguments = function.text("arguments")?.unwrap_or(Cow::Borrowed("{}"));
    if super::parts::arguments(&arguments).is_none() {
        return Err(wrong(&function.pointer("arguments"), "the text of a JSON object"));
    }
    function.finish()?;
    // Where Google's own OpenAI endpoint keeps it, too.
    let mut signature = None;
    if let Some(mut extra) = object.object("extra_content")?
        && let Some(mut google) = extra.object("google")?
    {
        signature = google.text("thought_signature")?;
    }
    object.ignore(&["index"]);
    object.finish()?;
    Ok(Call { id, name, arguments, signature })
}

fn function_type(object: &mut Object<'_>) -> Result<(), TranslateError> {
    match object.text("type")? {
        Some(kind) if kind != "function" => {
            Err(super::inexpressible(&object.pointer("type"), "only functions can be translated"))
        }
        _ => Ok(()),
    }
}

fn tool<'a>(raw: &'a RawValue, at: &str) -> Result<Tool<'a>, TranslateError> {
    let mut object = Object::read(raw.get(), at)?;
    object.ignore(&["cache_control"]);
    function_type(&mut object)?;
    let missing = || wrong(&format!("{at}/function"), "an object");
    let mut function = object.object("function")?.ok_or_else(missing)?;
    let tool = Tool {
        name: function.needed_text("name")?,
        description: function.text("description")?,
        schema: function.take("parameters"),
        strict: function.flag("strict")?,
    };
    function.finish()?;
    object.finish()?;
    Ok(tool)
}

fn tool_choice<'a>(request: &mut Object<'a>) -> Result<Option<Given<ToolChoice<'a>>>, TranslateError> {
    let at = request.pointer("tool_choice");
    let Some(raw) = request.take("tool_choice") else { return Ok(None) };
    let value = match text(raw.get()).as_deref() {
        Some("auto") => ToolChoice::Auto,
        Some("none") => ToolChoice::None,
        Some("required" | "any") => ToolChoice::Required,
        Some(_) => return Err(wrong(&at, "auto, none, required or a function")),
        None => {
            let mut choice = Object::read(raw.get(), &at)?;
            function_type(&mut choice)?;
            let missing = || wrong(&format!("{at}/function"), "an object");
            let mut function = choice.object("function")?.ok_or_else(missing)?;
            let name = function.needed_text("name")?;
            function.finish()?;
            choice.finish()?;
            ToolChoice::Tool(name)
        }
    };
    Ok(Some(Given { at, value }))
}

fn format<'a>(request: &mut Object<'a>) -> Result<Option<Given<Format<'a>>>, TranslateError> {
    let Some(mut object) = request.object("response_format")? else { return Ok(None) };
    let at = object.at.clone();
    let kind = object.needed_text("type")?;
    let value = match kind.as_ref() {
        "text" => None,
        "json_object" => Some(Format::Json),
        "json_schema" => {
            let missing = || wrong(&format!("{at}/json_schema"), "an object with `schema`");
            let mut inner = object.object("json_schema")?.ok_or_else(missing)?;
            let schema = inner.take("schema").ok_or_else(missing)?;
            let name = inner.text("name")?;
            let description = inner.text("description")?;
            let strict = inner.flag("strict")?;
            inner.finish()?;
            Some(Format::Schema { name, description, schema, strict })
        }
        _ => return Err(super::inexpressible(&at, "only JSON and JSON schemas can be translated")),
    };
    object.finish()?;
    Ok(value.map(|value| Given { at, value }))
}

fn stop<'a>(request: &mut Object<'a>) -> Result<Vec<Cow<'a, str>>, TranslateError> {
    let Some(raw) = request.take("stop") else { return Ok(Vec::new()) };
    if let Some(one) = text(raw.get()) {
        return Ok(vec![one]);
    }
    let items = list(raw, "/stop")?.into_iter();
    items.map(|(at, raw)| text(raw.get()).ok_or_else(|| wrong(&at, "a string"))).collect()
}

fn reasoning(request: &mut Object<'_>) -> Result<Option<Given<Reasoning>>, TranslateError> {
    let at = request.pointer("reasoning_effort");
    let Some(effort) = request.text("reasoning_effort")? else { return Ok(None) };
    let value = match effort.as_ref() {
        "none" => Reasoning::Off,
        "auto" => Reasoning::Adaptive,
        name => Reasoning::Effort(
            Effort::named(name).ok_or_else(|| wrong(&at, "none, minimal, low, medium, high or xhigh"))?,
        ),
    };
    Ok(Some(Given { at, value }))
}
