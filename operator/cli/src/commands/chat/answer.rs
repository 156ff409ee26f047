//! A streamed answer, written to the terminal as it comes.

use std::io::{self, IsTerminal as _, Write as _};

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde::Deserialize;
use vox_contracts::text::is_shown;
use vox_dialects::Dialect;
use vox_dialects::stream::StreamReader;

use crate::error::Error;
use crate::gateway::Refused;

/// What came.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) text: String,
    /// Why it is not whole.
    pub(super) broken: Option<String>,
}

/// Takes an answer's frames.
pub(super) struct Receiver {
    /// Whether pieces are written as they come.
    streams: bool,
    terminal: bool,
    answer: Answer,
    ended: bool,
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Delta,
}

#[derive(Default, Deserialize)]
struct Delta {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    refusal: Option<String>,
}

impl Receiver {
    pub(super) fn new(streams: bool) -> Self {
        Self { streams, terminal: io::stdout().is_terminal(), answer: Answer::default(), ended: false }
    }

    /// Reads to the end. A stream that breaks is an answer too, as far as it came.
    pub(super) async fn read(&mut self, mut body: Incoming) -> Result<Answer, Error> {
        let mut reader = StreamReader::new(Dialect::OpenAiChat);
        while !self.ended && self.answer.broken.is_none() {
            let frame = match body.frame().await {
                None => break,
                Some(Ok(frame)) => frame,
                Some(Err(error)) => {
                    self.answer.broken = Some(format!("the connection to the gateway was lost ({error})"));
                    break;
                }
            };
            let Ok(bytes) = frame.into_data() else { continue };
            let mut pieces = Vec::new();
            if let Err(error) = reader.push(&bytes, |data| pieces.push(data.to_owned())) {
                self.answer.broken = Some(error.to_string());
            }
            for piece in pieces {
                self.take(&piece)?;
            }
        }
        if !self.ended && self.answer.broken.is_none() {
            self.answer.broken = Some("the stream ended without its last event".to_owned());
        }
        if self.streams && !self.answer.text.is_empty() && !self.answer.text.ends_with('\n') {
            write("\n")?;
        }
        Ok(std::mem::take(&mut self.answer))
    }

    /// One event.
    fn take(&mut self, data: &str) -> Result<(), Error> {
        if data.trim() == "[DONE]" {
            self.ended = true;
        } else if let Ok(refused) = serde_json::from_str::<Refused>(data) {
            self.answer.broken = Some(refused.told());
        } else if let Ok(chunk) = serde_json::from_str::<Chunk>(data) {
            for choice in chunk.choices {
                for text in [choice.delta.content, choice.delta.refusal].into_iter().flatten() {
                    self.write(&text)?;
                }
            }
        }
        Ok(())
    }

    fn write(&mut self, text: &str) -> Result<(), Error> {
        self.answer.text.push_str(text);
        if !self.streams {
            return Ok(());
        }
        if self.terminal { write(&harmless(text)) } else { write(text) }
    }
}

/// What a model writes may fill lines, and move or colour nothing.
fn harmless(text: &str) -> String {
    text.chars().map(|c| if !is_shown(c) && c != '\n' && c != '\t' { '\u{fffd}' } else { c }).collect()
}

/// Whoever closes the pipe has read enough; the answer is read to its end all the same, for its cost.
fn write(text: &str) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::Local { what: "write to the standard output".to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn an_answer_fills_lines_and_moves_no_cursor() {
        assert_eq!(harmless("a\n\tb\u{1b}[2Jc"), "a\n\tb\u{fffd}[2Jc");
    }
}
