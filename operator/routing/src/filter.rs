//! What stops a candidate. One order of checks, used by decisions and explanations alike.

use std::fmt;
use std::sync::Arc;

use vox_contracts::{ModelTier, StrengthTag, TaskCategory};

use crate::cost::Cost;
use crate::facts::Facts;
use crate::pattern;
use crate::plan::Plan;
use crate::policy::{Policy, WhenSpent};
use crate::request::{Live, Request, Unavailable};
use crate::score::record;
use crate::snapshot::{Deployment, Upstream};

/// What stopped a candidate, and by how much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// A list of the policy, or of its namespace, does not allow it.
    NotAllowed {
        /// Which list.
        by: &'static str,
    },
    /// It lacks a tag that is demanded, such as where it keeps data.
    LacksTag {
        /// Which tag.
        tag: Arc<str>,
        /// Who demands it.
        by: &'static str,
    },
    /// Not the model that was asked for.
    NotAsked,
    /// It makes something else: vectors, images, orders.
    WrongOutput,
    /// It lacks a capability, or nobody knows that it has it.
    LacksCapability {
        /// Which.
        capability: &'static str,
    },
    /// It lacks a required strength.
    LacksStrength {
        /// Which.
        strength: StrengthTag,
    },
    /// Below the floor or above the ceiling.
    TierOutOfRange {
        /// Its own.
        tier: ModelTier,
        /// The lowest allowed.
        floor: ModelTier,
        /// The highest allowed.
        ceiling: ModelTier,
    },
    /// Input and answer do not fit.
    ContextTooSmall {
        /// What is needed.
        needed_tokens: u64,
        /// What it has; absent when unknown.
        has_tokens: Option<u64>,
    },
    /// Its price is unknown, and money is limited.
    PriceUnknown,
    /// Its worst case is above what the request may cost.
    TooDear {
        /// Its worst case.
        worst_case: Cost,
        /// What the request may cost.
        limit: Cost,
    },
    /// Its known latency is above the route's.
    TooSlow {
        /// Its median.
        p50_ms: u64,
        /// The route's limit.
        limit_ms: u64,
    },
    /// It abstained in this category not long ago.
    Penalised {
        /// Until when, in milliseconds since 1970 UTC.
        until_unix_ms: u64,
    },
    /// Its success fell suddenly in this category, and somebody else is left.
    Quarantined {
        /// Successes before, per mille.
        was_per_mille: u32,
        /// Successes since, per mille.
        is_per_mille: u32,
    },
    /// The contract's generic fall-back, while somebody else is left.
    LastResort,
    /// It cannot be called now.
    Unavailable(Unavailable),
}

impl Filter {
    /// Whether it ends without a change of the request or of the policy, or hides what else would stop the model.
    pub(crate) const fn passes(&self) -> bool {
        match self {
            Self::TooSlow { .. }
            | Self::Penalised { .. }
            | Self::Quarantined { .. }
            | Self::LastResort
            | Self::Unavailable(_) => true,
            Self::ContextTooSmall { has_tokens, .. } => has_tokens.is_none(),
            _ => false,
        }
    }

    /// Its name in summaries, metrics and explanations.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NotAllowed { .. } => "NotAllowed",
            Self::LacksTag { .. } => "LacksTag",
            Self::NotAsked => "NotAsked",
            Self::WrongOutput => "WrongOutput",
            Self::LacksCapability { .. } => "LacksCapability",
            Self::LacksStrength { .. } => "LacksStrength",
            Self::TierOutOfRange { .. } => "TierOutOfRange",
            Self::ContextTooSmall { .. } => "ContextTooSmall",
            Self::PriceUnknown => "PriceUnknown",
            Self::TooDear { .. } => "TooDear",
            Self::TooSlow { .. } => "TooSlow",
            Self::Penalised { .. } => "Penalised",
            Self::Quarantined { .. } => "Quarantined",
            Self::LastResort => "LastResort",
            Self::Unavailable(why) => why.as_str(),
        }
    }
}

