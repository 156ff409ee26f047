//! The contracts as types: what the renderers and the cross-file checks read. The JSON Schemas say more; a document
//! reaches these types only after its schema has accepted it.

mod identity;
mod overlay;

use serde::Deserialize;

pub(crate) use identity::Identity;
pub(crate) use overlay::{Overlay, OverlayBatch, OverlayHours, OverlayLongContext, OverlayPrice};

/// A name that becomes an enum variant, with the sentence that becomes its documentation.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) description: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Tier {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) blended_price_ceiling_usd_per_mtok: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct BlendedPrice {
    pub(crate) input_parts: u32,
    pub(crate) output_parts: u32,
}

#[derive(Debug, Deserialize)]
pub(crate) struct TaskCategory {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) strengths: Vec<String>,
    pub(crate) preferred_tier: String,
    pub(crate) tier_floor: String,
    pub(crate) context_floor_tokens: u64,
    pub(crate) complexity_floor: u8,
    pub(crate) input_modality: String,
    pub(crate) output_modality: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Complexity {
    pub(crate) minimum: u8,
    pub(crate) maximum: u8,
    pub(crate) default: u8,
    pub(crate) tool_hints: u8,
    pub(crate) tool_hints_floor: u8,
    pub(crate) premium_from: u8,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Weights {
    pub(crate) efficiency: u32,
    pub(crate) precision: u32,
    pub(crate) latency: u32,
    pub(crate) availability: u32,
    pub(crate) balance: u32,
    pub(crate) mobile: u32,
}

impl Weights {
    /// The weights with their names, in the order of the contract.
    pub(crate) const fn named(&self) -> [(&'static str, u32); 6] {
        [
            ("efficiency", self.efficiency),
            ("precision", self.precision),
            ("latency", self.latency),
            ("availability", self.availability),
            ("balance", self.balance),
            ("mobile", self.mobile),
        ]
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct LatencyBand {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) up_to_ms: Option<u64>,
    pub(crate) score_per_mille: u32,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Scoring {
    pub(crate) weights: Weights,
    pub(crate) min_evidence_calls: u32,
    pub(crate) latency_bands: Vec<LatencyBand>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct InferenceRule {
    #[serde(flatten)]
    pub(crate) condition: Condition,
    pub(crate) strengths: Vec<String>,
    #[serde(default)]
    pub(crate) last: bool,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Condition {
    ParameterGraph {
        #[serde(default)]
        parameters: Vec<String>,
        input_modality: Option<String>,
        output_modality: Option<String>,
        context_at_least_tokens: Option<u64>,
    },
    ProviderFamily {
        family: String,
    },
    NameRegex {
        pattern: String,
    },
    Default,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Family {
    pub(crate) pattern: String,
    pub(crate) family: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct PremiumAlias {
    pub(crate) category: String,
    pub(crate) family: String,
    pub(crate) tier: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RequestRule {
    pub(crate) name: String,
    pub(crate) description: String,
    #[serde(flatten)]
    pub(crate) condition: RequestCondition,
    pub(crate) category: String,
    pub(crate) complexity: u8,
}

#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct RequestCondition {
    pub(crate) embedding: Option<bool>,
    pub(crate) json_schema: Option<bool>,
    pub(crate) images_at_least: Option<u64>,
    pub(crate) tools_at_least: Option<u64>,
    pub(crate) tool_results_at_least: Option<u64>,
    pub(crate) messages_at_most: Option<u64>,
    pub(crate) code_per_mille_at_least: Option<u64>,
    pub(crate) input_tokens_at_least: Option<u64>,
    pub(crate) input_tokens_at_most: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Penalty {
    pub(crate) minutes: u64,
    pub(crate) abstain_confidence_below: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ContextUtilisation {
    pub(crate) above: String,
    pub(crate) times: u32,
}

#[derive(Debug, Deserialize)]
pub(crate) struct PricingConfidence {
    pub(crate) medium_samples: u32,
    pub(crate) high_samples: u32,
}

/// Discovery settings; in `defaults` all are present, in a source only those that differ.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Throttle {
    pub(crate) schedule: Option<String>,
    pub(crate) jitter_seconds: Option<u64>,
    pub(crate) min_interval_seconds: Option<u64>,
    pub(crate) max_age_seconds: Option<u64>,
    pub(crate) timeout_seconds: Option<u64>,
    pub(crate) max_body_bytes: Option<u64>,
    pub(crate) max_models: Option<u32>,
    pub(crate) shrink_limit_per_mille: Option<u32>,
    pub(crate) missed_fetches_until_removed: Option<u32>,
    pub(crate) retry_attempts: Option<u32>,
    pub(crate) retry_initial_seconds: Option<u64>,
    pub(crate) retry_max_seconds: Option<u64>,
    pub(crate) credential_fetches_per_hour: Option<u32>,
}

impl Throttle {
    /// These settings, with `base` where they say nothing.
    pub(crate) fn over(&self, base: &Self) -> Self {
        Self {
            schedule: self.schedule.clone().or_else(|| base.schedule.clone()),
            jitter_seconds: self.jitter_seconds.or(base.jitter_seconds),
            min_interval_seconds: self.min_interval_seconds.or(base.min_interval_seconds),
            max_age_seconds: self.max_age_seconds.or(base.max_age_seconds),
            timeout_seconds: self.timeout_seconds.or(base.timeout_seconds),
            max_body_bytes: self.max_body_bytes.or(base.max_body_bytes),
            max_models: self.max_models.or(base.max_models),
            shrink_limit_per_mille: self.shrink_limit_per_mille.or(base.shrink_limit_per_mille),
            missed_fetches_until_removed: self
                .missed_fetches_until_removed
                .or(base.missed_fetches_until_removed),
            retry_attempts: self.retry_attempts.or(base.retry_attempts),
            retry_initial_seconds: self.retry_initial_seconds.or(base.retry_initial_seconds),
            retry_max_seconds: self.retry_max_seconds.or(base.retry_max_seconds),
            credential_fetches_per_hour: self
                .credential_fetches_per_hour
                .or(base.credential_fetches_per_hour),
        }
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct DiscoverySource {
    pub(crate) catalog: String,
    pub(crate) description: String,
    pub(crate) member: String,
    #[serde(flatten)]
    pub(crate) throttle: Throttle,
}

impl DiscoverySource {
    /// Whether a resource chooses it by the name of a provider.
    pub(crate) fn is_by_name(&self) -> bool {
        self.member == "openAICompatible"
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Discovery {
    pub(crate) defaults: Throttle,
    pub(crate) sources: Vec<DiscoverySource>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Rollup {
    pub(crate) schedule: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Scoreboard {
    pub(crate) windows_days: Vec<u32>,
    pub(crate) routing_window_days: u32,
    pub(crate) live_minutes: u64,
    pub(crate) half_life_days: u64,
    pub(crate) grace_hours: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Quarantine {
    pub(crate) fallen_calls: u64,
    pub(crate) least_fall_per_mille: u32,
    pub(crate) probes: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Candidate {
    pub(crate) calls: u64,
    pub(crate) success_at_least_per_mille: u32,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Evidence {
    pub(crate) min_judged: u64,
    pub(crate) declared_calls: u64,
    pub(crate) borrowed_calls: u64,
    pub(crate) silent_judgements: u64,
    pub(crate) explored_among: usize,
    pub(crate) probes_per_mille: u32,
    pub(crate) quarantine: Quarantine,
    pub(crate) candidate: Candidate,
}

/// `model-routing.v1.yaml`.
#[derive(Debug, Deserialize)]
pub(crate) struct Routing {
    pub(crate) tiers: Vec<Tier>,
    pub(crate) blended_price: BlendedPrice,
    pub(crate) tier_when_price_unknown: String,
    pub(crate) economy_cost_ceiling_usd_per_mtok: String,
    pub(crate) strengths: Vec<Named>,
    pub(crate) task_categories: Vec<TaskCategory>,
    pub(crate) default_task_category: String,
    pub(crate) complexity: Complexity,
    pub(crate) scoring: Scoring,
    pub(crate) strength_inference: Vec<InferenceRule>,
    pub(crate) families: Vec<Family>,
    pub(crate) identity: Identity,
    pub(crate) premium_alias: Vec<PremiumAlias>,
    pub(crate) request_classification: Vec<RequestRule>,
    pub(crate) generic_fallback: String,
    pub(crate) penalty: Penalty,
    pub(crate) context_utilisation: ContextUtilisation,
    pub(crate) pricing_confidence: PricingConfidence,
    pub(crate) discovery: Discovery,
    pub(crate) rollup: Rollup,
    pub(crate) scoreboard: Scoreboard,
    pub(crate) evidence: Evidence,
}

#[derive(Debug, Deserialize)]
pub(crate) struct AuthStyle {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) header: Option<String>,
    pub(crate) prefix: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Header {
    pub(crate) name: String,
    pub(crate) value: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Provider {
    pub(crate) name: String,
    pub(crate) variant: String,
    pub(crate) display_name: String,
    pub(crate) description: String,
    pub(crate) base_url: Option<String>,
    pub(crate) credential: Option<String>,
    #[serde(default)]
    pub(crate) deprecated_credentials: Vec<String>,
    pub(crate) key_prefixes: Vec<String>,
    pub(crate) list_requires_credential: bool,
    pub(crate) openai_compatible: bool,
    pub(crate) route_kind: String,
    pub(crate) fallback_kind: Option<String>,
    pub(crate) auth_style: String,
    pub(crate) headers: Vec<Header>,
    pub(crate) list_endpoint: Option<String>,
    pub(crate) list_base_url: Option<String>,
    pub(crate) catalog: Option<String>,
    pub(crate) pricing_unit: String,
    pub(crate) semconv_name: String,
    pub(crate) local: bool,
    pub(crate) docs: Option<String>,
    pub(crate) notes: Vec<String>,
}

/// `providers.v1.yaml`.
#[derive(Debug, Deserialize)]
pub(crate) struct Providers {
    pub(crate) route_kinds: Vec<Named>,
    pub(crate) auth_styles: Vec<AuthStyle>,
    pub(crate) pricing_units: Vec<Named>,
    pub(crate) providers: Vec<Provider>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Attribute {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) value_type: String,
    pub(crate) namespace: String,
    #[serde(default)]
    pub(crate) values: Vec<String>,
    pub(crate) description: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct AttributeUse {
    pub(crate) name: String,
    pub(crate) requirement: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) attributes: Vec<AttributeUse>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct TraceId {
    pub(crate) attribute: String,
}

/// `model-telemetry.v1.yaml`.
#[derive(Debug, Deserialize)]
pub(crate) struct Telemetry {
    pub(crate) semconv_version: String,
    pub(crate) trace_id: TraceId,
    pub(crate) turn_attributes: Vec<String>,
    pub(crate) session_attribute: String,
    pub(crate) session_prefixes: Vec<Named>,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) events: Vec<Event>,
}
