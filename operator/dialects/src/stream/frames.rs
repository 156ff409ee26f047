//! Server-sent events and lines of JSON out of bytes that are split anywhere.

use memchr::{memchr2, memrchr2};

use crate::dialect::Dialect;

/// Bytes of one frame that are kept at most. Images in answers are the longest.
pub const LONGEST_FRAME: usize = 16 * 1024 * 1024;

/// How many of these bytes belong to server-sent events that are complete: up to the end of the last empty line, or all of
/// them where only comments follow it. The rest is the beginning of an event. The first `known` bytes are known to hold no
/// such end, and are not looked at again.
#[must_use]
pub fn whole_events(bytes: &[u8], known: usize) -> usize {
    let mut to = bytes.len();
    while let Some(at) = bytes.get(known..to).and_then(|rest| memrchr2(b'\n', b'\r', rest)) {
        let at = known + at;
        if ends_event(bytes.get(..=at).unwrap_or_default()) {
            return with_comments(bytes, at + 1);
        }
        to = at;
    }
    if known == 0 { with_comments(bytes, 0) } else { 0 }
}

/// Whether the last line of these is empty. An empty line of its own belongs to the event before it.
pub(super) fn ends_event(bytes: &[u8]) -> bool {
    matches!(
        bytes,
        [b'\n']
            | [b'\r']
            | [b'\r', b'\n']
            | [.., b'\n', b'\n']
            | [.., b'\n' | b'\r', b'\r']
            | [.., b'\n', b'\r', b'\n']
    )
}

/// A provider's sign of life does not wait for the next event.
fn with_comments(bytes: &[u8], whole: usize) -> usize {
    let rest = bytes.get(whole..).unwrap_or_default();
    let lines = rest.split_inclusive(|byte| *byte == b'\n');
    let comments = rest.ends_with(b"\n") && lines.into_iter().all(|line| line.starts_with(b":"));
    if comments { bytes.len() } else { whole }
}

/// Why no frame can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// It is longer than [`LONGEST_FRAME`].
    #[error("failed to read the stream: a frame is longer than {LONGEST_FRAME} bytes")]
    TooLong,
    /// It is not UTF-8.
    #[error("failed to read the stream: a frame is not UTF-8")]
    NotText,
}

/// Takes a stream's bytes and gives the data of its frames: server-sent events as WHATWG defines them (line ends of all
/// three kinds, comments, several `data` lines), for Ollama lines of JSON. New bytes are looked at once.
pub struct StreamReader {
    lines: bool,
    /// The beginning of a line that has not ended.
    tail: Vec<u8>,
    /// The data lines of the event being read, each with a line feed behind it.
    data: Vec<u8>,
    /// A carriage return ended the last line: a line feed right behind it belongs to it.
    after_return: bool,
    /// Nothing was read yet: a byte order mark may stand here.
    first: bool,
    error: Option<FrameError>,
}

impl StreamReader {
    /// For streams of this dialect.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        Self {
            lines: dialect == Dialect::OllamaChat,
            tail: Vec::new(),
            data: Vec::new(),
            after_return: false,
            first: true,
            error: None,
        }
    }

    /// Takes bytes and calls `frame` with the data of each frame that they complete.
    ///
    /// # Errors
    /// A frame is too long or no text; the stream cannot be read any further.
    pub fn push(&mut self, bytes: &[u8], mut frame: impl FnMut(&str)) -> Result<(), FrameError> {
        self.push_raw(bytes, |_, data| {
            if let Some(data) = data {
                frame(data);
            }
        })
    }

    /// The same, with the raw bytes of each line and its end as they are passed.
    pub(super) fn push_raw(
        &mut self,
        mut bytes: &[u8],
        mut each: impl FnMut(&[u8], Option<&str>),
    ) -> Result<(), FrameError> {
        while let (false, None) = (bytes.is_empty(), self.error) {
            if std::mem::take(&mut self.after_return)
                && let Some(rest) = bytes.strip_prefix(b"\n")
            {
                each(b"\n", None);
                bytes = rest;
                continue;
            }
            let Some(end) = memchr2(b'\n', b'\r', bytes) else {
                each(bytes, None);
                self.keep(bytes);
                break;
            };
            let (line, rest) = bytes.split_at(end);
            self.after_return = rest.first() == Some(&b'\r');
            let (raw, rest) = bytes.split_at(end + 1);
            let mut given = false;
            let mut told = |data: &str| {
                given = true;
                each(raw, Some(data));
            };
            if self.tail.is_empty() {
                self.line(line, &mut told);
            } else {
                self.keep(line);
                let whole = std::mem::take(&mut self.tail);
                self.line(&whole, &mut told);
            }
            if !given {
                each(raw, None);
            }
            bytes = rest;
        }
        self.error.map_or(Ok(()), Err)
    }

    /// The stream ended: what was not completed by an empty line counts too, since some servers leave it out.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn finish(&mut self, mut frame: impl FnMut(&str)) -> Result<(), FrameError> {
        if self.error.is_none() {
            let tail = std::mem::take(&mut self.tail);
            if !tail.is_empty() {
                self.line(&tail, &mut frame);
            }
            self.dispatch(&mut frame);
        }
        self.error.map_or(Ok(()), Err)
    }

    /// Whether a frame has begun and not ended.
    pub(super) fn in_frame(&self) -> bool {
        !self.tail.is_empty() || !self.data.is_empty()
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.tail.len() + self.data.len() + bytes.len() > LONGEST_FRAME {
            self.error = Some(FrameError::TooLong);
        } else {
            self.tail.extend_from_slice(bytes);
        }
    }

    fn line(&mut self, line: &[u8], frame: &mut impl FnMut(&str)) {
        let first = std::mem::take(&mut self.first);
        let line = if first { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
        if self.lines {
            if !line.trim_ascii().is_empty() {
                self.give(line, frame);
            }
            return;
        }
        if line.is_empty() {
            self.dispatch(frame);
            return;
        }
        // Event names and ids are not needed: each dialect's data says what it is.
        let Some(rest) = line.strip_prefix(b"data") else { return };
        let value = match rest.strip_prefix(b":") {
            Some(value) => value.strip_prefix(b" ").unwrap_or(value),
            None if rest.is_empty() => rest,
            None => return,
        };
        if self.data.len() + value.len() > LONGEST_FRAME {
            self.error = Some(FrameError::TooLong);
            return;
        }
        self.data.extend_from_slice(value);
        self.data.push(b'\n');
    }

    fn dispatch(&mut self, frame: &mut impl FnMut(&str)) {
        if self.data.is_empty() {
            return;
        }
        let mut data = std::mem::take(&mut self.data);
        data.pop();
        if !data.is_empty() {
            self.give(&data, frame);
        }
        // The memory serves the next event.
        data.clear();
        self.data = data;
    }

    fn give(&mut self, data: &[u8], frame: &mut impl FnMut(&str)) {
        match std::str::from_utf8(data) {
            Ok(text) => frame(text),
            Err(_) => self.error = Some(FrameError::NotText),
        }
    }
}