impl fmt::Display for Filter {
    /// A sentence without a full stop, for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAllowed { by } => write!(f, "{by} does not allow it"),
            Self::LacksTag { tag, by } => write!(f, "its source has no tag {tag}, which {by} demands"),
            Self::NotAsked => f.write_str("the request names another model"),
            Self::WrongOutput => f.write_str("it does not make what the category asks for"),
            Self::LacksCapability { capability } => {
                write!(f, "it has no {capability}, or nobody says that it has")
            }
            Self::LacksStrength { strength } => write!(f, "it lacks the required strength {strength}"),
            Self::TierOutOfRange { tier, floor, ceiling } if tier > ceiling => {
                write!(f, "its tier {tier} is above {ceiling}, the highest allowed (from {floor})")
            }
            Self::TierOutOfRange { tier, floor, .. } => {
                write!(f, "its tier {tier} is below {floor}, the lowest allowed")
            }
            Self::ContextTooSmall { needed_tokens, has_tokens: Some(has) } => write!(
                f,
                "{needed_tokens} tokens of context are needed and it has {has}: {} too few",
                needed_tokens.saturating_sub(*has)
            ),
            Self::ContextTooSmall { needed_tokens, has_tokens: None } => {
                write!(f, "{needed_tokens} tokens of context are needed and nobody says how many it has")
            }
            Self::PriceUnknown => f.write_str("money is limited and its price is unknown"),
            Self::TooDear { worst_case, limit } => write!(
                f,
                "it costs up to USD {worst_case}, USD {} more than the USD {limit} allowed",
                worst_case.minus(*limit)
            ),
            Self::TooSlow { p50_ms, limit_ms } => write!(
                f,
                "its median is {p50_ms} ms, {} ms more than the {limit_ms} ms allowed",
                p50_ms.saturating_sub(*limit_ms)
            ),
            Self::Penalised { until_unix_ms } => {
                // A penalty lasts for minutes: the time of day says enough.
                let of_day = until_unix_ms / 1000 % 86_400;
                let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
                write!(f, "it is penalised in this category until {hour:02}:{minute:02}:{second:02} UTC")
            }
            Self::Quarantined { was_per_mille: was, is_per_mille: is } => write!(
                f,
                "its success in this category fell from {}.{} % to {}.{} %; a few calls go to it until they succeed again",
                was / 10,
                was % 10,
                is / 10,
                is % 10
            ),
            Self::LastResort => f.write_str("it is asked only when nobody else is left"),
            Self::Unavailable(why) => f.write_str(why.sentence()),
        }
    }
}

/// Whether the policy's lists and its namespace's demands allow it: the same for every category.
pub(crate) fn admission(
    policy: &Policy,
    deployment: &Deployment,
    upstream: Option<&Upstream>,
) -> Option<Filter> {
    let (allow, demands) = (&policy.allow, &policy.demands);
    let matches =
        |patterns: &[String]| patterns.iter().any(|pattern| pattern::matches(pattern, &deployment.id));
    let among = |providers: &[_]| upstream.is_some_and(|upstream| providers.contains(&upstream.provider));
    let by = if upstream.is_none() {
        "the snapshot, which lacks its upstream,"
    } else if demands.providers.as_ref().is_some_and(|providers| !among(providers)) {
        "the namespace's list of providers"
    } else if !allow.providers.is_empty() && !among(&allow.providers) {
        "the policy's allow.providers"
    } else if !allow.models.is_empty() && !matches(&allow.models) {
        "the policy's allow.models"
    } else if matches(&allow.deny_models) {
        "the policy's allow.denyModels"
    } else {
        let lacks = |tags: &[String], by| {
            let tag = tags.iter().find(|tag| !deployment.tags.contains(tag))?;
            Some(Filter::LacksTag { tag: tag.as_str().into(), by })
        };
        return lacks(&demands.tags, "the namespace")
            .or_else(|| lacks(&allow.tags, "the policy's allow.tags"));
    };
    Some(Filter::NotAllowed { by })
}

/// Whether it makes what the category asks for.
pub(crate) fn output(category: TaskCategory, facts: &Facts) -> Option<Filter> {
    let makes = if category == TaskCategory::Embedding { facts.makes_vectors } else { facts.makes_text };
    (!makes).then_some(Filter::WrongOutput)
}

