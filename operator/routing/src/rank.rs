//! Rankings: for every category and band of complexity all deployments in the order they are tried, made once.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use vox_contracts::generated::routing::{
    CONTEXT_UTILISATION_TIMES, GENERIC_FALLBACK_ALIAS, MIN_EVIDENCE_CALLS,
};
use vox_contracts::{ModelCatalogEntry, ModelTier, TaskCategory, identity};

use crate::asked::Band;
use crate::bound::{Bound, Parents};
use crate::facts::Facts;
use crate::filter::Filter;
use crate::filter::{self, TierStands};
use crate::plan::{Plan, distance};
use crate::policy::EvidenceMode;
use crate::score::{self, Lean, Part};
use crate::snapshot::{Deployment, PolicySnapshot, Standing};

/// A class worse than any that preferences give.
const NO_CLASS: u8 = u8::MAX;

/// One deployment in a ranking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ranked {
    /// Its place in the snapshot.
    pub(crate) deployment: u32,
    pub(crate) score: u32,
    /// What comes before the score, lowest first; see [`class`].
    class: u8,
    /// Whether the route prefers hardware of one's own and this is some; before the class.
    pub(crate) local_first: bool,
    /// Whether only the contract's tier floor keeps it away.
    pub(crate) below_floor: bool,
    /// What comes before everything else.
    pub(crate) standing: Standing,
}

impl Ranked {
    /// What comes before class and score.
    const fn group(&self) -> (Standing, bool) {
        (self.standing, self.local_first)
    }
}

/// One category in one band.
#[derive(Debug, Clone)]
pub(crate) struct Ranking {
    pub(crate) plan: Plan,
    /// Those that pass all that can be told beforehand (except the contract's floor), best first.
    pub(crate) order: Vec<Ranked>,
    /// The contract's generic fall-back: asked when nobody else is left.
    pub(crate) generic: Vec<Ranked>,
    /// Those that only a sudden fall keeps away: probes go to them, and all where nobody else is left.
    pub(crate) fallen: Vec<Ranked>,
    /// Who makes room for whom, because its context is too often nearly full.
    pub(crate) outgrown: Option<Outgrown>,
}

/// A best candidate whose context is too often nearly full in a category (FIX-15).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outgrown {
    /// Which, by its place in the snapshot.
    pub(crate) deployment: u32,
    /// Who comes first instead.
    pub(crate) larger: u32,
}

/// What rankings are made from.
pub(crate) struct Material<'a> {
    pub(crate) snapshot: &'a PolicySnapshot,
    pub(crate) facts: &'a [Facts],
    pub(crate) admission: &'a [Option<Filter>],
    /// Evidence of enough calls, by category and provider.
    pub(crate) leans: &'a Leans,
    /// What cells with few calls borrow.
    pub(crate) parents: &'a Parents,
    /// From [`ties`].
    pub(crate) ties: &'a [u32],
}

impl Material<'_> {
    fn one(&self, place: usize) -> Option<(&Deployment, &Facts)> {
        Some((self.snapshot.deployments.get(place)?, self.facts.get(place)?))
    }

    /// The parts of one candidate's score.
    pub(crate) fn parts(&self, plan: &Plan, place: usize) -> Option<[Part; 6]> {
        let (deployment, facts) = self.one(place)?;
        let lean = self.leans.of(plan.category, deployment);
        let bound = self.bound(plan, place);
        Some(score::parts(&self.snapshot.policy.weights, plan, deployment, facts, lean, bound))
    }

    /// What a candidate surely is, where the policy ranks by that.
    pub(crate) fn bound(&self, plan: &Plan, place: usize) -> Option<Bound> {
        if self.snapshot.policy.evidence.mode == EvidenceMode::Rule {
            return None;
        }
        let deployment = self.snapshot.deployments.get(place)?;
        Some(self.parents.bound(deployment, plan.category, score::declared(plan, deployment)))
    }

    /// What stops a candidate before any request is known, the contract's tier floor aside.
    pub(crate) fn stops(&self, plan: &Plan, place: usize) -> Option<Filter> {
        let (deployment, facts) = self.one(place)?;
        self.admission
            .get(place)
            .cloned()
            .flatten()
            .or_else(|| filter::output(plan.category, facts))
            .or_else(|| match filter::tier(plan, facts) {
                TierStands::Out(filter) => Some(filter),
                TierStands::Within | TierStands::BelowContractFloor => None,
            })
            .or_else(|| filter::fit(plan, deployment, facts))
            .or_else(|| filter::quarantine(plan.category, deployment))
    }

    /// One candidate as a plan ranks it, whatever stops it.
    pub(crate) fn ranked(&self, plan: &Plan, place: usize) -> Option<Ranked> {
        let (deployment, facts) = self.one(place)?;
        Some(Ranked {
            deployment: u32::try_from(place).ok()?,
            score: score::total(&self.parts(plan, place)?),
            class: class(plan, deployment),
            local_first: plan.prefer_local && facts.local,
            below_floor: matches!(filter::tier(plan, facts), TierStands::BelowContractFloor),
            standing: deployment.standing(),
        })
    }

    /// Sorts as everywhere: by standing, preferences, then score, then as [`ties`] has it.
    pub(crate) fn sort(&self, order: &mut [Ranked]) {
        let tie = |ranked: &Ranked| self.ties.get(ranked.deployment as usize);
        order.sort_unstable_by(|a, b| {
            (a.standing, !a.local_first, a.class, b.score, tie(a)).cmp(&(
                b.standing,
                !b.local_first,
                b.class,
                a.score,
                tie(b),
            ))
        });
    }
}

