//! The chart's dashboard and alerts ask for metrics that there are, by labels that they have.

// Clippy knows tests by their attribute and does not know their helpers.
#![allow(clippy::unwrap_used, clippy::panic)]

mod house {
    pub(crate) mod files;
}

use std::collections::{BTreeMap, BTreeSet};

use house::files::text;
use serde_json::Value;

/// Labels that a scrape adds.
const OF_THE_SCRAPE: [&str; 2] = ["pod", "namespace"];
/// Suffixes of what Prometheus makes of one metric, and the label that comes with it.
const SUFFIXES: [&str; 4] = ["_bucket", "_sum", "_count", ""];

/// Each metric of the page with its labels.
fn metrics() -> BTreeMap<String, BTreeSet<String>> {
    let page = text("docs/reference/metrics.md");
    let rows = page.lines().filter_map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let name = cells.first()?.strip_prefix('`')?.strip_suffix('`')?;
        let labels = cells.get(2)?.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        Some((name.to_owned(), labels))
    });
    rows.collect()
}

/// The texts of all members of this name, wherever they stand.
fn members(value: &Value, name: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get(name).and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|value| members(value, name, found));
        }
        Value::Array(list) => list.iter().for_each(|value| members(value, name, found)),
        _ => {}
    }
}

fn queries() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&text("charts/vox/dashboards/vox.json")).unwrap();
    let alerts: Value = serde_saphyr::from_str(&text("charts/vox/dashboards/alerts.yaml")).unwrap();
    let mut found = Vec::new();
    members(&dashboard, "expr", &mut found);
    members(&alerts, "expr", &mut found);
    assert!(found.len() > 20, "{found:?}");
    found
}

/// Names of metrics in a query, each with the labels that are matched on it.
fn asked(query: &str) -> Vec<(String, Vec<String>)> {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut asked = Vec::new();
    let mut rest = query;
    while let Some(begin) = rest.find("vox_") {
        rest = &rest[begin..];
        let end = rest.find(|letter| !is_name(letter)).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let matched = after.strip_prefix('{').and_then(|after| after.split('}').next()).unwrap_or_default();
        let labels = matched.split(',').filter_map(|one| one.split(['=', '!']).next());
        let labels = labels.map(str::trim).filter(|label| !label.is_empty()).map(str::to_owned).collect();
        asked.push((name.to_owned(), labels));
        rest = after;
    }
    asked
}

#[test]
fn every_query_asks_for_metrics_and_labels_that_there_are() {
    let metrics = metrics();
    let mut wrong = Vec::new();
    for query in queries() {
        for (name, labels) in asked(&query) {
            let known = SUFFIXES.iter().find_map(|suffix| metrics.get(name.strip_suffix(suffix)?));
            let Some(known) = known else {
                wrong.push(format!("{query}: docs/reference/metrics.md has no {name}"));
                continue;
            };
            let unknown = labels
                .iter()
                .filter(|label| !known.contains(*label) && !OF_THE_SCRAPE.contains(&label.as_str()));
            wrong.extend(unknown.map(|label| format!("{query}: {name} has no label {label}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_label_that_a_query_sums_by_is_one_of_its_metrics_labels() {
    let metrics = metrics();
    let mut wrong = Vec::new();
    for query in queries() {
        let mut known: BTreeSet<&str> = OF_THE_SCRAPE.into_iter().chain(["le", "version"]).collect();
        for (name, _) in asked(&query) {
            let found = SUFFIXES.iter().find_map(|suffix| metrics.get(name.strip_suffix(suffix)?));
            known.extend(found.into_iter().flatten().map(String::as_str));
        }
        for by in query.split(" by (").skip(1) {
            let by = by.split(')').next().unwrap_or_default();
            let unknown = by.split(',').map(str::trim).filter(|label| !known.contains(label));
            wrong.extend(unknown.map(|label| format!("{query}: sums by {label}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
