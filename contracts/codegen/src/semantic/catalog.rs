//! `model-catalog.bootstrap.v1.json`, and that no model id stands anywhere else.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{Findings, ROUTING};
use crate::load::Contracts;
use crate::{Error, Violation};

const FILE: &str = "model-catalog.bootstrap.v1.json";

/// Where the project's own text stands. Generated documents of the bootstrap file itself are the one exception.
const SEARCHED: [&str; 7] = ["contracts", "crds", "operator", "e2e", "charts", "migrations", ".github"];

/// Files in which an id would be a default or a rule. Data and prose of tests and examples are not among them.
const SEARCHED_EXTENSIONS: [&str; 5] = ["rs", "yaml", "yml", "sql", "toml"];

pub(crate) fn check(root: &Path, contracts: &Contracts) -> Result<Vec<Violation>, Error> {
    let [_, _, _, _, bootstrap, _] = &contracts.documents;
    let mut findings = Findings::new(FILE);
    let empty = Vec::new();
    let entries = bootstrap.value["entries"].as_array().unwrap_or(&empty);
    let routing = &contracts.routing;
    let providers = contracts.providers.providers.iter().map(|provider| provider.name.as_str()).collect();
    let tiers = routing.tiers.iter().map(|tier| tier.name.as_str()).collect();
    let strengths = routing.strengths.iter().map(|strength| strength.name.as_str()).collect();
    let families = routing.families.iter().map(|rule| rule.family.as_str()).collect();
    let text = |value: &'_ Value| value.as_str().map(str::to_owned).unwrap_or_default();
    let mut ids = BTreeSet::new();
    let mut before = String::new();
    for (index, entry) in entries.iter().enumerate() {
        let at = format!("/entries/{index}");
        let id = text(&entry["model_id"]);
        if id <= before {
            findings.add(format_args!("{at}/model_id"), format!("{id:?} stands twice or out of order"));
        }
        findings.known(format_args!("{at}/provider"), &text(&entry["provider"]), &providers, "provider");
        findings.known(format_args!("{at}/tier"), &text(&entry["tier"]), &tiers, "tier");
        if let Some(family) = entry["family"].as_str() {
            findings.known(format_args!("{at}/family"), family, &families, "family");
        }
        for (place, strength) in entry["strengths"].as_array().unwrap_or(&empty).iter().enumerate() {
            findings.known(format_args!("{at}/strengths/{place}"), &text(strength), &strengths, "strength");
        }
        before.clone_from(&id);
        ids.insert(id);
    }
    let aliases = bootstrap.value["aliases"].as_object();
    for (alias, target) in aliases.into_iter().flatten() {
        let target = text(target);
        if !ids.contains(&target) {
            findings.add(format_args!("/aliases/{alias}"), format!("{target:?} is no model_id of `entries`"));
        }
    }
    let mut violations = findings.violations;
    if !aliases.is_some_and(|aliases| aliases.contains_key(&routing.generic_fallback)) {
        let mut findings = Findings::new(ROUTING);
        let reason = format!("{:?} is no key of `aliases` in {FILE}", routing.generic_fallback);
        findings.add("/generic_fallback", reason);
        violations.extend(findings.violations);
    }
    for folder in SEARCHED {
        search(root, Path::new(folder), &ids, &mut violations)?;
    }
    Ok(violations)
}

/// Notes every line below a folder that holds one of the ids.
fn search(
    root: &Path,
    folder: &Path,
    ids: &BTreeSet<String>,
    found: &mut Vec<Violation>,
) -> Result<(), Error> {
    let failed = |source| Error::Read { path: folder.to_owned(), source };
    let Ok(listing) = fs::read_dir(root.join(folder)) else { return Ok(()) };
    let mut children = listing.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    children.sort_by_key(fs::DirEntry::file_name);
    for child in children {
        let path = folder.join(child.file_name());
        if child.file_type().map_err(failed)?.is_dir() {
            if child.file_name() != "target" {
                search(root, &path, ids, found)?;
            }
            continue;
        }
        let searched =
            path.extension().and_then(|e| e.to_str()).is_some_and(|e| SEARCHED_EXTENSIONS.contains(&e));
        // Unreadable means not UTF-8 or just removed: no source of ours.
        let Ok(text) = fs::read_to_string(root.join(&path)) else { continue };
        if !searched {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            if let Some(id) = ids.iter().find(|id| holds(line, id)) {
                found.push(Violation {
                    file: path.clone(),
                    pointer: String::new(),
                    reason: format!("line {}: model id {id:?} stands outside {FILE}", number + 1),
                });
            }
        }
    }
    Ok(())
}

/// Whether a line holds an id as a word of its own: `vendor/model-1` is not in `vendor/model-12`.
fn holds(line: &str, id: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    line.match_indices(id).any(|(start, _)| {
        let before = line.get(..start).and_then(|text| text.chars().next_back());
        let mut after = line.get(start + id.len()..).unwrap_or_default().chars();
        let next = after.next();
        // A full stop ends a sentence unless more of a name follows it.
        let ends = next.is_none_or(|c| {
            !word(c) || (c == '.' && !after.next().is_some_and(|c| c.is_ascii_alphanumeric()))
        });
        !before.is_some_and(word) && ends
    })
}
