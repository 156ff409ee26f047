//! Reading JSON one level at a time, with everything below left as it was written, and writing it without a tree.

use std::borrow::Cow;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::request::TranslateError;

/// So many bytes of a member's name stand in a pointer.
const LONGEST_NAME: usize = 80;

/// A member's name, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// The members of an object, in their order.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members: Vec<(Cow<'de, str>, &'de RawValue)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    members.push((name.0, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// An object of which members are taken one by one; what is left at the end was not understood.
pub(crate) struct Object<'a> {
    /// JSON Pointer of this object in the request.
    pub(crate) at: String,
    members: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl<'a> Object<'a> {
    /// The members of `raw`. A name that stands twice is refused: two readers could understand two things.
    pub(crate) fn read(raw: &'a str, at: &str) -> Result<Self, TranslateError> {
        let members = serde_json::from_str::<Members<'a>>(raw).map_err(|_| wrong(at, "an object"))?.0;
        let mut names: Vec<&str> = members.iter().map(|(name, _)| name.as_ref()).collect();
        names.sort_unstable();
        if let Some([name, _]) = names.array_windows().find(|[one, other]| one == other) {
            let object = Self { at: at.to_owned(), members: Vec::new() };
            return Err(wrong(&object.pointer(name), "a name that stands once"));
        }
        Ok(Self { at: at.to_owned(), members })
    }

    /// The pointer of a member; of a long name its beginning, since pointers stand in error messages.
    pub(crate) fn pointer(&self, name: &str) -> String {
        let short = name.get(..name.floor_char_boundary(LONGEST_NAME)).unwrap_or_default();
        let cut = if short.len() < name.len() { "\u{2026}" } else { "" };
        let short = match short.contains(['~', '/']) {
            false => Cow::Borrowed(short),
            true => Cow::Owned(short.replace('~', "~0").replace('/', "~1")),
        };
        [&self.at, "/", &short, cut].concat()
    }

    /// Takes a member; one that is null is as if it were not there.
    pub(crate) fn take(&mut self, name: &str) -> Option<&'a RawValue> {
        let index = self.members.iter().position(|(member, _)| member == name)?;
        let (_, value) = self.members.remove(index);
        (value.get() != "null").then_some(value)
    }

    /// Takes a text.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<Cow<'a, str>>, TranslateError> {
        self.typed(name, "a string").map(|value| value.map(|Name(text)| text))
    }

    /// Takes a text that must be there.
    pub(crate) fn needed_text(&mut self, name: &str) -> Result<Cow<'a, str>, TranslateError> {
        self.text(name)?.ok_or_else(|| wrong(&self.pointer(name), "a string"))
    }

    /// Takes true or false.
    pub(crate) fn flag(&mut self, name: &str) -> Result<Option<bool>, TranslateError> {
        self.typed(name, "true or false")
    }

    /// Takes a whole number that is not negative.
    pub(crate) fn count(&mut self, name: &str) -> Result<Option<u64>, TranslateError> {
        self.typed(name, "a whole number")
    }

    /// Takes any number, as it was written.
    pub(crate) fn number(&mut self, name: &str) -> Result<Option<&'a RawValue>, TranslateError> {
        let Some(raw) = self.take(name) else { return Ok(None) };
        match serde_json::from_str::<f64>(raw.get()) {
            Ok(_) => Ok(Some(raw)),
            Err(_) => Err(wrong(&self.pointer(name), "a number")),
        }
    }

    /// Takes an object.
    pub(crate) fn object(&mut self, name: &str) -> Result<Option<Self>, TranslateError> {
        let Some(raw) = self.take(name) else { return Ok(None) };
        Self::read(raw.get(), &self.pointer(name)).map(Some)
    }

    /// Takes a list, each item with its pointer.
    pub(crate) fn list(&mut self, name: &str) -> Result<Option<Vec<(String, &'a RawValue)>>, TranslateError> {
        let Some(raw) = self.take(name) else { return Ok(None) };
        list(raw, &self.pointer(name)).map(Some)
    }

    /// Lets the members go that change nothing about the answer.
    pub(crate) fn ignore(&mut self, names: &[&str]) {
        self.members.retain(|(name, _)| !names.contains(&name.as_ref()));
    }

    /// Refuses what is left and says something.
    pub(crate) fn finish(self) -> Result<(), TranslateError> {
        let left = self.members.iter().find(|(_, value)| !matches!(value.get(), "null" | "false" | "[]"));
        match left {
            None => Ok(()),
            Some((name, _)) => Err(TranslateError::Inexpressible {
                pointer: self.pointer(name),
                reason: "it is not known to any other dialect",
            }),
        }
    }

    fn typed<T: Deserialize<'a>>(
        &mut self,
        name: &str,
        expected: &'static str,
    ) -> Result<Option<T>, TranslateError> {
        let Some(raw) = self.take(name) else { return Ok(None) };
        serde_json::from_str(raw.get()).map(Some).map_err(|_| wrong(&self.pointer(name), expected))
    }
}

