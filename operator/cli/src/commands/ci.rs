//! `vox ci contracts`.

use std::path::Path;

use serde::Serialize;
use vox_codegen::Violation;

use crate::error::{Error, Exit, chain};
use crate::output::Format;
use crate::progress::say;

#[derive(Serialize)]
struct Row {
    file: String,
    pointer: String,
    reason: String,
}

impl From<Violation> for Row {
    fn from(violation: Violation) -> Self {
        let Violation { file, pointer, reason } = violation;
        // An empty pointer is the whole document, which nobody can tell from a missing one in print.
        let pointer = if pointer.is_empty() { "/".to_owned() } else { pointer };
        Self { file: file.display().to_string(), pointer, reason }
    }
}

pub(super) fn contracts(dir: &Path, output: Format) -> Result<Exit, Error> {
    let violations = vox_codegen::check(dir)
        .map_err(|error| Error::Contracts { dir: dir.to_owned(), reason: chain(&error) })?;
    let rows: Vec<Row> = violations.into_iter().map(Row::from).collect();
    output.print(&rows, || {
        rows.iter().map(|row| format!("{}: {}: {}\n", row.file, row.pointer, row.reason)).collect()
    })?;
    if rows.is_empty() {
        if output == Format::Table {
            say("the contracts have no violation");
        }
        return Ok(Exit::Ok);
    }
    Ok(Exit::No)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkout_without_contracts_is_an_error_that_names_the_folder() {
        let error = contracts(Path::new("/nonexistent"), Format::Table).unwrap_err();
        assert_eq!(error.exit(), Exit::Usage);
        assert!(error.to_string().contains("/nonexistent"), "{error}");
    }

    #[test]
    fn the_contracts_of_this_checkout_have_no_violation() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        assert_eq!(contracts(&root, Format::Json).unwrap(), Exit::Ok);
    }
}
