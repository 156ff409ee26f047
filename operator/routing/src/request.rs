//! What is asked for, as far as it decides.

use vox_contracts::TaskCategory;

use crate::cost::Cost;
use crate::policy::Capability;

/// One request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// What the client wrote as its model.
    pub choice: Choice,
    /// The kind of work, where a header, the metadata or the shape of the request told it. An alias with a category
    /// overrides it. Default: the contract's.
    pub category: Option<TaskCategory>,
    /// 1 to 10; beyond that it is clamped. Default: the contract's.
    pub complexity: Option<u8>,
    /// How many hints there are that tools will be needed; two lift the complexity (FIX-53).
    pub tool_hints: u8,
    /// Hints that sources have to be gathered: the category becomes research (FIX-52).
    pub research_hint: bool,
    /// A family that the client prefers (FIX-51).
    pub family_hint: Option<String>,
    /// What the request uses.
    pub needs: Needs,
    /// Estimated input.
    pub input_tokens: u64,
    /// The longest answer the client allows.
    pub max_output_tokens: Option<u64>,
    /// How many answers are wanted at once, each of which is paid; zero is one.
    pub answers: u64,
    /// Images in the input.
    pub images: u64,
    /// The client's own ceiling for this request.
    pub max_cost: Option<Cost>,
    /// The cheapest that may.
    pub force_cost: bool,
    /// Random bits of the decision's id, by which a share of the requests explores; absent where none may.
    pub lot: Option<u64>,
}

impl Request {
    /// The plainest request of a category, as tests of policies, status and the command line ask it.
    #[must_use]
    pub fn of_category(category: TaskCategory, complexity: Option<u8>) -> Self {
        let needs = Needs {
            embedding: category == TaskCategory::Embedding,
            vision: category == TaskCategory::Vision,
            ..Needs::default()
        };
        Self { category: Some(category), complexity, needs, ..Self::default() }
    }
}

/// What the client wrote as its model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Choice {
    /// `vox/auto`, or nothing.
    #[default]
    Auto,
    /// An alias of the policy, a deployment id, or a model id (every upstream that has it is a candidate).
    Named(String),
}

/// What a request uses; a model that cannot do it is no candidate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// Tool calls.
    pub tools: bool,
    /// Images in the input.
    pub vision: bool,
    /// JSON after a schema.
    pub json_schema: bool,
    /// A streamed answer.
    pub streaming: bool,
    /// Vectors instead of text.
    pub embedding: bool,
}

impl Needs {
    /// What a model must have for it, streams and vectors aside: those are told by what was called.
    pub fn of_models(self) -> impl Iterator<Item = &'static str> {
        let named = [
            (self.tools, Capability::Tools),
            (self.vision, Capability::Vision),
            (self.json_schema, Capability::JsonSchema),
        ];
        named.into_iter().filter(|(needed, _)| *needed).map(|(_, capability)| capability.as_str())
    }

    /// The same, from those names; others say nothing.
    #[must_use]
    pub fn of_names(names: &[String]) -> Self {
        let has = |capability: Capability| names.iter().any(|name| name == capability.as_str());
        Self {
            tools: has(Capability::Tools),
            vision: has(Capability::Vision),
            json_schema: has(Capability::JsonSchema),
            ..Self::default()
        }
    }
}

/// What only the deciding process knows, asked for each candidate while it decides. All of it is cheap to answer.
pub trait Live {
    /// Why this deployment (by its place in [`crate::PolicySnapshot::deployments`]) cannot be called now, if so.
    fn unavailable(&self, deployment: usize) -> Option<Unavailable>;

    /// What may still be spent today; `None` where no day's budget is set.
    fn day_budget_left(&self) -> Option<Cost>;
}

/// Why a deployment cannot be called now. One vocabulary for decisions, metrics, status and explanations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unavailable {
    /// Its upstream needs a key and none is mounted.
    KeyMissing,
    /// Its upstream refused the key.
    KeyRefused,
    /// It failed too often; a probe will try it again.
    CircuitOpen,
    /// It said that it is limited, until a time that has not come.
    RateLimited,
    /// As many requests as it may have are under way.
    AtCapacity,
}

impl Unavailable {
    /// Its name in decisions, metrics and explanations.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KeyMissing => "KeyMissing",
            Self::KeyRefused => "KeyRefused",
            Self::CircuitOpen => "CircuitOpen",
            Self::RateLimited => "RateLimited",
            Self::AtCapacity => "AtCapacity",
        }
    }
}

impl Unavailable {
    /// Why, for people; without a full stop.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::KeyMissing => "its upstream needs a key and none is there",
            Self::KeyRefused => "its upstream refused the key",
            Self::CircuitOpen => "it failed too often and waits for a probe",
            Self::RateLimited => "its upstream said that it is limited for now",
            Self::AtCapacity => "as many requests as it may have are under way",
        }
    }
}

/// Nothing is known of the live state: all can be called, nothing was spent. For tests of policies and offline explanations.
#[derive(Debug, Clone, Copy, Default)]
pub struct Offline;

impl Live for Offline {
    fn unavailable(&self, _: usize) -> Option<Unavailable> {
        None
    }

    fn day_budget_left(&self) -> Option<Cost> {
        None
    }
}
