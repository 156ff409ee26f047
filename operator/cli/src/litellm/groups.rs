//! Entries of one name: what a client who writes it is served.

use std::collections::{BTreeMap, BTreeSet};

use vox_contracts::identity;
use vox_routing::PREFIX;

use super::sources::{Placed, Source};

/// All entries of one name.
#[derive(Debug)]
pub(super) struct Group<'a> {
    pub(super) name: &'a str,
    /// The first of its entries.
    pub(super) line: u64,
    pub(super) at: &'a str,
    /// Each model at each source once; lower `order` first, then as they stand in the file.
    pub(super) members: Vec<&'a Placed>,
}

/// What an alias of a group stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Meaning {
    /// A deployment's id, a model's id that several sources have, or what a model is called everywhere.
    pub(super) model: String,
    /// Whether that is the whole group.
    pub(super) whole: bool,
}

/// The groups of a file, in its order.
#[derive(Debug)]
pub(super) struct Groups<'a> {
    pub(super) list: Vec<Group<'a>>,
    by_name: BTreeMap<&'a str, usize>,
    /// The sources that have a model.
    having: BTreeMap<&'a str, BTreeSet<usize>>,
    /// The deployments of one model, by what it is called everywhere.
    one_model: BTreeMap<String, BTreeSet<(usize, &'a str)>>,
    sources: &'a [Source],
}

impl<'a> Groups<'a> {
    pub(super) fn of(placed: &'a [Placed], sources: &'a [Source]) -> Self {
        let mut groups = Self {
            list: Vec::new(),
            by_name: BTreeMap::new(),
            having: BTreeMap::new(),
            one_model: BTreeMap::new(),
            sources,
        };
        for one in placed {
            let entry = &one.deployment;
            if let Some(identity) = groups.identity(one) {
                groups.one_model.entry(identity).or_default().insert((one.source, &entry.model));
            }
            groups.having.entry(&entry.model).or_default().insert(one.source);
            let number = *groups.by_name.entry(&entry.group).or_insert(groups.list.len());
            if number == groups.list.len() {
                let (name, line, at) = (&entry.group, entry.line, &entry.at);
                groups.list.push(Group { name, line, at, members: Vec::new() });
            }
            groups.list[number].members.push(one);
        }
        for group in &mut groups.list {
            group.members.sort_by_key(|one| one.deployment.order);
            let mut seen = BTreeSet::new();
            group.members.retain(|one| seen.insert((one.source, &one.deployment.model)));
        }
        groups
    }

    pub(super) fn get(&self, name: &str) -> Option<&Group<'a>> {
        self.by_name.get(name).map(|number| &self.list[*number])
    }

    /// A deployment's id, as policies write it.
    pub(super) fn id(&self, one: &Placed) -> String {
        format!("{}/{}", self.sources[one.source].name, one.deployment.model)
    }

    /// What a model is called everywhere; nothing at a server of one's own, which says more of its models than their ids do.
    fn identity(&self, one: &Placed) -> Option<String> {
        let provider = &self.sources.get(one.source)?.place.provider;
        let is_here = provider.info().is_some_and(|info| info.local);
        if is_here { None } else { identity::of_id(&one.deployment.model, None, None) }
    }

    /// A model's id stands for all sources that have it, and its identity for all deployments of it; so they stand for a group
    /// that is exactly these. Nothing stands for another group of several, so that its first member has to.
    pub(super) fn meaning(&self, group: &Group<'_>) -> Option<Meaning> {
        let first = group.members.first()?;
        let model = &first.deployment.model;
        let alone = group.members.len() == 1;
        let sources: BTreeSet<usize> = group.members.iter().map(|one| one.source).collect();
        let same = group.members.iter().all(|one| one.deployment.model == *model);
        let every = same && self.having.get(model.as_str()) == Some(&sources);
        if every && !alone {
            return Some(Meaning { model: model.clone(), whole: true });
        }
        let members: BTreeSet<_> =
            group.members.iter().map(|one| (one.source, one.deployment.model.as_str())).collect();
        let identity = self.identity(first).filter(|identity| self.one_model.get(identity) == Some(&members));
        if let Some(identity) = identity.filter(|_| !alone) {
            return Some(Meaning { model: format!("{PREFIX}{identity}"), whole: true });
        }
        Some(Meaning { model: self.id(first), whole: alone })
    }

    /// Whether a client who writes the name is understood without an alias.
    pub(super) fn needs_no_alias(&self, group: &Group<'_>, meaning: &Meaning) -> bool {
        let Some(first) = group.members.first() else { return true };
        let lone = self.having.get(group.name).is_some_and(|sources| sources.len() == 1);
        group.name == meaning.model || meaning.whole && lone && first.deployment.model == group.name
    }
}

impl Group<'_> {
    /// Whether the name, or what it stands for, is a pattern.
    pub(super) fn is_wild(&self) -> bool {
        self.name.contains('*') || self.members.iter().any(|one| one.deployment.model.contains('*'))
    }
}
