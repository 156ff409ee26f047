//! A list on its way into a body: row by row, because ten thousand rows as values take far more memory than as text.

use axum::body::Bytes;
use serde_json::{Map, Value};

use crate::settings::Settings;

/// Which rows are shown, and under which key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct List {
    /// Empty for a bare array.
    pub(crate) key: &'static str,
    pub(crate) offset: usize,
    pub(crate) limit: usize,
}

/// What became of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Rows in all.
    pub(crate) total: usize,
    /// Rows on the page.
    pub(crate) shown: usize,
}

impl List {
    /// After which row the next page begins, if there is one. Where the settings say so, it is this page again.
    pub(crate) fn next(self, listed: Listed, settings: &Settings) -> Option<usize> {
        let end = self.offset.saturating_add(listed.shown);
        let more = end < listed.total && listed.shown > 0;
        more.then_some(if settings.loop_pages { self.offset } else { end })
    }

    /// The rows after so many, at most so many and no more than the settings allow.
    pub(crate) fn page(key: &'static str, offset: usize, limit: usize, settings: &Settings) -> Self {
        Self { key, offset, limit: limit.min(settings.page_size.unwrap_or(usize::MAX)) }
    }

    /// All rows.
    pub(crate) const fn whole(key: &'static str) -> Self {
        Self { key, offset: 0, limit: usize::MAX }
    }

    /// The body: an object of the rows under their key and of what `rest` puts beside them.
    pub(crate) fn render(
        self,
        rows: impl Iterator<Item = Value>,
        rest: impl FnOnce(Listed) -> Map<String, Value>,
    ) -> Bytes {
        let bare = self.key.is_empty();
        let mut body = if bare { b"[".to_vec() } else { format!("{{\"{}\":[", self.key).into_bytes() };
        let mut listed = Listed { total: 0, shown: 0 };
        for row in rows {
            if listed.total >= self.offset && listed.shown < self.limit {
                if listed.shown > 0 {
                    body.push(b',');
                }
                listed.shown += 1;
                // A `Vec` takes every byte, and a `Value` is always JSON.
                let _ = serde_json::to_writer(&mut body, &row);
            }
            listed.total += 1;
        }
        body.push(b']');
        if bare {
            return Bytes::from(body);
        }
        for (key, value) in rest(listed) {
            body.extend_from_slice(format!(",{}:{value}", Value::String(key)).as_bytes());
        }
        body.push(b'}');
        Bytes::from(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_list_is_an_object_with_its_rows_and_the_rest() {
        let list = List { key: "data", offset: 1, limit: 2 };
        let beside = |listed: Listed| Map::from_iter([("total".to_owned(), json!(listed.total))]);
        let body = list.render((0..5).map(|row| json!({ "id": row })), beside);
        let read: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(read, json!({"data": [{"id": 1}, {"id": 2}], "total": 5}));
        let empty = List::whole("models").render(std::iter::empty(), |_| Map::new());
        assert_eq!(&empty[..], b"{\"models\":[]}");
    }
}
