//! What the user hands over: files, and the standard input where `-` is written.

use std::io::Read;
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

/// A file's text, of at most so many bytes: a larger one is no file of this kind.
pub(crate) fn file_up_to(path: &Path, longest: u64) -> Result<String, Error> {
    let read = |source: &mut dyn Read| {
        let mut text = String::new();
        source.take(longest + 1).read_to_string(&mut text).map(|_| text)
    };
    let told = told(path);
    let text = if path == Path::new("-") {
        read(&mut std::io::stdin().lock())
    } else {
        std::fs::File::open(path).and_then(|mut file| read(&mut file))
    };
    let text = text.map_err(|error| Error::Input(format!("failed to read {told}: {error}")))?;
    if text.len() as u64 > longest {
        let mib = longest >> 20;
        return Err(Error::Input(format!("{told} is larger than {mib} MiB, which no file of this kind is")));
    }
    Ok(text)
}

/// A file's name as sentences have it.
pub(crate) fn told(path: &Path) -> String {
    if path == Path::new("-") { "the standard input".to_owned() } else { path.display().to_string() }
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
