//! Validates the contracts in `contracts/orchestration/` and generates Rust and documentation from them.
//!
//! Two readings of a contract: its JSON Schema says what one document may hold, [`check`] also says what must hold
//! between documents. Only contracts without violations are rendered.

mod docs;
mod load;
mod model;
mod rust;
mod schema;
mod semantic;

use std::fmt;
use std::path::{Path, PathBuf};

/// Something in a contract that must not be so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The file, below the root of the checkout.
    pub file: PathBuf,
    /// JSON pointer of the place; empty for the whole document.
    pub pointer: String,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pointer = if self.pointer.is_empty() { "/" } else { &self.pointer };
        write!(f, "{}: {pointer}: {}", self.file.display(), self.reason)
    }
}

/// Why contracts could not be checked or rendered at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// The file, below the root.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("failed to write {}", path.display())]
    Write {
        /// The file, below the root.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A JSON Schema is none.
    #[error("failed to read {} as a JSON Schema: {reason}", file.display())]
    Schema {
        /// The schema.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// A document that its schema accepts does not have the form that the generator knows.
    #[error("failed to read {} although its schema accepts it: {reason}", file.display())]
    Typed {
        /// The document.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// A value cannot be rendered.
    #[error("failed to render {what}: {value:?}")]
    Invalid {
        /// What it should be.
        what: &'static str,
        /// The value.
        value: String,
    },
    /// rustfmt did not format what was generated.
    #[error("failed to format generated code: {reason}")]
    Format {
        /// Why.
        reason: String,
    },
    /// The contracts have violations.
    #[error("failed to render: the contracts have {} violations, the first: {}", .0.len(), .0.first().map_or_else(String::new, ToString::to_string))]
    Violations(Vec<Violation>),
}

/// Everything that is wrong with the contracts of a checkout; nothing when it is empty.
///
/// # Errors
/// When a file cannot be read, or a schema is no JSON Schema.
pub fn check(root: &Path) -> Result<Vec<Violation>, Error> {
    match load(root) {
        Ok(_) => Ok(Vec::new()),
        Err(Error::Violations(violations)) => Ok(violations),
        Err(error) => Err(error),
    }
}

/// The contracts, when nothing is wrong with them. What the schemas find is told first: the other checks rely on them.
fn load(root: &Path) -> Result<load::Contracts, Error> {
    let documents = load::documents(root)?.map_err(Error::Violations)?;
    let violations = schema::check(root, &documents)?;
    if !violations.is_empty() {
        return Err(Error::Violations(violations));
    }
    let contracts = load::Contracts::of(documents)?;
    let violations = semantic::check(root, &contracts)?;
    if violations.is_empty() { Ok(contracts) } else { Err(Error::Violations(violations)) }
}

/// All generated files, by path below the root.
///
/// # Errors
/// [`Error::Violations`] when the contracts are not valid; otherwise when a file cannot be read or rustfmt is missing.
pub fn render(root: &Path) -> Result<Vec<(PathBuf, String)>, Error> {
    let contracts = load(root)?;
    let [routing, providers, overlay, telemetry, _, _] = &contracts.documents;
    let bytes = |document: &load::Document| document.text.as_bytes().to_vec();
    let code = [
        ("mod.rs", rust::module()),
        ("routing.rs", rust::routing::render(&contracts.routing, &bytes(routing))?),
        (
            "providers.rs",
            rust::providers::render(
                &contracts.providers,
                &contracts.routing.discovery.sources,
                &bytes(providers),
            ),
        ),
        ("overlay.rs", rust::overlay::render(&contracts.overlay, &contracts.providers, &bytes(overlay))),
        ("telemetry.rs", rust::telemetry::render(&contracts.telemetry, &bytes(telemetry))),
    ];
    let mut files = docs::render(root, &contracts)?;
    for (name, source) in code {
        files.push((Path::new("contracts/src/generated").join(name), rust::format(root, &source)?));
    }
    Ok(files)
}

/// The generated files that differ from what stands on disk.
///
/// # Errors
/// As [`render`].
pub fn drift(root: &Path) -> Result<Vec<(PathBuf, String)>, Error> {
    let mut files = render(root)?;
    files.retain(|(path, text)| std::fs::read_to_string(root.join(path)).ok().as_ref() != Some(text));
    Ok(files)
}

/// Writes one generated file, with its folder.
///
/// # Errors
/// When the file cannot be written.
pub fn write(root: &Path, path: &Path, text: &str) -> Result<(), Error> {
    let failed = |source| Error::Write { path: path.to_owned(), source };
    let target = root.join(path);
    if let Some(folder) = target.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    std::fs::write(target, text).map_err(failed)
}
