//! What the operator tells, in its admin API, of the calls that a policy decided, so that another policy can be asked about
//! them. No call stands by itself: those that were asked and decided alike are one line of sums.
//!
//! ```text
//! GET /v1/namespaces/{namespace}/traffic?policy={name}&hours={hours} -> Traffic
//! ```

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::TaskCategory;

/// Most hours that are looked at: a year, and a leap day.
pub const MOST_HOURS: u32 = 366 * 24;

/// Which calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrafficQuery {
    /// The policy that decided them.
    pub policy: String,
    /// How far back, at most [`MOST_HOURS`].
    pub hours: u32,
}

/// The calls that a policy decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Traffic {
    /// From when on.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// Calls that are not told of, and why.
    pub left_out: LeftOut,
    /// The others, those of most calls first.
    pub alike: Vec<AlikeCalls>,
}

/// Calls that say nothing of another policy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftOut {
    /// Refused, given up by the client, or its own mistake: they say nothing of a model.
    pub undecided: u64,
    /// The client narrowed the choice by what is not kept: it could not be asked again in the same way.
    pub narrowed: u64,
    /// Written down by a gateway that did not yet say what was asked.
    pub unsaid: u64,
}

/// Calls that were asked and decided alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlikeCalls {
    /// The kind of work.
    pub category: TaskCategory,
    /// 1 to 10.
    pub complexity: u8,
    /// The model as the client named it.
    pub asked: Option<String>,
    /// Whether vectors were asked for.
    pub embedding: bool,
    /// Whether a stream was asked for.
    pub streamed: bool,
    /// What a model must have for it: `tools`, `vision`, `jsonSchema`.
    pub needs: Vec<String>,
    /// Input tokens as they were estimated: the most of these calls, of which none has a fifth less.
    pub input_tokens: u64,
    /// The longest answer that the client allowed.
    pub max_output_tokens: Option<u64>,
    /// The deployment that the decision put first.
    pub first: String,
    /// With which probability.
    pub probability: f64,
    /// How many they are.
    pub calls: u64,
    /// Successes among them.
    pub successes: u64,
    /// Those that took more than one try.
    pub fell_back: u64,
    /// What they cost, in USD, where that is known.
    pub cost_usd: Summed,
    /// How long successes took, in milliseconds.
    pub latency_ms: Summed,
}

/// Numbers, summed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summed {
    /// How many.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// The sum of their squares.
    pub squares: f64,
}
