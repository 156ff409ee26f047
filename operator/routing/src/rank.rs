//! The order of a category's candidates, made once for each band of complexity.

use std::cmp::Reverse;

use vox_contracts::generated::routing::{
    COMPLEXITY_PREMIUM_FROM, PREMIUM_ALIASES, PremiumAlias, TaskCategoryInfo,
};
use vox_contracts::{ModelTier, TaskCategory};

use crate::cost::Cost;
use crate::decision::Filter;
use crate::facts::Facts;
use crate::filter;
use crate::policy::{Policy, Route};
use crate::score::{self, Task};
use crate::snapshot::PolicySnapshot;

/// Complexities that are ranked alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Band {
    /// Below the middle: a tier lower will do.
    Low,
    /// The category's own tier fits best.
    Middle,
    /// A tier higher fits best.
    High,
    /// From the contract's figure on: the category's premium alias comes first.
    Premium,
}

impl Band {
    pub(crate) const ALL: [Self; 4] = [Self::Low, Self::Middle, Self::High, Self::Premium];

    /// The band of a complexity from 1 to 10.
    pub(crate) fn of(complexity: u8) -> Self {
        match complexity {
            complexity if complexity >= COMPLEXITY_PREMIUM_FROM => Self::Premium,
            7.. => Self::High,
            4..=6 => Self::Middle,
            _ => Self::Low,
        }
    }

    /// The tier that fits best.
    pub(crate) fn tier(self, info: &TaskCategoryInfo, route: Option<&Route>) -> ModelTier {
        let preferred = route.and_then(|route| route.prefer.tier).unwrap_or(info.preferred_tier);
        match self {
            Self::Low => lower(preferred).max(info.tier_floor),
            Self::Middle => preferred,
            Self::High => higher(preferred),
            Self::Premium => premium(info.category).map_or_else(|| higher(preferred), |alias| alias.tier),
        }
    }
}

/// The premium alias of a category, if the contract has one.
pub(crate) fn premium(category: TaskCategory) -> Option<&'static PremiumAlias> {
    PREMIUM_ALIASES.iter().find(|alias| alias.category == category)
}

/// One tier lower; the lowest stays.
pub(crate) fn lower(tier: ModelTier) -> ModelTier {
    ModelTier::ALL.iter().rev().find(|other| **other < tier).copied().unwrap_or(tier)
}

fn higher(tier: ModelTier) -> ModelTier {
    ModelTier::ALL.iter().find(|other| **other > tier).copied().unwrap_or(tier)
}

/// One candidate in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ranked {
    pub(crate) deployment: u32,
    /// 0 to 1,000,000.
    pub(crate) score: u32,
}

/// The candidates of one category that no standing filter stops.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ranking {
    /// Best first, for each of [`Band::ALL`].
    pub(crate) bands: [Vec<Ranked>; 4],
    /// Cheapest first.
    pub(crate) by_cost: Vec<Ranked>,
}

/// What orders candidates before their score does.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    not_preferred_local: bool,
    /// Below the contract's floor: rather such a one than a refusal, but after all others.
    below_floor: bool,
    not_premium_alias: bool,
    not_preferred_family: bool,
}

pub(crate) fn rank(snapshot: &PolicySnapshot, facts: &[Facts], info: &TaskCategoryInfo) -> Ranking {
    let route = snapshot.policy.routes.iter().find(|route| route.category == info.category);
    let admitted: Vec<u32> = (0_u32..)
        .zip(snapshot.deployments.iter().zip(facts))
        .filter(|(_, (deployment, facts))| {
            filter::standing(&snapshot.policy, deployment, facts, info, route).is_none()
        })
        .map(|(place, _)| place)
        .collect();
    Ranking {
        bands: Band::ALL.map(|band| ordered(snapshot, facts, info, route, band, &admitted)),
        by_cost: by_cost(snapshot, facts, info, route, &admitted),
    }
}

