//! Reads the contracts from a checkout.

use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::model::{Overlay, Providers, Routing, Telemetry};
use crate::{Error, Violation};

/// Folder of the contracts, below the root of a checkout.
pub(crate) const FOLDER: &str = "contracts/orchestration";

/// Documents and the schemas that hold for them. The bootstrap catalog shares the published catalog's schema.
pub(crate) const DOCUMENTS: [(&str, &str); 6] = [
    ("model-routing.v1.yaml", "model-routing.v1.schema.json"),
    ("providers.v1.yaml", "providers.v1.schema.json"),
    ("provider-pricing-overlay.v1.yaml", "provider-pricing-overlay.v1.schema.json"),
    ("model-telemetry.v1.yaml", "model-telemetry.v1.schema.json"),
    ("model-catalog.bootstrap.v1.json", "model-catalog.v1.schema.json"),
    ("training-manifest.example.v1.json", "training-manifest.v1.schema.json"),
];

/// A contract as it stands on disk.
pub(crate) struct Document {
    pub(crate) name: &'static str,
    pub(crate) text: String,
    pub(crate) value: Value,
}

impl Document {
    /// The document as a type; its schema must have accepted it.
    fn typed<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_value(self.value.clone())
            .map_err(|e| Error::Typed { file: path(self.name), reason: e.to_string() })
    }
}

/// The contracts as types, with the bytes that they were read from.
pub(crate) struct Contracts {
    pub(crate) documents: [Document; 6],
    pub(crate) routing: Routing,
    pub(crate) providers: Providers,
    pub(crate) overlay: Overlay,
    pub(crate) telemetry: Telemetry,
}

impl Contracts {
    /// The documents as types.
    pub(crate) fn of(documents: [Document; 6]) -> Result<Self, Error> {
        let [routing, providers, overlay, telemetry, _, _] = &documents;
        Ok(Self {
            routing: routing.typed()?,
            providers: providers.typed()?,
            overlay: overlay.typed()?,
            telemetry: telemetry.typed()?,
            documents,
        })
    }
}

/// Path of a contract below the root.
pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(FOLDER).join(name)
}

/// Text of a file below the root.
pub(crate) fn read(root: &Path, relative: &Path) -> Result<String, Error> {
    fs::read_to_string(root.join(relative))
        .map_err(|source| Error::Read { path: relative.to_owned(), source })
}

/// Reads all documents. What does not parse is a violation, with line and column.
pub(crate) fn documents(root: &Path) -> Result<Result<[Document; 6], Vec<Violation>>, Error> {
    let mut violations = Vec::new();
    let mut documents = Vec::new();
    for (name, _) in DOCUMENTS {
        let text = read(root, &path(name))?;
        match parse(name, &text) {
            Ok(value) => documents.push(Document { name, text, value }),
            Err(reason) => violations.push(Violation { file: path(name), pointer: String::new(), reason }),
        }
    }
    // All of them, or there is a violation: each document ends in exactly one of the two lists.
    Ok(documents.try_into().map_err(|_| violations))
}

fn parse(name: &str, text: &str) -> Result<Value, String> {
    if Path::new(name).extension().is_some_and(|extension| extension == "json") {
        return serde_json::from_str(text).map_err(|e| format!("failed to parse JSON: {e}"));
    }
    serde_saphyr::from_str(text).map_err(|e| {
        let place = e
            .location()
            .map_or_else(String::new, |at| format!(" at line {} column {}", at.line(), at.column()));
        format!("failed to parse YAML{place}: {}", e.without_snippet())
    })
}
