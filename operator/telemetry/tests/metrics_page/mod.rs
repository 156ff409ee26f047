//! The page of metrics beside what a registry has: for the tests of the programs that have one.

use std::collections::BTreeSet;
use std::fs;

/// Fails unless the page's rows whose names are a program's say what its registry says: names, kinds and labels. Every
/// metric has to have a value, or its labels are not there to be read.
pub(crate) fn is_of(exposition: &str, is_ours: impl Fn(&str) -> bool) {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/metrics.md");
    let page = fs::read_to_string(page).unwrap();
    let rows = page.lines().filter(|line| line.strip_prefix("| `").is_some_and(&is_ours));
    let rows: BTreeSet<String> =
        rows.map(|row| row.split('|').take(4).collect::<Vec<_>>().join("|")).collect();
    assert_eq!(rows, measured(exposition), "left: docs/reference/metrics.md; right: the program");
}

/// As a row of the page begins: name, kind, labels.
fn measured(exposition: &str) -> BTreeSet<String> {
    let types = exposition.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    types
        .map(|(name, kind)| {
            let end = match kind {
                "counter" => "_total",
                "info" => "_info",
                _ => "",
            };
            format!("| `{name}{end}` | {kind} | {} ", labels(exposition, name))
        })
        .collect()
}

/// Of the metric's first sample.
fn labels(exposition: &str, name: &str) -> String {
    let sample = |line: &&str| {
        let end = line.strip_prefix(name).and_then(|rest| rest.split(['{', ' ']).next());
        matches!(end, Some("" | "_total" | "_info" | "_bucket"))
    };
    let first = exposition.lines().find(sample).unwrap_or_else(|| panic!("{name} has no value"));
    let pairs = first.split_once('{').map_or("", |(_, rest)| rest.split('}').next().unwrap_or_default());
    let names = pairs.split(',').filter_map(|pair| Some(pair.split_once('=')?.0));
    let names: Vec<String> = names.filter(|name| *name != "le").map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
