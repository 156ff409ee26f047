//! From a client's request to what the router decides about: the shape of the body, and the headers that are ours.

use http::HeaderMap;
use uuid::Uuid;
use vox_contracts::TaskCategory;
use vox_dialects::{Dialect, RequestShape};
use vox_routing::{Choice, Cost, Needs, Request};

use crate::problem::Problem;

/// What `x-vox-…` headers are called in `metadata`, too.
const HINTS: &[&str] =
    &["vox-category", "vox-complexity", "vox-max-usd", "vox-family", "vox-research", "vox-tool-hints"];

/// What the router decides about.
///
/// # Errors
/// A hint is not what it should be, in the client's words.
pub(super) fn request(
    dialect: Dialect,
    shape: &RequestShape<'_>,
    headers: &HeaderMap,
) -> Result<Request, Problem> {
    let hints = Hints { shape, headers };
    let choice = match shape.model.as_deref() {
        None | Some("vox/auto") => Choice::Auto,
        Some(name) => Choice::Named(name.to_owned()),
    };
    let category = hints.parsed("vox-category", &one_of())?;
    Ok(Request {
        choice,
        category,
        complexity: hints.parsed("vox-complexity", "a whole number from 1 to 10")?,
        tool_hints: hints.parsed("vox-tool-hints", "a whole number below 256")?.unwrap_or(0),
        research_hint: hints.parsed("vox-research", "true or false")?.unwrap_or(false),
        family_hint: hints.text("vox-family")?.map(str::to_owned),
        needs: Needs {
            tools: shape.tools > 0,
            vision: shape.images > 0,
            json_schema: shape.json_schema,
            streaming: shape.stream,
            embedding: dialect == Dialect::OpenAiEmbeddings,
        },
        input_tokens: shape.input_tokens,
        max_output_tokens: shape.output_limit,
        images: u64::from(shape.images),
        max_cost: hints.parsed::<Cost>("vox-max-usd", "a decimal such as 0.10")?,
        force_cost: false,
    })
}

/// What belongs together, in the client's words.
///
/// # Errors
/// It is no UUID.
pub(super) fn interaction(headers: &HeaderMap) -> Result<Option<Uuid>, Problem> {
    let Some(value) = headers.get("x-vox-interaction") else { return Ok(None) };
    let id = value.to_str().ok().and_then(|text| Uuid::try_parse(text).ok());
    id.map(Some).ok_or_else(|| Problem::malformed("header x-vox-interaction is no UUID".to_owned()))
}

fn one_of() -> String {
    format!("one of {}", TaskCategory::NAMES.join(", "))
}

/// Hints in headers, and in `metadata` where a client library can set no headers. A header wins.
struct Hints<'a> {
    shape: &'a RequestShape<'a>,
    headers: &'a HeaderMap,
}

impl<'a> Hints<'a> {
    fn text(&self, name: &str) -> Result<Option<&'a str>, Problem> {
        debug_assert!(HINTS.contains(&name), "{name} is in no list");
        let Some(value) = self.headers.get(format!("x-{name}")) else { return Ok(self.shape.metadata(name)) };
        let text = value.to_str().map_err(|_| wrong(name, "plain text"))?;
        Ok(Some(text.trim()))
    }

    fn parsed<T: std::str::FromStr>(&self, name: &str, expected: &str) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| wrong(name, expected))
    }
}

fn wrong(name: &str, expected: &str) -> Problem {
    Problem::malformed(format!("header x-{name} (or `metadata.{name}`) is not {expected}"))
}
