//! What entries of the file refer to: its own variables, and shared credentials.

use std::collections::BTreeMap;

use super::report::{Report, Verdict, quoted};
use super::unsupported::{Part, why};
use super::yaml::Node;

/// `environment_variables` and `credential_list`.
#[derive(Debug, Default)]
pub(super) struct Lookup<'a> {
    variables: BTreeMap<&'a str, &'a str>,
    credentials: BTreeMap<&'a str, &'a Node>,
}

impl<'a> Lookup<'a> {
    pub(super) fn of(root: &'a Node, report: &mut Report) -> Self {
        let mut lookup = Self::default();
        let variables = root.get("environment_variables").and_then(Node::fields).unwrap_or_default();
        for variable in variables {
            if let Some(text) = variable.node.text() {
                lookup.variables.insert(&variable.name, text);
            }
            let at = format!("environment_variables.{}", quoted(&variable.name));
            if is_secret(&variable.name, variable.node.text().unwrap_or_default()) {
                let reason = "it stands in clear in this file, looks secret and was not copied: put it into the Secret if a source needs it, \
                              best a new one, and revoke this";
                report.add(Verdict::ToDo, (variable.line, at), reason);
                continue;
            }
            let reason =
                "variables are read for api_base and model only: what is secret belongs into the Secret";
            report.add(Verdict::Left, (variable.line, at), reason);
        }
        for (number, entry) in
            root.get("credential_list").and_then(Node::list).into_iter().flatten().enumerate()
        {
            lookup.add(entry, number, report);
        }
        lookup
    }

    fn add(&mut self, entry: &'a Node, number: usize, report: &mut Report) {
        let at = format!("credential_list[{number}]");
        let name = entry.get("credential_name").and_then(Node::text);
        let values = entry.get("credential_values").filter(|values| values.fields().is_some());
        let (Some(name), Some(values)) = (name, values) else {
            let reason = "it has no credential_name, or no mapping credential_values";
            return report.add(Verdict::Left, (entry.line, at), reason);
        };
        for field in values.fields().unwrap_or_default() {
            if !matches!(field.name.as_str(), "api_key" | "api_base" | "base_url") {
                let place = format!("{at}.credential_values.{}", quoted(&field.name));
                report.add(Verdict::Left, (field.line, place), why(Part::Model, &field.name));
            }
        }
        if self.credentials.contains_key(name) {
            return report.add(Verdict::Left, (entry.line, at), "another one before it has the same name");
        }
        self.credentials.insert(name, values);
    }

    pub(super) fn variable(&self, name: &str) -> Option<&'a str> {
        self.variables.get(name).copied()
    }

    pub(super) fn credential(&self, name: &str) -> Option<&'a Node> {
        self.credentials.get(name).copied()
    }
}

/// Whether a variable's name or value is that of a key or password. One too many does no harm.
fn is_secret(name: &str, value: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let is_called =
        ["KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL"].iter().any(|word| name.contains(word));
    let elsewhere = value.is_empty() || value.starts_with("os.environ/");
    !elsewhere && (is_called || vox_telemetry::redact(value) != value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_clear_among_the_variables_is_to_be_moved_and_never_shown() {
        let text =
            "environment_variables:\n  OPENAI_API_KEY: made-up\n  REGION: eu\n  OTHER_KEY: os.environ/X\n";
        let root = Node::read(text).unwrap();
        let mut report = Report::default();
        Lookup::of(&root, &mut report);
        let told: Vec<_> = report.notes.iter().map(|note| (note.field.as_str(), note.verdict)).collect();
        assert_eq!(
            told,
            [
                ("environment_variables.OPENAI_API_KEY", Verdict::ToDo),
                ("environment_variables.REGION", Verdict::Left),
                ("environment_variables.OTHER_KEY", Verdict::Left),
            ]
        );
        assert!(report.notes.iter().all(|note| !note.reason.contains("made-up")));
    }
}
