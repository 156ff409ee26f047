//! `vox policy test`, `diff` and `evaluate`: what a policy would do, before it is applied.

mod catalogs;
mod diff;
mod evaluate;
mod picks;
mod read;
mod test;

use std::path::Path;

use crate::args::{Global, PolicyCommand};
use crate::error::{Error, Exit};
use crate::input;

pub(super) async fn run(command: &PolicyCommand, global: &Global) -> Result<Exit, Error> {
    match command {
        PolicyCommand::Test(args) => test::run(args, global).await,
        PolicyCommand::Diff(args) => diff::run(args, global).await,
        PolicyCommand::Evaluate(args) => evaluate::run(args, global).await,
    }
}

/// The policy of a file.
fn read_file(file: &Path, name: Option<&str>) -> Result<read::Written, Error> {
    let told =
        if file == Path::new("-") { "the standard input".to_owned() } else { file.display().to_string() };
    read::policy(&input::file(file)?, name).map_err(|reason| Error::Input(format!("{told}: {reason}")))
}
