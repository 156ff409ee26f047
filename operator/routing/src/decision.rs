//! What was decided, and why the others were not.

use std::fmt;
use std::sync::Arc;

use vox_contracts::{ModelTier, TaskCategory};

use crate::cost::Cost;
use crate::request::Unavailable;

/// Who serves a request, and who does when that fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The kind of work it was decided for.
    pub category: TaskCategory,
    /// 1 to 10, after all rules.
    pub complexity: u8,
    /// Candidates in the order they are tried, best first, at most the route's attempts; never empty.
    pub picks: Vec<Pick>,
    /// Bound on all tries together.
    pub total_timeout_ms: u64,
    /// Whether the declared share of the day's budget is used, and a lower tier was taken for that. The contract's tier
    /// floor yields to it; a floor that the policy itself sets does not.
    pub descended: bool,
}

/// One candidate that serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pick {
    /// Its place in [`crate::PolicySnapshot::deployments`].
    pub deployment: usize,
    /// 0 to 1,000,000.
    pub score: u32,
    /// What the request costs there at worst; absent when a price is unknown.
    pub worst_case: Option<Cost>,
}

/// Why nobody serves a request. Each has an error page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The name is no alias, deployment or model of the policy.
    #[error(
        "model {name:?} is not known here: use vox/auto, vox/<category>, an alias of the policy, or an id of GET /v1/models"
    )]
    UnknownModel {
        /// What the client wrote.
        name: String,
    },
    /// The day's budget is spent.
    #[error("the day's budget of policy {policy:?} is spent; it begins anew at 00:00 UTC")]
    BudgetSpent {
        /// Whose.
        policy: String,
    },
    /// Candidates are there, and each costs more than the request may.
    #[error(
        "no model may serve this request for at most USD {limit}: the cheapest candidate costs up to USD {cheapest}"
    )]
    TooDear {
        /// What the request may cost.
        limit: Cost,
        /// What the cheapest candidate costs at worst.
        cheapest: Cost,
    },
    /// Every candidate was stopped by a filter.
    #[error("no model is left for category {category}: {summary}")]
    NoCandidate {
        /// The kind of work.
        category: TaskCategory,
        /// Filters with counts, most frequent first: `12 ContextTooSmall, 3 CircuitOpen`.
        summary: String,
    },
}

impl Refusal {
    /// Its code in the client's error body and in the error pages.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownModel { .. } => "unknown_model",
            Self::BudgetSpent { .. } => "budget_spent",
            Self::TooDear { .. } => "too_dear",
            Self::NoCandidate { .. } => "no_candidate",
        }
    }
}

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
        strength: vox_contracts::StrengthTag,
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
    /// The contract's generic fall-back, while somebody else is left.
    LastResort,
    /// It cannot be called now.
    Unavailable(Unavailable),
}

impl Filter {
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
                write!(f, "it is penalised in this category until {until_unix_ms} (ms since 1970 UTC)")
            }
            Self::LastResort => f.write_str("it is asked only when nobody else is left"),
            Self::Unavailable(why) => f.write_str(why.sentence()),
        }
    }
}
