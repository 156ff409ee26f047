//! Errors as clients of each dialect expect them.

use crate::dialect::Dialect;
use crate::json::{Writer, object};

/// The body of an answer with this status. `code` is a word for programs, `message` what happened, where and what to
/// do; `decision_id` names the record of the decision, if one was made.
#[must_use]
pub fn error_body(
    dialect: Dialect,
    status: u16,
    code: &str,
    message: &str,
    decision_id: Option<&str>,
) -> Vec<u8> {
    object(|w| match dialect {
        Dialect::OpenAiChat | Dialect::OpenAiEmbeddings => w.object_member("error", |w| {
            w.member("message", message);
            w.member("type", openai_type(status));
            w.member("param", &None::<&str>);
            w.member("code", code);
            w.optional("decision_id", decision_id);
        }),
        Dialect::AnthropicMessages => anthropic(w, status, code, message, decision_id),
        Dialect::GeminiGenerate => w.object_member("error", |w| {
            w.member("code", &status);
            w.member("message", message);
            w.member("status", google_status(status));
        }),
        Dialect::OllamaChat => w.member("error", message),
    })
}

/// The last event of a stream that did not end: never followed by the dialect's mark for a good end.
#[must_use]
pub fn error_event(
    dialect: Dialect,
    status: u16,
    code: &str,
    message: &str,
    decision_id: Option<&str>,
) -> Vec<u8> {
    let body = error_body(dialect, status, code, message, decision_id);
    let (before, after): (&[u8], &[u8]) = match dialect {
        Dialect::AnthropicMessages => (b"event: error\ndata: ", b"\n\n"),
        Dialect::OllamaChat => (b"", b"\n"),
        _ => (b"data: ", b"\n\n"),
    };
    [before, &body, after].concat()
}

fn anthropic(w: &mut Writer<'_>, status: u16, code: &str, message: &str, decision_id: Option<&str>) {
    w.member("type", "error");
    w.object_member("error", |w| {
        w.member("type", anthropic_type(status));
        w.member("message", message);
        w.member("code", code);
    });
    w.optional("request_id", decision_id);
}

/// OpenAI's `type` of a status.
fn openai_type(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "insufficient_quota",
        403 => "permission_error",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        _ => "server_error",
    }
}

/// Anthropic's `type` of a status.
fn anthropic_type(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        503 | 529 => "overloaded_error",
        504 => "gateway_timeout_error",
        _ => "api_error",
    }
}

/// Google's `status` of a status.
fn google_status(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        400..=499 => "INVALID_ARGUMENT",
        503 | 529 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        _ => "INTERNAL",
    }
}
