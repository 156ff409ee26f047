//! What the user hands over: files, and the standard input where `-` is written.

use std::io::Read as _;
use std::path::Path;

use crate::error::Error;

/// A text as an argument has it.
pub(crate) fn text(argument: &str) -> Result<String, Error> {
    if argument == "-" { standard_input() } else { Ok(argument.to_owned()) }
}

/// A file's text.
pub(crate) fn file(path: &Path) -> Result<String, Error> {
    if path == Path::new("-") {
        return standard_input();
    }
    std::fs::read_to_string(path)
        .map_err(|error| Error::Input(format!("failed to read {}: {error}", path.display())))
}

/// All of the standard input.
pub(crate) fn standard_input() -> Result<String, Error> {
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .read_to_string(&mut text)
        .map_err(|source| Error::Local { what: "read the standard input".to_owned(), source })?;
    Ok(text)
}
