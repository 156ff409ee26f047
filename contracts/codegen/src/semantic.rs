//! What must hold within and between documents and no JSON Schema can say.

mod catalog;
mod providers;
mod routing;
mod telemetry;

use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::Path;

use crate::load::{Contracts, path};
use crate::{Error, Violation};

pub(crate) use routing::FILE as ROUTING;

/// Collects what is wrong with one document.
pub(crate) struct Findings {
    file: &'static str,
    violations: Vec<Violation>,
}

impl Findings {
    pub(crate) const fn new(file: &'static str) -> Self {
        Self { file, violations: Vec::new() }
    }

    /// Notes a violation at a JSON pointer.
    pub(crate) fn add(&mut self, pointer: impl Display, reason: impl Into<String>) {
        self.violations.push(Violation {
            file: path(self.file),
            pointer: pointer.to_string(),
            reason: reason.into(),
        });
    }

    /// Notes a name that is not among those that `what` defines.
    pub(crate) fn known(&mut self, pointer: impl Display, name: &str, names: &BTreeSet<&str>, what: &str) {
        if !names.contains(name) {
            let all: Vec<_> = names.iter().copied().collect();
            self.add(pointer, format!("{name:?} is no {what}: expected one of {}", all.join(", ")));
        }
    }

    /// Notes names that stand twice, or that become the same identifier in generated code.
    pub(crate) fn unique<'a>(&mut self, list: &str, field: &str, names: impl Iterator<Item = &'a str>) {
        let mut seen = BTreeSet::new();
        for (index, name) in names.enumerate() {
            if !seen.insert(crate::rust::pascal(name)) {
                self.add(format_args!("{list}/{index}/{field}"), format!("{name:?} stands twice"));
            }
        }
    }

    /// Notes a pattern that is no regular expression.
    pub(crate) fn regex(&mut self, pointer: impl Display, pattern: &str) {
        if let Err(error) = regex::Regex::new(pattern) {
            let reason = error.to_string();
            let last = reason.lines().last().unwrap_or_default().trim();
            self.add(pointer, format!("{pattern:?} is no regular expression: {last}"));
        }
    }

    /// Notes a text that is no decimal.
    pub(crate) fn decimal(&mut self, pointer: impl Display, text: &str) -> Option<rust_decimal::Decimal> {
        match rust_decimal::Decimal::from_str_exact(text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.add(pointer, format!("{text:?} is no decimal: {error}"));
                None
            }
        }
    }
}

/// All that is wrong beyond the schemas.
pub(crate) fn check(root: &Path, contracts: &Contracts) -> Result<Vec<Violation>, Error> {
    let mut violations = Vec::new();
    for findings in [
        routing::check(contracts),
        providers::check(contracts),
        providers::check_overlay(contracts),
        telemetry::check(contracts),
    ] {
        violations.extend(findings.violations);
    }
    violations.extend(catalog::check(root, contracts)?);
    Ok(violations)
}
