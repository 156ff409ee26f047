//! A cursor over JSON text that validates what it passes. It keeps a stack of one bit per level, not of calls, so
//! that no input can overflow the thread's stack.

use std::borrow::Cow;

use memchr::memchr2;

use super::{MAX_DEPTH, ShapeError};

/// Where in an object or a list the cursor stands.
pub(crate) struct Members {
    first: bool,
}

/// A cursor over JSON text.
pub(crate) struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// Containers that were opened through [`Self::object`] and [`Self::list`].
    open: usize,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0, open: 0 }
    }

    /// Offset of the next byte.
    pub(crate) fn offset(&self) -> usize {
        self.at
    }

    /// Whether this byte comes next.
    pub(crate) fn at(&self, byte: u8) -> bool {
        self.bytes.get(self.at) == Some(&byte)
    }

    /// Passes white space.
    pub(crate) fn white(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    /// Opens an object.
    pub(crate) fn object(&mut self) -> Result<Members, ShapeError> {
        self.open_with(b'{', "an object")
    }

    /// Opens a list.
    pub(crate) fn list(&mut self) -> Result<Members, ShapeError> {
        self.open_with(b'[', "a list")
    }

    /// Goes to the next member's value and gives its name; none at the object's end.
    pub(crate) fn member(&mut self, members: &mut Members) -> Result<Option<Cow<'a, str>>, ShapeError> {
        if !self.next(members, b'}')? {
            return Ok(None);
        }
        let offset = self.at;
        let (raw, escaped) = self.string()?;
        let name = match escaped {
            false => Cow::Borrowed(raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default()),
            true => crate::json::text(raw)
                .ok_or(ShapeError::Malformed { offset, expected: "a name without lone surrogates" })?,
        };
        self.white();
        self.expect(b':', "`:`")?;
        self.white();
        Ok(Some(name))
    }

    /// Goes to the next item; false at the list's end.
    pub(crate) fn item(&mut self, members: &mut Members) -> Result<bool, ShapeError> {
        self.next(members, b']')
    }

    /// Passes one value and gives its text.
    pub(crate) fn value(&mut self) -> Result<&'a str, ShapeError> {
        let start = self.at;
        self.skip()?;
        Ok(self.text.get(start..self.at).unwrap_or_default())
    }

    /// Passes a list, or another value, and gives the number of its items.
    pub(crate) fn count_items(&mut self) -> Result<usize, ShapeError> {
        if !self.at(b'[') {
            return self.skip().map(|()| 0);
        }
        let mut items = self.list()?;
        let mut count = 0;
        while self.item(&mut items)? {
            self.skip()?;
            count += 1;
        }
        Ok(count)
    }

    /// Passes one value.
    pub(crate) fn skip(&mut self) -> Result<(), ShapeError> {
        // One bit per level: 1 for an object, 0 for a list.
        let mut kinds: u128 = 0;
        let mut depth = 0;
        loop {
            match self.bytes.get(self.at) {
                Some(open @ (b'{' | b'[')) => {
                    self.deeper(depth)?;
                    depth += 1;
                    kinds = kinds << 1 | u128::from(*open == b'{');
                    self.at += 1;
                    self.white();
                    if !self.at(if kinds & 1 == 1 { b'}' } else { b']' }) {
                        if kinds & 1 == 1 {
                            self.name()?;
                        }
                        continue;
                    }
                }
                _ => {
                    self.scalar()?;
                    if depth == 0 {
                        return Ok(());
                    }
                    self.white();
                }
            }
            // A value is complete, or an empty container stands before its end.
            loop {
                match (self.bytes.get(self.at), kinds & 1) {
                    (Some(b','), kind) => {
                        self.at += 1;
                        self.white();
                        if kind == 1 {
                            self.name()?;
                        }
                        break;
                    }
                    (Some(b'}'), 1) | (Some(b']'), 0) => {
                        self.at += 1;
                        depth -= 1;
                        kinds >>= 1;
                        if depth == 0 {
                            return Ok(());
                        }
                        self.white();
                    }
                    (_, 1) => return Err(self.malformed("`,` or `}`")),
                    _ => return Err(self.malformed("`,` or `]`")),
                }
            }
        }
    }

    /// Nothing but white space may follow.
    pub(crate) fn end(&mut self) -> Result<(), ShapeError> {
        self.white();
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.malformed("the end of the request")) }
    }

    fn open_with(&mut self, byte: u8, expected: &'static str) -> Result<Members, ShapeError> {
        self.deeper(0)?;
        self.expect(byte, expected)?;
        self.open += 1;
        self.white();
        Ok(Members { first: true })
    }

    fn next(&mut self, members: &mut Members, close: u8) -> Result<bool, ShapeError> {
        self.white();
        if members.first {
            members.first = false;
            if !self.at(close) {
                return Ok(true);
            }
        } else if self.at(b',') {
            self.at += 1;
            self.white();
            return Ok(true);
        }
        let expected = if close == b'}' { "`,` or `}`" } else { "`,` or `]`" };
        self.expect(close, expected)?;
        self.open = self.open.saturating_sub(1);
        Ok(false)
    }

    fn deeper(&self, depth: usize) -> Result<(), ShapeError> {
        if self.open + depth < MAX_DEPTH { Ok(()) } else { Err(ShapeError::TooDeep { offset: self.at }) }
    }

    fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), ShapeError> {
        if !self.at(byte) {
            return Err(self.malformed(expected));
        }
        self.at += 1;
        Ok(())
    }

    fn name(&mut self) -> Result<(), ShapeError> {
        self.string()?;
        self.white();
        self.expect(b':', "`:`")?;
        self.white();
        Ok(())
    }

    /// Passes a value without members.
    fn scalar(&mut self) -> Result<(), ShapeError> {
        match self.bytes.get(self.at) {
            Some(b'"') => self.string().map(|_| ()),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.malformed("a value")),
        }
    }

    fn word(&mut self, word: &'static str) -> Result<(), ShapeError> {
        if !self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
            return Err(self.malformed(word));
        }
        self.at += word.len();
        Ok(())
    }

    fn number(&mut self) -> Result<(), ShapeError> {
        self.at += usize::from(self.at(b'-'));
        if self.at(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.at(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if self.at(b'e') || self.at(b'E') {
            self.at += 1;
            self.at += usize::from(self.at(b'+') || self.at(b'-'));
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), ShapeError> {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err(self.malformed("a digit")) }
    }

    /// Passes a string and gives it with its quotation marks, and whether it has escapes.
    fn string(&mut self) -> Result<(&'a str, bool), ShapeError> {
        let start = self.at;
        let mut escaped = false;
        self.expect(b'"', "a string")?;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let Some(length) = plain(rest) else {
                self.at = self.bytes.len();
                return Err(self.malformed("the end of a string"));
            };
            if rest.get(length).is_some_and(|byte| *byte < 0x20) {
                self.at += length;
                return Err(self.malformed("no control character"));
            }
            self.at += length + 1;
            if rest.get(length) == Some(&b'"') {
                return Ok((self.text.get(start..self.at).unwrap_or_default(), escaped));
            }
            self.escape()?;
            escaped = true;
        }
    }

    fn escape(&mut self) -> Result<(), ShapeError> {
        match self.bytes.get(self.at) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                let hex = self.bytes.get(self.at + 1..self.at + 5);
                if !hex.is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) {
                    return Err(self.malformed("four hexadecimal digits"));
                }
                self.at += 5;
            }
            _ => return Err(self.malformed("an escape")),
        }
        Ok(())
    }

    fn malformed(&self, expected: &'static str) -> ShapeError {
        ShapeError::Malformed { offset: self.at, expected }
    }
}

