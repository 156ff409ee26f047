//! What a source's parser brings: entries, and the rows that are none with their reasons.

use serde::Deserialize;
use serde_json::value::RawValue;
use vox_contracts::ModelCatalogEntry;
use vox_contracts::discovery::{FailureClass, MAX_REFUSALS, RowRefusal};

use crate::http::error_words;
use crate::object::Object;
use crate::pages::Pages;
use crate::text::{MAX_QUOTED, clip};

/// A longer answer is no error message, in bytes.
const MAX_ERROR_BYTES: usize = 16 << 10;

/// The rows of one or more answers.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The models, in the provider's order. Family, tier and strengths are not inferred yet.
    pub entries: Vec<ModelCatalogEntry>,
    /// The rows that were not taken.
    pub refusals: Refusals,
    /// The answer's ETag, when one answer was the whole list.
    pub etag: Option<String>,
}

impl Listing {
    /// Reads rows as `T` and makes entries of them. What is not offered (`None`) is no entry and no refusal.
    pub(crate) fn of_rows<'a, T: Deserialize<'a>>(
        rows: &[&'a RawValue],
        entry: impl Fn(T) -> Result<Option<ModelCatalogEntry>, String>,
    ) -> Self {
        let mut listing = Self { entries: Vec::with_capacity(rows.len()), ..Self::default() };
        for (index, raw) in rows.iter().enumerate() {
            let read = read_row(index, raw)
                .and_then(|row| entry(row).map_err(|reason| refusal(index, raw, &reason)));
            match read {
                Ok(found) => listing.entries.extend(found),
                Err(refused) => listing.refusals.push(refused),
            }
        }
        listing
    }
}

impl Pages for Listing {
    fn add(&mut self, page: Self) {
        self.entries.extend(page.entries);
        self.refusals.extend(page.refusals);
    }
}

/// Refused rows: all are counted, the first [`MAX_REFUSALS`] are named.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    named: Vec<RowRefusal>,
    total: u32,
}

impl Refusals {
    /// Notes a row that was not taken.
    pub fn push(&mut self, refusal: RowRefusal) {
        self.total = self.total.saturating_add(1);
        if self.named.len() < MAX_REFUSALS {
            self.named.push(refusal);
        }
    }

    /// Adds those of a further page.
    pub fn extend(&mut self, other: Self) {
        self.total = self.total.saturating_add(other.total);
        let room = MAX_REFUSALS - self.named.len();
        self.named.extend(other.named.into_iter().take(room));
    }

    /// How many rows were not taken in all.
    #[must_use]
    pub const fn total(&self) -> u32 {
        self.total
    }

    /// The first of them.
    #[must_use]
    pub fn named(&self) -> &[RowRefusal] {
        &self.named
    }

    /// The first of them and their number.
    #[must_use]
    pub fn into_parts(self) -> (Vec<RowRefusal>, u32) {
        (self.named, self.total)
    }
}

/// A body that is not the list that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyError {
    /// [`FailureClass::BodyCut`] when it ends too early, else [`FailureClass::BodyInvalid`].
    pub class: FailureClass,
    /// What is wrong with it and where in it.
    pub what: String,
}

impl BodyError {
    /// A body of the wrong form.
    pub(crate) fn invalid(what: impl Into<String>) -> Self {
        Self { class: FailureClass::BodyInvalid, what: what.into() }
    }
}

/// Reads a body as JSON of type `T`, naming the place where it is something else.
pub(crate) fn read_body<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, BodyError> {
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'<') => return Err(BodyError::invalid("the answer is a web page, not JSON")),
        None => {
            return Err(BodyError { class: FailureClass::BodyCut, what: "the answer is empty".to_owned() });
        }
        Some(_) => {}
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let mut error = body_error(&path, error.inner());
        error.what.push_str(&said(body));
        error
    })?;
    json.end().map_err(|error| body_error(".", &error))?;
    Ok(value)
}

/// The provider's words, where a small answer is an error that came with a good status.
pub(crate) fn said(body: &[u8]) -> String {
    let is_object = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    let words = if is_object && body.len() < MAX_ERROR_BYTES { error_words(body) } else { String::new() };
    if words.is_empty() { words } else { format!(" ({})", clip(&words, MAX_QUOTED)) }
}

fn body_error(path: &str, error: &serde_json::Error) -> BodyError {
    if error.is_eof() {
        let what =
            format!("the answer's JSON ends early, at line {} column {}", error.line(), error.column());
        return BodyError { class: FailureClass::BodyCut, what };
    }
    BodyError::invalid(format!("at {}: {}", place(path), clip(&error.to_string(), MAX_QUOTED)))
}

fn place(path: &str) -> &str {
    if path == "." { "the top of the answer" } else { path }
}

/// Reads one row as `T`, or says which field of which row is something else.
pub(crate) fn read_row<'a, T: Deserialize<'a>>(index: usize, row: &'a RawValue) -> Result<T, RowRefusal> {
    // The path is tracked only for a row that is wrong: right rows are the many, and tracking costs.
    serde_json::from_str::<Object<T>>(row.get()).map(|row| row.0).map_err(|error| {
        let mut json = serde_json::Deserializer::from_str(row.get());
        let reason = match serde_path_to_error::deserialize::<_, Object<T>>(&mut json) {
            Err(error) if error.path().to_string() != "." => {
                format!("{}: {}", error.path(), bare(error.inner()))
            }
            _ => bare(&error),
        };
        refusal(index, row, &reason)
    })
}

/// The error without its line and column, which count within the row and would mislead.
fn bare(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rfind(" at line ").map_or_else(|| text.clone(), |end| text[..end].to_owned())
}

/// Names a row by its id, if it has one, and says what is wrong with it.
pub(crate) fn refusal(index: usize, row: &RawValue, reason: &str) -> RowRefusal {
    #[derive(Deserialize)]
    struct Names<'a> {
        #[serde(borrow)]
        id: Option<&'a RawValue>,
        #[serde(borrow)]
        model: Option<&'a RawValue>,
        #[serde(borrow)]
        name: Option<&'a RawValue>,
    }
    let names: Option<Object<Names<'_>>> = serde_json::from_str(row.get()).ok();
    let id = names.and_then(|names| names.0.id.or(names.0.model).or(names.0.name)).map(|id| {
        let text = id.get();
        serde_json::from_str::<String>(text).unwrap_or_else(|_| text.to_owned())
    });
    let row = id.map_or_else(|| format!("row {index}"), |id| clip(&id, MAX_QUOTED));
    RowRefusal { row, reason: clip(reason, MAX_QUOTED) }
}
