//! How many rows an answer has, counted before anything is made of them: a row becomes some kilobytes in memory, and a Job has
//! little of that.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A list of more rows than this, in one answer or in pages, is no list of models: twice the largest `max_models` of the
/// routing contract, as rows that are filtered away count. That many take 100 MiB in a Job of 128.
pub(crate) const MAX_ROWS: usize = 40_000;

/// The rows of the answer's longest list, where those are too many.
pub(super) fn too_many(body: &[u8]) -> Option<usize> {
    // Two bytes are a row and its comma. What is no JSON is for the parser to refuse.
    if body.len() < 2 * MAX_ROWS {
        return None;
    }
    let Longest(rows) = serde_json::from_slice(body).ok()?;
    (rows > MAX_ROWS).then_some(rows)
}

/// The length of the longest array that is the value or a member of it, however deep; elements are not looked into.
struct Longest(usize);

impl<'de> Deserialize<'de> for Longest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Looking)
    }
}

struct Looking;

impl<'de> Visitor<'de> for Looking {
    type Value = Longest;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Longest, A::Error> {
        let mut count = 0_usize;
        while rows.next_element::<IgnoredAny>()?.is_some() {
            count = count.saturating_add(1);
        }
        Ok(Longest(count))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Longest, A::Error> {
        let mut longest = 0;
        while let Some((_, Longest(rows))) = members.next_entry::<IgnoredAny, Longest>()? {
            longest = longest.max(rows);
        }
        Ok(Longest(longest))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Longest, E> {
        Ok(Longest(0))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Longest, E> {
        Ok(Longest(0))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Longest, E> {
        Ok(Longest(0))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Longest, E> {
        Ok(Longest(0))
    }

    fn visit_str<E>(self, _: &str) -> Result<Longest, E> {
        Ok(Longest(0))
    }

    fn visit_unit<E>(self) -> Result<Longest, E> {
        Ok(Longest(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(rows: usize) -> String {
        format!("[{}]", vec![r#"{"id":1}"#; rows].join(","))
    }

    #[test]
    fn rows_are_counted_in_whichever_envelope_they_are() {
        let long = list(MAX_ROWS + 1);
        for body in [long.clone(), format!(r#"{{"object":"list","data":{long},"n":1.5,"more":null}}"#)] {
            assert_eq!(too_many(body.as_bytes()), Some(MAX_ROWS + 1));
        }
        assert_eq!(too_many(format!(r#"{{"a":{{"models":{long}}}}}"#).as_bytes()), Some(MAX_ROWS + 1));
        assert_eq!(too_many(list(MAX_ROWS).as_bytes()), None);
    }

    #[test]
    fn what_stands_in_a_row_is_no_row_and_what_is_no_json_is_for_the_parser() {
        let row = format!(r#"{{"data":[{{"files":{}}}]}}"#, list(MAX_ROWS + 1));
        assert_eq!(too_many(row.as_bytes()), None);
        assert_eq!(too_many(&list(MAX_ROWS + 1).as_bytes()[1..]), None);
    }
}
