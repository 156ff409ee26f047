//! A request that stays in its dialect: byte for byte as it came, but for the model's name.

use std::ops::Range;

use crate::dialect::Dialect;
use crate::shape::RequestShape;

/// A replacement of a range of bytes; an empty range is an insertion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Which bytes of the body.
    pub range: Range<usize>,
    /// What stands there instead.
    pub text: String,
}

/// A request with another model's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewritten {
    /// The body to send.
    pub body: Vec<u8>,
    /// Whether usage was asked for in the client's place: the stream's extra chunk is to be withheld from it
    /// ([`crate::stream::StreamOptions::withhold_usage`]).
    pub withhold_usage: bool,
}

/// What has to change in a body, in the order of the bytes: the model's name, and for OpenAI's streams
/// `stream_options.include_usage`, without which there is no usage to account. The flag says whether that was added. Of
/// Anthropic's, thinking that another provider's model left in the conversation goes, too.
///
/// `ask_usage` is for providers that know `stream_options`; Gemini's requests, which have no model, do not change.
#[must_use]
pub fn edits(
    dialect: Dialect,
    body: &[u8],
    shape: &RequestShape<'_>,
    model: &str,
    ask_usage: bool,
) -> (Vec<Edit>, bool) {
    let mut edits = Vec::new();
    let mut front = String::new();
    if dialect.model_in_body() && shape.model.as_deref() != Some(model) {
        // Texts can always be written.
        let text = serde_json::to_string(model).unwrap_or_default();
        match &shape.model_range {
            Some(range) => edits.push(Edit { range: range.clone(), text }),
            None => front.push_str(&format!("\"model\":{text},")),
        }
    }
    let withhold = dialect == Dialect::OpenAiChat && ask_usage && shape.stream && !shape.include_usage;
    if withhold {
        match &shape.stream_options_range {
            Some(range) => edits.push(Edit {
                text: with_usage(body.get(range.clone()).unwrap_or_default()),
                range: range.clone(),
            }),
            None if shape.null_stream_options_range.is_some() => {
                let range = shape.null_stream_options_range.clone().unwrap_or_default();
                edits.push(Edit { range, text: "{\"include_usage\":true}".to_owned() });
            }
            None => front.push_str("\"stream_options\":{\"include_usage\":true},"),
        }
    }
    if !front.is_empty() {
        if shape.empty {
            front.pop();
        }
        edits.push(Edit { range: shape.start..shape.start, text: front });
    }
    if dialect == Dialect::AnthropicMessages {
        edits.extend(super::unsigned::edits(body));
    }
    edits.sort_by_key(|edit| edit.range.start);
    (edits, withhold)
}

/// The body with [`edits`] made. `body` must be the one that `shape` was scanned from.
#[must_use]
pub fn rewrite_model(
    dialect: Dialect,
    body: &[u8],
    shape: &RequestShape<'_>,
    model: &str,
    ask_usage: bool,
) -> Rewritten {
    let (edits, withhold_usage) = edits(dialect, body, shape, model, ask_usage);
    let more: usize = edits.iter().map(|edit| edit.text.len()).sum();
    let mut out = Vec::with_capacity(body.len() + more);
    let mut from = 0;
    for edit in &edits {
        out.extend_from_slice(body.get(from..edit.range.start).unwrap_or_default());
        out.extend_from_slice(edit.text.as_bytes());
        from = edit.range.end;
    }
    out.extend_from_slice(body.get(from..).unwrap_or_default());
    Rewritten { body: out, withhold_usage }
}

/// The members of `stream_options`, with usage asked for.
fn with_usage(options: &[u8]) -> String {
    type Members = serde_json::Map<String, serde_json::Value>;
    // The scan saw an object there.
    let mut members: Members = serde_json::from_slice(options).unwrap_or_default();
    members.insert("include_usage".to_owned(), true.into());
    serde_json::to_string(&members).unwrap_or_default()
}
