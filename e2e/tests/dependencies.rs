//! The policy of `.cargo/deny.toml` on the crates that are compiled: licences, duplicates, and who must stay out.

// Clippy knows tests by their attribute and does not know their helpers.
#![allow(clippy::unwrap_used, clippy::panic)]

mod house {
    pub(crate) mod cargo;
    pub(crate) mod files;
}

use std::collections::{BTreeMap, BTreeSet};

use house::cargo::{PLATFORM, cargo};
use house::files::text;
use serde::Deserialize;
use spdx::{Expression, Licensee, ParseMode};

const POLICY: &str = ".cargo/deny.toml";

/// Crates whose types cross our own interfaces: two versions of one would be two types of the same name.
const SINGLE: &[&str] = &["kube", "kube-client", "kube-core", "k8s-openapi", "schemars", "rustls", "jiff"];

/// The part of cargo-deny's configuration that is held here.
#[derive(Deserialize)]
struct Policy {
    graph: Targets,
    licenses: Licences,
    bans: Bans,
}

#[derive(Deserialize)]
struct Targets {
    targets: Vec<String>,
}

#[derive(Deserialize)]
struct Licences {
    allow: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Bans {
    multiple_versions: String,
    deny: Vec<Named>,
    skip: Vec<Named>,
}

/// A crate, or one version of it: `name` or `name@version`.
#[derive(Deserialize)]
struct Named {
    #[serde(rename = "crate")]
    name: String,
    #[serde(default)]
    reason: String,
}

/// One crate that is compiled.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Package {
    name: String,
    version: String,
    licence: String,
    /// Of this workspace.
    ours: bool,
}

impl Package {
    /// A line of `cargo tree --prefix none --format '{p}|{l}'`.
    fn of_line(line: &str) -> Option<Self> {
        let (package, licence) = line.split_once('|')?;
        let mut words = package.split(' ');
        Some(Self {
            name: words.next()?.to_owned(),
            version: words.next()?.trim_start_matches('v').to_owned(),
            licence: licence.trim_end_matches(" (*)").to_owned(),
            ours: package.contains(" (/") || package.contains(":\\"),
        })
    }

