//! From a client's request to what the router decides about: the shape of the body, and the headers that are ours.

use http::{HeaderMap, HeaderName};
use memchr::memmem;
use uuid::Uuid;
use vox_contracts::TaskCategory;
use vox_contracts::generated::routing::{COMPLEXITY_MAX, COMPLEXITY_MIN};
use vox_contracts::generated::telemetry::{SESSION_PREFIXES, session_prefix_registered};
use vox_dialects::{Dialect, RequestShape};
use vox_routing::classify::{Shape, classify};
use vox_routing::{Choice, Cost, Needs, Request};

use crate::problem::Problem;

const INTERACTION: HeaderName = HeaderName::from_static("x-vox-interaction");
const SESSION: HeaderName = HeaderName::from_static("x-vox-session");
/// Bytes of a session that a client may write.
const LONGEST_SESSION: usize = 256;
/// Bytes of a name that a client may write. Ids of models have about 100 at most.
const LONGEST_NAME: usize = 512;

/// As much of a name as an error message has room for.
pub(super) fn beginning(name: &str) -> String {
    let short: String = name.chars().take(100).collect();
    if short.len() < name.len() { format!("{short}\u{2026}") } else { short }
}

/// What the router decides about.
///
/// # Errors
/// A hint is not what it should be, in the client's words.
pub(super) fn request(
    dialect: Dialect,
    shape: &RequestShape<'_>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Request, Problem> {
    if let Some(member) = shape.chosen {
        return Err(Problem::not_the_clients(member));
    }
    let ours = headers.keys().any(|name| name.as_str().starts_with("x-vox-"));
    let hints = Hints { shape, headers, ours };
    let choice = match shape.model.as_deref() {
        None | Some(vox_routing::AUTO) => Choice::Auto,
        // The name is kept with the decision, and none that can be served is as long or has a NUL, which no record can hold.
        Some(name) if name.len() > LONGEST_NAME || name.contains('\0') => {
            return Err(Problem::unknown_model(beginning(name)));
        }
        Some(name) => Choice::Named(name.to_owned()),
    };
    let category = hints.parsed("x-vox-category", one_of)?;
    let complexity = hints.complexity()?;
    let classified = if category.is_none() { Some(classify(&seen(dialect, shape, body))) } else { None };
    Ok(Request {
        lot: None,
        choice,
        category: category.or(classified.map(|told| told.category)),
        complexity: complexity.or(classified.map(|told| told.complexity)),
        tool_hints: hints.parsed("x-vox-tool-hints", || "a whole number below 256".to_owned())?.unwrap_or(0),
        research_hint: hints.parsed("x-vox-research", || "true or false".to_owned())?.unwrap_or(false),
        family_hint: hints.family()?,
        needs: Needs {
            tools: shape.tools > 0,
            vision: shape.images > 0,
            json_schema: shape.json_schema,
            streaming: shape.stream,
            embedding: dialect == Dialect::OpenAiEmbeddings,
        },
        input_tokens: shape.input_tokens,
        max_output_tokens: shape.output_limit,
        answers: shape.answers,
        images: u64::from(shape.images),
        max_cost: hints.parsed::<Cost>("x-vox-max-usd", || "a decimal such as 0.10".to_owned())?,
        force_cost: false,
    })
}

/// What belongs together, in the client's words.
///
/// # Errors
/// It is no UUID.
pub(super) fn interaction(headers: &HeaderMap) -> Result<Option<Uuid>, Problem> {
    let Some(value) = headers.get(INTERACTION) else { return Ok(None) };
    let id = value.to_str().ok().and_then(|text| Uuid::try_parse(text).ok());
    id.map(Some).ok_or_else(|| Problem::malformed("header x-vox-interaction is no UUID".to_owned()))
}

/// The session, in the client's words: a header, else a member of `metadata`.
///
/// # Errors
/// It begins with no prefix of the contract, or is no name.
pub(super) fn session(shape: &RequestShape<'_>, headers: &HeaderMap) -> Result<Option<Box<str>>, Problem> {
    let stated = match headers.get(SESSION) {
        Some(value) => Some(value.to_str().map_err(|_| wrong("x-vox-session", "plain text"))?.trim()),
        None => shape.metadata("vox-session"),
    };
    let Some(session) = stated else { return Ok(None) };
    let is_name = session.len() <= LONGEST_SESSION && session.chars().all(|letter| !letter.is_control());
    if is_name && session_prefix_registered(session) {
        return Ok(Some(session.into()));
    }
    let prefixes = SESSION_PREFIXES.join(", ");
    let expected = format!("a session of at most {LONGEST_SESSION} bytes that begins with one of {prefixes}");
    Err(wrong("x-vox-session", &expected))
}

