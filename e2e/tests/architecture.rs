//! The house's plan, held by tests: which crate may know which, which crates stay pure, and what may stand where.

// Clippy knows tests by their attribute and does not know their helpers.
#![allow(clippy::unwrap_used, clippy::panic)]

mod house {
    pub(crate) mod cargo;
    pub(crate) mod files;
    pub(crate) mod tracked;
}

use std::collections::{BTreeMap, BTreeSet};

use house::cargo::{PLATFORM, cargo};
use house::files::{root, text};
use house::tracked::tracked;
use serde_json::Value;

/// Crates that compute and do nothing else: no network, no cluster, no database, no runtime. Those that are not
/// written yet stand here already.
const PURE: &[&str] = &["vox-contracts", "vox-routing", "vox-dialects", "vox-sealing"];

/// What makes a crate impure, by the beginning of the name.
const IMPURE: &[&str] = &["kube", "k8s-openapi", "tokio", "hyper", "reqwest", "axum", "sqlx"];

/// Which crates of the workspace a crate may depend on: contracts know nobody, the operator's rooms know the
/// contracts, the programs know the rooms, the end-to-end tests know what a user sees.
const PLAN: &[(&str, Allowed)] = &[
    ("vox-contracts", Allowed { normal: &[], tests: &[] }),
    ("vox-codegen", Allowed { normal: &[], tests: &[] }),
    ("vox-crds", Allowed { normal: &["vox-contracts", "vox-routing"], tests: &[] }),
    ("vox-routing", Allowed { normal: &["vox-contracts"], tests: &[] }),
    ("vox-catalog", Allowed { normal: &["vox-contracts"], tests: &["vox-wire"] }),
    ("vox-dialects", Allowed { normal: &["vox-contracts"], tests: &[] }),
    ("vox-store", Allowed { normal: &["vox-contracts"], tests: &[] }),
    ("vox-telemetry", Allowed { normal: &["vox-contracts"], tests: &[] }),
    ("vox-otlp", Allowed { normal: &["vox-contracts", "vox-telemetry"], tests: &[] }),
    (
        "vox-controller",
        Allowed {
            normal: &[
                "vox-contracts",
                "vox-crds",
                "vox-routing",
                "vox-catalog",
                "vox-store",
                "vox-telemetry",
                "vox-otlp",
            ],
            tests: &["vox-sidecar"],
        },
    ),
    (
        "vox-sidecar",
        Allowed { normal: &["vox-contracts", "vox-routing", "vox-dialects", "vox-telemetry"], tests: &[] },
    ),
    (
        "vox-cli",
        Allowed {
            normal: &[
                "vox-contracts",
                "vox-codegen",
                "vox-crds",
                "vox-routing",
                "vox-dialects",
                "vox-telemetry",
                "vox-otlp",
            ],
            tests: &[],
        },
    ),
    ("vox-wire", Allowed { normal: &[], tests: &[] }),
    ("vox-e2e", Allowed { normal: &[], tests: &["vox-contracts", "vox-crds"] }),
];

/// The crates of the workspace that one crate may depend on.
struct Allowed {
    /// Always.
    normal: &'static [&'static str],
    /// Only in its tests.
    tests: &'static [&'static str],
}

/// One dependency of one crate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Edge {
    from: String,
    to: String,
    /// Only its tests need it.
    tests: bool,
}

impl Edge {
    fn new(from: &str, to: &str) -> Self {
        Self { from: from.to_owned(), to: to.to_owned(), tests: false }
    }

    fn of_tests(from: &str, to: &str) -> Self {
        Self { tests: true, ..Self::new(from, to) }
    }
}

/// The dependencies of the workspace, by crate name.
struct Graph {
    members: BTreeSet<String>,
    edges: Vec<Edge>,
}

impl Graph {
    /// As cargo resolves them. Build dependencies run on the builder only and do not count.
    fn of_the_workspace() -> Self {
        let said = cargo(&["metadata", "--format-version", "1", "--locked", "--filter-platform", PLATFORM]);
        let metadata: Value = serde_json::from_str(&said).unwrap();
        let list = |value: &Value| value.as_array().unwrap().clone();
        let names: BTreeMap<String, String> = list(&metadata["packages"])
            .iter()
            .map(|package| (string(&package["id"]), string(&package["name"])))
            .collect();
        let mut edges = Vec::new();
        for node in list(&metadata["resolve"]["nodes"]) {
            for dependency in list(&node["deps"]) {
                let (from, to) = (&names[&string(&node["id"])], &names[&string(&dependency["pkg"])]);
                for kind in list(&dependency["dep_kinds"]) {
                    match kind["kind"].as_str() {
                        None => edges.push(Edge::new(from, to)),
                        Some("dev") => edges.push(Edge::of_tests(from, to)),
                        Some(_) => {}
                    }
                }
            }
        }
        let members = list(&metadata["workspace_members"]);
        Self { members: members.iter().map(|id| names[&string(id)].clone()).collect(), edges }
    }

