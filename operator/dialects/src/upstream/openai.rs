//! Answers of OpenAI's chat completions, as the many servers that speak them write them.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{NotUnderstood, count};
use crate::error::embedded;
use crate::event::Event;
use crate::finish::Finish;
use crate::json::text;
use crate::usage::Usage;

#[derive(Default, Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
    #[serde(borrow)]
    choices: Option<Vec<Choice<'a>>>,
    usage: Option<Counts>,
    /// Where Groq's streams have their usage.
    x_groq: Option<Groq>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Groq {
    usage: Option<Counts>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    index: Option<u64>,
    #[serde(borrow)]
    delta: Option<Message<'a>>,
    #[serde(borrow)]
    message: Option<Message<'a>>,
    #[serde(borrow)]
    finish_reason: Option<Cow<'a, str>>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow)]
    refusal: Option<Cow<'a, str>>,
    #[serde(borrow)]
    tool_calls: Option<Vec<Call<'a>>>,
}

#[derive(Deserialize)]
struct Call<'a> {
    index: Option<u64>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    function: Option<Function<'a>>,
    extra_content: Option<Extra>,
}

#[derive(Deserialize)]
struct Extra {
    google: Option<Google>,
}

#[derive(Deserialize)]
struct Google {
    thought_signature: Option<String>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

/// Part of a content that is a list, as Mistral's thinking models write it.
#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    thinking: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Counts {
    #[serde(default, deserialize_with = "count")]
    prompt_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    completion_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    total_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    prompt_cache_hit_tokens: Option<u64>,
    prompt_tokens_details: Option<InputDetails>,
    completion_tokens_details: Option<OutputDetails>,
}

#[derive(Deserialize)]
struct InputDetails {
    #[serde(default, deserialize_with = "count")]
    cached_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    cache_write_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct OutputDetails {
    #[serde(default, deserialize_with = "count")]
    reasoning_tokens: Option<u64>,
}

impl Counts {
    fn usage(&self) -> Usage {
        let input = self.prompt_tokens_details.as_ref();
        let reasoning = self.completion_tokens_details.as_ref().and_then(|details| details.reasoning_tokens);
        // xAI counts reasoning apart; its total gives it away.
        let apart = match (self.prompt_tokens, self.completion_tokens, self.total_tokens, reasoning) {
            (Some(prompt), Some(completion), Some(total), Some(reasoning)) if reasoning > 0 => {
                total.checked_sub(prompt).and_then(|rest| rest.checked_sub(completion)) == Some(reasoning)
            }
            _ => false,
        };
        let extra = if apart { reasoning.unwrap_or(0) } else { 0 };
        Usage {
            input_tokens: self.prompt_tokens,
            output_tokens: self.completion_tokens.map(|tokens| tokens.saturating_add(extra)),
            cached_input_tokens: input
                .and_then(|details| details.cached_tokens)
                .or(self.prompt_cache_hit_tokens),
            cache_write_tokens: input.and_then(|details| details.cache_write_tokens),
            reasoning_tokens: reasoning,
        }
    }
}

/// The state of one stream.
#[derive(Default)]
pub(crate) struct Reader {
    started: bool,
    /// Whether texts and calls are passed over: of an answer that goes on as it came they would be copies.
    brief: bool,
    /// The provider's index and id of each call.
    calls: Vec<(u64, String)>,
}

impl Reader {
    pub(super) fn piece(&mut self, data: &str, events: &mut Vec<Event>) -> Result<(), NotUnderstood> {
        if data.trim() == "[DONE]" {
            events.push(Event::End);
            return Ok(());
        }
        let chunk: Chunk<'_> = serde_json::from_str(data)?;
        self.chunk(chunk, data, events);
        Ok(())
    }

    fn chunk(&mut self, chunk: Chunk<'_>, data: &str, events: &mut Vec<Event>) {
        if !self.started && (chunk.id.is_some() || chunk.model.is_some()) {
            self.started = true;
            let id = chunk.id.filter(|id| !id.is_empty()).map(Cow::into_owned);
            let model = chunk.model.filter(|model| !model.is_empty()).map(Cow::into_owned);
            events.push(Event::Started { id, model });
        }
        let counts = chunk.usage.as_ref().or(chunk.x_groq.as_ref().and_then(|groq| groq.usage.as_ref()));
        if let Some(usage) = counts.map(Counts::usage).filter(|usage| !usage.is_empty()) {
            events.push(Event::Usage(usage));
        }
        if chunk.error.is_some() {
            events.push(Event::Error(embedded(data)));
            return;
        }
        for choice in chunk.choices.unwrap_or_default() {
            if let Some(error) = choice.error {
                events.push(Event::Error(embedded(&format!("{{\"error\":{}}}", error.get()))));
                continue;
            }
            // Of several answers the first one counts; translations ask for one only.
            if choice.index.unwrap_or(0) == 0
                && let Some(message) = choice.delta.or(choice.message)
            {
                self.message(message, events);
            }
            match choice.finish_reason.as_deref() {
                None | Some("") => {}
                Some("error") => events.push(Event::Error(embedded(data))),
                Some(reason) => events.push(Event::Finish(Finish::of_openai(reason))),
            }
        }
    }

