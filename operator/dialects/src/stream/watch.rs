//! Streams that are passed through: frame by frame as they came, and looked at without reading each of them. A frame
//! that is not complete waits: it is of no use to the client, and if it is cut nothing can follow it.

use std::sync::LazyLock;

use memchr::memmem::{self, Finder};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::frames::{FrameError, StreamReader, ends_event};
use super::{Seen, failure};
use crate::dialect::Dialect;
use crate::error::ErrorClass;
use crate::event::Event;

/// A member's name, ready to be looked for: to make it ready takes longer than to look through a piece.
type Member = LazyLock<Finder<'static>>;

static FINISH_REASON: Member = LazyLock::new(|| Finder::new("\"finish_reason\""));
static USAGE: Member = LazyLock::new(|| Finder::new("\"usage\""));
static ERROR: Member = LazyLock::new(|| Finder::new("\"error\""));
static REFUSAL: Member = LazyLock::new(|| Finder::new("\"refusal\""));

/// The state of one stream that is passed through.
pub(super) struct Watch {
    dialect: Dialect,
    withhold: bool,
    /// Bytes of the frame that is not complete.
    held: Vec<u8>,
    /// Whether the client saw an error in the provider's own words.
    pub(super) told_error: bool,
    /// Whether the last frame went out without the empty line that ends it, or may have.
    unclosed: bool,
}

impl Watch {
    pub(super) fn new(dialect: Dialect, withhold: bool) -> Self {
        let withhold = withhold && dialect == Dialect::OpenAiChat;
        Self { dialect, withhold, held: Vec::new(), told_error: false, unclosed: false }
    }

    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        reader: &mut StreamReader,
        seen: &mut Seen<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), FrameError> {
        let mut passed = 0;
        let read = reader.push_raw(bytes, |raw, data| {
            passed += raw.len();
            self.held.extend_from_slice(raw);
            if let Some(data) = data {
                self.look(data, seen);
                if self.withhold && usage_only(data) {
                    self.held.clear();
                }
                out.append(&mut self.held);
            } else if whole_comment(&self.held) || ends_event(&self.held) {
                // A provider's sign of life does not wait for the next event, nor does one without data.
                out.append(&mut self.held);
            }
        });
        if read.is_err() {
            // Nothing is looked at any more; the client gets the rest as it is.
            self.unclosed = true;
            out.append(&mut self.held);
            out.extend_from_slice(bytes.get(passed..).unwrap_or_default());
        }
        read
    }

    pub(super) fn finish(
        &mut self,
        reader: &mut StreamReader,
        seen: &mut Seen<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), FrameError> {
        let open = reader.in_frame();
        let mut whole = false;
        let mut withheld = false;
        let read = reader.finish(|data| {
            let json = data.starts_with("[DONE]") || serde_json::from_str::<IgnoredAny>(data).is_ok();
            whole = json && self.look(data, seen);
            withheld = self.withhold && usage_only(data);
        });
        // A piece that was cut stays behind: the client could not read it, nor the error event after it.
        if (whole && !withheld) || seen.facts.ended {
            self.unclosed = open;
            out.append(&mut self.held);
        }
        read
    }

    /// Whether the last frame went out without the empty line that ends it.
    pub(super) fn unclosed(&self) -> bool {
        self.unclosed
    }

    /// Reads a frame if it matters; false when it is no JSON.
    fn look(&mut self, data: &str, seen: &mut Seen<'_>) -> bool {
        let mut events = Vec::new();
        if seen.facts.first_token && !self.matters(data) {
            // What is only checked changes nothing of what the client gets.
            if seen.check.is_some() && seen.upstream.piece(data, &mut events).is_ok() {
                events.iter().for_each(|event| seen.check(event));
            }
            return true;
        }
        if seen.upstream.piece(data, &mut events).is_err() {
            if serde_json::from_str::<IgnoredAny>(data).is_err() {
                let what = "a piece of the provider's stream is not understood";
                seen.facts.fail(failure(ErrorClass::Malformed, what));
                return false;
            }
            // A server's own invention passes: the client may know it, and has something of the answer.
            seen.facts.first_token = true;
        }
        for event in &events {
            self.told_error |= matches!(event, Event::Error(_));
            seen.take(event);
        }
        true
    }

    /// Whether a piece says more than the next words of the answer. Quotation marks within texts are escaped, so these
    /// patterns match members only.
    fn matters(&self, data: &str) -> bool {
        let has = |pattern: &str| memmem::find(data.as_bytes(), pattern.as_bytes()).is_some();
        match self.dialect {
            Dialect::OpenAiChat | Dialect::OpenAiEmbeddings => {
                data.starts_with("[DONE]")
                    || [&FINISH_REASON, &USAGE, &ERROR, &REFUSAL].iter().any(|member| is_set(data, member))
            }
            Dialect::AnthropicMessages => has("\"message_") || has("\"error\""),
            // Each piece of Gemini's repeats the usage.
            Dialect::GeminiGenerate => true,
            Dialect::OllamaChat => is_set(data, &ERROR) || has("\"done\":true") || has("\"done\": true"),
        }
    }
}

/// Whether these are comments or empty lines, up to the last one's end.
fn whole_comment(held: &[u8]) -> bool {
    matches!(held, [b':' | b'\n' | b'\r', .., b'\n' | b'\r'] | [b'\n' | b'\r'])
}

/// Whether a member stands there, anywhere, with a value that is not null.
fn is_set(data: &str, member: &Finder<'_>) -> bool {
    member.find_iter(data.as_bytes()).any(|at| {
        let rest = data.get(at + member.needle().len()..).unwrap_or_default().trim_start();
        rest.strip_prefix(':').is_some_and(|value| !value.trim_start().starts_with("null"))
    })
}

/// Whether a chunk is the one that OpenAI adds when usage is asked for: usage and no choices.
fn usage_only(data: &str) -> bool {
    #[derive(Deserialize)]
    struct Chunk {
        choices: Option<Vec<IgnoredAny>>,
        usage: Option<IgnoredAny>,
    }
    is_set(data, &USAGE)
        && serde_json::from_str::<Chunk>(data).is_ok_and(|chunk| {
            chunk.usage.is_some() && chunk.choices.is_some_and(|choices| choices.is_empty())
        })
}
