//! How good a deployment is for a category: weighted criteria, each 0 to 1000.

use vox_contracts::generated::routing::{
    ECONOMY_COST_CEILING_USD_PER_MTOK, LATENCY_BANDS, MIN_EVIDENCE_CALLS, TaskCategoryInfo,
};
use vox_contracts::price::UsdPerMTok;
use vox_contracts::{ModelTier, StrengthTag};

use crate::cost::Cost;
use crate::facts::Facts;
use crate::policy::Weights;
use crate::snapshot::{Deployment, Evidence};

/// What a criterion gets of which nothing is known: neither praise nor blame.
const UNKNOWN: u32 = 500;
/// A deployment that nobody measures is taken to be up most of the time.
const AVAILABILITY_UNKNOWN: u32 = 950;
/// So many strengths make an all-rounder.
const ALL_ROUNDER: u32 = 8;

/// The points of one deployment, each 0 to 1000, before weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Points {
    /// Cheap for the task.
    pub efficiency: u32,
    /// Strong at what the task needs; from enough calls on, the quality that was seen.
    pub precision: u32,
    /// Quick.
    pub latency: u32,
    /// Reachable.
    pub availability: u32,
    /// Good at many things.
    pub balance: u32,
    /// Small enough for small machines.
    pub mobile: u32,
}

impl Points {
    /// 0 to 1,000,000: the weighted mean, in thousandths of a point.
    #[must_use]
    pub fn score(&self, weights: &Weights) -> u32 {
        let parts = [
            (self.efficiency, weights.efficiency),
            (self.precision, weights.precision),
            (self.latency, weights.latency),
            (self.availability, weights.availability),
            (self.balance, weights.balance),
            (self.mobile, weights.mobile),
        ];
        let total: u64 = parts.iter().map(|(_, weight)| u64::from(*weight)).sum();
        let sum: u64 = parts.iter().map(|(points, weight)| u64::from(*points) * u64::from(*weight)).sum();
        u32::try_from((sum * 1000).checked_div(total).unwrap_or_default()).unwrap_or(u32::MAX)
    }
}

/// What a category is scored against.
pub(crate) struct Task<'a> {
    pub(crate) info: &'a TaskCategoryInfo,
    /// The tier that fits best at the complexity at hand.
    pub(crate) tier: ModelTier,
}

/// The evidence of a deployment in a category, once there is enough of it to count.
pub(crate) fn evidence<'a>(deployment: &'a Deployment, task: &Task<'_>) -> Option<&'a Evidence> {
    deployment
        .evidence
        .iter()
        .find(|evidence| evidence.category == task.info.category)
        .filter(|evidence| evidence.calls >= u64::from(MIN_EVIDENCE_CALLS))
}

pub(crate) fn points(deployment: &Deployment, facts: &Facts, task: &Task<'_>) -> Points {
    let evidence = evidence(deployment, task);
    let quality = evidence.and_then(quality);
    Points {
        efficiency: efficiency(effective_cost(facts, quality)),
        precision: quality.unwrap_or_else(|| declared(deployment, facts, task)),
        latency: evidence.map_or(UNKNOWN, |evidence| latency(evidence.p50_ms)),
        availability: evidence
            .map_or_else(|| availability(deployment), |evidence| evidence.success_per_mille.min(1000)),
        balance: count(&deployment.entry.strengths).min(ALL_ROUNDER) * 1000 / ALL_ROUNDER,
        mobile: mobile(deployment),
    }
}

/// Quality that was judged, else the share of successes.
fn quality(evidence: &Evidence) -> Option<u32> {
    Some(evidence.quality_per_mille.unwrap_or(evidence.success_per_mille).min(1000))
}

/// The blended price times what was not achieved with it: a cheap model with a bad record is not cheap (row 10).
pub(crate) fn effective_cost(facts: &Facts, quality: Option<u32>) -> Option<Cost> {
    let blended = facts.prices.blended()?;
    let missing = u64::from(1000 - quality.unwrap_or(0).min(1000));
    Some(Cost::from_pico_usd(
        blended.pico_usd() / 1000 * missing + blended.pico_usd() % 1000 * missing / 1000,
    ))
}

