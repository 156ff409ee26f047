//! How one provider answers inference requests; the part `chat` of its settings.

use serde::{Deserialize, Serialize};

use super::fault::Fault;

/// The most tokens that an answer is stretched to.
const MAX_TOKENS: usize = 100_000;
/// The longest wait, in milliseconds.
pub(crate) const MAX_WAIT_MS: u64 = 600_000;

/// How one provider answers inference requests. Everything absent: at once, without faults.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Chat {
    /// What goes wrong. The first entry that fits a request and is not used up holds for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Planned>,
    /// Every answer begins so late, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    /// Each token takes so long, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_delay_ms: Option<u64>,
    /// A text answer is repeated or cut to so many tokens of four bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<usize>,
    /// So many per cent of the prompt count as read from a cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_per_cent: Option<u8>,
    /// Models that the provider's list does not have are refused with 404.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub listed_models_only: bool,
    /// Answers come without any token counts.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_usage: bool,
}

/// A fault, and which requests it is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Planned {
    /// What goes wrong.
    pub fault: Fault,
    /// For how many requests it goes wrong; absent: for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// It goes wrong for this model only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

impl Chat {
    /// Reads and checks a request body.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn read(body: &[u8]) -> Result<Self, String> {
        let chat: Self = serde_json::from_slice(body)
            .map_err(|error| format!("the body is not valid settings of chat: {error}"))?;
        chat.validate()?;
        Ok(chat)
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn validate(&self) -> Result<(), String> {
        let longest = self.latency_ms.max(self.token_delay_ms);
        if longest.is_some_and(|wait| wait > MAX_WAIT_MS) {
            return Err(format!("latency_ms and token_delay_ms must be at most {MAX_WAIT_MS}"));
        }
        if self.tokens.is_some_and(|tokens| tokens == 0 || tokens > MAX_TOKENS) {
            return Err(format!("tokens must be 1 to {MAX_TOKENS}"));
        }
        if self.cached_per_cent.is_some_and(|cached| cached > 100) {
            return Err("cached_per_cent must be 0 to 100".to_owned());
        }
        self.faults.iter().try_for_each(|planned| planned.fault.validate())
    }

    /// The fault for one request, counting down its `times`.
    pub(crate) fn take_fault(&mut self, model: &str, stream: bool) -> Option<Fault> {
        let planned = self.faults.iter_mut().find(|planned| planned.fits(model, stream))?;
        planned.times = planned.times.map(|times| times.saturating_sub(1));
        Some(planned.fault.clone())
    }

    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Planned {
    fn fits(&self, model: &str, stream: bool) -> bool {
        self.times != Some(0)
            && self.model.as_deref().is_none_or(|wanted| wanted == model)
            && (stream || !self.fault.needs_a_stream())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(body: &str) -> String {
        Chat::read(body.as_bytes()).unwrap_err()
    }

    #[test]
    fn every_documented_fault_is_read() {
        for fault in [
            r#"{"kind":"status","status":429,"retry_after":"2","message":"slow down"}"#,
            r#"{"kind":"status","status":503,"body":"down"}"#,
            r#"{"kind":"error_in_ok","status":502,"after_tokens":3}"#,
            r#"{"kind":"empty"}"#,
            r#"{"kind":"malformed"}"#,
            r#"{"kind":"cut","after_bytes":10}"#,
            r#"{"kind":"cut_stream"}"#,
            r#"{"kind":"cut_stream","after_tokens":3,"clean":true}"#,
            r#"{"kind":"slow","delay_ms":10}"#,
            r#"{"kind":"stall","after_tokens":3,"delay_ms":10}"#,
            r#"{"kind":"oversized","bytes":100}"#,
            r#"{"kind":"html"}"#,
        ] {
            let body = format!(r#"{{"faults":[{{"fault":{fault},"times":2,"model":"house/small"}}]}}"#);
            Chat::read(body.as_bytes()).unwrap();
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_name() {
        assert!(refusal(r#"{"falts":[]}"#).contains("falts"));
        assert!(refusal(r#"{"faults":[{"fault":{"kind":"fire"}}]}"#).contains("fire"));
        assert!(refusal(r#"{"faults":[{"fault":{"kind":"status","status":200}}]}"#).contains("400 to 599"));
        assert!(refusal(r#"{"faults":[{"fault":{"kind":"stall","delay_ms":600001}}]}"#).contains("delay_ms"));
        assert!(refusal(r#"{"token_delay_ms":600001}"#).contains("token_delay_ms"));
        assert!(refusal(r#"{"tokens":0}"#).contains("tokens"));
        assert!(refusal(r#"{"cached_per_cent":101}"#).contains("cached_per_cent"));
    }

    #[test]
    fn faults_of_one_model_follow_each_other_and_leave_other_models_alone() {
        let first = r#"{"fault":{"kind":"empty"},"times":1,"model":"a"}"#;
        let second = r#"{"fault":{"kind":"html"},"times":1,"model":"a"}"#;
        let mut chat = Chat::read(format!(r#"{{"faults":[{first},{second}]}}"#).as_bytes()).unwrap();
        assert_eq!(chat.take_fault("b", false), None);
        assert_eq!(chat.take_fault("a", false), Some(Fault::Empty));
        assert_eq!(chat.take_fault("a", false), Some(Fault::Html));
        assert_eq!(chat.take_fault("a", false), None);
    }

    #[test]
    fn a_cut_stream_waits_for_a_request_that_streams() {
        let mut chat = Chat::read(br#"{"faults":[{"fault":{"kind":"cut_stream"},"times":1}]}"#).unwrap();
        assert_eq!(chat.take_fault("a", false), None);
        assert!(chat.take_fault("a", true).is_some());
    }
}
