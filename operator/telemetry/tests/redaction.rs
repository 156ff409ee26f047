//! No secret passes a log line, wherever it stands and however it is written.

// Clippy knows tests by their attribute and does not know their helpers.
#![allow(clippy::unwrap_used)]

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write as _};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use tracing_subscriber::EnvFilter;
use vox_contracts::generated::providers::PROVIDERS;
use vox_telemetry::logs::lines;
use vox_telemetry::{LogFormat, Redacting, redact};

/// No key: made up here, and in pieces, so that nobody's scanner takes it for one.
fn key(prefix: &str) -> String {
    format!("{prefix}{}", "abcDEF0123".repeat(4))
}

#[test]
fn a_key_is_replaced_by_whose_it_is() {
    for (prefix, whose) in [
        ("sk-", "openai"),
        ("sk-live-", "openai"),
        ("sk-proj-", "openai"),
        ("sk-ant-api03-", "anthropic"),
        ("sk-or-v1-", "openrouter"),
        ("AIza", "google"),
        ("hf_", "huggingface"),
        ("gsk_", "groq"),
        ("csk-", "cerebras"),
        ("ABSK", "bedrock"),
    ] {
        assert_eq!(
            redact(&format!("key {}, said twice", key(prefix))),
            format!("key <REDACTED:{whose}>, said twice")
        );
    }
    assert_eq!(redact(&format!("{}live-abc123", "sk-")), "<REDACTED:openai>");
}

#[test]
fn a_text_without_a_secret_stays_as_it_is() {
    for text in [
        "",
        "an attempt failed decision=019ac0de-0000-7000-8000-000000000000 deployment=xai/grok-4-fast status=503",
        "sk-learn-pipeline-worker hf_hub_download_cache_dir_1 task-sk-1 pplx-70b-online disk-0a1b2c3d4e5f60718293a4b5",
        "the bearer token was refused: Bearer authentication is needed",
        "keyless: sk-, AIza, hf_, eyJ, Bearer",
    ] {
        assert!(matches!(redact(text), Cow::Borrowed(_)), "{}", redact(text));
    }
}

#[test]
fn several_in_one_line_and_at_its_end_are_all_replaced() {
    let line = format!("a={} b={}, c={}\n", key("gsk_"), key("sk-"), key("hf_"));
    assert_eq!(redact(&line), "a=<REDACTED:groq> b=<REDACTED:openai>, c=<REDACTED:huggingface>\n");
}

#[test]
fn an_escape_before_a_key_does_not_hide_it() {
    for before in [
        "\\n",
        "\\t",
        "\\\\n",
        "\\\"",
        "\\u001b[31m",
        "\u{1b}[0m",
        "%3D",
        "\\u003d",
        "\\x1b",
        "é",
        "_",
        "key-",
    ] {
        let text = format!("{before}{}", key("sk-"));
        assert_eq!(redact(&text), format!("{before}<REDACTED:openai>"));
    }
}

#[test]
fn tokens_are_known_by_the_word_before_them_or_by_their_form() {
    let jwt = format!("eyJ{0}.eyJ{0}.{0}", "hbGciOiJSUzI1NiIsImtp");
    assert_eq!(
        redact("authorization: Bearer abcd-efgh.1234~x/y+z=="),
        "authorization: Bearer <REDACTED:bearer>"
    );
    assert_eq!(
        redact("{\"authorization\":\"bearer opaque01\"}"),
        "{\"authorization\":\"bearer <REDACTED:bearer>\"}"
    );
    assert_eq!(redact(&format!("token {jwt}.")), "token <REDACTED:jwt>");
    assert_eq!(redact(&format!("Bearer {jwt}")), "Bearer <REDACTED:jwt>");
    assert_eq!(redact(&format!("Bearer {}", key("sk-"))), "Bearer <REDACTED:openai>");
}

#[test]
fn what_is_written_at_once_is_looked_at_at_once_and_counted_as_it_came() {
    let mut out = Redacting(Vec::new());
    let line = format!("{}\n", key("xai-"));
    assert_eq!(out.write(line.as_bytes()).unwrap(), line.len());
    assert_eq!(out.0, b"<REDACTED:xai>\n");
}

/// What stands behind a key's prefix: as random as providers make it.
fn random() -> impl Strategy<Value = String> {
    prop_oneof!["[A-Za-z0-9]{16,64}", "[A-Za-z0-9_-]{40,120}", "live-[a-z0-9]{5}[0-9][a-z]{2,20}"]
}

proptest! {
    #[test]
    fn no_word_like_a_key_passes(
        provider in 0..PROVIDERS.len(),
        rest in random(),
        before in "([ -~é]{0,20}[^A-Za-z0-9])?",
        after in "([^A-Za-z0-9_+/=-][ -~é]{0,20})?",
    ) {
        for prefix in PROVIDERS[provider].key_prefixes {
            let text = format!("{before}{prefix}{rest}{after}");
            let clean = redact(&text);
            prop_assert!(!clean.contains(&rest), "{text} became {clean}");
            prop_assert!(clean.contains("<REDACTED:"), "{text} became {clean}");
        }
    }
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An error as libraries make them: the key is in the cause.
#[derive(Debug)]
struct Outer(Inner);

#[derive(Debug)]
struct Inner(String);

impl fmt::Display for Outer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("failed to ask")
    }
}

impl fmt::Display for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the provider says:\n{}", self.0)
    }
}

impl std::error::Error for Outer {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

impl std::error::Error for Inner {}

/// What the pipeline writes of a line that has the key wherever one can stand.
fn written(format: LogFormat, colours: bool, key: &str) -> String {
    let out = Lines::default();
    let to = out.clone();
    let dispatch = lines(format, EnvFilter::new("info"), move || to.clone(), colours);
    tracing::dispatcher::with_default(&dispatch, || {
        let span = tracing::info_span!("call", key);
        let _within = span.enter();
        let error = Outer(Inner(key.to_owned()));
        let cause: &dyn std::error::Error = &error;
        tracing::info!(field = key, debug = ?format!("\n{key}"), error = cause, chain = %error.0, "with {key}\n{key}");
    });
    String::from_utf8(out.0.lock().unwrap().clone()).unwrap()
}

#[test]
fn a_key_passes_in_no_field_no_message_no_span_and_no_cause() {
    let key = format!("{}live-{}", "sk-", "abcDEF0123".repeat(3));
    for (format, colours) in [(LogFormat::Json, false), (LogFormat::Text, false), (LogFormat::Text, true)] {
        let line = written(format, colours, &key);
        assert!(!line.contains("abcDEF0123"), "{line}");
        assert!(line.matches("<REDACTED:openai>").count() >= 6, "{line}");
    }
}

#[test]
fn a_redacted_line_of_json_is_json() {
    let line = written(LogFormat::Json, false, &format!("\"{}{}\"", "gsk_", "abcDEF0123".repeat(5)));
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["field"], "\"<REDACTED:groq>\"");
    assert_eq!(line["level"], "INFO");
}