fn one_of() -> String {
    format!("one of {}", TaskCategory::NAMES.join(", "))
}

/// Hints in headers, and in `metadata` where a client library can set no headers. A header wins.
struct Hints<'a> {
    shape: &'a RequestShape<'a>,
    headers: &'a HeaderMap,
    /// Whether a header is a hint at all: most requests have none, and each look-up reads and hashes a name.
    ours: bool,
}

impl<'a> Hints<'a> {
    /// In `metadata` a hint has the header's name without `x-`.
    fn text(&self, header: &'static str) -> Result<Option<&'a str>, Problem> {
        let Some(value) = self.ours.then(|| self.headers.get(header)).flatten() else {
            return Ok(header.strip_prefix("x-").and_then(|member| self.shape.metadata(member)));
        };
        let text = value.to_str().map_err(|_| wrong(header, "plain text"))?;
        Ok(Some(text.trim()))
    }

    fn complexity(&self) -> Result<Option<u8>, Problem> {
        let expected = || "a whole number from 1 to 10".to_owned();
        let stated = self.parsed::<u8>("x-vox-complexity", expected)?;
        match stated {
            Some(stated) if !(COMPLEXITY_MIN..=COMPLEXITY_MAX).contains(&stated) => {
                Err(wrong("x-vox-complexity", &expected()))
            }
            stated => Ok(stated),
        }
    }

    fn family(&self) -> Result<Option<String>, Problem> {
        let Some(family) = self.text("x-vox-family")? else { return Ok(None) };
        if family.len() > LONGEST_NAME {
            return Err(wrong("x-vox-family", &format!("a name of at most {LONGEST_NAME} bytes")));
        }
        Ok(Some(family.to_owned()))
    }

    fn parsed<T: std::str::FromStr>(
        &self,
        header: &'static str,
        expected: impl Fn() -> String,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(header)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| wrong(header, &expected()))
    }
}

fn wrong(header: &str, expected: &str) -> Problem {
    Problem::malformed(format!("header {header} (or its hint in `metadata`) is not {expected}"))
}

/// The shape as the contract's rules see it. What is quick to count is counted in the JSON text as it stands.
fn seen(dialect: Dialect, shape: &RequestShape<'_>, body: &[u8]) -> Shape {
    let messages = shape.messages_range.clone().and_then(|range| body.get(range)).unwrap_or_default();
    let result: &[u8] = match dialect {
        Dialect::AnthropicMessages => b"\"tool_result\"",
        _ => b"\"tool\"",
    };
    let results = if shape.tools > 0 { memmem::find_iter(messages, result).count() } else { 0 };
    Shape {
        // Four bytes a token is how the tokens were estimated.
        bytes: shape.input_tokens.saturating_mul(4),
        code_bytes: shape.code_bytes(body),
        input_tokens: shape.input_tokens,
        messages: count(shape.messages),
        tools: count(shape.tools),
        tool_results: count(results),
        images: u64::from(shape.images),
        json_schema: shape.json_schema,
        embedding: dialect == Dialect::OpenAiEmbeddings,
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use vox_dialects::shape::scan;

    use super::*;

    fn shape_of(body: &str) -> Shape {
        seen(Dialect::OpenAiChat, &scan(Dialect::OpenAiChat, body.as_bytes()).unwrap(), body.as_bytes())
    }

    #[test]
    fn code_between_fences_is_counted() {
        let body = r#"{"messages":[{"role":"user","content":"see ```x = 1``` and ```"}]}"#;
        assert_eq!(shape_of(body).code_bytes, 8);
    }

    #[test]
    fn answers_of_tools_are_counted_where_tools_are_offered() {
        let messages =
            r#""messages":[{"role":"tool","content":"say \"tool\""},{"role": "tool","content":"x"}]"#;
        assert_eq!(shape_of(&format!(r#"{{"tools":[{{}}],{messages}}}"#)).tool_results, 2);
        assert_eq!(shape_of(&format!("{{{messages}}}")).tool_results, 0);
    }
}
