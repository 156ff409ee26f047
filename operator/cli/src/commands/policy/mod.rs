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
    let told = input::told(file);
    read::policy(&input::file(file)?, name).map_err(|reason| Error::Input(format!("{told}: {reason}")))
}

/// Who would serve what by one policy of a text, over the compiled-in catalog, as `vox policy test` says.
#[cfg(test)]
pub(super) fn judge(text: &str, name: &str) -> Result<Vec<picks::Serves>, Error> {
    let written = read::policy(text, Some(name)).map_err(Error::Input)?;
    let router = vox_routing::Router::new(catalogs::Catalogs::bootstrap()?.compile(&written)?);
    Ok(picks::picks(&router, None, 0))
}
