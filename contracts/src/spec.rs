//! [`ModelSpec`], the in-memory form of a model: what code decides with.

use crate::entry::{ModelCatalogEntry, Pricing, Supports};
use crate::generated::providers::ProviderType;
use crate::generated::routing::{ModelTier, StrengthTag};

/// One model in memory. Built from a [`ModelCatalogEntry`], never serialised (row 08: two model types, no third).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelSpec {
    /// The id that the provider's own API takes.
    pub model_id: String,
    /// Who serves it.
    pub provider: ProviderType,
    /// Who made it, if a rule says so.
    pub family: Option<String>,
    /// Context in tokens, if known.
    pub context_length_tokens: Option<u64>,
    /// Longest answer in tokens, if known.
    pub max_output_tokens: Option<u64>,
    /// Prices; `None` inside means unknown.
    pub pricing: Pricing,
    /// What its API can do.
    pub supports: Supports,
    /// What it is good at.
    pub strengths: Vec<StrengthTag>,
    /// Its price class.
    pub tier: ModelTier,
}

impl From<&ModelCatalogEntry> for ModelSpec {
    fn from(entry: &ModelCatalogEntry) -> Self {
        Self {
            model_id: entry.model_id.clone(),
            provider: entry.provider.clone(),
            family: entry.family.clone(),
            context_length_tokens: entry.context_length_tokens,
            max_output_tokens: entry.max_output_tokens,
            pricing: entry.pricing.clone(),
            supports: entry.supports.clone(),
            strengths: entry.strengths.clone(),
            tier: entry.tier,
        }
    }
}
