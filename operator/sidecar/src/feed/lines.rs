//! Lines out of pieces of a body, with a bound.

use bytes::{Buf as _, Bytes, BytesMut};

/// The line that is under way.
pub(super) struct Lines {
    waiting: BytesMut,
    /// How much of `waiting` has no line end: each byte is looked at once.
    seen: usize,
    limit: usize,
}

/// A line is longer than it may be.
#[derive(Debug, thiserror::Error)]
#[error("failed to read a line: it is longer than {limit} bytes")]
pub(super) struct TooLong {
    limit: usize,
}

impl Lines {
    pub(super) fn new(limit: usize) -> Self {
        Self { waiting: BytesMut::new(), seen: 0, limit }
    }

    pub(super) fn push(&mut self, piece: &[u8]) {
        self.waiting.extend_from_slice(piece);
    }

    /// The next whole line, without its end.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, TooLong> {
        let new = self.waiting.get(self.seen..).unwrap_or_default();
        let Some(end) = new.iter().position(|byte| *byte == b'\n') else {
            self.seen = self.waiting.len();
            let too_long = self.seen > self.limit;
            return if too_long { Err(TooLong { limit: self.limit }) } else { Ok(None) };
        };
        let mut line = self.waiting.split_to(self.seen.saturating_add(end)).freeze();
        self.waiting.advance(1);
        self.seen = 0;
        if line.last() == Some(&b'\r') {
            line.truncate(line.len().saturating_sub(1));
        }
        Ok(Some(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_however_they_are_cut() {
        let text = b"one\n\ntwo\r\nthree";
        for size in 1..text.len() {
            let mut lines = Lines::new(100);
            let mut found = Vec::new();
            for piece in text.chunks(size) {
                lines.push(piece);
                while let Some(line) = lines.next().unwrap() {
                    found.push(String::from_utf8(line.to_vec()).unwrap());
                }
            }
            assert_eq!(found, ["one", "", "two"]);
        }
    }

    #[test]
    fn a_line_without_an_end_does_not_fill_the_memory() {
        let mut lines = Lines::new(10);
        lines.push(&[b'x'; 11]);
        assert!(lines.next().is_err());
    }
}
