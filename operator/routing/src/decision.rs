//! What was decided, or why nobody serves.

use vox_contracts::TaskCategory;

use crate::cost::Cost;
use crate::explore::CERTAIN;

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
    /// How long those that are busy are waited for where nobody else is left; zero: not at all.
    pub wait_when_busy_ms: u64,
    /// Whether the declared share of the day's budget is used, and a lower tier was taken for that. The contract's tier
    /// floor yields to it; a floor that the policy itself sets does not.
    pub descended: bool,
    /// Whether the first candidate is there to be known better, and not because it is the best.
    pub explored: bool,
    /// With which probability the first candidate came first, in thousand millionths.
    pub probability_ppb: u32,
}

impl Decision {
    /// The probability as a number from 0 to 1; absent where the best came first for sure.
    #[must_use]
    pub fn probability(&self) -> Option<f64> {
        (self.probability_ppb < CERTAIN).then(|| f64::from(self.probability_ppb) / f64::from(CERTAIN))
    }
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
        "model {name:?}{} is not known here: use vox/auto, vox/<category>, vox/<identity>, an alias of the policy, or an id of GET /v1/models",
        alias.as_ref().map(|alias| format!(", for which alias {alias:?} stands,")).unwrap_or_default()
    )]
    UnknownModel {
        /// What the client wrote, or what its alias stands for.
        name: String,
        /// The alias that the client wrote, where what it stands for has gone.
        alias: Option<String>,
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
    /// Input and answer do not fit into any model that may ever serve the request.
    #[error(
        "the request is too long: its input and the answer that it allows are about {needed_tokens} tokens, and no model that may serve it takes more than {most_tokens}"
    )]
    TooLong {
        /// What is needed.
        needed_tokens: u64,
        /// What the largest of them takes.
        most_tokens: u64,
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
            Self::TooLong { .. } => "context_length_exceeded",
            Self::NoCandidate { .. } => "no_candidate",
        }
    }
}
