//! The command line of Vox: asks sources to discover, shows what they found and when, and says what is wrong.
//!
//! Pure parts (which sources to ask, what a status means, how a table looks) stand apart from those that talk to a
//! cluster. Everything a user reads goes through [`output`] and [`progress`], which survive a closed pipe.

mod args;
mod cluster;
mod commands;
mod config;
mod error;
mod freshness;
mod output;
mod progress;
mod reference;
mod relative;
mod table;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};

use args::Args;
use error::{Error, Exit};

/// Does what the arguments say, and returns the documented exit status.
pub fn start(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let exit = match parse(&arguments) {
        Ok(args) => run(args),
        Err(error) => {
            // Help and version are "errors" of clap that go to stdout and succeed. What cannot be printed is nobody's
            // failure: whoever listened has gone.
            let _ = error.print();
            if error.use_stderr() { Exit::Usage } else { Exit::Ok }
        }
    };
    exit.into()
}

/// As `kubectl vox` the help has to name the command that the user typed.
fn parse(arguments: &[OsString]) -> Result<Args, clap::Error> {
    let name = arguments.first().and_then(|program| Path::new(program).file_stem()?.to_str());
    let command = match name {
        Some("kubectl-vox") => Args::command().bin_name("kubectl vox"),
        _ => Args::command(),
    };
    Args::from_arg_matches(&command.try_get_matches_from(arguments)?)
}

fn run(args: Args) -> Exit {
    // One user, a handful of requests: one thread is enough.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(source) => return fail(&Error::Local { what: "start the runtime".to_owned(), source }),
    };
    let exit = runtime.block_on(commands::run(args)).unwrap_or_else(|error| fail(&error));
    // A name that is still being resolved must not hold the answer back.
    runtime.shutdown_background();
    exit
}

fn fail(error: &Error) -> Exit {
    progress::say(&table::printable(&format!("vox: {error}")));
    error.exit()
}
