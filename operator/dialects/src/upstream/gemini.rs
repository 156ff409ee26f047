//! Answers of Gemini's generateContent; a stream's pieces have the form of whole answers.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{NotUnderstood, count};
use crate::error::{ErrorClass, Failure, embedded};
use crate::event::Event;
use crate::finish::Finish;
use crate::usage::{Usage, sum};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Chunk<'a> {
    #[serde(borrow)]
    candidates: Option<Vec<Candidate<'a>>>,
    #[serde(borrow)]
    prompt_feedback: Option<Feedback<'a>>,
    usage_metadata: Option<Counts>,
    #[serde(borrow)]
    model_version: Option<Cow<'a, str>>,
    #[serde(borrow)]
    response_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feedback<'a> {
    #[serde(borrow)]
    block_reason: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate<'a> {
    #[serde(borrow)]
    content: Option<Content<'a>>,
    #[serde(borrow)]
    finish_reason: Option<Cow<'a, str>>,
    index: Option<u64>,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow)]
    parts: Option<Vec<Part<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    thought: Option<bool>,
    #[serde(borrow)]
    function_call: Option<Call<'a>>,
    thought_signature: Option<String>,
}

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    args: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Counts {
    #[serde(default, deserialize_with = "count")]
    prompt_token_count: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    candidates_token_count: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    thoughts_token_count: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    tool_use_prompt_token_count: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    cached_content_token_count: Option<u64>,
}

impl Counts {
    fn usage(&self) -> Usage {
        Usage {
            input_tokens: sum(&[self.prompt_token_count, self.tool_use_prompt_token_count]),
            output_tokens: sum(&[self.candidates_token_count, self.thoughts_token_count]),
            cached_input_tokens: self.cached_content_token_count,
            cache_write_tokens: None,
            reasoning_tokens: self.thoughts_token_count,
        }
    }
}

/// The state of one stream.
#[derive(Default)]
pub(crate) struct Reader {
    started: bool,
    calls: usize,
}

impl Reader {
    pub(super) fn piece(&mut self, data: &str, events: &mut Vec<Event>) -> Result<(), NotUnderstood> {
        let chunk: Chunk<'_> = serde_json::from_str(data)?;
        self.chunk(chunk, data, events);
        Ok(())
    }

    fn chunk(&mut self, chunk: Chunk<'_>, data: &str, events: &mut Vec<Event>) {
        if chunk.error.is_some() {
            events.push(Event::Error(embedded(data)));
            return;
        }
        if !self.started && (chunk.response_id.is_some() || chunk.model_version.is_some()) {
            self.started = true;
            let (id, model) = (chunk.response_id, chunk.model_version);
            events.push(Event::Started { id: id.map(Cow::into_owned), model: model.map(Cow::into_owned) });
        }
        if let Some(counts) = &chunk.usage_metadata {
            events.push(Event::Usage(counts.usage()));
        }
        if chunk.prompt_feedback.is_some_and(|feedback| feedback.block_reason.is_some()) {
            events.push(Event::Finish(Finish::ContentFilter));
        }
        let candidates = chunk.candidates.unwrap_or_default().into_iter();
        for candidate in candidates.filter(|candidate| candidate.index.unwrap_or(0) == 0) {
            for part in candidate.content.and_then(|content| content.parts).unwrap_or_default() {
                self.part(part, events);
            }
            let reason = candidate.finish_reason.filter(|reason| !reason.is_empty());
            if let Some("MALFORMED_FUNCTION_CALL" | "UNEXPECTED_TOOL_CALL") = reason.as_deref() {
                events.push(Event::Error(no_call()));
                return;
            }
            events.extend(reason.map(|reason| Event::Finish(Finish::of_gemini(&reason, self.calls > 0))));
        }
    }

    /// A part; a call comes whole, mostly without an id.
    fn part(&mut self, part: Part<'_>, events: &mut Vec<Event>) {
        if let Some(text) = part.text.filter(|text| !text.is_empty()) {
            let text = text.into_owned();
            events.push(if part.thought == Some(true) { Event::Reasoning(text) } else { Event::Text(text) });
        }
        if let Some(call) = part.function_call {
            let index = self.calls;
            self.calls += 1;
            events.push(Event::Call {
                index,
                id: call.id.filter(|id| !id.is_empty()).map(Cow::into_owned),
                name: call.name.into_owned(),
                signature: part.thought_signature,
            });
            let text = call.args.map_or("{}", RawValue::get).to_owned();
            events.push(Event::Arguments { index, text });
        }
    }
}

/// The model meant to call a tool and wrote something else, which the provider keeps to itself: there is no answer.
fn no_call() -> Failure {
    Failure {
        class: ErrorClass::Malformed,
        status: None,
        code: None,
        message: "the provider's model wrote a call of a tool that is none".to_owned(),
        retry_after: None,
    }
}

/// A whole answer; false when there is no candidate and no reason for that.
pub(super) fn answer(data: &str, events: &mut Vec<Event>) -> Result<bool, NotUnderstood> {
    let chunk: Chunk<'_> = serde_json::from_str(data)?;
    let blocked = chunk.prompt_feedback.as_ref().is_some_and(|feedback| feedback.block_reason.is_some());
    let any =
        chunk.error.is_some() || blocked || chunk.candidates.as_ref().is_some_and(|all| !all.is_empty());
    Reader::default().chunk(chunk, data, events);
    Ok(any)
}
