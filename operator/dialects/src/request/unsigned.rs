//! Thinking of other providers' models in a conversation that goes on with Anthropic.
//!
//! A client of messages is shown every model's thinking, and sends it back with the next question. Only Anthropic's own is
//! signed, and Anthropic refuses the whole request for a block that is not.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Edit;

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    messages: Vec<Message<'a>>,
    #[serde(borrow)]
    thinking: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    role: Cow<'a, str>,
    #[serde(borrow)]
    content: &'a RawValue,
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    signature: Option<Cow<'a, str>>,
    #[serde(borrow)]
    thinking: Option<&'a RawValue>,
}

/// What has to change so that nothing unsigned is left. Nothing in a body that has none, or that is not as expected: that
/// is for Anthropic to refuse.
pub(super) fn edits(body: &[u8]) -> Vec<Edit> {
    let begun = memmem::find_iter(body, b"\"signature\"").any(|at| {
        let rest = body.get(at..).and_then(|rest| rest.strip_prefix(b"\"signature\"")).unwrap_or_default();
        let value = rest.trim_ascii_start().strip_prefix(b":").unwrap_or_default();
        value.trim_ascii_start().starts_with(b"\"\"")
    });
    if !begun {
        return Vec::new();
    }
    let Ok(text) = std::str::from_utf8(body) else { return Vec::new() };
    let Ok(request) = serde_json::from_str::<Request<'_>>(text) else { return Vec::new() };
    let mut edits = Vec::new();
    // Whether the last answer called tools, and its thinking is gone.
    let mut open_call = false;
    for message in request.messages.iter().filter(|message| message.role == "assistant") {
        let signed = signed(message.content);
        open_call = signed.as_ref().is_some_and(|(_, called)| *called);
        edits.extend(signed.map(|(text, _)| Edit { range: place(body, message.content.get()), text }));
    }
    if let Some(thinking) = request.thinking.filter(|_| open_call) {
        // Anthropic wants the thinking before a call back, or none at all.
        edits.push(Edit { range: place(body, thinking.get()), text: r#"{"type":"disabled"}"#.to_owned() });
    }
    edits
}

/// A content without the thinking that nobody signed, and whether it calls tools; none where it has no such thinking.
fn signed(content: &RawValue) -> Option<(String, bool)> {
    let raw: Vec<&RawValue> = serde_json::from_str(content.get()).ok()?;
    let blocks: Vec<Block<'_>> =
        raw.iter().map(|block| serde_json::from_str(block.get())).collect::<Result<_, _>>().ok()?;
    let unsigned =
        |block: &Block<'_>| block.kind == "thinking" && block.signature.as_deref().is_none_or(str::is_empty);
    if !blocks.iter().any(unsigned) {
        return None;
    }
    let kept = raw.iter().zip(&blocks).filter(|(_, block)| !unsigned(block)).map(|(raw, _)| raw.get());
    let mut kept = kept.collect::<Vec<_>>().join(",");
    if kept.is_empty() {
        // An answer that thought and said nothing: a message must not be empty.
        let thought = blocks.first().and_then(|block| block.thinking).map_or("\"\"", RawValue::get);
        kept = format!(r#"{{"type":"text","text":{thought}}}"#);
    }
    Some((format!("[{kept}]"), blocks.iter().any(|block| block.kind == "tool_use")))
}

/// Where a part of the body stands in it.
fn place(body: &[u8], part: &str) -> Range<usize> {
    let start = part.as_ptr().addr().saturating_sub(body.as_ptr().addr());
    start..start.saturating_add(part.len())
}
