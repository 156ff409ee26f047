//! The reference page of all settings, made from the arguments themselves so that it cannot be wrong (rows 68, 70).

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use clap::CommandFactory as _;

use crate::config::Args;

/// `vox-sidecar reference`.
pub(crate) fn print() -> ExitCode {
    let written = std::io::stdout().write_all(page().as_bytes());
    if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// `docs/reference/sidecar.md`.
fn page() -> String {
    let mut page = String::from(
        "# vox-sidecar\n\n<!-- Made by `make generate` from operator/sidecar/src/config.rs; do not edit. -->\n\n\
         What it does stands in [The sidecar](../sidecar.md). Every setting is an argument and an environment variable.\n\n\
         | argument | environment | default | meaning |\n| --- | --- | --- | --- |\n",
    );
    for argument in Args::command().get_arguments() {
        let Some(long) = argument.get_long().filter(|long| !matches!(*long, "help" | "version")) else {
            continue;
        };
        let environment =
            argument.get_env().map(|name| format!("`{}`", name.to_string_lossy())).unwrap_or_default();
        let defaults: Vec<_> =
            argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        let default = if defaults.is_empty() { String::new() } else { format!("`{}`", defaults.join(",")) };
        let meaning = argument.get_help().map(ToString::to_string).unwrap_or_default().replace('|', "\\|");
        // Writing to a String cannot fail.
        let _ = writeln!(page, "| `--{long}` | {environment} | {default} | {meaning} |");
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_page_is_what_the_arguments_say() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/sidecar.md");
        let committed = std::fs::read_to_string(file).unwrap_or_default();
        assert_eq!(committed, page(), "run `make generate`");
    }
}
