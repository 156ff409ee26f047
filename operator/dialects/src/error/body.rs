//! Error bodies, in all the forms that providers have for them.

use std::time::Duration;

use serde_json::Value;

use super::{ErrorClass, Failure, LONGEST_MESSAGE};
use crate::retry_after::google_delay;

/// Bytes of an error body that are read; what is longer is a page for people.
const LONGEST_BODY: usize = 256 * 1024;

/// What a body says about an error.
#[derive(Debug, Default)]
pub(super) struct Said {
    message: String,
    /// `code`, `type`, `status`, `reason`: words for programs, lower case.
    words: Vec<String>,
    /// A number among the codes.
    number: Option<u16>,
    retry_after: Option<Duration>,
}

impl Said {
    /// Reads a body. One that is no JSON says nothing: it is mostly a proxy's page.
    pub(super) fn read(body: &[u8]) -> Self {
        let mut said = Self::default();
        let body = if body.len() > LONGEST_BODY { &[] } else { body };
        match serde_json::from_slice(body) {
            // Gemini's streams without SSE are lists.
            Ok(Value::Array(items)) => items.first().into_iter().for_each(|item| said.object(item)),
            Ok(value) => said.object(&value),
            Err(_) => {}
        }
        said
    }

    fn object(&mut self, value: &Value) {
        match value.get("error") {
            Some(Value::String(text)) => {
                self.say(text);
                self.members(value);
            }
            Some(inner @ Value::Object(_)) => self.members(inner),
            _ => self.members(value),
        }
    }

    fn members(&mut self, value: &Value) {
        for name in ["message", "detail", "msg"] {
            if let Some(text) = value.get(name).and_then(Value::as_str) {
                self.say(text);
            }
        }
        for name in ["code", "type", "status", "error_type", "reason"] {
            match value.get(name) {
                Some(Value::String(word)) => self.word(word),
                Some(Value::Number(number)) => {
                    let status = number.as_u64().and_then(|number| u16::try_from(number).ok());
                    self.number = self.number.or(status.filter(|status| (400..600).contains(status)));
                }
                _ => {}
            }
        }
        if let Some(word) = value.pointer("/metadata/error_type").and_then(Value::as_str) {
            self.word(word);
        }
        for detail in value.get("details").and_then(Value::as_array).into_iter().flatten() {
            if let Some(reason) = detail.get("reason").and_then(Value::as_str) {
                self.word(reason);
            }
            let delay = detail.get("retryDelay").and_then(Value::as_str);
            self.retry_after = self.retry_after.or(delay.and_then(google_delay));
        }
    }

    fn say(&mut self, text: &str) {
        if self.message.is_empty() {
            self.message = cut(text, LONGEST_MESSAGE);
        }
    }

    fn word(&mut self, word: &str) {
        if let Ok(number) = word.parse() {
            self.number = self.number.or(Some(number).filter(|number| (400..600).contains(number)));
            return;
        }
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
        if !word.is_empty() && word.len() <= 64 && word.chars().all(plain) {
            self.words.push(word.to_ascii_lowercase());
        }
    }

    /// The status that the body names in a number or in a word.
    pub(super) fn status(&self) -> Option<u16> {
        let of_word = |word: &String| match word.as_str() {
            "invalid_request_error" | "invalid_argument" => Some(400),
            "authentication_error" | "unauthenticated" => Some(401),
            "billing_error" | "payment_required" => Some(402),
            "permission_error" | "permission_denied" => Some(403),
            "not_found_error" | "not_found" => Some(404),
            "rate_limit_error" | "rate_limit_exceeded" | "resource_exhausted" | "insufficient_quota" => {
                Some(429)
            }
            "api_error" | "server_error" | "internal" | "server" => Some(500),
            "provider_unavailable" | "unavailable" => Some(503),
            "gateway_timeout_error" | "deadline_exceeded" => Some(504),
            "overloaded_error" | "provider_overloaded" => Some(529),
            _ => None,
        };
        self.number.or_else(|| self.words.iter().find_map(of_word))
    }

    pub(super) fn failure(&self, class: ErrorClass, status: Option<u16>) -> Failure {
        let secret = matches!(class, ErrorClass::Unauthorised | ErrorClass::Forbidden);
        Failure {
            class,
            status,
            code: self.words.first().cloned(),
            message: if secret { String::new() } else { self.message.clone() },
            retry_after: self.retry_after,
        }
    }

    /// The input is longer than the model's context.
    pub(super) fn too_long(&self) -> bool {
        self.words(&[
            "context_length_exceeded",
            "too_many_prompt_tokens",
            "too_many_tokens",
            "string_above_max_length",
        ]) || self.tells(&[
            "context length",
            "context window",
            "context size",
            "prompt is too long",
            "prompt too long",
            "too many tokens",
            "input tokens exceeded",
            "input token count",
            "input is too long",
            "total length of all messages is too long",
            "exceeds the maximum number of tokens",
        ])
    }

    /// The account is empty, not merely fast.
    pub(super) fn quota(&self) -> bool {
        self.words(&["insufficient_quota", "billing_error", "payment_required", "insufficient_balance"])
            || self.words(&["billing_hard_limit_reached", "credit_balance_too_low"])
            || self.tells(&["credit balance is too low", "insufficient credits", "insufficient balance"])
    }

    /// The provider's filter spoke.
    pub(super) fn filtered(&self) -> bool {
        self.words(&[
            "content_filter",
            "content_policy_violation",
            "content_filtered",
            "responsibleaipolicyviolation",
        ]) || self.words(&["moderation_blocked", "safety"])
            || self.tells(&[
                "content management policy",
                "content policy",
                "flagged by moderation",
                "input was flagged",
            ])
    }

    /// A wrong key, said with 400 (Google, xAI).
    pub(super) fn bad_key(&self) -> bool {
        self.words(&["api_key_invalid", "invalid_api_key", "authentication_error"])
            || self.tells(&["api key not valid", "incorrect api key"])
    }

    /// A model that is not there, said with 400.
    pub(super) fn no_model(&self) -> bool {
        self.words(&["model_not_found"]) || self.tells(&["is not a valid model"])
    }

    /// The provider's own trouble, or that of a provider behind it, said with a status of the client's mistakes.
    pub(super) fn own_trouble(&self) -> Option<ErrorClass> {
        match self.status() {
            Some(408) => return Some(ErrorClass::Timeout),
            Some(429) => return Some(ErrorClass::RateLimited),
            Some(503 | 529) => return Some(ErrorClass::Overloaded),
            Some(500..=599) => return Some(ErrorClass::Server),
            _ => {}
        }
        if self.tells(&["overloaded", "at capacity", "server is busy", "too many requests"]) {
            return Some(ErrorClass::Overloaded);
        }
        let trouble = self.tells(&[
            "provider returned error",
            "upstream error",
            "upstream connect error",
            "upstream request timeout",
            "error from upstream",
            "internal server error",
            "internal error",
            "temporarily unavailable",
            "service unavailable",
            "try again later",
            // Google, where the machine that asks stands in a country that it does not serve.
            "location is not supported",
        ]);
        trouble.then_some(ErrorClass::Server)
    }

    fn words(&self, known: &[&str]) -> bool {
        self.words.iter().any(|word| known.contains(&word.as_str()))
    }

    fn tells(&self, phrases: &[&str]) -> bool {
        let message = self.message.to_lowercase();
        phrases.iter().any(|phrase| message.contains(phrase))
    }
}

/// The beginning of a text, whole characters only.
fn cut(text: &str, most: usize) -> String {
    text.get(..text.floor_char_boundary(most)).unwrap_or_default().to_owned()
}