    fn normal<'a>(&'a self, from: &'a str) -> impl Iterator<Item = &'a str> {
        let edges = self.edges.iter().filter(move |edge| edge.from == from && !edge.tests);
        edges.map(|edge| edge.to.as_str())
    }
}

/// The ways from a pure crate to an impure one.
fn impurities(graph: &Graph, pure: &[&str], impure: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for start in pure.iter().filter(|name| graph.members.contains(**name)) {
        let mut ways = vec![vec![*start]];
        let mut seen = BTreeSet::from([*start]);
        while let Some(way) = ways.pop() {
            for next in graph.normal(way[way.len() - 1]) {
                let further: Vec<&str> = way.iter().copied().chain([next]).collect();
                if impure.iter().any(|prefix| next.starts_with(prefix)) {
                    found.push(further.join(" → "));
                } else if seen.insert(next) {
                    ways.push(further);
                }
            }
        }
    }
    found
}

/// The dependencies within the workspace that the plan does not have, and crates without a row.
fn departures(graph: &Graph, plan: &[(&str, Allowed)]) -> Vec<String> {
    let row = |name: &str| plan.iter().find(|(member, _)| *member == name).map(|(_, allowed)| allowed);
    let without = graph.members.iter().filter(|name| row(name).is_none());
    let gone = plan.iter().filter(|(name, _)| !graph.members.contains(*name));
    let edges = graph.edges.iter().filter(|edge| graph.members.contains(&edge.from));
    let edges: BTreeSet<&Edge> = edges.filter(|edge| graph.members.contains(&edge.to)).collect();
    let forbidden = edges.into_iter().filter(|edge| {
        row(&edge.from).is_some_and(|allowed| {
            let to = edge.to.as_str();
            !(allowed.normal.contains(&to) || edge.tests && allowed.tests.contains(&to))
        })
    });
    without
        .map(|name| format!("{name} has no row in PLAN: say what it may depend on"))
        .chain(gone.map(|(name, _)| format!("{name} has a row in PLAN and is no crate of the workspace")))
        .chain(forbidden.map(|edge| {
            let tests = if edge.tests { "the tests of " } else { "" };
            format!("{tests}{} must not depend on {}", edge.from, edge.to)
        }))
        .collect()
}

#[test]
fn pure_crates_reach_no_network_no_cluster_and_no_database() {
    let found = impurities(&Graph::of_the_workspace(), PURE, IMPURE);
    assert!(found.is_empty(), "{}", lines(&found));
}

#[test]
fn crates_depend_on_each_other_as_planned() {
    let found = departures(&Graph::of_the_workspace(), PLAN);
    assert!(found.is_empty(), "{}", lines(&found));
}

#[test]
fn the_checks_catch_a_forbidden_dependency_and_name_it() {
    let plan = [
        ("top", Allowed { normal: &["base"], tests: &["wire"] }),
        ("base", Allowed { normal: &[], tests: &[] }),
        ("wire", Allowed { normal: &[], tests: &[] }),
    ];
    let mut graph = Graph {
        members: ["top", "base", "wire"].map(str::to_owned).into(),
        edges: vec![
            Edge::new("top", "base"),
            Edge::of_tests("top", "wire"),
            Edge::new("base", "small"),
            Edge::of_tests("base", "tokio"),
        ],
    };
    assert_eq!(departures(&graph, &plan), Vec::<String>::new());
    assert_eq!(impurities(&graph, &["base", "not-yet-written"], IMPURE), Vec::<String>::new());

    graph.edges.extend([Edge::new("base", "top"), Edge::new("top", "wire"), Edge::of_tests("wire", "base")]);
    graph.edges.push(Edge::new("small", "tokio-util"));
    graph.members.insert("new".to_owned());
    assert_eq!(
        departures(&graph, &plan),
        [
            "new has no row in PLAN: say what it may depend on",
            "base must not depend on top",
            "top must not depend on wire",
            "the tests of wire must not depend on base",
        ]
    );
    assert_eq!(impurities(&graph, &["base"], IMPURE), ["base → small → tokio-util"]);
}

#[test]
fn model_ids_are_data_and_stand_in_no_program() {
    let mut ids = BTreeSet::new();
    collect(&read("contracts/orchestration/model-catalog.bootstrap.v1.json"), "model_id", &mut ids);
    for fixture in tracked(".json").iter().filter(|path| path.starts_with("e2e/wire/fixtures/")) {
        collect(&read(fixture), if fixture.ends_with("/ollama.json") { "name" } else { "id" }, &mut ids);
    }
    assert!(ids.len() > 300, "only {} model ids were found", ids.len());
    let found = search(".rs", |line| quoted(line).find(|word| ids.contains(*word)).map(str::to_owned));
    assert!(found.is_empty(), "take these model ids from data:\n{}", lines(&found));
}

#[test]
fn each_vocabulary_is_defined_once() {
    let types = ["ModelTier", "ProviderType", "StrengthTag", "ChatRouteBackend"].map(|name| ("enum", name));
    for (keyword, name) in types.into_iter().chain([("fn", "infer_strengths")]) {
        let definition = format!("{keyword} {name}");
        let found = search(".rs", |line| defines(line, &definition).then(|| definition.clone()));
        assert_eq!(
            found.len(),
            1,
            "`{definition}` must stand exactly once, and stands here:\n{}",
            lines(&found)
        );
    }
}

