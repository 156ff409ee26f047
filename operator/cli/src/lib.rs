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
mod gateway;
mod input;
mod litellm;
mod output;
mod progress;
mod reference;
mod relative;
mod schema;
mod table;

use std::borrow::Cow;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};

use args::Args;
use error::{Error, Exit};

/// Does what the arguments say, and returns the documented exit status.
pub fn start(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    vox_telemetry::catch_panics();
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let exit = match parse(&arguments) {
        Ok(args) => run(args),
        Err(error) => {
            print(&error);
            if error.use_stderr() { Exit::Usage } else { Exit::Ok }
        }
    };
    exit.into()
}

/// Help and version are "errors" of clap that go to stdout and succeed.
fn print(error: &clap::Error) {
    let text = error.render().to_string();
    match vox_telemetry::redact(&text) {
        // What cannot be printed is nobody's failure: whoever listened has gone.
        Cow::Borrowed(_) => _ = error.print(),
        // A wrong argument is quoted, and somebody wrote a key there.
        Cow::Owned(_) => progress::say(text.trim_end()),
    }
}

/// As `kubectl vox` the help has to name the command that the user typed.
fn parse(arguments: &[OsString]) -> Result<Args, clap::Error> {
    let name = arguments.first().and_then(|program| Path::new(program).file_stem()?.to_str());
    let command = match name {
        Some("kubectl-vox") => Args::command().bin_name("kubectl vox"),
        _ => Args::command(),
    };
    let args = Args::from_arg_matches(&command.clone().try_get_matches_from(arguments)?)?;
    // clap sees conflicts only among options that stand on the same side of a subcommand.
    if args.global.namespace.is_some() && args.global.all_namespaces {
        let conflict = clap::error::ErrorKind::ArgumentConflict;
        return Err(command.clone().error(conflict, "--namespace and --all-namespaces exclude each other"));
    }
    Ok(args)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn one_namespace_and_all_exclude_each_other_wherever_they_stand() {
        assert!(parse(&arguments("vox -n shop catalog list -A")).is_err());
        assert!(parse(&arguments("vox -A catalog list -n shop")).is_err());
        assert!(parse(&arguments("vox -A catalog list")).is_ok());
    }

    #[test]
    fn as_a_plugin_of_kubectl_the_help_says_so() {
        let help = parse(&arguments("/usr/local/bin/kubectl-vox --help")).unwrap_err().to_string();
        assert!(help.contains("Usage: kubectl vox"), "{help}");
    }
}
