//! The score of a candidate: six criteria, each worth 0 to 1,000,000 points, weighted by the policy.
//!
//! A score depends on the candidate alone (and on how the category's calls are spread over providers), never on which other
//! candidates are there: adding one cannot turn two others round.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use vox_contracts::generated::routing::{
    BOUND_DECLARED_CALLS, ECONOMY_COST_CEILING_USD_PER_MTOK, LATENCY_BANDS, MIN_EVIDENCE_CALLS,
};
use vox_contracts::{ModelTier, TaskCategory, UsdPerMTok};

use crate::bound::Bound;
use crate::cost::Cost;
use crate::facts::Facts;
use crate::plan::{Plan, distance};
use crate::policy::Weights;
use crate::snapshot::{Deployment, Evidence};

/// The most points of a criterion, and the highest score.
pub const FULL: u32 = 1_000_000;

/// What nothing is known about is neither good nor bad.
const NEUTRAL: u32 = FULL / 2;

/// What declared strengths and tier are worth, per mille, as long as no record proves them: less than a good record.
const UNPROVEN_PER_MILLE: u32 = 700;

/// Share of a proven candidate's precision that its record makes, per mille; the rest is strengths and tier.
const RECORD_PER_MILLE: u32 = 750;

/// Share of declared fit that the strengths make, per mille; the rest is how near the tier is.
const STRENGTHS_PER_MILLE: u32 = 600;

/// Uptime below this earns nothing, per mille: a tenth of all calls failing is as bad as it needs to be.
const UPTIME_FLOOR_PER_MILLE: u32 = 900;

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Criterion {
    /// Low price for what one gets: price × (1 − merit) where a record proves the merit, else the plain price.
    Efficiency,
    /// Strengths and tier for the task; with a record, mostly the merit.
    Precision,
    /// The contract's latency bands over the median, as far as the record proves that the answers were of use.
    Latency,
    /// Up, and not rate limited.
    Availability,
    /// Not leaning on one provider: the share of the category's calls that others served.
    Balance,
    /// Suits small and metered links: own hardware needs none, and small models answer shortly.
    Mobile,
}

/// One criterion's part of a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// Which.
    pub criterion: Criterion,
    /// 0 to 1,000,000.
    pub points: u32,
    /// As the policy weighs it.
    pub weight: u32,
}

/// A record that counts: enough calls in the category.
pub(crate) fn record(deployment: &Deployment, category: TaskCategory) -> Option<&Evidence> {
    cell(deployment, category).filter(|evidence| evidence.calls >= u64::from(MIN_EVIDENCE_CALLS))
}

/// What happened in a category, however little.
fn cell(deployment: &Deployment, category: TaskCategory) -> Option<&Evidence> {
    deployment.evidence.iter().find(|evidence| evidence.category == category)
}

/// What was taken for granted, worth as many calls as any promise, together with what was seen.
fn blended(unknown: u32, seen: u32, calls: u64) -> u32 {
    let (promised, calls) = (u128::from(BOUND_DECLARED_CALLS), u128::from(calls));
    let sum = u128::from(unknown) * promised + u128::from(seen) * calls;
    u32::try_from(sum / (promised + calls).max(1)).unwrap_or(FULL)
}

/// How good the record is, per mille: the share of calls that succeeded, times their quality where something judged it.
pub(crate) fn merit(record: &Evidence) -> u32 {
    let success = record.success_per_mille.min(1000);
    record.quality_per_mille.map_or(success, |quality| quality.min(1000) * success / 1000)
}

/// How a category's calls are spread over providers.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lean {
    /// All calls of the category.
    pub(crate) all: u64,
    /// Those that the candidate's provider served.
    pub(crate) here: u64,
}

/// All parts, in the order of the contract. With a bound that is the merit; else the record's, where there is one.
pub(crate) fn parts(
    weights: &Weights,
    plan: &Plan,
    deployment: &Deployment,
    facts: &Facts,
    lean: Lean,
    bound: Option<Bound>,
) -> [Part; 6] {
    let record = record(deployment, plan.category);
    let proven = bound.map(|bound| bound.low_per_mille).or_else(|| record.map(merit));
    let precise = bound
        .map_or_else(|| precision(plan, deployment, record), |bound| bound.low_per_mille * (FULL / 1000));
    let part = |criterion, points, weight| Part { criterion, points, weight };
    // Where a bound decides, what happened counts from the first call on: who serves now must not be ahead of one that is
    // tried a little merely because its calls are enough for a rule that does not hold.
    let seen =
        |of: &dyn Fn(Option<&Evidence>) -> u32| match bound.and_then(|_| cell(deployment, plan.category)) {
            Some(seen) => blended(of(None), of(Some(seen)), seen.calls),
            None => of(record),
        };
    [
        part(Criterion::Efficiency, efficiency(plan, facts, proven), weights.efficiency),
        part(Criterion::Precision, precise, weights.precision),
        part(Criterion::Latency, seen(&|seen| latency(seen, proven)), weights.latency),
        part(Criterion::Availability, seen(&|seen| availability(deployment, seen)), weights.availability),
        part(Criterion::Balance, balance(lean), weights.balance),
        part(Criterion::Mobile, mobile(facts), weights.mobile),
    ]
}

