//! The reference page of all settings, made from the arguments themselves so that it cannot be wrong (rows 68, 70).

use std::fmt::Write as _;

use clap::CommandFactory as _;

use crate::args::Args;

/// `docs/reference/operator.md`.
pub(crate) fn page() -> String {
    let mut page = String::from(
        "# vox-operator\n\n<!-- Made by `make generate` from operator/controller/src/args.rs; do not edit. -->\n\n\
         Every setting is an argument and an environment variable. The chart sets them from its values; the operator sets \
         those of `discover` in the Jobs that it makes.\n",
    );
    let command = Args::command();
    section(&mut page, "For every command", &command);
    for subcommand in command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
        section(&mut page, &format!("vox-operator {}", subcommand.get_name()), subcommand);
    }
    page.push_str(
        "\n## Exit status\n\n| status | meaning |\n| --- | --- |\n| 0 | done |\n| 1 | failed; another try may work |\n\
         | 2 | wrong arguments |\n| 3 | `discover` failed, another try would repeat it, and the operator knows why |\n",
    );
    page
}

fn section(page: &mut String, title: &str, command: &clap::Command) {
    // Writing to a String cannot fail.
    let _ = write!(page, "\n## {title}\n");
    if let Some(about) = command.get_about() {
        let _ = write!(page, "\n{about}\n");
    }
    let _ = write!(page, "\n| argument | environment | default | meaning |\n| --- | --- | --- | --- |\n");
    for argument in command.get_arguments() {
        let Some(long) = argument.get_long().filter(|long| !matches!(*long, "help" | "version")) else {
            continue;
        };
        let environment =
            argument.get_env().map(|name| format!("`{}`", name.to_string_lossy())).unwrap_or_default();
        let defaults: Vec<_> =
            argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        let default = if defaults.is_empty() { String::new() } else { format!("`{}`", defaults.join(",")) };
        let meaning = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let _ =
            writeln!(page, "| `--{long}` | {environment} | {default} | {} |", meaning.replace('|', "\\|"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_page_is_what_the_arguments_say() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/operator.md");
        let committed = std::fs::read_to_string(file).unwrap_or_default();
        assert_eq!(committed, page(), "run `make generate`");
    }
}
