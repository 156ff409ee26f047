//! What a client may write as its model, and what it stands for.

use std::collections::{BTreeMap, HashMap};

use vox_contracts::TaskCategory;

use crate::decision::Refusal;
use crate::policy::Alias;
use crate::request::Choice;
use crate::snapshot::PolicySnapshot;

/// The name that leaves the choice to the policy.
pub const AUTO: &str = "vox/auto";

/// Before a category's name: leaves the choice among models for it. Before an identity: among the deployments of that model.
pub const PREFIX: &str = "vox/";

/// What a name stands for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) category: Option<TaskCategory>,
    /// Only these, by their place in the snapshot; all where absent.
    pub(crate) deployments: Option<Box<[u32]>>,
    pub(crate) force_cost: bool,
}

/// A name that is served, for `GET /v1/models`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedName {
    /// What a client writes.
    pub name: String,
    /// What it is.
    pub kind: NameKind,
    /// Who answers: the provider of a deployment, `vox` for every name that leaves a choice.
    pub owned_by: String,
    /// Input and output together, in tokens, where known.
    pub context_length_tokens: Option<u64>,
}

/// What a served name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    /// `vox/auto`.
    Auto,
    /// `vox/<category>`.
    Category,
    /// An alias of the policy.
    Alias,
    /// A deployment's id.
    Deployment,
}

/// The deployments of a name, by their place in the snapshot.
type Places = BTreeMap<String, Vec<u32>>;

/// All names of a policy.
#[derive(Debug, Default)]
pub(crate) struct Names {
    targets: HashMap<String, Result<Target, String>>,
    auto: Target,
}

impl Names {
    /// A name of this program's own, `vox/` and an identity among them, goes before an alias, that before a deployment's id, and
    /// that before a bare model id: no provider's list can take a name that begins with `vox/`.
    pub(crate) fn of(snapshot: &PolicySnapshot) -> Self {
        let (mut models, mut ids, mut identities) = (Places::new(), Places::new(), Places::new());
        for (place, deployment) in (0_u32..).zip(&snapshot.deployments) {
            let entry = &deployment.entry;
            models.entry(entry.model_id.clone()).or_default().push(place);
            ids.entry(deployment.id.clone()).or_default().push(place);
            if let Some(identity) = &entry.identity {
                identities.entry(format!("{PREFIX}{identity}")).or_default().push(place);
            }
        }
        let mut known = models;
        known.extend(ids);
        known.extend(identities);
        let known: HashMap<String, Box<[u32]>> =
            known.into_iter().map(|(name, places)| (name, places.into())).collect();

        let mut targets: HashMap<String, Result<Target, String>> = known
            .iter()
            .map(|(name, places)| {
                let target = Target { deployments: Some(places.clone()), ..Target::default() };
                (name.clone(), Ok(target))
            })
            .collect();
        targets.extend(
            snapshot.policy.aliases.iter().map(|alias| (alias.name.clone(), alias_target(alias, &known))),
        );
        targets.extend(TaskCategory::ALL.iter().map(|category| {
            let target = Target { category: Some(*category), ..Target::default() };
            (format!("{PREFIX}{category}"), Ok(target))
        }));
        targets.insert(AUTO.to_owned(), Ok(Target::default()));
        Self { targets, auto: Target::default() }
    }

    /// What a choice stands for; what is not known otherwise.
    pub(crate) fn resolve(&self, choice: &Choice) -> Result<&Target, Unknown> {
        match choice {
            Choice::Auto => Ok(&self.auto),
            Choice::Named(name) if name.is_empty() => Ok(&self.auto),
            Choice::Named(name) => match self.targets.get(name) {
                Some(Ok(target)) => Ok(target),
                Some(Err(gone)) => Err(Unknown { name: gone.clone(), alias: Some(name.clone()) }),
                None => Err(Unknown { name: name.clone(), alias: None }),
            },
        }
    }
}

/// A name that stands for nothing; of an alias whose model has gone, that model.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unknown {
    name: String,
    alias: Option<String>,
}

impl Unknown {
    /// What a client is told; it may have written anything, of any length.
    pub(crate) fn refusal(&self) -> Refusal {
        let short = |name: &str| name.chars().take(200).collect();
        Refusal::UnknownModel { name: short(&self.name), alias: self.alias.as_deref().map(short) }
    }
}

fn alias_target(alias: &Alias, known: &HashMap<String, Box<[u32]>>) -> Result<Target, String> {
    let deployments = match &alias.model {
        None => None,
        Some(model) => Some(known.get(model.as_str()).cloned().ok_or_else(|| model.clone())?),
    };
    Ok(Target { category: alias.category, deployments, force_cost: alias.force_cost })
}

/// Every name that is served: `vox/auto`, categories that have candidates, aliases that stand for something, and what the
/// policy allows, each group ascending.
pub(crate) fn served(
    snapshot: &PolicySnapshot,
    names: &Names,
    has_candidates: impl Fn(TaskCategory) -> bool,
    is_allowed: impl Fn(usize) -> bool,
) -> Vec<ServedName> {
    let own = |name: String, kind| ServedName {
        name,
        kind,
        owned_by: "vox".to_owned(),
        context_length_tokens: None,
    };
    let mut served = vec![own(AUTO.to_owned(), NameKind::Auto)];
    served.extend(
        TaskCategory::ALL
            .iter()
            .filter(|category| has_candidates(**category))
            .map(|category| own(format!("{PREFIX}{category}"), NameKind::Category)),
    );
    let mut aliases: Vec<&str> = snapshot
        .policy
        .aliases
        .iter()
        .map(|alias| alias.name.as_str())
        .filter(|name| matches!(names.targets.get(*name), Some(Ok(_))))
        .collect();
    aliases.sort_unstable();
    aliases.dedup();
    served.extend(aliases.into_iter().map(|name| own(name.to_owned(), NameKind::Alias)));
    let mut deployments: Vec<ServedName> = snapshot
        .deployments
        .iter()
        .enumerate()
        .filter(|(place, _)| is_allowed(*place))
        .map(|(_, deployment)| ServedName {
            name: deployment.id.clone(),
            kind: NameKind::Deployment,
            owned_by: deployment.entry.provider.as_str().to_owned(),
            context_length_tokens: deployment.entry.context_length_tokens,
        })
        .collect();
    deployments.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    served.extend(deployments);
    served
}