/// The items of a list, each with its pointer.
pub(crate) fn list<'a>(raw: &'a RawValue, at: &str) -> Result<Vec<(String, &'a RawValue)>, TranslateError> {
    let items: Vec<&'a RawValue> = serde_json::from_str(raw.get()).map_err(|_| wrong(at, "a list"))?;
    Ok(items.into_iter().enumerate().map(|(index, item)| (format!("{at}/{index}"), item)).collect())
}

/// A JSON string's text, borrowed where it has no escapes; none when it is no string.
pub(crate) fn text(raw: &str) -> Option<Cow<'_, str>> {
    serde_json::from_str::<Name<'_>>(raw).ok().map(|name| name.0)
}

/// The refusal of a value that is not what the dialect says.
pub(crate) fn wrong(pointer: &str, expected: &'static str) -> TranslateError {
    TranslateError::Malformed { pointer: pointer.to_owned(), expected }
}

/// Writes JSON into a buffer, member by member.
pub(crate) struct Writer<'o> {
    out: &'o mut Vec<u8>,
    /// Whether something stands before the next item of the container that is open.
    comma: bool,
}

impl<'o> Writer<'o> {
    pub(crate) fn new(out: &'o mut Vec<u8>) -> Self {
        Self { out, comma: false }
    }

    /// One value as the next item.
    pub(crate) fn value<T: Serialize + ?Sized>(&mut self, value: &T) {
        self.separate();
        // Writing numbers, texts and raw JSON into memory cannot fail.
        let _ = serde_json::to_writer(&mut *self.out, value);
    }

    /// A text as the next item. It is looked at as a whole, so that the compiler takes many bytes at once: few texts
    /// have anything to escape, and the others are copied.
    pub(crate) fn text(&mut self, text: &str) {
        let special = |byte: u8| (byte < b' ') | (byte == b'"') | (byte == b'\\');
        if text.bytes().fold(false, |found, byte| found | special(byte)) {
            return self.value(text);
        }
        self.separate();
        self.out.reserve(text.len().saturating_add(2));
        self.out.push(b'"');
        self.out.extend_from_slice(text.as_bytes());
        self.out.push(b'"');
    }

    /// An object as the next item.
    pub(crate) fn object(&mut self, fill: impl FnOnce(&mut Writer<'_>)) {
        self.container(b'{', b'}', fill);
    }

    /// A list as the next item.
    pub(crate) fn list(&mut self, fill: impl FnOnce(&mut Writer<'_>)) {
        self.container(b'[', b']', fill);
    }

    /// A member's name; its value has to follow.
    pub(crate) fn name(&mut self, name: &str) {
        self.text(name);
        self.out.push(b':');
        self.comma = false;
    }

    /// A member.
    pub(crate) fn member<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) {
        self.name(name);
        self.value(value);
    }

    /// A member that is a text.
    pub(crate) fn text_member(&mut self, name: &str, text: &str) {
        self.name(name);
        self.text(text);
    }

    /// A member that may be missing.
    pub(crate) fn optional<T: Serialize>(&mut self, name: &str, value: Option<T>) {
        if let Some(value) = value {
            self.member(name, &value);
        }
    }

    /// A member that is an object.
    pub(crate) fn object_member(&mut self, name: &str, fill: impl FnOnce(&mut Writer<'_>)) {
        self.name(name);
        self.object(fill);
    }

    /// A member that is a list.
    pub(crate) fn list_member(&mut self, name: &str, fill: impl FnOnce(&mut Writer<'_>)) {
        self.name(name);
        self.list(fill);
    }

    fn separate(&mut self) {
        if self.comma {
            self.out.push(b',');
        }
        self.comma = true;
    }

    fn container(&mut self, open: u8, close: u8, fill: impl FnOnce(&mut Writer<'_>)) {
        self.separate();
        self.out.push(open);
        fill(&mut Writer { out: &mut *self.out, comma: false });
        self.out.push(close);
    }
}

/// One object as bytes.
pub(crate) fn object(fill: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    Writer::new(&mut out).object(fill);
    out
}