/// The cost by which `force_cost` orders, with the evidence of the category.
pub(crate) fn forced_cost(deployment: &Deployment, facts: &Facts, task: &Task<'_>) -> Option<Cost> {
    effective_cost(facts, evidence(deployment, task).and_then(quality))
}

/// Half the points at the contract's economy ceiling, all of them for nothing, none for an unknown price.
fn efficiency(cost: Option<Cost>) -> u32 {
    let Some(cost) = cost else { return 0 };
    let ceiling = ECONOMY_COST_CEILING_USD_PER_MTOK
        .parse::<UsdPerMTok>()
        .map_or(1, |price| Cost::per_token(price).pico_usd());
    let points = u128::from(ceiling) * 1000 / (u128::from(ceiling) + u128::from(cost.pico_usd())).max(1);
    u32::try_from(points).unwrap_or(1000)
}

/// Three parts the strengths that the category names, the first ones more; two parts how well the tier fits.
fn declared(deployment: &Deployment, facts: &Facts, task: &Task<'_>) -> u32 {
    let wanted = task.info.strengths;
    let weight = |place: usize| wanted.len().saturating_sub(place);
    let total: usize = (0..wanted.len()).map(weight).sum();
    let met: usize = wanted
        .iter()
        .enumerate()
        .filter(|(_, strength)| deployment.entry.strengths.contains(strength))
        .map(|(place, _)| weight(place))
        .sum();
    let strengths = u32::try_from((met * 1000).checked_div(total).unwrap_or(1000)).unwrap_or(1000);
    (strengths * 3 + tier_fit(facts.tier, task.tier) * 2) / 5
}

/// Too weak is worse than too dear: the price already counts against the latter.
fn tier_fit(tier: ModelTier, best: ModelTier) -> u32 {
    let (tier, best) = (place(tier), place(best));
    if tier >= best {
        1000 - 150 * (tier - best).min(3)
    } else {
        600_u32.saturating_sub(300 * (best - tier - 1))
    }
}

fn place(tier: ModelTier) -> u32 {
    ModelTier::ALL
        .iter()
        .position(|other| *other == tier)
        .and_then(|place| u32::try_from(place).ok())
        .unwrap_or(0)
}

fn latency(p50_ms: u64) -> u32 {
    let within = |limit: Option<std::time::Duration>| {
        limit.is_none_or(|limit| u128::from(p50_ms) <= limit.as_millis())
    };
    LATENCY_BANDS.iter().find(|band| within(band.up_to)).map_or(0, |band| band.score_per_mille)
}

/// What the provider measured, `99.52` percent.
fn availability(deployment: &Deployment) -> u32 {
    let said = deployment
        .entry
        .availability
        .as_ref()
        .and_then(|availability| availability.uptime_percent.as_deref());
    let Some(percent) = said else { return AVAILABILITY_UNKNOWN };
    let (whole, fraction) = percent.split_once('.').unwrap_or((percent, "0"));
    let tenth = fraction.chars().next().and_then(|digit| digit.to_digit(10)).unwrap_or(0);
    whole.parse::<u32>().map_or(AVAILABILITY_UNKNOWN, |whole| (whole * 10 + tenth).min(1000))
}

fn count(strengths: &[StrengthTag]) -> u32 {
    u32::try_from(strengths.len()).unwrap_or(u32::MAX)
}

/// By the size of the weights: what runs on a phone, a laptop, a workstation.
fn mobile(deployment: &Deployment) -> u32 {
    const GIB: u64 = 1 << 30;
    match deployment.entry.local.as_ref().and_then(|local| local.size_bytes) {
        Some(size) if size <= 4 * GIB => 1000,
        Some(size) if size <= 8 * GIB => 700,
        Some(size) if size <= 16 * GIB => 400,
        _ => 0,
    }
}
