//! A configuration of the LiteLLM proxy as sources and policies, and what could not be said with them. Pure: a text goes in,
//! objects and findings come out.
//!
//! The text becomes a tree whose values know their lines ([`yaml`]); its entries become deployments ([`deployment`]), those
//! sources ([`sources`]), and the names that clients write policies ([`policies`]). What has no counterpart has a reason
//! ([`unsupported`]). Nothing of an entry is an error: it is carried over, or named with its line.

mod deployment;
mod groups;
mod names;
mod places;
mod policies;
mod provider;
mod report;
mod settings;
mod sources;
#[cfg(test)]
mod tests;
mod unmet;
mod unsupported;
mod yaml;

use std::collections::BTreeMap;

use serde::Serialize;
use vox_crds::{ModelCatalogSource, RoutingPolicy};

use groups::Groups;
use places::Lookup;
use policies::Maker;
use report::Report;
pub(crate) use report::{Note, Verdict};
use settings::Settings;
use yaml::Node;

/// A longer file is none that people keep, in bytes.
pub(crate) const LONGEST: u64 = 4 << 20;

/// What the objects are called.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// Name of the policy for everybody, and the beginning of those of others.
    pub(crate) policy: String,
    /// Name of the Secret with all keys.
    pub(crate) secret: String,
    pub(crate) namespace: Option<String>,
}

/// What came of a file.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Imported {
    /// How many entries `model_list` has.
    pub(crate) entries: usize,
    /// How many of them a source lists now.
    pub(crate) carried: usize,
    pub(crate) sources: Vec<ModelCatalogSource>,
    /// None where there is no source.
    pub(crate) policies: Vec<RoutingPolicy>,
    /// What the Secret has to hold.
    pub(crate) secret: NeededSecret,
    /// In the order of the file.
    pub(crate) notes: Vec<Note>,
}

/// A Secret that the objects refer to; somebody who has the keys makes it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NeededSecret {
    pub(crate) name: String,
    /// The sources that need each key.
    pub(crate) keys: BTreeMap<String, Vec<String>>,
}

/// Why a file is no configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("failed to read it as YAML: {0}")]
    Yaml(String),
    #[error("it has no model_list: hand over the config.yaml of a LiteLLM proxy")]
    NoList,
    #[error("line {0}: model_list is no list")]
    NotAList(u64),
    #[error("line {0}: model_list is empty: models that LiteLLM keeps in its database are not in the file")]
    Empty(u64),
}

/// Turns a configuration into objects.
pub(crate) fn import(text: &str, target: &Target) -> Result<Imported, Unusable> {
    let root = Node::read(text).map_err(Unusable::Yaml)?;
    let list = root.get("model_list").ok_or(Unusable::NoList)?;
    if list.is_nothing() {
        return Err(Unusable::Empty(list.line));
    }
    let entries = list.list().ok_or(Unusable::NotAList(list.line))?;
    if entries.is_empty() {
        return Err(Unusable::Empty(list.line));
    }
    let mut report = Report::default();
    let lookup = Lookup::of(&root, &mut report);
    let settings = Settings::of(&root, &mut report);
    let read = entries.iter().enumerate().filter_map(|(number, entry)| {
        deployment::read(entry, &format!("model_list[{number}]"), &lookup, &mut report)
    });
    let deployments = read.collect();
    let (sources, placed) = sources::of(deployments, &mut report);
    let groups = Groups::of(&placed, &sources);
    let maker = Maker { target, sources: &sources, placed: &placed, settings: &settings, groups };
    let policies = if sources.is_empty() { Vec::new() } else { maker.policies(&mut report) };
    let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in &sources {
        if let Some(key) = &source.key {
            keys.entry(key.clone()).or_default().push(source.name.clone());
        }
    }
    Ok(Imported {
        entries: entries.len(),
        carried: placed.len(),
        sources: sources.iter().map(|source| source.resource(target)).collect(),
        policies,
        secret: NeededSecret { name: target.secret.clone(), keys },
        notes: report.into_notes(),
    })
}