/// Whether it has what the category and the policy's route ask for, its tier aside.
pub(crate) fn fit(plan: &Plan, deployment: &Deployment, facts: &Facts) -> Option<Filter> {
    let reads_images = plan.category.info().input_modality == "image";
    if reads_images && !facts.can.has(crate::policy::Capability::Vision, false) {
        return Some(Filter::LacksCapability { capability: crate::policy::Capability::Vision.as_str() });
    }
    if let Some(lacking) = plan.capabilities.iter().find(|capability| !facts.can.has(**capability, false)) {
        return Some(Filter::LacksCapability { capability: lacking.as_str() });
    }
    if let Some(strength) =
        plan.strengths.iter().find(|strength| !deployment.entry.strengths.contains(strength)).copied()
    {
        return Some(Filter::LacksStrength { strength });
    }
    if facts.context.is_none_or(|context| context < plan.min_context_tokens) {
        return Some(Filter::ContextTooSmall {
            needed_tokens: plan.min_context_tokens,
            has_tokens: facts.context,
        });
    }
    let limit_ms = plan.max_latency_ms?;
    record(deployment, plan.category)
        .and_then(|record| record.p50_ms)
        .filter(|p50_ms| *p50_ms > limit_ms)
        .map(|p50_ms| Filter::TooSlow { p50_ms, limit_ms })
}

/// Whether it suddenly fell in a category.
pub(crate) fn quarantine(category: TaskCategory, deployment: &Deployment) -> Option<Filter> {
    let fell = deployment.quarantines.iter().find(|quarantine| quarantine.category == category)?;
    Some(Filter::Quarantined { was_per_mille: fell.was_per_mille, is_per_mille: fell.is_per_mille })
}

/// How a tier stands to a plan's bounds.
pub(crate) enum TierStands {
    Within,
    /// Below the contract's floor, which yields when money runs short.
    BelowContractFloor,
    Out(Filter),
}

/// The contract's floor asks that money be spent; hardware of one's own costs none, so a route that prefers it is not held to
/// that floor.
pub(crate) fn tier(plan: &Plan, facts: &Facts) -> TierStands {
    let tier = facts.tier;
    let out = || TierStands::Out(out_of_range(plan, tier));
    if tier > plan.tier_ceiling {
        return out();
    }
    match (tier < plan.tier_floor, plan.floor_is_policys) {
        (false, _) => TierStands::Within,
        (true, true) => out(),
        (true, false) if plan.prefer_local && facts.local => TierStands::Within,
        (true, false) => TierStands::BelowContractFloor,
    }
}

pub(crate) fn out_of_range(plan: &Plan, tier: ModelTier) -> Filter {
    Filter::TierOutOfRange { tier, floor: plan.tier_floor, ceiling: plan.tier_ceiling }
}

/// What a request may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Money {
    /// At most; none where nothing limits it.
    pub(crate) limit: Option<Cost>,
    /// Whether an unknown price is refused: also where only a day's budget is set and its state is not known.
    pub(crate) limited: bool,
    /// The day's budget is spent, and that refuses.
    pub(crate) spent: bool,
    /// The share of the day's budget is used from which on a lower tier is preferred.
    pub(crate) descend: bool,
}

impl Money {
    pub(crate) fn of(policy: &Policy, request: &Request, live: &dyn Live) -> Self {
        let budget = &policy.budget;
        let left = live.day_budget_left();
        let limit = [budget.per_request, request.max_cost, left].into_iter().flatten().min();
        let descend = match (budget.per_day, budget.descend_at_per_mille, left) {
            (Some(day), Some(share), Some(left)) => {
                let used = u128::from(day.minus(left).pico_usd());
                used * 1000 >= u128::from(day.pico_usd()) * u128::from(share)
            }
            _ => false,
        };
        Self {
            limit,
            limited: limit.is_some() || budget.limits_money(),
            spent: left == Some(Cost::ZERO) && budget.when_spent == WhenSpent::Refuse,
            descend,
        }
    }

    /// What stops a candidate of this worst case.
    pub(crate) fn stops(self, worst_case: Option<Cost>) -> Option<Filter> {
        match (worst_case, self.limit) {
            (None, _) => self.limited.then_some(Filter::PriceUnknown),
            (Some(worst_case), Some(limit)) if worst_case > limit => {
                Some(Filter::TooDear { worst_case, limit })
            }
            _ => None,
        }
    }
}

/// Until when it is kept from a category, if so.
pub(crate) fn penalty(deployment: &Deployment, category: TaskCategory, now_unix_ms: u64) -> Option<Filter> {
    deployment
        .penalties
        .iter()
        .filter(|penalty| penalty.category == category && penalty.until_unix_ms > now_unix_ms)
        .map(|penalty| penalty.until_unix_ms)
        .max()
        .map(|until_unix_ms| Filter::Penalised { until_unix_ms })
}