fn ordered(
    snapshot: &PolicySnapshot,
    facts: &[Facts],
    info: &TaskCategoryInfo,
    route: Option<&Route>,
    band: Band,
    admitted: &[u32],
) -> Vec<Ranked> {
    let task = Task { info, tier: band.tier(info, route) };
    let mut keyed: Vec<_> = admitted
        .iter()
        .filter_map(|place| {
            let (deployment, facts) = pair(snapshot, facts, *place)?;
            let score = score::points(deployment, facts, &task).score(&snapshot.policy.weights);
            let family = deployment.entry.family.as_deref();
            let group = group(facts, family, info, route, band);
            // Ties go to the smaller id, so that they are broken the same way everywhere.
            Some(((group, Reverse(score), deployment.id.as_str()), Ranked { deployment: *place, score }))
        })
        .collect();
    keyed.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    keyed.into_iter().map(|(_, ranked)| ranked).collect()
}

fn group(
    facts: &Facts,
    family: Option<&str>,
    info: &TaskCategoryInfo,
    route: Option<&Route>,
    band: Band,
) -> Group {
    let prefer = route.map(|route| &route.prefer);
    let local = prefer.is_some_and(|prefer| prefer.local) && facts.local;
    let wanted = prefer.and_then(|prefer| prefer.family.as_deref());
    let alias = premium(info.category).filter(|_| band == Band::Premium);
    Group {
        not_preferred_local: !local,
        below_floor: facts.tier < info.tier_floor && !local,
        not_premium_alias: alias.is_some_and(|alias| Some(alias.family) != family || facts.tier < alias.tier),
        not_preferred_family: wanted.is_some() && wanted != family,
    }
}

fn by_cost(
    snapshot: &PolicySnapshot,
    facts: &[Facts],
    info: &TaskCategoryInfo,
    route: Option<&Route>,
    admitted: &[u32],
) -> Vec<Ranked> {
    let task = Task { info, tier: Band::Middle.tier(info, route) };
    let mut keyed: Vec<_> = admitted
        .iter()
        .filter_map(|place| {
            let (deployment, facts) = pair(snapshot, facts, *place)?;
            let cost = score::forced_cost(deployment, facts, &task).unwrap_or(Cost::MAX);
            let score = score::points(deployment, facts, &task).score(&snapshot.policy.weights);
            Some(((cost, Reverse(score), deployment.id.as_str()), Ranked { deployment: *place, score }))
        })
        .collect();
    keyed.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    keyed.into_iter().map(|(_, ranked)| ranked).collect()
}

fn pair<'a>(
    snapshot: &'a PolicySnapshot,
    facts: &'a [Facts],
    place: u32,
) -> Option<(&'a crate::snapshot::Deployment, &'a Facts)> {
    let place = usize::try_from(place).ok()?;
    Some((snapshot.deployments.get(place)?, facts.get(place)?))
}

/// Why a policy's lists do not admit a deployment.
pub(crate) fn not_allowed(policy: &Policy, deployment: &crate::snapshot::Deployment) -> Option<Filter> {
    let allow = &policy.allow;
    let matches = |patterns: &[String]| patterns.iter().any(|pattern| glob(pattern, &deployment.id));
    if !allow.providers.is_empty() && !allow.providers.contains(&deployment.entry.provider) {
        return Some(Filter::NotAllowed { by: "allow.providers" });
    }
    if !allow.models.is_empty() && !matches(&allow.models) {
        return Some(Filter::NotAllowed { by: "allow.models" });
    }
    if matches(&allow.deny_models) {
        return Some(Filter::NotAllowed { by: "allow.denyModels" });
    }
    let tagged = allow.tags.iter().all(|tag| deployment.tags.contains(tag));
    (!tagged).then_some(Filter::NotAllowed { by: "allow.tags" })
}

/// `*` stands for any run of characters; linear in both, whatever the pattern.
fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(found) = rest.find(part) else { return false };
        rest = rest.get(found + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, text, matches) in [
            ("*", "a/b", true),
            ("a/*", "a/b", true),
            ("*:free", "a/b:free", true),
            ("a*c*e", "abcde", true),
            ("a*b*b", "ab", false),
            ("a", "ab", false),
            ("", "a", false),
        ] {
            assert_eq!(glob(pattern, text), matches, "{pattern} {text}");
        }
    }

    #[test]
    fn bands_cover_every_complexity_and_ascend() {
        let bands: Vec<Band> = (1..=10).map(Band::of).collect();
        assert_eq!(bands.first(), Some(&Band::Low));
        assert_eq!(bands.last(), Some(&Band::Premium));
        let places: Vec<_> =
            bands.iter().map(|band| Band::ALL.iter().position(|other| other == band)).collect();
        assert!(places.is_sorted());
    }
}
