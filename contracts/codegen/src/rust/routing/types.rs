//! The row types of the tables in `generated/routing.rs`; they do not depend on the contract's content.

/// The types, as Rust source.
pub(super) const TYPES: &str = r#"/// Facts of a tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TierInfo {
    /// Which tier.
    pub tier: ModelTier,
    /// What it is.
    pub description: &'static str,
    /// The highest blended price in it, in USD per million tokens, a decimal; none for the last tier.
    pub blended_price_ceiling_usd_per_mtok: Option<&'static str>,
}

/// What a task category asks of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskCategoryInfo {
    /// Which category.
    pub category: TaskCategory,
    /// What it is.
    pub description: &'static str,
    /// Strengths wanted, the weightiest first.
    pub strengths: &'static [StrengthTag],
    /// The tier that fits best.
    pub preferred_tier: ModelTier,
    /// The lowest tier that will do.
    pub tier_floor: ModelTier,
    /// The smallest context that will do, in tokens.
    pub context_floor_tokens: u64,
    /// A request of this category is at least this complex.
    pub complexity_floor: u8,
    /// What the model must read.
    pub input_modality: &'static str,
    /// What the model must write.
    pub output_modality: &'static str,
}

/// How much each criterion counts, per mille; together 1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScoringWeights {
    /// Low price for what one gets.
    pub efficiency: u32,
    /// Strengths and proven quality for the task.
    pub precision: u32,
    /// Quick answers.
    pub latency: u32,
    /// Up, and not rate limited.
    pub availability: u32,
    /// Not leaning on one provider.
    pub balance: u32,
    /// Suits small and metered links.
    pub mobile: u32,
}

/// A range of latencies and what it scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LatencyBand {
    /// Its name.
    pub name: &'static str,
    /// What it feels like.
    pub description: &'static str,
    /// Its upper end, included; none for the last.
    pub up_to: Option<Duration>,
    /// What it scores, per mille.
    pub score_per_mille: u32,
}

/// One rule of strength inference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InferenceRule {
    /// When it matches.
    pub condition: InferenceCondition,
    /// What a matching model is good at.
    pub strengths: &'static [StrengthTag],
    /// Whether no further rule is looked at once it has matched.
    pub last: bool,
}

/// When a rule of strength inference matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InferenceCondition {
    /// By what the provider says about the model; everything that is given must hold.
    ParameterGraph {
        /// At least one of these is among the supported parameters or capabilities.
        parameters: &'static [&'static str],
        /// The model reads this.
        input_modality: Option<&'static str>,
        /// The model writes this.
        output_modality: Option<&'static str>,
        /// The context is at least so large, in tokens.
        context_at_least_tokens: Option<u64>,
    },
    /// By who made the model.
    ProviderFamily(&'static str),
    /// By a pattern in the model's id; case does not matter.
    NameRegex(&'static str),
    /// When no rule before it gave a strength.
    Default,
}

/// A pattern in model ids, and who makes such models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FamilyRule {
    /// The pattern; case does not matter.
    pub pattern: &'static str,
    /// The family.
    pub family: &'static str,
}

/// A pattern in ids or names, and what comes in place of all that it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdentityRule {
    /// The pattern, over lower case.
    pub pattern: &'static str,
    /// What comes in its place; `${1}` is the first group.
    pub replacement: &'static str,
}

/// Which models a category goes to when a request is at its most complex.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PremiumAlias {
    /// The category.
    pub category: TaskCategory,
    /// The family.
    pub family: &'static str,
    /// The tier.
    pub tier: ModelTier,
}

/// What a request of some shape is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestRule {
    /// Its name, as explanations show it.
    pub name: &'static str,
    /// What such a request looks like.
    pub description: &'static str,
    /// When it matches.
    pub condition: RequestCondition,
    /// The category.
    pub category: TaskCategory,
    /// The complexity.
    pub complexity: u8,
}

/// When a rule matches a request: everything that is given must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestCondition {
    /// Whether the embeddings endpoint was asked.
    pub embedding: Option<bool>,
    /// Whether the answer must follow a JSON schema.
    pub json_schema: Option<bool>,
    /// So many images are in it.
    pub images_at_least: Option<u64>,
    /// So many tools are offered.
    pub tools_at_least: Option<u64>,
    /// So many answers of tools are in it.
    pub tool_results_at_least: Option<u64>,
    /// It has no more messages.
    pub messages_at_most: Option<u64>,
    /// Such a share of its text stands in code fences, per mille.
    pub code_per_mille_at_least: Option<u64>,
    /// Its estimated input, in tokens.
    pub input_tokens_at_least: Option<u64>,
    /// Its estimated input, in tokens.
    pub input_tokens_at_most: Option<u64>,
}

/// How a kind of source is asked, unless a resource says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiscoveryDefaults {
    /// A five-field cron line.
    pub schedule: &'static str,
    /// A run starts up to this much later than its schedule.
    pub jitter: Duration,
    /// The provider is asked at most this often, also by forced runs.
    pub min_interval: Duration,
    /// An older catalog is stale.
    pub max_age: Duration,
    /// Bound on a whole fetch.
    pub timeout: Duration,
    /// Bound on one answer, in bytes after decompression.
    pub max_body_bytes: u64,
    /// Bound on the number of models.
    pub max_models: u32,
    /// A fetch that loses more than this share of the models is refused, per mille.
    pub shrink_limit_per_mille: u32,
    /// A model that so many fetches in a row do not list is removed.
    pub missed_fetches_until_removed: u32,
    /// How often one run tries, the first included.
    pub retry_attempts: u32,
    /// The pause before the second try; it doubles from try to try.
    pub retry_initial: Duration,
    /// The longest pause between tries.
    pub retry_max: Duration,
    /// So many fetches an hour all sources of one key make together.
    pub credential_fetches_per_hour: u32,
}

"#;
