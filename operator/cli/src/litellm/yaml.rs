//! The configuration as a tree in which every value knows its line. Nothing is typed: a value of a wrong type is a finding
//! with a line, and no reason to read nothing at all.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// So many values of anchors are repeated by aliases; configurations repeat a few, bombs repeat without end.
const MOST_REPEATED: usize = 100_000;

/// A value and where it stands, counted from 1; of an alias, where the alias stands.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) line: u64,
    pub(super) value: Value,
}

/// A value. Numbers keep their digits: a price that went through a float would be another one.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Nothing,
    Flag(bool),
    Number(String),
    Text(String),
    List(Vec<Node>),
    Fields(Vec<Field>),
}

/// A member of a mapping.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) line: u64,
    pub(super) name: String,
    pub(super) node: Node,
}

impl Node {
    /// Reads one document. The error says what is wrong and where, and quotes nothing of the text.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let options = serde_saphyr::options! {
            alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MOST_REPEATED },
            with_snippet: false,
        };
        serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            let told = error.without_snippet().to_string();
            told.lines().next().unwrap_or_default().to_owned()
        })
    }

    pub(super) fn fields(&self) -> Option<&[Field]> {
        match &self.value {
            Value::Fields(fields) => Some(fields),
            _ => None,
        }
    }

    pub(super) fn list(&self) -> Option<&[Self]> {
        match &self.value {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A number, also where somebody put it between quotation marks.
    pub(super) fn number(&self) -> Option<&str> {
        match &self.value {
            Value::Number(digits) => Some(digits),
            Value::Text(text) => Some(text.trim()),
            _ => None,
        }
    }

    /// A whole number that is not negative.
    pub(super) fn count(&self) -> Option<i64> {
        self.number()?.parse().ok().filter(|count| *count >= 0)
    }

    pub(super) const fn flag(&self) -> Option<bool> {
        match self.value {
            Value::Flag(flag) => Some(flag),
            _ => None,
        }
    }

    pub(super) const fn is_nothing(&self) -> bool {
        matches!(self.value, Value::Nothing)
    }

    /// The member of this name.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        self.fields()?.iter().find(|field| field.name == name).map(|field| &field.node)
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self { line: spanned.referenced.line(), value: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Values)
    }
}

struct Values;

impl<'de> Visitor<'de> for Values {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_none<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Flag(flag))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number.to_string()))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number.to_string()))
    }

    fn visit_i128<E: de::Error>(self, number: i128) -> Result<Value, E> {
        Ok(Value::Number(number.to_string()))
    }

    fn visit_u128<E: de::Error>(self, number: u128) -> Result<Value, E> {
        Ok(Value::Number(number.to_string()))
    }

    /// The shortest digits that give this float are those that were written, up to fifteen of them.
    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Number(number.to_string()))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut fields = Vec::new();
        while let Some((key, node)) = members.next_entry::<Spanned<String>, Node>()? {
            fields.push(Field { line: key.referenced.line(), name: key.value, node });
        }
        Ok(Value::Fields(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_and_every_name_knows_its_line() {
        let root = Node::read("a:\n  - one\n  - two\nb:\n\n  c: 1e-7\n").unwrap();
        let lines: Vec<u64> = root.fields().unwrap().iter().map(|field| field.line).collect();
        assert_eq!(lines, [1, 4]);
        assert_eq!(root.get("a").unwrap().list().unwrap()[1].line, 3);
        let price = root.get("b").unwrap().get("c").unwrap();
        assert_eq!((price.line, price.number()), (6, Some("0.0000001")));
    }

    #[test]
    fn what_an_alias_repeats_stands_where_the_alias_stands() {
        let root = Node::read("a: &key\n  b: 1\nc: *key\nd:\n  <<: *key\n").unwrap();
        assert_eq!(root.get("c").unwrap().line, 3);
        assert_eq!(root.get("d").unwrap().get("b").unwrap().number(), Some("1"));
    }

    #[test]
    fn nothing_is_a_value_too() {
        assert!(Node::read("").unwrap().is_nothing());
        assert!(Node::read("a:\n").unwrap().get("a").unwrap().is_nothing());
    }

    #[test]
    fn what_is_no_yaml_is_refused_with_its_line_and_without_its_text() {
        let error = Node::read("a: 1\nkey: [sk-12345\nb: 2\n").unwrap_err();
        assert!(error.contains("line ") && !error.contains("12345"), "{error}");
        let twice = Node::read("a: 1\na: 2\n").unwrap_err();
        assert!(twice.contains("line 2"), "{twice}");
    }

    #[test]
    fn aliases_of_aliases_are_given_up_and_so_is_depth() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let before = format!("*a{}", level - 1);
            bomb.push_str(&format!("a{level}: &a{level} [{}]\n", vec![before; 10].join(", ")));
        }
        assert!(Node::read(&bomb).is_err());
        assert!(Node::read(&"[".repeat(100_000)).is_err());
    }
}
