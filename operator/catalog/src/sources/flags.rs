//! What a model can do, in the many forms that vendors say it: a list of words, or a map from words to yes and no.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use vox_contracts::entry::Supports;

/// Words that were said of a model: `true` for yes, `false` for no.
#[derive(Debug, Default)]
pub(super) struct Flags {
    said: BTreeMap<String, bool>,
    /// A list says no to whatever is not in it; a map says nothing about it.
    listed: bool,
}

const TOOLS: &[&str] =
    &["tools", "tool_choice", "function_calling", "tool_calls", "tool_use", "trained_for_tool_use"];
const JSON_MODE: &[&str] = &["response_format", "json_mode"];
const JSON_SCHEMA: &[&str] = &["structured_outputs", "json_schema", "structured_output"];
const STREAMING: &[&str] = &["streaming", "stream"];
const REASONING: &[&str] = &["reasoning", "include_reasoning", "reasoning_effort", "thinking"];

impl Flags {
    /// Adds a list of words, a map from words to booleans, or a map to `{"supported": bool}`. Anything else says
    /// nothing: what a model can do is a hint, and no reason to lose the model.
    pub(super) fn add(&mut self, raw: Option<&RawValue>) {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Answer {
            Plain(bool),
            Object { supported: bool },
            Other(serde::de::IgnoredAny),
        }
        let Some(raw) = raw else { return };
        if let Ok(words) = serde_json::from_str::<Vec<String>>(raw.get()) {
            // An empty list is a vendor that did not fill it in, not a model that can do nothing.
            self.listed |= !words.is_empty();
            self.said.extend(words.into_iter().map(|word| (word, true)));
        } else if let Ok(map) = serde_json::from_str::<BTreeMap<String, Answer>>(raw.get()) {
            for (word, answer) in map {
                match answer {
                    Answer::Plain(yes) | Answer::Object { supported: yes } => self.say(&word, yes),
                    Answer::Other(_) => {}
                }
            }
        }
    }

    /// Adds one word; a yes is never taken back.
    pub(super) fn say(&mut self, word: &str, yes: bool) {
        let said = self.said.entry(word.to_owned()).or_insert(yes);
        *said |= yes;
    }

    /// Whether one of the words was said.
    pub(super) fn has(&self, words: &[&str]) -> bool {
        self.answer(words) == Some(true)
    }

    fn answer(&self, words: &[&str]) -> Option<bool> {
        let answers: Vec<bool> = words.iter().filter_map(|word| self.said.get(*word).copied()).collect();
        if answers.contains(&true) {
            Some(true)
        } else if self.listed || !answers.is_empty() {
            Some(false)
        } else {
            None
        }
    }

    /// The five things that routing asks about.
    pub(super) fn supports(&self) -> Supports {
        Supports {
            tools: self.answer(TOOLS),
            json_mode: self.answer(JSON_MODE),
            json_schema: self.answer(JSON_SCHEMA),
            // No vendor lists streaming among parameters; its absence from a list means nothing.
            streaming: STREAMING.iter().find_map(|word| self.said.get(*word).copied()),
            reasoning: self.answer(REASONING),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(json: &str) -> Flags {
        let raw = RawValue::from_string(json.to_owned()).unwrap();
        let mut flags = Flags::default();
        flags.add(Some(&raw));
        flags
    }

    #[test]
    fn a_list_says_no_to_what_is_not_in_it() {
        let supports = flags(r#"["tools","structured_outputs","telepathy"]"#).supports();
        assert_eq!(
            (supports.tools, supports.json_schema, supports.reasoning),
            (Some(true), Some(true), Some(false))
        );
        assert_eq!(supports.streaming, None);
    }

    #[test]
    fn a_map_says_nothing_about_what_is_not_in_it() {
        let supports =
            flags(r#"{"function_calling":true,"reasoning":false,"thinking":{"supported":true},"x":7}"#)
                .supports();
        assert_eq!((supports.tools, supports.reasoning, supports.json_mode), (Some(true), Some(true), None));
    }

    #[test]
    fn an_empty_list_and_nonsense_say_nothing() {
        for json in ["[]", "{}", "7", "\"tools\"", "[1,2]"] {
            assert_eq!(flags(json).supports(), Supports::default(), "{json}");
        }
    }
}
