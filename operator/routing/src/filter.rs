//! What stops a candidate: standing filters of a policy and category, and those of one request.

use vox_contracts::ModelTier;
use vox_contracts::generated::routing::TaskCategoryInfo;

use crate::cost::Cost;
use crate::decision::Filter;
use crate::facts::Facts;
use crate::policy::{Capability, Policy, Route};
use crate::rank::not_allowed;
use crate::request::{Live, Request};
use crate::score::{self, Task};
use crate::snapshot::Deployment;

/// What stops a deployment in a category whatever is asked. Tier and context floors of the contract are not among them:
/// a model below them comes last, which beats a refusal; those that a policy writes are.
pub(crate) fn standing(
    policy: &Policy,
    deployment: &Deployment,
    facts: &Facts,
    info: &TaskCategoryInfo,
    route: Option<&Route>,
) -> Option<Filter> {
    if let Some(filter) = not_allowed(policy, deployment) {
        return Some(filter);
    }
    let fits = if info.output_modality == "embedding" { facts.embedding } else { facts.text };
    if !fits {
        return Some(Filter::WrongOutput);
    }
    if info.input_modality == "image" && !facts.vision {
        return Some(Filter::LacksCapability { capability: "vision" });
    }
    if policy.budget.limits_money() && facts.prices.blended().is_none() {
        return Some(Filter::PriceUnknown);
    }
    route.and_then(|route| required(deployment, facts, info, route))
}

fn required(
    deployment: &Deployment,
    facts: &Facts,
    info: &TaskCategoryInfo,
    route: &Route,
) -> Option<Filter> {
    let require = &route.require;
    if let Some(strength) =
        require.strengths.iter().find(|strength| !deployment.entry.strengths.contains(strength))
    {
        return Some(Filter::LacksStrength { strength: *strength });
    }
    let floor = require.tier_floor.unwrap_or(ModelTier::Economy);
    let ceiling = require.tier_ceiling.unwrap_or(ModelTier::Premium);
    if facts.tier < floor || facts.tier > ceiling {
        return Some(Filter::TierOutOfRange { tier: facts.tier, floor, ceiling });
    }
    if let Some(needed_tokens) = require.min_context_tokens
        && facts.context_tokens.is_none_or(|has| has < needed_tokens)
    {
        return Some(Filter::ContextTooSmall { needed_tokens, has_tokens: facts.context_tokens });
    }
    let lacking = require.capabilities.iter().find_map(|capability| match capability {
        Capability::Tools if facts.tools != Some(true) => Some("tools"),
        Capability::Vision if !facts.vision => Some("vision"),
        Capability::JsonSchema if facts.json_schema != Some(true) => Some("jsonSchema"),
        Capability::Streaming if facts.streaming == Some(false) => Some("streaming"),
        _ => None,
    });
    if let Some(capability) = lacking {
        return Some(Filter::LacksCapability { capability });
    }
    let task = Task { info, tier: info.preferred_tier };
    let p50_ms = score::evidence(deployment, &task).map(|evidence| evidence.p50_ms);
    match (p50_ms, route.max_latency_ms) {
        (Some(p50_ms), Some(limit_ms)) if p50_ms > limit_ms => Some(Filter::TooSlow { p50_ms, limit_ms }),
        _ => None,
    }
}

/// What one request may cost, and where it comes from.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Money {
    /// The least of the request's own ceiling, the policy's and what is left of the day.
    pub(crate) limit: Option<Cost>,
    /// Only what is free may serve.
    pub(crate) free_only: bool,
    /// Not above this tier while cheaper ones are there.
    pub(crate) ceiling: Option<ModelTier>,
}

/// What stops a candidate for this request.
pub(crate) fn of_request(
    request: &Request,
    named: bool,
    place: usize,
    facts: &Facts,
    money: &Money,
    live: &dyn Live,
) -> Option<Filter> {
    capability(request, named, facts)
        .or_else(|| context(request, facts))
        .or_else(|| affordable(request, facts, money))
        .or_else(|| live.unavailable(place).map(Filter::Unavailable))
}

/// Where a person names the model, what nobody knows is taken to be there: they may know.
fn capability(request: &Request, named: bool, facts: &Facts) -> Option<Filter> {
    let has = |said: Option<bool>| said.unwrap_or(named);
    let needs = &request.needs;
    let lacking = [
        (needs.embedding && !facts.embedding, "embedding"),
        (needs.tools && !has(facts.tools), "tools"),
        (needs.vision && !facts.vision, "vision"),
        (needs.json_schema && !has(facts.json_schema), "jsonSchema"),
        (needs.streaming && facts.streaming == Some(false), "streaming"),
    ];
    lacking.iter().find(|(lacks, _)| *lacks).map(|(_, capability)| Filter::LacksCapability { capability })
}

fn context(request: &Request, facts: &Facts) -> Option<Filter> {
    let has = facts.context_tokens?;
    let needed_tokens = request.input_tokens.saturating_add(request.max_output_tokens.unwrap_or(1));
    (needed_tokens > has).then_some(Filter::ContextTooSmall { needed_tokens, has_tokens: Some(has) })
}

fn affordable(request: &Request, facts: &Facts, money: &Money) -> Option<Filter> {
    if let Some(ceiling) = money.ceiling.filter(|ceiling| facts.tier > *ceiling) {
        return Some(Filter::TierOutOfRange { tier: facts.tier, floor: ModelTier::Economy, ceiling });
    }
    if money.free_only && !facts.prices.is_free() {
        let worst_case = facts.worst_case(request).unwrap_or(Cost::MAX);
        return Some(Filter::TooDear { worst_case, limit: Cost::ZERO });
    }
    let limit = money.limit?;
    match facts.worst_case(request) {
        None => Some(Filter::PriceUnknown),
        Some(worst_case) if worst_case > limit => Some(Filter::TooDear { worst_case, limit }),
        Some(_) => None,
    }
}

/// Until when a penalty keeps a deployment from a category.
pub(crate) fn penalised(
    deployment: &Deployment,
    category: vox_contracts::TaskCategory,
    now_unix_ms: u64,
) -> Option<Filter> {
    deployment
        .penalties
        .iter()
        .filter(|penalty| penalty.category == category && penalty.until_unix_ms > now_unix_ms)
        .map(|penalty| penalty.until_unix_ms)
        .max()
        .map(|until_unix_ms| Filter::Penalised { until_unix_ms })
}