impl Material<'_> {
    /// Puts the best candidate of the next larger context first where the first one's is too often nearly full; the last
    /// one that had to make room is told.
    fn make_room(&self, category: TaskCategory, order: &mut Vec<Ranked>) -> Option<Outgrown> {
        let mut told = None;
        // Each turn's context is larger than the last one's.
        for _ in 0..order.len() {
            let first = *order.iter().find(|one| !one.below_floor)?;
            let (deployment, facts) = self.one(first.deployment as usize)?;
            let full = deployment.evidence.iter().find(|evidence| evidence.category == category);
            if full.is_none_or(|full| full.context_above < u64::from(CONTEXT_UTILISATION_TIMES)) {
                break;
            }
            let context =
                |one: &Ranked| self.one(one.deployment as usize).and_then(|(_, facts)| facts.context);
            let larger = order
                .iter()
                .enumerate()
                .filter(|(_, one)| !one.below_floor && one.group() == first.group())
                .filter_map(|(place, one)| {
                    Some((context(one).filter(|has| Some(*has) > facts.context)?, place))
                })
                .min();
            let Some((_, place)) = larger else { break };
            let larger = order.remove(place);
            told = Some(Outgrown { deployment: first.deployment, larger: larger.deployment });
            order.insert(0, larger);
        }
        told
    }
}

impl Ranking {
    pub(crate) fn of(material: &Material<'_>, category: TaskCategory, band: Band) -> Self {
        let plan = Plan::of(&material.snapshot.policy, category, band);
        let (mut order, mut generic, mut fallen) = (Vec::new(), Vec::new(), Vec::new());
        for (place, deployment) in material.snapshot.deployments.iter().enumerate() {
            let fell = match material.stops(&plan, place) {
                None => false,
                Some(Filter::Quarantined { .. }) => true,
                Some(_) => continue,
            };
            let Some(ranked) = material.ranked(&plan, place) else { continue };
            match (fell, is_generic(deployment)) {
                (true, _) => &mut fallen,
                (false, true) => &mut generic,
                (false, false) => &mut order,
            }
            .push(ranked);
        }
        material.sort(&mut order);
        material.sort(&mut generic);
        material.sort(&mut fallen);
        let outgrown = material.make_room(category, &mut order);
        Self { plan, order, generic, fallen, outgrown }
    }
}

/// Whether a deployment is the contract's generic fall-back, whoever passes it on.
pub(crate) fn is_generic(deployment: &Deployment) -> bool {
    static GENERIC: LazyLock<Option<ModelCatalogEntry>> = LazyLock::new(|| {
        let catalog = vox_contracts::entry::bootstrap().ok()?;
        let id = catalog.aliases.get(GENERIC_FALLBACK_ALIAS)?;
        catalog.entries.into_iter().find(|entry| entry.model_id == *id)
    });
    let entry = &deployment.entry;
    GENERIC.as_ref().is_some_and(|generic| {
        entry.model_id == generic.model_id || (entry.identity.is_some() && entry.identity == generic.identity)
    })
}

/// Who comes first among those that are level in all else: of one line of models the newer release, then by id. Places in
/// the order that this makes.
pub(crate) fn ties(deployments: &[Arc<Deployment>]) -> Vec<u32> {
    let mut places: Vec<usize> = (0..deployments.len()).collect();
    places.sort_by_cached_key(|place| {
        let deployment = deployments.get(*place);
        let release = deployment.and_then(|one| one.entry.identity.as_deref()).map(identity::release);
        let (line, version) = release.map_or((None, Vec::new()), |(line, version)| (Some(line), version));
        (line, Reverse(version), deployment.map(|one| one.id.clone()))
    });
    let mut ties = vec![0; deployments.len()];
    for (tie, place) in (0_u32..).zip(places) {
        if let Some(slot) = ties.get_mut(place) {
            *slot = tie;
        }
    }
    ties
}

/// The preference that comes before the score: members of the wanted family, those of the wanted tier first where the
/// premium alias holds; then everybody else. Without a wanted family all are of one class.
fn class(plan: &Plan, deployment: &Deployment) -> u8 {
    match &plan.family {
        Some(family) if deployment.family() == Some(family) => {
            plan.premium.map_or(0, |_| best_of_family(plan.tier, deployment.entry.tier))
        }
        _ => NO_CLASS,
    }
}

/// How well a tier serves as the best of its family: the wanted one first, then the nearest, the dearer of two equally near.
fn best_of_family(wanted: ModelTier, tier: ModelTier) -> u8 {
    let near = u8::try_from(distance(wanted, tier)).unwrap_or(0);
    near * 2 + u8::from(tier < wanted)
}

/// Calls of each category, by provider; only those of records that count.
#[derive(Debug, Default)]
pub(crate) struct Leans {
    calls: BTreeMap<(TaskCategory, String), u64>,
    all: BTreeMap<TaskCategory, u64>,
}

impl Leans {
    pub(crate) fn of_all(deployments: &[Arc<Deployment>]) -> Self {
        let mut leans = Self::default();
        for deployment in deployments {
            let provider = deployment.entry.provider.as_str();
            for evidence in
                deployment.evidence.iter().filter(|record| record.calls >= u64::from(MIN_EVIDENCE_CALLS))
            {
                let here = leans.calls.entry((evidence.category, provider.to_owned())).or_default();
                *here = here.saturating_add(evidence.calls);
                let all = leans.all.entry(evidence.category).or_default();
                *all = all.saturating_add(evidence.calls);
            }
        }
        leans
    }

    fn of(&self, category: TaskCategory, deployment: &Deployment) -> Lean {
        let Some(all) = self.all.get(&category).copied() else { return Lean::default() };
        let key = (category, deployment.entry.provider.as_str().to_owned());
        Lean { all, here: self.calls.get(&key).copied().unwrap_or(0) }
    }
}