/// Bytes that are looked at eight at a time before the search for long texts begins, which costs a call.
const SHORT: usize = 64;

/// The number of bytes before the first quotation mark, backslash or control character.
fn plain(bytes: &[u8]) -> Option<usize> {
    let special = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
    let (short, long) = bytes.split_at(bytes.len().min(SHORT));
    let (words, tail) = short.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        if let Some(at) = first_special(u64::from_le_bytes(*word)) {
            return Some(index * 8 + at);
        }
    }
    if let Some(at) = tail.iter().position(special) {
        return Some(words.len() * 8 + at);
    }
    let length = memchr2(b'"', b'\\', long);
    let searched = long.get(..length.unwrap_or(long.len())).unwrap_or_default();
    control_character(searched).or(length).map(|at| short.len() + at)
}

/// Which of eight bytes is the first that is below a space, a quotation mark or a backslash. A borrow makes mistakes only
/// behind a byte that has been found.
fn first_special(word: u64) -> Option<usize> {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & HIGH;
    let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    let found = below(word, 0x20) | equal(b'"') | equal(b'\\');
    usize::try_from(found.trailing_zeros() / 8).ok().filter(|at| *at < 8)
}

/// Where the first control character is. The least of all bytes tells whether there is one: the compiler finds that with
/// vector instructions, and hardly any text has to be gone through again.
fn control_character(bytes: &[u8]) -> Option<usize> {
    let least = bytes.iter().fold(u8::MAX, |least, byte| least.min(*byte));
    if least < 0x20 { bytes.iter().position(|byte| *byte < 0x20) } else { None }
}
