//! Streams: passed through while their facts are read, or translated.
//!
//! The caller gives upstream bytes as they come and sends on what comes out, at once. A 200 whose media type is not the
//! dialect's ([`Dialect::stream_media_type`]) is no stream: it belongs to [`crate::answer`].
//!
//! A provider's signs of life (comments, pings) pass through and are not translated; a client that needs some gets its
//! own from the caller, between two calls of [`StreamTranslator::push`].
//!
//! To fall back before the first token, keep the output until [`StreamFacts::first_token`] is true, and throw it away
//! when [`StreamFacts::error`] comes first.

mod check;
mod frames;
mod valid;
mod watch;

pub use frames::{FrameError, LONGEST_FRAME, StreamReader, whole_events};

use crate::answer::{ClientContext, Signal};
use crate::client;
use crate::dialect::Dialect;
use crate::error::{ErrorClass, Failure, error_event};
use crate::event::Event;
use crate::finish::Finish;
use crate::upstream::Reader;
use crate::usage::Usage;
use check::Check;
use watch::Watch;

/// What has been seen of a stream so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamFacts {
    /// Whether anything of the answer came: text, reasoning, a refusal, a call of a tool.
    pub first_token: bool,
    /// Tokens, as last reported.
    pub usage: Usage,
    /// Why the answer ended.
    pub finish: Option<Finish>,
    /// The answer's id, by the provider's own word.
    pub id: Option<String>,
    /// The model that answers, by the provider's own word.
    pub served_model: Option<String>,
    /// What went wrong: an error within the stream, a piece that is none, an end without an answer, or a cut (after
    /// [`StreamTranslator::finish`]).
    pub error: Option<Failure>,
    /// Whether the dialect's mark for the end was seen.
    pub ended: bool,
    refused: bool,
}

impl StreamFacts {
    fn take(&mut self, event: &Event) {
        match event {
            Event::Started { id, model } => {
                self.id = id.clone().or(self.id.take());
                self.served_model = model.clone().or(self.served_model.take());
            }
            Event::Text(_) | Event::Reasoning(_) | Event::Call { .. } => self.first_token = true,
            Event::Refusal(_) => (self.first_token, self.refused) = (true, true),
            Event::Finish(finish) => self.finish = Some(finish.clone()),
            Event::Usage(usage) => self.usage.update(usage),
            Event::Error(failure) => self.fail(failure.clone()),
            Event::End => self.ended = true,
            _ => {}
        }
        if self.refused && self.finish == Some(Finish::Stop) {
            self.finish = Some(Finish::Refusal);
        }
        if self.ended && !self.first_token && self.finish.is_none() {
            self.fail(failure(ErrorClass::Empty, "the provider's stream ended without an answer"));
        }
    }

    /// The first failure stays: the others follow from it.
    fn fail(&mut self, failure: Failure) {
        self.error.get_or_insert(failure);
    }
}

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With the dialect's mark, or, for Gemini, which has none, after a reason for the end.
    Clean,
    /// After a reason for the end, without OpenAI's `[DONE]`, which some servers never send: the answer is whole.
    Unterminated,
    /// With an error, which the client was told.
    Failed,
    /// In the middle: the client was told by an error event, and got no mark for a good end.
    Cut,
}

/// How a stream is treated.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamOptions {
    /// What the client's stream says and the provider's does not; for translations.
    pub context: ClientContext,
    /// Whether an OpenAI client asked for usage (`stream_options.include_usage`); for translations.
    pub include_usage: bool,
    /// Whether the extra chunk with usage is withheld ([`crate::request::Rewritten::withhold_usage`]); for streams that
    /// are passed through.
    pub withhold_usage: bool,
    /// Whether JSON was asked for, so that the answer's text is checked as it passes.
    pub json: bool,
    /// Whether tools were offered, so that the arguments of calls are.
    pub tools: bool,
}

/// Takes a provider's stream and gives the client's.
pub struct StreamTranslator {
    from: Dialect,
    to: Dialect,
    reader: StreamReader,
    upstream: Reader,
    mode: Mode,
    facts: StreamFacts,
    /// Only where something is to be checked: each piece is read then.
    check: Option<Box<Check>>,
    decision_id: String,
    /// Whether the client's stream got its last event.
    closed: bool,
}

enum Mode {
    /// The same bytes.
    Watch(Watch),
    OpenAi(client::openai::StreamWriter),
    Anthropic(client::anthropic::StreamWriter),
}

impl StreamTranslator {
    /// A stream of `from`, the provider's dialect, for a client of `to`. The same dialect twice passes through. None
    /// when there is no such translation: clients speak OpenAI chat or Anthropic messages.
    #[must_use]
    pub fn new(from: Dialect, to: Dialect, options: StreamOptions) -> Option<Self> {
        let decision_id = options.context.id.clone();
        let check = (options.json || options.tools).then(|| Box::new(Check::new(options.json)));
        let mode = match (from, to) {
            (Dialect::OpenAiEmbeddings, _) => return None,
            _ if from == to => Mode::Watch(Watch::new(from, options.withhold_usage)),
            (_, Dialect::OpenAiChat) => {
                Mode::OpenAi(client::openai::StreamWriter::new(options.context, options.include_usage))
            }
            (_, Dialect::AnthropicMessages) => {
                Mode::Anthropic(client::anthropic::StreamWriter::new(options.context))
            }
            _ => return None,
        };
        Some(Self {
            from,
            to,
            reader: StreamReader::new(from),
            upstream: Reader::new(from),
            mode,
            facts: StreamFacts::default(),
            check,
            decision_id,
            closed: false,
        })
    }

