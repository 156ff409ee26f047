//! JSON as a line needs it. What is written for every request is mostly our own: keys are ready when this is built and
//! closed vocabularies go out as they stand. Only what came from outside is looked at for what JSON must escape.

use uuid::Uuid;
use vox_routing::Cost;

use crate::record::{Name, is_plain};

/// Digits of a pico-USD behind the point.
const DECIMALS: usize = 12;

/// A member's name with what stands around it, for any member but the first of its object.
macro_rules! key {
    ($name:literal) => {
        concat!(",\"", $name, "\":")
    };
}
pub(super) use key;

/// A value of a member. Writing into memory cannot fail.
pub(super) trait Write {
    /// Appends it as JSON.
    fn write(&self, out: &mut Vec<u8>);
}

/// A word of a closed vocabulary of ours: nothing in it is special to JSON.
pub(super) struct Word(pub(super) &'static str);

impl Write for Word {
    fn write(&self, out: &mut Vec<u8>) {
        quoted(self.0, out);
    }
}

impl Write for &str {
    fn write(&self, out: &mut Vec<u8>) {
        if is_plain(self) {
            quoted(self, out);
        } else {
            let _ = serde_json::to_writer(out, self);
        }
    }
}

impl Write for &Name {
    fn write(&self, out: &mut Vec<u8>) {
        if self.is_plain() {
            quoted(self, out);
        } else {
            let _ = serde_json::to_writer(out, &***self);
        }
    }
}

fn quoted(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

macro_rules! whole_numbers {
    ($($kind:ty)*) => {
        $(impl Write for $kind {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(itoa::Buffer::new().format(*self).as_bytes());
            }
        })*
    };
}
whole_numbers!(u8 u16 u64 usize i64);

impl Write for f64 {
    fn write(&self, out: &mut Vec<u8>) {
        let _ = serde_json::to_writer(out, self);
    }
}

impl Write for bool {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(if *self { b"true" } else { b"false" });
    }
}

impl Write for Cost {
    /// As it is displayed, without the detour over a decimal.
    fn write(&self, out: &mut Vec<u8>) {
        let (usd, rest) = self.usd_and_rest();
        out.push(b'"');
        usd.write(out);
        if rest > 0 {
            out.push(b'.');
            let mut digits = itoa::Buffer::new();
            let digits = digits.format(rest).as_bytes();
            out.resize(out.len().saturating_add(DECIMALS.saturating_sub(digits.len())), b'0');
            let last = digits.iter().rposition(|digit| *digit != b'0').unwrap_or(0);
            out.extend_from_slice(digits.get(..=last).unwrap_or_default());
        }
        out.push(b'"');
    }
}

impl Write for Uuid {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'"');
        out.extend_from_slice(self.hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
        out.push(b'"');
    }
}

/// An id of W3C traces: a trace in 32 hexadecimal digits, or a span in 16.
pub(super) enum Hex {
    Trace(u128),
    Span(u64),
}

impl Write for Hex {
    fn write(&self, out: &mut Vec<u8>) {
        let (number, skipped) = match self {
            Self::Trace(trace) => (*trace, 0),
            Self::Span(span) => (u128::from(*span), 16),
        };
        let mut digits = Uuid::encode_buffer();
        let digits = Uuid::from_u128(number).simple().encode_lower(&mut digits).as_bytes();
        out.push(b'"');
        out.extend_from_slice(digits.get(skipped..).unwrap_or_default());
        out.push(b'"');
    }
}

/// Members of an object whose first one has been written.
pub(super) struct Members<'a>(pub(super) &'a mut Vec<u8>);

impl Members<'_> {
    /// Text that is JSON already.
    pub(super) fn raw(&mut self, json: &'static str) {
        self.0.extend_from_slice(json.as_bytes());
    }

    /// One more, by its [`key!`].
    pub(super) fn member(&mut self, key: &'static str, value: impl Write) {
        self.raw(key);
        value.write(self.0);
    }

    /// One more where there is a value.
    pub(super) fn maybe(&mut self, key: &'static str, value: Option<impl Write>) {
        if let Some(value) = value {
            self.member(key, value);
        }
    }

    /// Texts, as a list.
    pub(super) fn texts(&mut self, key: &'static str, texts: impl Iterator<Item = impl Write>) {
        self.raw(key);
        let mut before = b'[';
        for text in texts {
            self.0.push(before);
            text.write(self.0);
            before = b',';
        }
        self.raw(if before == b'[' { "[]" } else { "]" });
    }
}
