//! The answer to a question: the same question gets the same answer, whatever the format.

use serde_json::{Map, Value, json};

use super::question::Question;
use super::settings::Chat;

/// Bytes that count as one token.
const TOKEN_BYTES: usize = 4;
/// How many of the words that were heard are repeated.
const REPEATED_WORDS: usize = 8;
/// How deep a schema is followed.
const MAX_DEPTH: usize = 8;
/// When every answer was made, in seconds since 1970: answers do not depend on the clock.
pub(crate) const CREATED: u64 = 1_767_225_600;
/// The same, in text.
pub(crate) const CREATED_TEXT: &str = "2026-01-01T00:00:00Z";

/// An answer, before it is written in a provider's format.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) model: String,
    /// 16 hexadecimal digits that follow from the question.
    pub(crate) id: String,
    /// The text in tokens; empty where tools are called.
    pub(crate) pieces: Vec<String>,
    pub(crate) calls: Vec<Call>,
    pub(crate) finish: Finish,
    /// How many tokens it has.
    pub(crate) length: usize,
    /// Absent where the provider is told not to count.
    pub(crate) usage: Option<Usage>,
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) name: String,
    /// An object.
    pub(crate) arguments: Value,
}

/// Why the answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finish {
    Stop,
    Length,
    Tools,
}

/// Tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Of the whole prompt.
    pub(crate) prompt: usize,
    /// Of the prompt, read from a cache.
    pub(crate) cached: usize,
    pub(crate) completion: usize,
}

impl Answer {
    pub(crate) fn new(question: &Question, chat: &Chat) -> Self {
        let id = format!("{:016x}", hash(&format!("{}\n{}", question.model, question.said)));
        let called = question.called();
        let calls: Vec<Call> = called
            .iter()
            .enumerate()
            .map(|(index, tool)| Call {
                id: format!("{id}{index}"),
                name: tool.name.clone(),
                arguments: object(sample(&tool.schema, &question.said, 0)),
            })
            .collect();
        let mut finish = if calls.is_empty() { Finish::Stop } else { Finish::Tools };
        let mut pieces = Vec::new();
        if calls.is_empty() {
            pieces = stretched(pieces_of(&words(question)), question, chat);
            if let Some(limit) = question.max_tokens.filter(|limit| *limit < pieces.len()) {
                pieces.truncate(limit);
                finish = Finish::Length;
            }
        }
        let of_calls: usize =
            calls.iter().map(|call| tokens(call.name.len() + call.arguments.to_string().len())).sum();
        let prompt = tokens(question.prompt_bytes);
        let cached = prompt * usize::from(chat.cached_per_cent.unwrap_or(0)) / 100;
        let length = pieces.len() + of_calls;
        let usage = (!chat.no_usage).then_some(Usage { prompt, cached, completion: length });
        Self { model: question.model.clone(), id, pieces, calls, finish, length, usage }
    }

    /// A token of the text.
    pub(crate) fn piece(&self, index: usize) -> &str {
        self.pieces.get(index).map_or("", String::as_str)
    }

    pub(crate) fn text(&self) -> String {
        self.pieces.concat()
    }
}

/// Tokens of so many bytes, rounded up.
pub(crate) const fn tokens(bytes: usize) -> usize {
    bytes.div_ceil(TOKEN_BYTES)
}

fn words(question: &Question) -> String {
    let words: Vec<&str> = question.said.split_whitespace().collect();
    let first = words.iter().take(REPEATED_WORDS).copied().collect::<Vec<_>>().join(" ");
    match &question.schema {
        Some(schema) if schema["properties"].is_object() => sample(schema, &first, 0).to_string(),
        Some(_) => json!({"model": question.model, "heard": words.len(), "words": first}).to_string(),
        None => format!("{} heard {} words: {first}", question.model, words.len()),
    }
}

/// A text answer of the length that the settings ask for; JSON keeps its own, or it would not parse.
fn stretched(pieces: Vec<String>, question: &Question, chat: &Chat) -> Vec<String> {
    match chat.tokens {
        Some(wanted) if question.schema.is_none() => pieces.iter().cycle().take(wanted).cloned().collect(),
        _ => pieces,
    }
}

