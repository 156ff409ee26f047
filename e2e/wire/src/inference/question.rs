//! What a request asks, whatever the format it is written in.

use serde_json::Value;

/// A request, read.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Question {
    pub(crate) model: String,
    pub(crate) stream: bool,
    /// The stream is to end with token counts (OpenAI).
    pub(crate) include_usage: bool,
    /// The text of the last message, if it is the user's and not a tool's result.
    pub(crate) said: String,
    /// Bytes of text in all messages.
    pub(crate) prompt_bytes: usize,
    pub(crate) tools: Vec<Tool>,
    pub(crate) choice: Choice,
    /// The answer is to be a JSON value of this schema; `{}` is any object.
    pub(crate) schema: Option<Value>,
    pub(crate) max_tokens: Option<usize>,
}

/// A tool that the model may call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tool {
    pub(crate) name: String,
    /// The JSON schema of its arguments.
    pub(crate) schema: Value,
}

/// Whether a tool has to be called.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum Choice {
    /// Where the message asks for it.
    #[default]
    Auto,
    Never,
    /// Any of them.
    Any,
    /// This one.
    Named(String),
}

impl Question {
    /// The tools to call: those that the request forces, else those that its last message calls by name.
    pub(crate) fn called(&self) -> Vec<&Tool> {
        if self.said.is_empty() {
            return Vec::new();
        }
        match &self.choice {
            Choice::Never => Vec::new(),
            Choice::Named(name) => self.tools.iter().filter(|tool| tool.name == *name).collect(),
            Choice::Auto | Choice::Any => {
                let asked: Vec<_> = self.tools.iter().filter(|tool| calls(&self.said, &tool.name)).collect();
                match (asked.is_empty(), &self.choice) {
                    (true, Choice::Any) => self.tools.first().into_iter().collect(),
                    _ => asked,
                }
            }
        }
    }
}

/// Whether the text has `call NAME`, and not only the beginning of a longer name.
fn calls(text: &str, name: &str) -> bool {
    let mut words = text.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()));
    let name = name.trim_matches(|c: char| !c.is_alphanumeric());
    while let Some(word) = words.next() {
        if word.eq_ignore_ascii_case("call") && words.clone().next() == Some(name) {
            return true;
        }
    }
    false
}

/// All text in a message's content: a text, or parts with a `text` each.
pub(crate) fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join(" ")
        }
        _ => String::new(),
    }
}

/// A key that must be there and be a text that is not empty.
pub(crate) fn required(body: &Value, key: &str) -> Result<String, String> {
    match body[key].as_str() {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err(format!("`{key}` must be a text that is not empty")),
    }
}

/// A key that must be there and be a list that is not empty.
pub(crate) fn list<'a>(body: &'a Value, key: &str) -> Result<&'a [Value], String> {
    match body[key].as_array() {
        Some(rows) if !rows.is_empty() => Ok(rows),
        _ => Err(format!("`{key}` must be a list that is not empty")),
    }
}

/// A number of tokens under one of these keys.
pub(crate) fn limit(body: &Value, keys: &[&str]) -> Option<usize> {
    keys.iter().find_map(|key| body[*key].as_u64()).and_then(|limit| usize::try_from(limit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn asking(said: &str, choice: Choice) -> Vec<String> {
        let tool = |name: &str| Tool { name: name.to_owned(), schema: Value::Null };
        let tools = vec![tool("get_weather"), tool("get_weather_history")];
        let question = Question { said: said.to_owned(), tools, choice, ..Question::default() };
        question.called().iter().map(|tool| tool.name.clone()).collect()
    }

    #[test]
    fn a_tool_is_called_by_its_whole_name() {
        assert_eq!(asking("Please call get_weather_history.", Choice::Auto), ["get_weather_history"]);
        assert_eq!(asking("call get_weather and call get_weather_history", Choice::Auto).len(), 2);
        assert!(asking("get_weather, do not call", Choice::Auto).is_empty());
    }

    #[test]
    fn a_request_can_force_or_forbid_a_call() {
        assert_eq!(asking("hello", Choice::Any), ["get_weather"]);
        assert_eq!(asking("hello", Choice::Named("get_weather_history".to_owned())), ["get_weather_history"]);
        assert!(asking("call get_weather", Choice::Never).is_empty());
        assert!(asking("", Choice::Any).is_empty(), "after a tool's result the model speaks");
    }

    #[test]
    fn the_text_of_all_parts_counts() {
        assert_eq!(text(&json!([{"type": "text", "text": "a"}, {"type": "image"}, {"text": "b"}])), "a b");
        assert_eq!(text(&json!("plain")), "plain");
        assert_eq!(text(&Value::Null), "");
    }
}