    fn label(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

fn policy() -> Policy {
    toml::from_str(&text(POLICY)).unwrap_or_else(|error| panic!("{POLICY}: {error}"))
}

/// Everything that is compiled for the images' platform. Not from `cargo metadata`: that also lists optional crates
/// which no feature turns on.
fn tree() -> BTreeSet<Package> {
    let said = cargo(&[
        "tree",
        "--workspace",
        "--locked",
        "--target",
        PLATFORM,
        "--edges",
        "normal,build,dev",
        "--prefix",
        "none",
        "--format",
        "{p}|{l}",
    ]);
    said.lines().filter_map(Package::of_line).collect()
}

/// Crates whose licence the list does not satisfy.
fn unlicensed(tree: &BTreeSet<Package>, allow: &[Licensee]) -> Vec<String> {
    let refused = tree.iter().filter(|package| !package.ours).filter_map(|package| {
        let licence = &package.licence;
        let complaint = match Expression::parse_mode(licence, ParseMode::LAX) {
            Ok(terms) if terms.evaluate(|term| allow.iter().any(|allowed| allowed.satisfies(term))) => {
                return None;
            }
            Ok(_) => format!("{}: {licence} is not allowed", package.label()),
            Err(_) => format!("{}: {licence:?} is no licence expression", package.label()),
        };
        Some(complaint)
    });
    refused.collect()
}

/// Second versions without a skip, and skips without need. As with cargo-deny, a skipped version does not count.
fn duplicates(tree: &BTreeSet<Package>, skip: &[Named]) -> Vec<String> {
    let mut versions: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for package in tree {
        versions.entry(&package.name).or_default().push(package.label());
    }
    let skipped = |label: &String| skip.iter().any(|entry| entry.name == *label);
    let unlisted =
        versions.values().filter(|labels| labels.iter().filter(|label| !skipped(label)).count() > 1);
    let unlisted = unlisted.map(|labels| format!("compiled more than once: {}", labels.join(", ")));
    let needless = skip
        .iter()
        .filter(|entry| !versions.values().any(|labels| labels.len() > 1 && labels.contains(&entry.name)));
    let needless = needless.map(|entry| format!("skip of {} is no longer needed", entry.name));
    let silent = skip.iter().filter(|entry| entry.reason.is_empty());
    let silent = silent.map(|entry| format!("skip of {} has no reason", entry.name));
    unlisted.chain(needless).chain(silent).collect()
}

#[test]
fn every_licence_is_allowed_and_every_allowed_one_is_needed() {
    let names = policy().licenses.allow;
    let allow: Vec<Licensee> = names
        .iter()
        .map(|name| Licensee::parse(name).unwrap_or_else(|error| panic!("{POLICY}: {error}")))
        .collect();
    let tree = tree();
    let refused = unlicensed(&tree, &allow);
    assert!(refused.is_empty(), "{POLICY} does not allow:\n{}", refused.join("\n"));
    for (number, name) in names.iter().enumerate() {
        let others = allow.iter().enumerate().filter(|(other, _)| *other != number);
        let others: Vec<_> = others.map(|(_, licensee)| licensee.clone()).collect();
        assert!(!unlicensed(&tree, &others).is_empty(), "{POLICY} allows {name}, which no crate needs");
    }
}

#[test]
fn no_crate_is_compiled_in_two_versions_without_a_reason() {
    let policy = policy();
    assert_eq!(policy.bans.multiple_versions, "deny", "{POLICY}");
    assert_eq!(policy.graph.targets, [PLATFORM], "{POLICY} and this test speak of one platform");
    let found = duplicates(&tree(), &policy.bans.skip);
    assert!(found.is_empty(), "{POLICY}:\n{}", found.join("\n"));
}

#[test]
fn crates_that_must_stay_out_stay_out() {
    let tree = tree();
    let deny = policy().bans.deny;
    for name in ["ring", "openssl-sys"] {
        assert!(deny.iter().any(|entry| entry.name == name), "{POLICY} does not deny {name}");
    }
    let found: Vec<_> =
        deny.iter().filter(|entry| tree.iter().any(|package| package.name == entry.name)).collect();
    let found: Vec<_> = found.iter().map(|entry| format!("{}: {}", entry.name, entry.reason)).collect();
    assert!(
        found.is_empty(),
        "in the tree of {PLATFORM} (cargo tree -i NAME says through whom):\n{}",
        found.join("\n")
    );
}

#[test]
fn crates_of_shared_types_stand_once_whatever_is_skipped() {
    let tree = tree();
    for name in SINGLE {
        let found: Vec<_> = tree.iter().filter(|package| package.name == *name).map(Package::label).collect();
        assert_eq!(found.len(), 1, "{name} must stand once in the tree: {found:?}");
    }
}

#[test]
fn the_checks_catch_what_the_policy_forbids() {
    let package = |line: &str| Package::of_line(line).unwrap();
    let tree = BTreeSet::from([
        package("old v1.0.0|MIT/Apache-2.0 (*)"),
        package("old v2.0.0|MIT"),
        package("free v1.0.0|GPL-3.0-only OR MIT"),
        package("mixed v1.0.0|MIT AND GPL-3.0-only"),
        package("odd v1.0.0|"),
        package("vox-own v0.1.0 (/somewhere)|Proprietary"),
    ]);
    assert_eq!(
        unlicensed(&tree, &[Licensee::parse("MIT").unwrap()]),
        ["mixed@1.0.0: MIT AND GPL-3.0-only is not allowed", "odd@1.0.0: \"\" is no licence expression"]
    );
    let skip = |name: &str| Named { name: name.to_owned(), reason: "why".to_owned() };
    assert_eq!(duplicates(&tree, &[skip("old@1.0.0")]), Vec::<String>::new());
    assert_eq!(
        duplicates(&tree, &[skip("free@1.0.0")]),
        ["compiled more than once: old@1.0.0, old@2.0.0", "skip of free@1.0.0 is no longer needed"]
    );
}
