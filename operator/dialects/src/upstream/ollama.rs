//! Answers of Ollama's chat; a stream's lines have the form of whole answers.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{NotUnderstood, count};
use crate::error::embedded;
use crate::event::Event;
use crate::finish::Finish;
use crate::usage::Usage;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
    #[serde(borrow)]
    message: Option<Message<'a>>,
    done: Option<bool>,
    #[serde(borrow)]
    done_reason: Option<Cow<'a, str>>,
    #[serde(default, deserialize_with = "count")]
    prompt_eval_count: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    eval_count: Option<u64>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    content: Option<Cow<'a, str>>,
    #[serde(borrow)]
    thinking: Option<Cow<'a, str>>,
    #[serde(borrow)]
    tool_calls: Option<Vec<Call<'a>>>,
}

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    function: Function<'a>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

/// The state of one stream.
#[derive(Default)]
pub(crate) struct Reader {
    started: bool,
    calls: usize,
}

impl Reader {
    pub(super) fn piece(&mut self, data: &str, events: &mut Vec<Event>) -> Result<(), NotUnderstood> {
        let line: Line<'_> = serde_json::from_str(data)?;
        self.line(line, data, events);
        Ok(())
    }

    fn line(&mut self, line: Line<'_>, data: &str, events: &mut Vec<Event>) {
        if line.error.is_some() {
            events.push(Event::Error(embedded(data)));
            return;
        }
        if !self.started && line.model.is_some() {
            self.started = true;
            events.push(Event::Started { id: None, model: line.model.map(Cow::into_owned) });
        }
        if let Some(message) = line.message {
            self.message(message, events);
        }
        let usage = Usage {
            input_tokens: line.prompt_eval_count,
            output_tokens: line.eval_count,
            ..Usage::default()
        };
        if !usage.is_empty() {
            events.push(Event::Usage(usage));
        }
        if line.done == Some(true) {
            let reason = line.done_reason.as_deref().unwrap_or_default();
            events.push(Event::Finish(Finish::of_ollama(reason, self.calls > 0)));
            events.push(Event::End);
        }
    }

    fn message(&mut self, message: Message<'_>, events: &mut Vec<Event>) {
        let said = |text: Option<Cow<'_, str>>| text.filter(|text| !text.is_empty()).map(Cow::into_owned);
        events.extend(said(message.thinking).map(Event::Reasoning));
        events.extend(said(message.content).map(Event::Text));
        for call in message.tool_calls.unwrap_or_default() {
            let index = self.calls;
            self.calls += 1;
            let name = call.function.name.into_owned();
            events.push(Event::Call { index, id: said(call.id), name, signature: None });
            let text = call.function.arguments.map_or("{}", RawValue::get).to_owned();
            events.push(Event::Arguments { index, text });
        }
    }
}

/// A whole answer; false when there is no message.
pub(super) fn answer(data: &str, events: &mut Vec<Event>) -> Result<bool, NotUnderstood> {
    let line: Line<'_> = serde_json::from_str(data)?;
    let any = line.error.is_some() || line.message.is_some();
    Reader::default().line(line, data, events);
    Ok(any)
}
