//! Whether a text that comes in pieces is JSON. Of the text nothing is kept: only where in it the next byte stands.

/// Nothing of use is nested deeper; what is counts as no JSON.
const DEEPEST: usize = 256;

/// Reads a text byte by byte.
#[derive(Debug, Clone)]
pub(super) struct Valid {
    /// None once it is no JSON.
    state: Option<State>,
    /// What is open, the outermost first: objects, else lists.
    open: Vec<bool>,
    /// Whether it is an object, where anything has come.
    object: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A value has to come; in a list that has just begun also its end.
    Value {
        or_end: bool,
    },
    /// A member's name has to come; in an object that has just begun also its end.
    Name {
        or_end: bool,
    },
    Colon,
    /// A value has ended.
    After,
    Text {
        name: bool,
    },
    Escape {
        name: bool,
    },
    Hex {
        name: bool,
        left: u8,
    },
    Number(Number),
    /// What is left of `true`, `false` or `null`.
    Word(&'static [u8]),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    Minus,
    Zero,
    Whole,
    Point,
    Fraction,
    E,
    Sign,
    Exponent,
}

impl Number {
    /// Whether it may end here.
    const fn is_whole(self) -> bool {
        matches!(self, Self::Zero | Self::Whole | Self::Fraction | Self::Exponent)
    }

    const fn next(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Minus, b'0') => Some(Self::Zero),
            (Self::Minus | Self::Whole, b'0'..=b'9') => Some(Self::Whole),
            (Self::Zero | Self::Whole, b'.') => Some(Self::Point),
            (Self::Point | Self::Fraction, b'0'..=b'9') => Some(Self::Fraction),
            (Self::Zero | Self::Whole | Self::Fraction, b'e' | b'E') => Some(Self::E),
            (Self::E, b'+' | b'-') => Some(Self::Sign),
            (Self::E | Self::Sign | Self::Exponent, b'0'..=b'9') => Some(Self::Exponent),
            _ => None,
        }
    }
}

impl Default for Valid {
    fn default() -> Self {
        Self { state: Some(State::Value { or_end: false }), open: Vec::new(), object: None }
    }
}

impl Valid {
    /// The next piece.
    pub(super) fn push(&mut self, text: &str) {
        for byte in text.bytes() {
            let Some(state) = self.state else { return };
            if self.object.is_none() && !is_space(byte) {
                self.object = Some(byte == b'{');
            }
            self.state = self.step(state, byte);
        }
    }

    /// Whether it is whole JSON as it stands.
    pub(super) fn is_json(&self) -> bool {
        let ended = match self.state {
            Some(State::After) => true,
            Some(State::Number(number)) => number.is_whole(),
            _ => false,
        };
        ended && self.open.is_empty()
    }

    /// Whether it is a whole object, or nothing came yet.
    pub(super) fn is_object_or_nothing(&self) -> bool {
        self.object.is_none_or(|object| object && self.is_json())
    }

    fn step(&mut self, state: State, byte: u8) -> Option<State> {
        let between = matches!(state, State::Value { .. } | State::Name { .. } | State::Colon | State::After);
        if between && is_space(byte) {
            return Some(state);
        }
        match state {
            State::Value { or_end: true } if byte == b']' => self.close(false),
            State::Value { .. } => self.value(byte),
            State::Name { or_end: true } if byte == b'}' => self.close(true),
            State::Name { .. } => (byte == b'"').then_some(State::Text { name: true }),
            State::Colon => (byte == b':').then_some(State::Value { or_end: false }),
            State::After => self.after(byte),
            State::Text { name } => match byte {
                b'"' if name => Some(State::Colon),
                b'"' => Some(State::After),
                b'\\' => Some(State::Escape { name }),
                0..0x20 => None,
                _ => Some(state),
            },
            State::Escape { name } => match byte {
                b'u' => Some(State::Hex { name, left: 4 }),
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(State::Text { name }),
                _ => None,
            },
            State::Hex { name, left } if byte.is_ascii_hexdigit() => {
                let left = left.saturating_sub(1);
                Some(if left == 0 { State::Text { name } } else { State::Hex { name, left } })
            }
            State::Hex { .. } => None,
            State::Number(number) => match number.next(byte) {
                Some(next) => Some(State::Number(next)),
                None if number.is_whole() => self.step(State::After, byte),
                None => None,
            },
            State::Word([next, rest @ ..]) if *next == byte => {
                Some(if rest.is_empty() { State::After } else { State::Word(rest) })
            }
            State::Word(_) => None,
        }
    }

    fn value(&mut self, byte: u8) -> Option<State> {
        match byte {
            b'{' | b'[' => {
                let object = byte == b'{';
                self.open.push(object);
                let begun = if object { State::Name { or_end: true } } else { State::Value { or_end: true } };
                (self.open.len() <= DEEPEST).then_some(begun)
            }
            b'"' => Some(State::Text { name: false }),
            b't' => Some(State::Word(b"rue")),
            b'f' => Some(State::Word(b"alse")),
            b'n' => Some(State::Word(b"ull")),
            b'-' => Some(State::Number(Number::Minus)),
            b'0' => Some(State::Number(Number::Zero)),
            b'1'..=b'9' => Some(State::Number(Number::Whole)),
            _ => None,
        }
    }

    fn after(&mut self, byte: u8) -> Option<State> {
        match (byte, *self.open.last()?) {
            (b',', true) => Some(State::Name { or_end: false }),
            (b',', false) => Some(State::Value { or_end: false }),
            (b'}', true) => self.close(true),
            (b']', false) => self.close(false),
            _ => None,
        }
    }

    fn close(&mut self, object: bool) -> Option<State> {
        (self.open.pop() == Some(object)).then_some(State::After)
    }
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    use super::*;

    fn seen(pieces: &[&str]) -> Valid {
        let mut valid = Valid::default();
        pieces.iter().for_each(|piece| valid.push(piece));
        valid
    }

    /// Texts that are nearly JSON.
    fn nearly() -> impl Strategy<Value = String> {
        prop_oneof![
            "[\\[\\]{}:,\" 0-9.eE+\\\\ntrufals-]{0,16}",
            r#"(\{"a": ?(1|-0\.5e[+-]?3|"x\\n\\u00e9"|null|\[true,\{\}\])(, ?"b":false)?\}|[0-9.eE-]{1,6}|"[^"]{0,8}"| ?\[[0-9, ]{0,6}\]) ?.?"#,
        ]
    }

    proptest! {
        #[test]
        fn a_text_is_json_in_pieces_exactly_when_it_is_whole(text in nearly(), at in any::<prop::sample::Index>()) {
            let cut = text.floor_char_boundary(at.index(text.len() + 1));
            let json = serde_json::from_str::<IgnoredAny>(&text).is_ok();
            prop_assert_eq!(seen(&[&text[..cut], &text[cut..]]).is_json(), json, "{}", text);
        }
    }

    #[test]
    fn arguments_are_an_object_or_nothing() {
        for (text, good) in [
            ("", true),
            ("  ", true),
            ("{\"a\":1}", true),
            ("[1]", false),
            ("{\"a\":1", false),
            ("{} x", false),
        ] {
            assert_eq!(seen(&[text]).is_object_or_nothing(), good, "{text:?}");
        }
    }

    #[test]
    fn what_is_nested_without_end_takes_no_memory() {
        let mut valid = Valid::default();
        (0..1000).for_each(|_| valid.push(&"[".repeat(1000)));
        assert!(!valid.is_json() && valid.open.len() <= DEEPEST + 1);
    }
}
