//! What a document's JSON Schema says about it.

use std::path::Path;

use serde_json::Value;

use crate::load::{DOCUMENTS, Document, path, read};
use crate::{Error, Violation};

/// The schema of a document, parsed.
pub(crate) fn of(root: &Path, schema: &str) -> Result<Value, Error> {
    let file = path(schema);
    let text = read(root, &file)?;
    serde_json::from_str(&text).map_err(|e| Error::Schema { file, reason: e.to_string() })
}

/// All that the schemas find wrong.
pub(crate) fn check(root: &Path, documents: &[Document]) -> Result<Vec<Violation>, Error> {
    let mut violations = Vec::new();
    for (document, (_, schema)) in documents.iter().zip(DOCUMENTS) {
        let value = of(root, schema)?;
        let validator = jsonschema::draft202012::new(&value)
            .map_err(|e| Error::Schema { file: path(schema), reason: e.to_string() })?;
        violations.extend(validator.iter_errors(&document.value).map(|error| Violation {
            file: path(document.name),
            pointer: error.instance_path().to_string(),
            reason: error.to_string(),
        }));
    }
    Ok(violations)
}
