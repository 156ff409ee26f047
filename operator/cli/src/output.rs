//! Results on stdout: a table for people, JSON or YAML for programs.

use std::io::{self, Write as _};

use serde::Serialize;

use crate::error::Error;

/// How to print a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Table,
    Json,
    Yaml,
}

impl Format {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Json => "json",
            Self::Yaml => "yaml",
        }
    }

    /// Prints `data`, or the text for people that is made from it.
    pub(crate) fn print<T: Serialize>(self, data: &T, people: impl FnOnce() -> String) -> Result<(), Error> {
        let failed = |reason: String| Error::Serialise { format: self.name(), reason };
        let text = match self {
            Self::Table => people(),
            Self::Json => serde_json::to_string_pretty(data).map_err(|error| failed(error.to_string()))?,
            Self::Yaml => serde_saphyr::to_string(data).map_err(|error| failed(error.to_string()))?,
        };
        print(&text)
    }
}

/// Writes to stdout, ending with a new line. Whoever closes the pipe (`head`) has read enough.
pub(crate) fn print(text: &str) -> Result<(), Error> {
    if text.is_empty() {
        return Ok(());
    }
    let mut out = io::stdout().lock();
    let end = if text.ends_with('\n') { "" } else { "\n" };
    match out
        .write_all(text.as_bytes())
        .and_then(|()| out.write_all(end.as_bytes()))
        .and_then(|()| out.flush())
    {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => {
            result.map_err(|source| Error::Local { what: "write to the standard output".to_owned(), source })
        }
    }
}
