//! What matters about an answer that is written as nearly all are: found while passing over its bytes, for a fraction of
//! what it costs to build what it says. Whatever is unusual in it (an error, calls, escapes in a name, a member that
//! stands twice, a value of another type) is left to who reads everything, and says what is wrong.

use std::borrow::Cow;

use super::{Counts, InputDetails, OutputDetails};
use crate::event::Reply;
use crate::finish::Finish;
use crate::shape::scanner::Scanner;
use crate::usage::Usage;

/// The facts of a whole answer; nothing when it is not a usual one.
pub(crate) fn facts(text: &str) -> Option<Reply> {
    let mut scanner = Scanner::new(text);
    scanner.white();
    let mut reply = Reply::default();
    let mut any = false;
    members(&mut scanner, |scanner, name| {
        match name {
            "id" => reply.id = some_text(scanner)?,
            "model" => reply.model = some_text(scanner)?,
            "choices" => any = choices(scanner, &mut reply)?,
            "usage" => reply.usage = usage(scanner)?,
            "error" | "x_groq" => null(scanner)?,
            _ => return skipped(scanner),
        }
        Some(true)
    })?;
    scanner.end().ok()?;
    any.then_some(reply)
}

/// Whether there are any.
fn choices(scanner: &mut Scanner<'_>, reply: &mut Reply) -> Option<bool> {
    let mut items = scanner.list().ok()?;
    let mut any = false;
    while scanner.item(&mut items).ok()? {
        any = true;
        choice(scanner, reply)?;
    }
    Some(any)
}

fn choice(scanner: &mut Scanner<'_>, reply: &mut Reply) -> Option<()> {
    let (mut index, mut delta, mut message, mut finish) = (None, None, None, None);
    members(scanner, |scanner, name| {
        match name {
            "index" => index = whole(scanner)?,
            "delta" => delta = refusal(scanner)?,
            "message" => message = refusal(scanner)?,
            "finish_reason" => finish = some_text(scanner)?,
            "error" => null(scanner)?,
            _ => return skipped(scanner),
        }
        Some(true)
    })?;
    // Of several answers the first one counts.
    if let Some(text) = delta.or(message).flatten().filter(|_| index.unwrap_or(0) == 0) {
        reply.refusal.get_or_insert_default().push_str(&text);
    }
    match finish.as_deref() {
        None => {}
        Some("error") => return None,
        Some(reason) => reply.finish = Some(Finish::of_openai(reason)),
    }
    Some(())
}

/// What a message refuses, if it is there.
fn refusal(scanner: &mut Scanner<'_>) -> Option<Option<Option<String>>> {
    if !scanner.at(b'{') {
        return null(scanner).map(|()| None);
    }
    let mut refusal = None;
    members(scanner, |scanner, name| {
        match name {
            "refusal" => refusal = some_text(scanner)?,
            "content" | "reasoning_content" | "reasoning" => scanner.skip().ok()?,
            "tool_calls" => null(scanner)?,
            _ => return skipped(scanner),
        }
        Some(true)
    })?;
    Some(Some(refusal))
}

fn usage(scanner: &mut Scanner<'_>) -> Option<Usage> {
    if !scanner.at(b'{') {
        return null(scanner).map(|()| Usage::default());
    }
    let mut counts = Counts::default();
    members(scanner, |scanner, name| {
        match name {
            "prompt_tokens" => counts.prompt_tokens = whole(scanner)?,
            "completion_tokens" => counts.completion_tokens = whole(scanner)?,
            "total_tokens" => counts.total_tokens = whole(scanner)?,
            "prompt_cache_hit_tokens" => counts.prompt_cache_hit_tokens = whole(scanner)?,
            "prompt_tokens_details" => counts.prompt_tokens_details = input(scanner)?,
            "completion_tokens_details" => counts.completion_tokens_details = output(scanner)?,
            _ => return skipped(scanner),
        }
        Some(true)
    })?;
    Some(counts.usage())
}

fn input(scanner: &mut Scanner<'_>) -> Option<Option<InputDetails>> {
    if !scanner.at(b'{') {
        return null(scanner).map(|()| None);
    }
    let mut details = InputDetails::default();
    members(scanner, |scanner, name| {
        match name {
            "cached_tokens" => details.cached_tokens = whole(scanner)?,
            "cache_write_tokens" => details.cache_write_tokens = whole(scanner)?,
            _ => return skipped(scanner),
        }
        Some(true)
    })?;
    Some(Some(details))
}

