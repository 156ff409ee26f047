//! What one category asks of a model in one band of complexity, with the policy laid over the contract (row 58).

use vox_contracts::generated::routing::{PREMIUM_ALIASES, PremiumAlias, TaskCategoryInfo};
use vox_contracts::{ModelTier, StrengthTag, TaskCategory};

use crate::asked::Band;
use crate::policy::{Capability, FallBack, Policy, Route};

/// The resolved figures.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) category: TaskCategory,
    pub(crate) tier_floor: ModelTier,
    /// Whether the policy set the floor. The contract's own yields to `prefer.local` and to money.
    pub(crate) floor_is_policys: bool,
    pub(crate) tier_ceiling: ModelTier,
    pub(crate) min_context_tokens: u64,
    pub(crate) strengths: Vec<StrengthTag>,
    pub(crate) capabilities: Vec<Capability>,
    pub(crate) max_latency_ms: Option<u64>,
    pub(crate) prefer_local: bool,
    pub(crate) family: Option<String>,
    pub(crate) tier: ModelTier,
    /// Set where the premium alias of the contract holds, in full or in part.
    pub(crate) premium: Option<&'static PremiumAlias>,
    pub(crate) fall_back: FallBack,
}

impl Plan {
    pub(crate) fn of(policy: &Policy, category: TaskCategory, band: Band) -> Self {
        let info = category.info();
        let route = route(policy, category);
        let require = route.map(|route| route.require.clone()).unwrap_or_default();
        let prefer = route.map(|route| route.prefer.clone()).unwrap_or_default();
        let premium = (band == Band::Premium)
            .then(|| PREMIUM_ALIASES.iter().find(|alias| alias.category == category))
            .flatten();
        Self {
            category,
            tier_floor: require.tier_floor.unwrap_or(info.tier_floor),
            floor_is_policys: require.tier_floor.is_some(),
            tier_ceiling: require.tier_ceiling.unwrap_or(ModelTier::Premium),
            min_context_tokens: require.min_context_tokens.unwrap_or(info.context_floor_tokens),
            strengths: require.strengths,
            capabilities: require.capabilities,
            max_latency_ms: route.and_then(|route| route.max_latency_ms),
            prefer_local: prefer.local,
            family: prefer.family.or_else(|| premium.map(|alias| alias.family.to_owned())),
            tier: prefer
                .tier
                .or_else(|| premium.map(|alias| alias.tier))
                .unwrap_or_else(|| shifted(info, band)),
            premium,
            fall_back: route.map(|route| route.fall_back.clone()).unwrap_or_default(),
        }
    }
}

/// The policy's route for a category.
pub(crate) fn route(policy: &Policy, category: TaskCategory) -> Option<&Route> {
    policy.routes.iter().find(|route| route.category == category)
}

/// The category's preferred tier, moved by the band: simple work takes a tier less, though not below the floor; demanding
/// work one more, though the dearest tier only where the category prefers it or the work is at its most complex.
fn shifted(info: &TaskCategoryInfo, band: Band) -> ModelTier {
    let preferred = info.preferred_tier;
    match band {
        Band::Plain => below(preferred).unwrap_or(preferred).max(info.tier_floor),
        Band::Usual => preferred,
        Band::Demanding => above(preferred).min(ModelTier::Pro).max(preferred),
        Band::Premium => above(preferred),
    }
}

/// The next lower tier; none below the lowest.
pub(crate) fn below(tier: ModelTier) -> Option<ModelTier> {
    ModelTier::ALL.iter().rev().find(|other| **other < tier).copied()
}

fn above(tier: ModelTier) -> ModelTier {
    ModelTier::ALL.iter().find(|other| **other > tier).copied().unwrap_or(tier)
}

/// How many tiers lie between two.
pub(crate) fn distance(a: ModelTier, b: ModelTier) -> u32 {
    (a as u32).abs_diff(b as u32)
}
