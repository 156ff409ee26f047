//! Reads an answer of HTTP/1.1 piece by piece, as cheaply as a load generator must: what it spends is not there for
//! what is measured.

use std::time::{SystemTime, UNIX_EPOCH};

/// Before the time at which the upstream wrote a piece of a stream, in nanoseconds since 1970.
pub(crate) const STAMP: u8 = b'@';
/// As many digits as such a time has until 2286.
pub(crate) const DIGITS: usize = 19;

/// Nanoseconds since 1970: processes of one machine agree on it.
pub(crate) fn now_ns() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

/// A piece of a stream.
#[derive(Clone, Copy)]
pub(crate) struct Frame {
    pub(crate) written_ns: u64,
    pub(crate) arrived_ns: u64,
}

/// What has come of an answer.
#[derive(Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// What `x-vox-attempts` says; one where nobody says it.
    pub(crate) attempts: u64,
    pub(crate) frames: Vec<Frame>,
    /// A stream said that this is its end.
    pub(crate) ended: bool,
    events: bool,
    state: State,
    /// The head, then a line of chunked coding or what is left of a stream's text, until the rest of it comes.
    held: Vec<u8>,
    tail: Vec<u8>,
}

#[derive(Default, Clone, Copy, PartialEq)]
enum State {
    #[default]
    Head,
    Length(usize),
    Size,
    Chunk(usize),
    Gap,
    End,
    Done,
}

impl Answer {
    /// Takes the next bytes; true when the answer is complete.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() && self.state != State::Done {
            bytes = match self.state {
                State::Head => self.head(bytes),
                State::Length(left) => {
                    let (now, rest) = bytes.split_at(left.min(bytes.len()));
                    self.body(now);
                    let left = left - now.len();
                    self.state = if left == 0 { State::Done } else { State::Length(left) };
                    rest
                }
                State::Size => self.size(bytes),
                State::Chunk(left) => {
                    let (now, rest) = bytes.split_at(left.min(bytes.len()));
                    self.body(now);
                    let left = left - now.len();
                    self.state = if left == 0 { State::Gap } else { State::Chunk(left) };
                    rest
                }
                // The line end after a chunk, or after the last one.
                State::Gap | State::End => match bytes.iter().position(|byte| *byte == b'\n') {
                    Some(end) => {
                        self.state = if self.state == State::Gap { State::Size } else { State::Done };
                        &bytes[end + 1..]
                    }
                    None => &[],
                },
                State::Done => break,
            };
        }
        self.state == State::Done
    }

    /// Whether nothing has come yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.state == State::Head && self.held.is_empty()
    }

    fn head<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let before = self.held.len();
        self.held.extend_from_slice(bytes);
        let Some(end) = memchr::memmem::find(&self.held, b"\r\n\r\n") else { return &[] };
        let text = String::from_utf8_lossy(&self.held[..end]).to_ascii_lowercase();
        self.status = text.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
        self.attempts = 1;
        self.state = State::Done;
        for (name, value) in text.lines().filter_map(|line| line.split_once(": ")) {
            match name {
                "content-length" => {
                    let length = value.parse().unwrap_or(0);
                    self.state = if length == 0 { State::Done } else { State::Length(length) };
                }
                "transfer-encoding" => self.state = State::Size,
                "content-type" => self.events = value.starts_with("text/event-stream"),
                "x-vox-attempts" => self.attempts = value.parse().unwrap_or(1),
                _ => {}
            }
        }
        self.held.clear();
        &bytes[end + 4 - before..]
    }

    fn size<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
            self.held.extend_from_slice(bytes);
            return &[];
        };
        self.held.extend_from_slice(&bytes[..end]);
        let line = String::from_utf8_lossy(&self.held);
        let size = usize::from_str_radix(line.trim(), 16).unwrap_or(0);
        self.held.clear();
        self.state = if size == 0 { State::End } else { State::Chunk(size) };
        &bytes[end + 1..]
    }

    fn body(&mut self, bytes: &[u8]) {
        if !self.events {
            return;
        }
        let arrived_ns = now_ns();
        self.tail.extend_from_slice(bytes);
        let mut used = 0;
        while let Some(place) = memchr::memchr(STAMP, &self.tail[used..]) {
            let digits = used + place + 1;
            let Some(stamp) = self.tail.get(digits..digits + DIGITS) else { break };
            let stamp = std::str::from_utf8(stamp).ok().and_then(|stamp| stamp.parse().ok());
            if let Some(written_ns) = stamp {
                self.frames.push(Frame { written_ns, arrived_ns });
            }
            used = digits + DIGITS;
        }
        let ends: [&[u8]; 2] = [b"[DONE]", b"message_stop"];
        self.ended |= ends.iter().any(|end| memchr::memmem::find(&self.tail[used..], end).is_some());
        // A stamp or a mark of the end that comes in two parts is shorter than this.
        let kept = used.max(self.tail.len().saturating_sub(DIGITS + 1));
        self.tail.drain(..kept);
    }
}
