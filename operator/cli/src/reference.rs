//! The reference page `docs/reference/cli.md`, made from the arguments themselves so that it cannot be wrong.

use std::fmt::Write as _;
use std::path::Path;

use clap::{Arg, Command, CommandFactory as _};

use crate::args::Args;
use crate::error::{Error, Exit};
use crate::output::print;
use crate::progress::say;

/// `vox reference`.
pub(crate) fn run(check: Option<&Path>) -> Result<Exit, Error> {
    let Some(file) = check else {
        print(&page())?;
        return Ok(Exit::Ok);
    };
    let committed = std::fs::read_to_string(file)
        .map_err(|source| Error::Local { what: format!("read {}", file.display()), source })?;
    if committed == page() {
        return Ok(Exit::Ok);
    }
    say(&format!(
        "{} differs from the command's arguments; write it anew with: vox reference",
        file.display()
    ));
    Ok(Exit::No)
}

/// The statuses below `vox --help`.
pub(crate) fn exit_statuses() -> String {
    let mut text = "Exit status:\n".to_owned();
    for exit in Exit::ALL {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {}  {}", exit.code(), exit.meaning());
    }
    text
}

fn page() -> String {
    let mut root = Args::command();
    root.build();
    let mut page = String::from(
        "# vox\n\n<!-- Made by `vox reference` from operator/cli/src/args.rs; do not edit. -->\n\n\
         Installed as `kubectl-vox` too, it is also `kubectl vox`.\n",
    );
    let _ = write!(page, "\n{}\n", about(&root));
    page.push_str("\n## Options of every command\n\n");
    options(&mut page, root.get_arguments().filter(|argument| argument.is_global_set()));
    for command in root.get_subcommands() {
        section(&mut page, "vox", command);
    }
    page.push_str("\n## Exit status\n\n| status | meaning |\n| --- | --- |\n");
    for exit in Exit::ALL {
        let _ = writeln!(page, "| {} | {} |", exit.code(), exit.meaning());
    }
    page
}

fn section(page: &mut String, parent: &str, command: &Command) {
    if command.is_hide_set() || command.get_name() == "help" {
        return;
    }
    let name = format!("{parent} {}", command.get_name());
    if command.has_subcommands() {
        for subcommand in command.get_subcommands() {
            section(page, &name, subcommand);
        }
        return;
    }
    let own: Vec<&Arg> = command.get_arguments().filter(|argument| !argument.is_global_set()).collect();
    let positional = own.iter().filter(|argument| argument.is_positional());
    let synopsis: String = positional.clone().map(|argument| format!(" <{}>", value(argument))).collect();
    let _ =
        write!(page, "\n## {name}\n\n```\n{name}{synopsis}{}\n```\n\n{}\n", optional(&own), about(command));
    if own.iter().any(|argument| !is_help(argument)) {
        page.push('\n');
        options(page, own.into_iter());
    }
}

fn optional(own: &[&Arg]) -> &'static str {
    if own.iter().any(|argument| !argument.is_positional() && !is_help(argument)) { " [options]" } else { "" }
}

fn about(command: &Command) -> String {
    command.get_long_about().or_else(|| command.get_about()).map(ToString::to_string).unwrap_or_default()
}

fn is_help(argument: &Arg) -> bool {
    matches!(argument.get_id().as_str(), "help" | "version")
}

fn options<'a>(page: &mut String, arguments: impl Iterator<Item = &'a Arg>) {
    page.push_str("| argument | default | environment | meaning |\n| --- | --- | --- | --- |\n");
    for argument in arguments.filter(|argument| !is_help(argument)) {
        let defaults: Vec<_> =
            argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        // A switch that is not given is off; saying so in each row would only hide the real defaults.
        let default = if takes_value(argument) && !defaults.is_empty() {
            format!("`{}`", defaults.join(","))
        } else {
            String::new()
        };
        let environment =
            argument.get_env().map(|name| format!("`{}`", name.to_string_lossy())).unwrap_or_default();
        let mut meaning = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let values: Vec<String> =
            argument.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
        if takes_value(argument) && !values.is_empty() {
            let _ = write!(meaning, "; one of {}", values.join(", "));
        }
        let _ = writeln!(
            page,
            "| {} | {default} | {environment} | {} |",
            spelling(argument),
            meaning.replace('|', "\\|")
        );
    }
}

fn takes_value(argument: &Arg) -> bool {
    argument.get_action().takes_values()
}

fn value(argument: &Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn spelling(argument: &Arg) -> String {
    let Some(long) = argument.get_long() else { return format!("`{}`", value(argument)) };
    let short = argument.get_short().map(|short| format!("`-{short}`, ")).unwrap_or_default();
    let value = if takes_value(argument) { format!(" {}", value(argument)) } else { String::new() };
    format!("{short}`--{long}{value}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_page_is_what_the_arguments_say() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/cli.md");
        let committed = std::fs::read_to_string(file).unwrap_or_default();
        assert_eq!(committed, page(), "write it anew: vox reference > docs/reference/cli.md");
    }

    #[test]
    fn hidden_commands_are_not_in_the_page_and_every_other_is() {
        let page = page();
        for name in [
            "discover",
            "scheduled list",
            "catalog list",
            "catalog show",
            "doctor",
            "scoreboard show",
            "scoreboard export",
            "trace",
            "chat",
            "model explain",
            "model rollup",
            "model pricing show",
            "policy test",
            "policy diff",
            "ci contracts",
            "completion",
            "version",
        ] {
            assert!(page.contains(&format!("\n## vox {name}\n")), "{name}");
        }
        assert!(!page.contains("## vox reference"));
    }

    #[test]
    fn the_help_of_each_command_is_as_recorded() {
        for path in [&[][..], &["discover"], &["catalog", "show"], &["scheduled", "list"], &["doctor"]] {
            let line = ["vox"].into_iter().chain(path.iter().copied()).chain(["--help"]);
            let help = Args::command().try_get_matches_from(line).unwrap_err().to_string();
            insta::assert_snapshot!(format!("help_{}", path.join("_")), help);
        }
    }
}