    /// What has been seen so far.
    #[must_use]
    pub fn facts(&self) -> &StreamFacts {
        &self.facts
    }

    /// What the answer says against itself, as far as it has come: that is the last word once it has ended well.
    #[must_use]
    pub fn signal(&self) -> Option<Signal> {
        if self.facts.finish == Some(Finish::Refusal) {
            return Some(Signal::Refusal);
        }
        self.check.as_ref()?.signal(&self.facts)
    }

    /// Takes upstream bytes, however they were split, and puts the client's behind what is in `out`.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.closed {
            return;
        }
        let mut seen =
            Seen { upstream: &mut self.upstream, facts: &mut self.facts, check: self.check.as_deref_mut() };
        let read = match &mut self.mode {
            Mode::Watch(watch) => watch.push(bytes, &mut self.reader, &mut seen, out),
            mode => self.reader.push(bytes, |data| frame(mode, &mut seen, data, out)),
        };
        if read.is_err() {
            self.facts.fail(failure(
                ErrorClass::Malformed,
                "a piece of the provider's stream is too long or no text",
            ));
        }
        self.settle(out);
    }

    /// The upstream's connection ended, well or badly: writes what is left to say, and says how the stream ended.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Ending {
        if !self.closed {
            let before = self.facts.error.is_some();
            let mut seen = Seen {
                upstream: &mut self.upstream,
                facts: &mut self.facts,
                check: self.check.as_deref_mut(),
            };
            let _ = match &mut self.mode {
                Mode::Watch(watch) => watch.finish(&mut self.reader, &mut seen, out),
                mode => self.reader.finish(|data| frame(mode, &mut seen, data, out)),
            };
            // What is not understood at the very end was cut there.
            self.facts.error.take_if(|error| !before && error.class == ErrorClass::Malformed);
            self.settle(out);
        }
        let ending = match (&self.facts.error, self.facts.ended, &self.facts.finish) {
            (Some(_), _, _) => Ending::Failed,
            (None, true, _) => Ending::Clean,
            (None, false, Some(_)) if self.from == Dialect::GeminiGenerate => Ending::Clean,
            (None, false, Some(_)) if self.from == Dialect::OpenAiChat => Ending::Unterminated,
            _ => Ending::Cut,
        };
        // The client of a stream that passed through saw the provider's own error, or its mark for the end.
        let told = matches!(&self.mode, Mode::Watch(watch) if watch.told_error || self.facts.ended);
        match ending {
            _ if self.closed => {}
            Ending::Clean | Ending::Unterminated => self.end(out),
            Ending::Failed if told => {}
            Ending::Failed => self.tell(out),
            Ending::Cut => {
                let what = "the provider's stream ended before its answer was complete";
                self.facts.fail(failure(ErrorClass::Server, what));
                self.tell(out);
            }
        }
        self.closed = true;
        ending
    }

    /// After a failure or a good end a translated stream is over, whatever else comes.
    fn settle(&mut self, out: &mut Vec<u8>) {
        if self.closed || matches!(self.mode, Mode::Watch(_)) {
            return;
        }
        if self.facts.error.is_some() {
            self.tell(out);
        } else if self.facts.ended {
            self.end(out);
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        match &mut self.mode {
            Mode::Watch(_) => {}
            Mode::OpenAi(writer) => writer.end(out),
            Mode::Anthropic(writer) => writer.end(out),
        }
        self.closed = true;
    }

    fn tell(&mut self, out: &mut Vec<u8>) {
        let Some(error) = &self.facts.error else { return };
        let said = if error.message.is_empty() { "the provider's stream failed" } else { &error.message };
        // A last frame without its empty line would swallow the event's first line.
        if matches!(&self.mode, Mode::Watch(watch) if watch.unclosed()) {
            out.extend_from_slice(if self.to == Dialect::OllamaChat { b"\n" } else { b"\n\n" });
        }
        let id = (!self.decision_id.is_empty()).then_some(self.decision_id.as_str());
        let status = error.status.unwrap_or(502);
        out.extend_from_slice(&error_event(self.to, status, error.class.as_str(), said, id));
        self.closed = true;
    }
}

/// Who reads a stream, and what has been seen of it.
struct Seen<'a> {
    upstream: &'a mut Reader,
    facts: &'a mut StreamFacts,
    check: Option<&'a mut Check>,
}

impl Seen<'_> {
    fn take(&mut self, event: &Event) {
        self.facts.take(event);
        self.check(event);
    }

    fn check(&mut self, event: &Event) {
        if let Some(check) = &mut self.check {
            check.take(event);
        }
    }
}

/// One frame of a stream that is translated.
fn frame(mode: &mut Mode, seen: &mut Seen<'_>, data: &str, out: &mut Vec<u8>) {
    if seen.facts.ended || seen.facts.error.is_some() {
        return;
    }
    let mut events = Vec::new();
    if let Err(place) = seen.upstream.piece(data, &mut events) {
        let what = format!("a piece of the provider's stream is not understood ({})", place.0);
        seen.facts.fail(failure(ErrorClass::Malformed, &what));
    }
    for event in events {
        seen.take(&event);
        let written = match mode {
            _ if seen.facts.error.is_some() => return,
            Mode::Watch(_) => true,
            Mode::OpenAi(writer) => {
                writer.event(event, out);
                true
            }
            Mode::Anthropic(writer) => writer.event(event, out),
        };
        if !written {
            let what = "the provider mixed the pieces of several calls in a way that cannot be translated";
            seen.facts.fail(failure(ErrorClass::Malformed, what));
        }
    }
}

fn failure(class: ErrorClass, message: &str) -> Failure {
    Failure { class, status: None, code: None, message: message.to_owned(), retry_after: None }
}