fn output(scanner: &mut Scanner<'_>) -> Option<Option<OutputDetails>> {
    if !scanner.at(b'{') {
        return null(scanner).map(|()| None);
    }
    let mut details = OutputDetails::default();
    members(scanner, |scanner, name| match name {
        "reasoning_tokens" => {
            details.reasoning_tokens = whole(scanner)?;
            Some(true)
        }
        _ => skipped(scanner),
    })?;
    Some(Some(details))
}

/// Goes through an object. `take` reads a member's value and says whether it knows the member: such a one stands once.
fn members<'a>(
    scanner: &mut Scanner<'a>,
    mut take: impl FnMut(&mut Scanner<'a>, &str) -> Option<bool>,
) -> Option<()> {
    // No object has more that are known.
    let (mut known, mut count) = ([""; 8], 0);
    let mut members = scanner.object().ok()?;
    while let Some(name) = scanner.member(&mut members).ok()? {
        let Cow::Borrowed(name) = name else { return None };
        if take(scanner, name)? {
            if known.get(..count)?.contains(&name) {
                return None;
            }
            *known.get_mut(count)? = name;
            count += 1;
        }
    }
    Some(())
}

fn skipped(scanner: &mut Scanner<'_>) -> Option<bool> {
    scanner.skip().ok().map(|()| false)
}

fn null(scanner: &mut Scanner<'_>) -> Option<()> {
    (scanner.value().ok()? == "null").then_some(())
}

/// A whole number, or null.
fn whole(scanner: &mut Scanner<'_>) -> Option<Option<u64>> {
    match scanner.value().ok()? {
        "null" => Some(None),
        number => number.parse().ok().map(Some),
    }
}

/// A text without escapes, or null, which is as good as an empty one.
fn some_text(scanner: &mut Scanner<'_>) -> Option<Option<String>> {
    let raw = scanner.value().ok()?;
    if raw == "null" {
        return Some(None);
    }
    let text = raw.strip_prefix('"')?.strip_suffix('"')?;
    (!text.contains('\\')).then(|| (!text.is_empty()).then(|| text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As whoever reads everything has it.
    fn read_whole(text: &str) -> Option<Reply> {
        let mut events = Vec::new();
        super::super::whole(super::super::Reader::brief(), text, &mut events).ok()?;
        Some(Reply::of(events))
    }

    #[test]
    fn what_is_found_is_what_a_full_reading_finds() {
        let counts = r#"{"prompt_tokens":9,"completion_tokens":2,"total_tokens":14,"prompt_tokens_details":{"cached_tokens":4,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":3}}"#;
        for text in [
            r#"{"id":"a","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"x \" y"},"finish_reason":"stop"}]}"#,
            r#" {"id":"","model":null,"choices":[{"message":{"content":null,"refusal":"no"}}],"error":null,"usage":null} "#,
            r#"{"choices":[{"index":1,"message":{"refusal":"no"},"finish_reason":"length"},{"index":0,"message":null,"finish_reason":""}]}"#,
            r#"{"choices":[{"delta":{"refusal":null},"message":{"refusal":"no"},"logprobs":{"content":[]}}]}"#,
            &format!(r#"{{"choices":[{{"message":{{"tool_calls":null}}}}],"usage":{counts},"x_groq":null}}"#),
        ] {
            let found = facts(text);
            assert!(found.is_some(), "{text}");
            assert_eq!(found, read_whole(text), "{text}");
        }
    }

    #[test]
    fn what_is_unusual_is_left_to_others() {
        for text in [
            "",
            "[]",
            r#"{"choices":[]}"#,
            r#"{"choices":[{}]} x"#,
            r#"{"choices":[{}],"error":{"message":"no"}}"#,
            r#"{"choices":[{"error":{}}]}"#,
            r#"{"choices":[{"finish_reason":"error"}]}"#,
            r#"{"id":"a\n","choices":[{}]}"#,
            r#"{"id":1,"choices":[{}]}"#,
            r#"{"id":"a","id":"a","choices":[{}]}"#,
            r#"{"choices":[{"message":{"content":"a","content":"b"}}]}"#,
            r#"{"choices":[{"message":{"tool_calls":[]}}]}"#,
            r#"{"choices":[{}],"usage":{"prompt_tokens":12.0}}"#,
            r#"{"choices":[{}],"usage":{"prompt_tokens_details":7}}"#,
            r#"{"choices":[{}],"\u0065rror":{}}"#,
        ] {
            assert_eq!(facts(text), None, "{text}");
        }
    }
}
