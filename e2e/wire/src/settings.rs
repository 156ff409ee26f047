//! What a provider is told to do, through the control API or the command line.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::inference::settings::Chat;

/// The most models that one provider makes up.
const MAX_MODELS: usize = 200_000;

/// How one provider behaves. Everything absent: as the fixture says, without faults.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// What goes wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// For how many requests it goes wrong; absent: for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// It goes wrong only where the path or its query contains this text (`endpoints`, `show`, `after_id`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
    /// List only the first so many per cent of the models.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_per_cent: Option<u8>,
    /// List this many models, made up from the fixture's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models: Option<usize>,
    /// Leave out the models of these ids.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drop: Vec<String>,
    /// Say of the models of these ids that they end on this day (where lists have such a thing).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub deprecate: BTreeMap<String, String>,
    /// Name another model in the place of the models of these ids (where lists have such a thing).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub replace: BTreeMap<String, String>,
    /// Every price is so many per cent higher (lower, if negative).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reprice_per_cent: Option<i32>,
    /// Ask for this key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Page the list by at most so many models, even when the client does not ask for pages (where lists have pages).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_size: Option<usize>,
    /// Leave out `links.next`, so that a client must count (OpenRouter).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_page_links: bool,
    /// Let each page lead to itself.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub loop_pages: bool,
    /// How inference requests are answered. What stands beside this is for the lists only, but `key` for both.
    #[serde(skip_serializing_if = "Chat::is_default")]
    pub chat: Chat,
}

impl Settings {
    /// Reads and checks a request body.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn read(body: &[u8]) -> Result<Self, String> {
        let settings: Self = serde_json::from_slice(body)
            .map_err(|error| format!("the body is not valid settings: {error}"))?;
        settings.validate()?;
        Ok(settings)
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn validate(&self) -> Result<(), String> {
        if self.keep_per_cent.is_some_and(|kept| kept > 100) {
            return Err("keep_per_cent must be 0 to 100".to_owned());
        }
        if self.models.is_some_and(|count| count > MAX_MODELS) {
            return Err(format!("models must be at most {MAX_MODELS}"));
        }
        if self.reprice_per_cent.is_some_and(|change| !(-100..=10_000).contains(&change)) {
            return Err("reprice_per_cent must be -100 to 10000".to_owned());
        }
        if self.page_size == Some(0) {
            return Err("page_size must be at least 1".to_owned());
        }
        if self.key.as_deref().is_some_and(|key| key.is_empty() || !key.is_ascii()) {
            return Err("key must be non-empty ASCII; leave it out to ask for none".to_owned());
        }
        if self.fault.is_none() && (self.times.is_some() || self.only.is_some()) {
            return Err("times and only need a fault".to_owned());
        }
        self.chat.validate()?;
        self.fault.as_ref().map_or(Ok(()), Fault::validate)
    }

    /// The fault, if it holds for this path.
    #[must_use]
    pub fn fault_at(&self, path: &str) -> Option<&Fault> {
        let here = self.only.as_deref().is_none_or(|part| path.contains(part));
        self.fault.as_ref().filter(|_| here && self.times != Some(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(body: &str) -> String {
        Settings::read(body.as_bytes()).unwrap_err()
    }

    #[test]
    fn every_documented_fault_is_read() {
        for fault in [
            r#"{"kind":"status","status":500,"retry_after":"2"}"#,
            r#"{"kind":"cut","after_bytes":100}"#,
            r#"{"kind":"slow","delay_ms":100}"#,
            r#"{"kind":"oversized","bytes":100}"#,
            r#"{"kind":"wrong_types"}"#,
            r#"{"kind":"duplicates"}"#,
            r#"{"kind":"html"}"#,
            r#"{"kind":"empty"}"#,
            r#"{"kind":"gzip_bomb"}"#,
            r#"{"kind":"unknown_strings"}"#,
            r#"{"kind":"renamed","from":"id","to":"identifier"}"#,
            r#"{"kind":"redirect","location":"http://127.0.0.1:1/"}"#,
        ] {
            Settings::read(format!(r#"{{"fault":{fault},"times":2}}"#).as_bytes()).unwrap();
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_name() {
        assert!(refusal(r#"{"falt":{}}"#).contains("falt"));
        assert!(refusal(r#"{"fault":{"kind":"fire"}}"#).contains("fire"));
        assert!(refusal(r#"{"fault":{"kind":"status","status":200}}"#).contains("400 to 599"));
        assert!(refusal(r#"{"keep_per_cent":101}"#).contains("keep_per_cent"));
        assert!(refusal(r#"{"models":1000000000}"#).contains("models"));
        assert!(refusal(r#"{"times":1}"#).contains("fault"));
        assert!(refusal(r#"{"page_size":0}"#).contains("page_size"));
        assert!(refusal(r#"{"chat":{"tokens":0}}"#).contains("tokens"));
        assert!(refusal("[").contains("not valid"));
    }
}