    fn message(&mut self, message: Message<'_>, events: &mut Vec<Event>) {
        if self.brief {
            return refusal(message.refusal, events);
        }
        let reasoning = message.reasoning_content.or(message.reasoning).and_then(|raw| text(raw.get()));
        if let Some(text) = reasoning.filter(|text| !text.is_empty()) {
            events.push(Event::Reasoning(text.into_owned()));
        }
        if let Some(raw) = message.content {
            content(raw, events);
        }
        refusal(message.refusal, events);
        for call in message.tool_calls.unwrap_or_default() {
            self.call(call, events);
        }
    }

    /// A call begins with an id; its pieces have the index, and some servers give every call the index 0.
    fn call(&mut self, call: Call<'_>, events: &mut Vec<Event>) {
        let id = call.id.filter(|id| !id.is_empty()).map(Cow::into_owned).unwrap_or_default();
        let name = call.function.as_ref().and_then(|function| function.name.as_deref()).unwrap_or_default();
        let same = |(index, known): &(u64, String)| {
            call.index.is_none_or(|wanted| wanted == *index) && (id.is_empty() || *known == id)
        };
        let known = match (call.index, id.is_empty() && !name.is_empty()) {
            // Whole calls without index and id: each is a new one.
            (None, true) => None,
            _ => self.calls.iter().rposition(same),
        };
        let index = known.unwrap_or(self.calls.len());
        if known.is_none() {
            self.calls.push((call.index.unwrap_or(0), id.clone()));
            let google = call.extra_content.and_then(|extra| extra.google);
            events.push(Event::Call {
                index,
                id: (!id.is_empty()).then_some(id),
                name: name.to_owned(),
                signature: google.and_then(|google| google.thought_signature),
            });
        }
        let arguments = call.function.and_then(|function| function.arguments);
        if let Some(raw) = arguments.filter(|raw| raw.get() != "null") {
            // A text by the book; some servers write the object itself.
            let text = text(raw.get()).unwrap_or(Cow::Borrowed(raw.get())).into_owned();
            if !text.is_empty() {
                events.push(Event::Arguments { index, text });
            }
        }
    }
}

fn refusal(text: Option<Cow<'_, str>>, events: &mut Vec<Event>) {
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        events.push(Event::Refusal(text.into_owned()));
    }
}

fn content(raw: &RawValue, events: &mut Vec<Event>) {
    if let Some(text) = text(raw.get()) {
        if !text.is_empty() {
            events.push(Event::Text(text.into_owned()));
        }
        return;
    }
    let Ok(parts) = serde_json::from_str::<Vec<Part<'_>>>(raw.get()) else { return };
    for part in parts {
        match (part.kind.as_deref(), part.text, part.thinking) {
            (Some("thinking"), _, Some(thinking)) => {
                let mut inner = Vec::new();
                content(thinking, &mut inner);
                events.extend(inner.into_iter().map(|event| match event {
                    Event::Text(text) => Event::Reasoning(text),
                    other => other,
                }));
            }
            (_, Some(text), _) if !text.is_empty() => events.push(Event::Text(text.into_owned())),
            _ => {}
        }
    }
}

/// A whole answer; false when it has no choices and no error.
pub(super) fn answer(data: &str, events: &mut Vec<Event>) -> Result<bool, NotUnderstood> {
    whole(Reader::default(), data, events)
}

/// As [`answer`], without texts and calls.
pub(super) fn facts(data: &str, events: &mut Vec<Event>) -> Result<bool, NotUnderstood> {
    whole(Reader { brief: true, ..Reader::default() }, data, events)
}

fn whole(mut reader: Reader, data: &str, events: &mut Vec<Event>) -> Result<bool, NotUnderstood> {
    let chunk: Chunk<'_> = serde_json::from_str(data)?;
    let any = chunk.error.is_some() || chunk.choices.as_ref().is_some_and(|choices| !choices.is_empty());
    reader.chunk(chunk, data, events);
    Ok(any)
}

/// An answer of embeddings: of it only model and usage matter here.
pub(super) fn embeddings(data: &str, events: &mut Vec<Event>) -> Result<bool, NotUnderstood> {
    #[derive(Deserialize)]
    struct Vectors<'a> {
        #[serde(borrow)]
        id: Option<Cow<'a, str>>,
        #[serde(borrow)]
        model: Option<Cow<'a, str>>,
        usage: Option<Counts>,
        #[serde(borrow)]
        error: Option<&'a RawValue>,
        data: Option<Vec<serde::de::IgnoredAny>>,
    }
    let Vectors { id, model, usage, error, data: vectors } = serde_json::from_str(data)?;
    let any = error.is_some() || vectors.is_some_and(|vectors| !vectors.is_empty());
    Reader::default().chunk(Chunk { id, model, usage, error, ..Chunk::default() }, data, events);
    Ok(any)
}