#[test]
fn retired_names_stay_retired() {
    // In two pieces, so that this file does not have them either.
    let retired = [("vox_", "dei"), ("detect_", "constructs"), ("dei_", "shim"), ("ModelRegistry", "Entry")];
    let retired = retired.map(|(one, two)| format!("{one}{two}"));
    let found = search("", |line| retired.iter().find(|name| line.contains(*name)).cloned());
    assert!(found.is_empty(), "{}", lines(&found));
}

#[test]
fn the_environment_is_read_in_the_configuration_modules_only() {
    let readers = [
        "operator/controller/src/args.rs",
        "operator/cli/src/args.rs",
        "operator/cli/src/config.rs",
        "operator/sidecar/src/config.rs",
    ];
    let free = |path: &str| {
        readers.contains(&path)
            || path.starts_with("e2e/")
            || path.starts_with("contracts/codegen/")
            || ["/tests/", "/benches/", "/src/bin/"].iter().any(|folder| path.contains(folder))
            || path.ends_with("/tests.rs")
            || path.ends_with("/build.rs")
    };
    let found = search(".rs", |line| line.contains("env::var").then(|| "env::var".to_owned()));
    let found: Vec<_> = found.into_iter().filter(|place| !free(place.split(':').next().unwrap())).collect();
    assert!(found.is_empty(), "read these in args.rs or config.rs and pass them on:\n{}", lines(&found));
}

#[test]
fn a_file_of_code_has_at_most_400_lines() {
    let files = tracked(".rs").into_iter().filter(|path| !path.contains("/generated/"));
    let long: Vec<_> = files
        .map(|path| (text(&path).lines().count(), path))
        .filter(|(count, _)| *count > 400)
        .map(|(count, path)| format!("{path}: {count} lines"))
        .collect();
    assert!(long.is_empty(), "split these:\n{}", lines(&long));
}

#[test]
fn nothing_is_left_to_do() {
    let marks = [("TO", "DO"), ("FIX", "ME"), ("todo", "!")].map(|(one, two)| format!("{one}{two}"));
    let found = search("", |line| marks.iter().find(|mark| word(line, mark)).cloned());
    assert!(found.is_empty(), "do these, or write them where the plans are:\n{}", lines(&found));
}

#[test]
fn the_searches_find_what_they_look_for() {
    assert!(quoted(r#"let model = pick("a/b-1", "c");"#).any(|word| word == "a/b-1"));
    assert!(!quoted("let model = a/b-1;").any(|word| word == "a/b-1"));
    assert!(word("enum Tier {", "enum Tier") && !word("enum TierName {", "enum Tier"));
    assert!(
        defines("    pub const fn infer(x: u8)", "fn infer") && !defines(r#""pub fn infer""#, "fn infer")
    );
}

/// `path:line: what` for each line of the tracked files with this ending in which `find` finds something. Lock
/// files, sums and files that are no text are left out.
fn search(ending: &str, find: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut found = Vec::new();
    for path in tracked(ending) {
        let Ok(text) = std::fs::read_to_string(root().join(&path)) else { continue };
        if path.ends_with(".lock") || path.ends_with(".sum") {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            found.extend(find(line).map(|what| format!("{path}:{}: {what}", number + 1)));
        }
    }
    found
}

/// Whether the text has these words, not as a part of longer ones.
fn word(text: &str, wanted: &str) -> bool {
    let part = |letter: char| letter.is_alphanumeric() || letter == '_';
    text.match_indices(wanted).any(|(at, _)| {
        !text[..at].ends_with(part) && (wanted.ends_with('!') || !text[at + wanted.len()..].starts_with(part))
    })
}

/// Whether the line begins with this definition; a generator, which has it within a text, does not define it.
fn defines(line: &str, definition: &str) -> bool {
    let line = line.trim_start();
    let shown = ["pub ", "pub(crate) ", "pub(super) "].iter().find_map(|prefix| line.strip_prefix(prefix));
    let line = shown.unwrap_or(line);
    let line = line.strip_prefix("const ").unwrap_or(line);
    line.starts_with(definition) && word(line, definition)
}

/// Whatever stands between two quotation marks of a line.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    let parts: Vec<&str> = line.split('"').collect();
    let inner = 1..parts.len().saturating_sub(1).max(1);
    inner.map(|at| parts[at]).collect::<Vec<_>>().into_iter()
}

/// Every string under `key`, however deep.
fn collect(value: &Value, key: &str, into: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, key, into)),
        Value::Object(fields) => fields.iter().for_each(|(name, field)| match field {
            Value::String(text) if name == key => _ = into.insert(text.clone()),
            other => collect(other, key, into),
        }),
        _ => {}
    }
}

fn read(path: &str) -> Value {
    serde_json::from_str(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn string(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn lines(found: &[String]) -> String {
    found.join("\n")
}
