//! Answers of Anthropic's messages.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{NotUnderstood, count};
use crate::error::embedded;
use crate::event::Event;
use crate::finish::Finish;
use crate::usage::{Usage, sum};

#[derive(Deserialize)]
struct Piece<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    index: Option<u64>,
    #[serde(borrow)]
    message: Option<Message<'a>>,
    #[serde(borrow)]
    content_block: Option<Block<'a>>,
    #[serde(borrow)]
    delta: Option<Delta<'a>>,
    usage: Option<Counts>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
    #[serde(borrow)]
    content: Option<Vec<Block<'a>>>,
    #[serde(borrow)]
    stop_reason: Option<Cow<'a, str>>,
    usage: Option<Counts>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    thinking: Option<Cow<'a, str>>,
    #[serde(borrow)]
    signature: Option<Cow<'a, str>>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    thinking: Option<Cow<'a, str>>,
    #[serde(borrow)]
    signature: Option<Cow<'a, str>>,
    #[serde(borrow)]
    partial_json: Option<Cow<'a, str>>,
    #[serde(borrow)]
    stop_reason: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Counts {
    #[serde(default, deserialize_with = "count")]
    input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    output_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    cache_read_input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    cache_creation_input_tokens: Option<u64>,
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Deserialize)]
struct OutputDetails {
    #[serde(default, deserialize_with = "count")]
    thinking_tokens: Option<u64>,
}

/// The state of one stream.
#[derive(Default)]
pub(crate) struct Reader {
    /// The block's index of each call.
    calls: Vec<u64>,
    /// Input counts as they were last said; later reports may leave some out.
    fresh: Option<u64>,
    read: Option<u64>,
    written: Option<u64>,
}

impl Reader {
    pub(super) fn piece(&mut self, data: &str, events: &mut Vec<Event>) -> Result<(), NotUnderstood> {
        let piece: Piece<'_> = serde_json::from_str(data)?;
        match piece.kind.as_ref() {
            "message_start" => {
                if let Some(message) = piece.message {
                    self.message(message, events);
                }
            }
            "content_block_start" => {
                if let Some(block) = piece.content_block {
                    self.block(block, piece.index.unwrap_or(0), false, events);
                }
            }
            "content_block_delta" => {
                if let Some(delta) = piece.delta {
                    self.delta(delta, piece.index.unwrap_or(0), events);
                }
            }
            "message_delta" => {
                let usage = piece.usage.map(|counts| self.usage(&counts));
                events.extend(usage.map(Event::Usage));
                let reason = piece.delta.and_then(|delta| delta.stop_reason);
                events.extend(reason.map(|reason| Event::Finish(Finish::of_anthropic(&reason))));
            }
            "message_stop" => events.push(Event::End),
            "error" => events.push(Event::Error(embedded(data))),
            _ => {}
        }
        Ok(())
    }

    fn message(&mut self, message: Message<'_>, events: &mut Vec<Event>) {
        events.push(Event::Started {
            id: message.id.map(Cow::into_owned),
            model: message.model.map(Cow::into_owned),
        });
        for (index, block) in (0..).zip(message.content.unwrap_or_default()) {
            self.block(block, index, true, events);
        }
        let usage = message.usage.map(|counts| self.usage(&counts));
        events.extend(usage.map(Event::Usage));
        events.extend(message.stop_reason.map(|reason| Event::Finish(Finish::of_anthropic(&reason))));
    }

    /// A block; in a stream a call's input is empty at first and comes in pieces.
    fn block(&mut self, block: Block<'_>, at: u64, whole: bool, events: &mut Vec<Event>) {
        match block.kind.as_ref() {
            "text" => {
                let text = block.text.filter(|text| !text.is_empty());
                events.extend(text.map(|text| Event::Text(text.into_owned())));
            }
            "thinking" => {
                let text = block.thinking.filter(|text| !text.is_empty());
                events.extend(text.map(|text| Event::Reasoning(text.into_owned())));
                let seal = block.signature.filter(|seal| !seal.is_empty());
                events.extend(seal.map(|seal| Event::Signature(seal.into_owned())));
            }
            "tool_use" => {
                let index = self.calls.len();
                self.calls.push(at);
                events.push(Event::Call {
                    index,
                    id: block.id.map(Cow::into_owned),
                    name: block.name.map(Cow::into_owned).unwrap_or_default(),
                    signature: None,
                });
                let input = block.input.map(RawValue::get).filter(|input| whole || *input != "{}");
                events.extend(input.map(|text| Event::Arguments { index, text: text.to_owned() }));
            }
            _ => {}
        }
    }

    fn delta(&mut self, delta: Delta<'_>, at: u64, events: &mut Vec<Event>) {
        events.extend(delta.text.map(|text| Event::Text(text.into_owned())));
        events.extend(delta.thinking.map(|text| Event::Reasoning(text.into_owned())));
        events.extend(delta.signature.map(|seal| Event::Signature(seal.into_owned())));
        if let Some(text) = delta.partial_json.filter(|text| !text.is_empty())
            && let Some(index) = self.calls.iter().rposition(|known| *known == at)
        {
            events.push(Event::Arguments { index, text: text.into_owned() });
        }
    }

    fn usage(&mut self, counts: &Counts) -> Usage {
        self.fresh = counts.input_tokens.or(self.fresh);
        self.read = counts.cache_read_input_tokens.or(self.read);
        self.written = counts.cache_creation_input_tokens.or(self.written);
        let input = self.fresh.and_then(|_| sum(&[self.fresh, self.read, self.written]));
        Usage {
            input_tokens: input,
            output_tokens: counts.output_tokens,
            cached_input_tokens: self.read,
            cache_write_tokens: self.written,
            reasoning_tokens: counts.output_tokens_details.as_ref().and_then(|out| out.thinking_tokens),
        }
    }
}

/// A whole answer; false when it is no message.
pub(super) fn answer(data: &str, events: &mut Vec<Event>) -> Result<bool, NotUnderstood> {
    let message: Message<'_> = serde_json::from_str(data)?;
    if message.error.is_some() {
        events.push(Event::Error(embedded(data)));
        return Ok(true);
    }
    // A message may be empty: the model had nothing to say after a tool's result.
    let any = message.content.is_some();
    Reader::default().message(message, events);
    Ok(any)
}