/// The text in pieces of one token; a character is not divided.
pub(crate) fn pieces_of(text: &str) -> Vec<String> {
    let mut pieces = Vec::with_capacity(tokens(text.len()));
    let mut piece = String::new();
    for character in text.chars() {
        piece.push(character);
        if piece.len() >= TOKEN_BYTES {
            pieces.push(std::mem::take(&mut piece));
        }
    }
    if !piece.is_empty() {
        pieces.push(piece);
    }
    pieces
}

fn object(value: Value) -> Value {
    if value.is_object() { value } else { json!({}) }
}

/// A value that fits the common parts of a JSON schema.
fn sample(schema: &Value, text: &str, depth: usize) -> Value {
    if let Some(first) = schema["enum"].get(0) {
        return first.clone();
    }
    if depth > MAX_DEPTH {
        return Value::Null;
    }
    // Gemini writes the types in capitals, newer JSON schemas as a list.
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str()).unwrap_or_default();
    match kind.to_ascii_lowercase().as_str() {
        "string" => json!(text),
        "integer" | "number" => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
        "boolean" => json!(true),
        "array" => json!([sample(&schema["items"], text, depth + 1)]),
        _ => {
            let properties = schema["properties"].as_object().into_iter().flatten();
            let made: Map<String, Value> =
                properties.map(|(key, inner)| (key.clone(), sample(inner, text, depth + 1))).collect();
            Value::Object(made)
        }
    }
}

/// FNV-1a, which stays the same from one compiler to the next.
pub(crate) fn hash(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inference::question::Tool;

    fn question(said: &str) -> Question {
        let model = "house/small".to_owned();
        Question { model, said: said.to_owned(), prompt_bytes: said.len(), ..Question::default() }
    }

    #[test]
    fn the_answer_names_the_model_and_repeats_what_was_said() {
        let answer = Answer::new(&question("one two three"), &Chat::default());
        assert_eq!(answer.text(), "house/small heard 3 words: one two three");
        assert_eq!(answer.usage, Some(Usage { prompt: 4, cached: 0, completion: 10 }));
        assert_eq!(answer, Answer::new(&question("one two three"), &Chat::default()));
    }

    #[test]
    fn an_answer_is_stretched_and_then_cut_by_the_requests_limit() {
        let chat = Chat { tokens: Some(100), cached_per_cent: Some(50), ..Chat::default() };
        let long = Answer::new(&question("four"), &chat);
        assert_eq!((long.pieces.len(), long.finish), (100, Finish::Stop));
        let limited = Question { max_tokens: Some(5), ..question("four words of eight") };
        let short = Answer::new(&limited, &chat);
        assert_eq!((short.pieces.len(), short.finish), (5, Finish::Length));
        assert_eq!(short.usage.unwrap().cached, 2);
    }

    #[test]
    fn json_follows_its_schema() {
        let schema = json!({"type": "object", "properties": {
            "name": {"type": "string"}, "sizes": {"type": "array", "items": {"type": "integer"}},
            "colour": {"enum": ["red"]}, "inner": {"type": ["object", "null"], "properties": {"yes": {"type": "boolean"}}},
        }});
        let asked = Question { schema: Some(schema), ..question("hi") };
        let made: Value = serde_json::from_str(&Answer::new(&asked, &Chat::default()).text()).unwrap();
        assert_eq!(made, json!({"name": "hi", "sizes": [1], "colour": "red", "inner": {"yes": true}}));
        let any = Question { schema: Some(json!({})), ..question("hi") };
        let made: Value = serde_json::from_str(&Answer::new(&any, &Chat::default()).text()).unwrap();
        assert_eq!(made["words"], "hi");
    }

    #[test]
    fn a_called_tool_gets_arguments_of_its_schema() {
        let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
        let tools = vec![Tool { name: "weather".to_owned(), schema }];
        let answer = Answer::new(&Question { tools, ..question("call weather") }, &Chat::default());
        assert_eq!(answer.calls[0].arguments, json!({"city": "call weather"}));
        assert_eq!((answer.finish, answer.pieces.len()), (Finish::Tools, 0));
    }

    #[test]
    fn pieces_make_the_text_again_and_divide_no_character() {
        let text = "ä€🙂 plain text";
        assert_eq!(pieces_of(text).concat(), text);
        assert_eq!(pieces_of("").len(), 0);
    }
}
