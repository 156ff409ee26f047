//! What an answer consists of, whole or in pieces, whatever the provider's dialect.

use crate::error::Failure;
use crate::finish::Finish;
use crate::usage::Usage;

/// One step of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event {
    /// The answer's id and the model that was served.
    Started { id: Option<String>, model: Option<String> },
    /// Text.
    Text(String),
    /// Thinking, shown to the client where its dialect can.
    Reasoning(String),
    /// Anthropic's seal on the thinking before it.
    Signature(String),
    /// A tool is called; its arguments follow.
    Call { index: usize, id: Option<String>, name: String, signature: Option<String> },
    /// A piece of the JSON text of a call's arguments.
    Arguments { index: usize, text: String },
    /// A refusal's text.
    Refusal(String),
    /// Why the answer ended.
    Finish(Finish),
    /// Counts, cumulative.
    Usage(Usage),
    /// The provider gave up.
    Error(Failure),
    /// The dialect's own mark for the end was seen.
    End,
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct ReplyCall {
    pub(crate) id: Option<String>,
    pub(crate) name: String,
    pub(crate) arguments: String,
    pub(crate) signature: Option<String>,
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Reply {
    pub(crate) id: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) text: String,
    pub(crate) reasoning: String,
    pub(crate) signature: Option<String>,
    pub(crate) refusal: Option<String>,
    pub(crate) calls: Vec<ReplyCall>,
    pub(crate) finish: Option<Finish>,
    pub(crate) usage: Usage,
    pub(crate) error: Option<Failure>,
}

impl Reply {
    /// All events together.
    pub(crate) fn of(events: Vec<Event>) -> Self {
        let mut reply = Self::default();
        for event in events {
            reply.take(event);
        }
        reply
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Started { id, model } => {
                self.id = id.or(self.id.take());
                self.model = model.or(self.model.take());
            }
            Event::Text(text) => self.text.push_str(&text),
            Event::Reasoning(text) => self.reasoning.push_str(&text),
            Event::Signature(seal) => self.signature = Some(seal),
            Event::Refusal(text) => self.refusal.get_or_insert_default().push_str(&text),
            Event::Call { id, name, signature, .. } => {
                self.calls.push(ReplyCall { id, name, signature, ..ReplyCall::default() });
            }
            Event::Arguments { index, text } => {
                if let Some(call) = self.calls.get_mut(index) {
                    call.arguments.push_str(&text);
                }
            }
            Event::Finish(finish) => self.finish = Some(finish),
            Event::Usage(usage) => self.usage.update(&usage),
            Event::Error(failure) => self.error = Some(failure),
            Event::End => {}
        }
    }
}
