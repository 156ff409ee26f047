//! What the documents say is so.

// Clippy knows tests by their attribute and does not know their helpers.
#![allow(clippy::unwrap_used, clippy::panic)]

mod house {
    pub(crate) mod files;
    pub(crate) mod tracked;
}

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use house::files::{root, text};
use house::tracked::tracked;
use serde_json::Value;

/// The parts of a document.
#[derive(Default)]
struct Document {
    /// Targets of links, outside code.
    links: Vec<String>,
    /// Commands: code between backticks, and the lines of code blocks.
    code: Vec<String>,
    /// What `#…` can lead to.
    anchors: BTreeSet<String>,
}

impl Document {
    fn read(markdown: &str) -> Self {
        let mut document = Self::default();
        let mut fenced = false;
        for line in markdown.lines() {
            if line.trim_start().starts_with("```") {
                fenced = !fenced;
            } else if fenced {
                document.code.push(line.trim().trim_start_matches("$ ").to_owned());
            } else {
                document.prose(line);
            }
        }
        document
    }

    fn prose(&mut self, line: &str) {
        if line.starts_with('#') {
            self.anchors.insert(anchor(line.trim_start_matches('#').trim()));
        }
        let mut outside = String::new();
        for (number, part) in line.split('`').enumerate() {
            if number % 2 == 1 {
                self.code.push(part.trim().to_owned());
            } else {
                outside.push_str(part);
            }
        }
        for part in outside.split("](").skip(1) {
            self.links.push(part.split([')', ' ']).next().unwrap().to_owned());
        }
    }
}

/// The anchor that a forge makes of a heading.
fn anchor(heading: &str) -> String {
    let letters = heading.to_lowercase().replace(' ', "-");
    letters.chars().filter(|letter| letter.is_alphanumeric() || "-_".contains(*letter)).collect()
}

#[test]
fn every_reason_of_a_condition_has_its_page() {
    let reasons: BTreeSet<String> =
        vox_crds::conditions::vocabulary().into_iter().map(|(reason, _)| reason.to_owned()).collect();
    let pages: BTreeSet<String> = tracked(".md")
        .iter()
        .filter_map(|path| path.strip_prefix("docs/errors/")?.strip_suffix(".md"))
        .filter(|page| *page != "README")
        // Codes that a client of the gateway is told are written in small letters; its own tests hold their pages.
        .filter(|page| page.starts_with(char::is_uppercase))
        .map(str::to_owned)
        .collect();
    let missing: Vec<_> = reasons.difference(&pages).map(|name| format!("docs/errors/{name}.md")).collect();
    let needless: Vec<_> = pages.difference(&reasons).map(|name| format!("docs/errors/{name}.md")).collect();
    assert!(missing.is_empty(), "pages of reasons are missing (git add new ones):\n{}", missing.join("\n"));
    assert!(needless.is_empty(), "these pages are of no reason:\n{}", needless.join("\n"));
}

#[test]
fn every_link_leads_somewhere() {
    let mut broken = Vec::new();
    for path in tracked(".md") {
        let document = Document::read(&text(&path));
        for link in &document.links {
            if ["http://", "https://", "mailto:"].iter().any(|scheme| link.starts_with(scheme)) {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => root().join(&path),
                file => root().join(Path::new(&path).parent().unwrap()).join(file),
            };
            if !target.exists() {
                broken.push(format!("{path}: {link}: there is no such file"));
            } else if !heading.is_empty() && file.is_empty() | file.ends_with(".md") {
                let there = Document::read(&std::fs::read_to_string(&target).unwrap()).anchors;
                if !there.contains(heading) {
                    broken.push(format!("{path}: {link}: there is no such heading"));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_make_target_that_a_document_names_exists() {
    let makefile = text("Makefile");
    let targets: BTreeSet<&str> = makefile
        .lines()
        .filter(|line| !line.starts_with(['\t', '#', '.']) && !line.contains('='))
        .filter_map(|line| line.split_once(':'))
        .flat_map(|(names, _)| names.split_whitespace())
        .collect();
    assert!(targets.contains("test"), "no targets were found in the Makefile");
    let mut unknown = Vec::new();
    for path in tracked(".md") {
        for command in Document::read(&text(&path)).code {
            let Some(rest) = command.strip_prefix("make ") else { continue };
            let words = rest.split('#').next().unwrap().split_whitespace();
            let named = words.filter(|word| !word.starts_with('-') && !word.contains('='));
            unknown.extend(
                named
                    .filter(|word| !targets.contains(word))
                    .map(|word| format!("{path}: `make {word}`: the Makefile has no such target")),
            );
        }
    }
    assert!(unknown.is_empty(), "{}", unknown.join("\n"));
}

#[test]
fn the_charts_table_of_values_is_values_yaml() {
    let values: Value = serde_saphyr::from_str(&text("charts/vox/values.yaml")).unwrap();
    let mut set = BTreeMap::new();
    leaves("", &values, &mut set);
    let readme = text("charts/vox/README.md");
    let mut described = BTreeMap::new();
    for line in readme.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let code =
            |cell: &str| cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`')).map(str::to_owned);
        if let [key, default, _] = cells[..]
            && let (Some(key), Some(default)) = (code(key), code(default))
        {
            let default: Value = serde_json::from_str(&default)
                .unwrap_or_else(|error| panic!("the default of {key}: {error}"));
            described.insert(key, default);
        }
    }
    let differences: Vec<String> = set
        .keys()
        .chain(described.keys())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .filter_map(|key| match (set.get(key), described.get(key)) {
            (Some(_), None) => Some(format!("{key} is missing in README.md")),
            (None, Some(_)) => Some(format!("{key} is missing in values.yaml")),
            (Some(is), Some(said)) if is != said => Some(format!("{key} is {is}, README.md says {said}")),
            _ => None,
        })
        .collect();
    assert!(differences.is_empty(), "charts/vox:\n{}", differences.join("\n"));
}

#[test]
fn the_chart_rolls_the_scoreboard_up_when_the_contract_says() {
    let read = |file: &str| serde_saphyr::from_str::<Value>(&text(file)).unwrap();
    let contract = read("contracts/orchestration/model-routing.v1.yaml");
    assert!(contract["rollup"]["schedule"].is_string());
    assert_eq!(read("charts/vox/values.yaml")["rollup"]["schedule"], contract["rollup"]["schedule"]);
}

/// Every value that is no map with entries, by its path.
fn leaves(path: &str, value: &Value, into: &mut BTreeMap<String, Value>) {
    match value.as_object().filter(|fields| !fields.is_empty()) {
        Some(fields) => fields.iter().for_each(|(key, field)| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            leaves(&path, field, into);
        }),
        None => _ = into.insert(path.to_owned(), value.clone()),
    }
}

#[test]
fn a_documents_links_commands_and_headings_are_found() {
    let document = Document::read(
        "# What `vox` is, really?\nSee [a](../b.md#c-d) and ![c](d.png \"title\"), not `[e](f)`; run `make test`.\n\
         ```sh\n$ make up # comment\n[g](h)\n```\n",
    );
    assert_eq!(document.links, ["../b.md#c-d", "d.png"]);
    assert_eq!(document.code, ["vox", "[e](f)", "make test", "make up # comment", "[g](h)"]);
    assert_eq!(document.anchors, BTreeSet::from(["what-vox-is-really".to_owned()]));
}
