//! Takes secrets out of what is written: whole lines, as they leave the program, so that none can come in by another
//! way, be it a field, a message or the text of an error within an error.

use std::borrow::Cow;
use std::io::{self, Write};

use crate::keys::find;

/// The text with `<REDACTED:openai>` in the place of a secret; as it came where it has none.
#[must_use]
pub fn redact(text: &str) -> Cow<'_, str> {
    // Secrets are found by letters of ASCII, so that no other letter is cut.
    bytes(text.as_bytes()).map_or(Cow::Borrowed(text), |clean| {
        Cow::Owned(String::from_utf8(clean).unwrap_or_else(|_| "<REDACTED>".to_owned()))
    })
}

/// Nothing where there is no secret.
fn bytes(text: &[u8]) -> Option<Vec<u8>> {
    let found = find(text);
    let first = found.first()?;
    let mut clean = Vec::with_capacity(text.len());
    clean.extend_from_slice(text.get(..first.range.start)?);
    let starts = found.iter().skip(1).map(|next| next.range.start).chain([text.len()]);
    for (one, next) in found.iter().zip(starts) {
        clean.extend_from_slice(b"<REDACTED:");
        clean.extend_from_slice(one.whose.as_bytes());
        clean.push(b'>');
        clean.extend_from_slice(text.get(one.range.end..next)?);
    }
    Some(clean)
}

/// Writes without secrets. What is written at once is looked at at once: give it whole lines.
#[derive(Debug)]
pub struct Redacting<W>(pub W);

impl<W: Write> Write for Redacting<W> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        match bytes(text) {
            None => self.0.write_all(text)?,
            Some(clean) => self.0.write_all(&clean)?,
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