/// The weighted mean, 0 to 1,000,000.
pub(crate) fn total(parts: &[Part; 6]) -> u32 {
    let weights: u64 = parts.iter().map(|part| u64::from(part.weight)).sum();
    let sum: u128 = parts.iter().map(|part| u128::from(part.points) * u128::from(part.weight)).sum();
    u32::try_from(sum / u128::from(weights.max(1))).unwrap_or(FULL)
}

/// Half of the points at the contract's economy ceiling, all at no price; an unknown price earns nothing.
fn efficiency(plan: &Plan, facts: &Facts, proven_per_mille: Option<u32>) -> u32 {
    static HALF: LazyLock<u64> = LazyLock::new(|| {
        ECONOMY_COST_CEILING_USD_PER_MTOK
            .parse::<UsdPerMTok>()
            .map_or(1, |price| Cost::per_token(price).pico_usd().max(1))
    });
    let vectors = plan.category == TaskCategory::Embedding;
    let Some(price) = facts.blended(vectors) else { return 0 };
    let unproven = 1000 - proven_per_mille.unwrap_or(0).min(1000);
    let price = u128::from(price.pico_usd()) * u128::from(unproven) / 1000;
    let half = u128::from(*HALF);
    u32::try_from(u128::from(FULL) * half / (half + price)).unwrap_or(0)
}

fn precision(plan: &Plan, deployment: &Deployment, record: Option<&Evidence>) -> u32 {
    let fit = fit(plan, deployment);
    match record {
        None => fit * UNPROVEN_PER_MILLE,
        Some(record) => merit(record) * RECORD_PER_MILLE + fit * (1000 - RECORD_PER_MILLE),
    }
}

fn fit(plan: &Plan, deployment: &Deployment) -> u32 {
    (strengths(plan, deployment) * STRENGTHS_PER_MILLE
        + tier_fit(plan.tier, deployment.entry.tier) * (1000 - STRENGTHS_PER_MILLE))
        / 1000
}

/// What strengths and tier promise before anything happened, per mille.
pub(crate) fn declared(plan: &Plan, deployment: &Deployment) -> u32 {
    fit(plan, deployment) * UNPROVEN_PER_MILLE / 1000
}

/// How much of what the category wants is there, per mille; the weightiest strength stands first and counts most.
fn strengths(plan: &Plan, deployment: &Deployment) -> u32 {
    let wanted = plan.category.info().strengths;
    let weight = |place: usize| u32::try_from(wanted.len() - place).unwrap_or(1);
    let (mut all, mut here) = (0, 0);
    for (place, strength) in wanted.iter().enumerate() {
        all += weight(place);
        if deployment.entry.strengths.contains(strength) {
            here += weight(place);
        }
    }
    here * 1000 / all.max(1)
}

/// Per mille: too low a tier is worse than too high a one, whose price already counts against it.
fn tier_fit(preferred: ModelTier, tier: ModelTier) -> u32 {
    let step = if tier < preferred { 400 } else { 200 };
    1000_u32.saturating_sub(distance(preferred, tier) * step)
}

/// As quick as it is good: an answer of no use is worth nothing, however soon it comes.
fn latency(record: Option<&Evidence>, proven_per_mille: Option<u32>) -> u32 {
    let Some(p50_ms) = record.and_then(|record| record.p50_ms) else { return NEUTRAL };
    LATENCY_BANDS
        .iter()
        .find(|band| band.up_to.is_none_or(|end| u128::from(p50_ms) <= end.as_millis()))
        .map_or(0, |band| band.score_per_mille.min(1000) * proven_per_mille.unwrap_or(1000).min(1000))
}

/// What happened here counts before what the provider says of itself.
fn availability(deployment: &Deployment, record: Option<&Evidence>) -> u32 {
    let up = record.map(|record| record.success_per_mille.min(1000)).or_else(|| uptime(deployment));
    up.map_or(NEUTRAL, |up| {
        let span = 1000 - UPTIME_FLOOR_PER_MILLE;
        up.saturating_sub(UPTIME_FLOOR_PER_MILLE) * (FULL / span)
    })
}

fn uptime(deployment: &Deployment) -> Option<u32> {
    let percent = deployment.entry.availability.as_ref()?.uptime_percent.as_ref()?;
    let percent: rust_decimal::Decimal = percent.parse().ok()?;
    let per_mille = percent.checked_mul(rust_decimal::Decimal::TEN)?.trunc();
    u32::try_from(per_mille).ok().map(|up| up.min(1000))
}

fn balance(lean: Lean) -> u32 {
    if lean.all < u64::from(MIN_EVIDENCE_CALLS) {
        return NEUTRAL;
    }
    let others = u128::from(lean.all.saturating_sub(lean.here));
    u32::try_from(u128::from(FULL) * others / u128::from(lean.all)).unwrap_or(FULL)
}

fn mobile(facts: &Facts) -> u32 {
    if facts.local {
        return FULL;
    }
    match facts.tier {
        ModelTier::Economy => 600_000,
        ModelTier::Standard => 400_000,
        ModelTier::Pro => 200_000,
        ModelTier::Premium => 0,
    }
}
