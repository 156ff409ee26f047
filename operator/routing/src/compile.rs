//! From a policy and its catalogs to what can be picked, with overrides applied and the layer of each field recorded.

use std::collections::BTreeMap;

use vox_contracts::entry::{CatalogSourceRef, ModelCatalogEntry};

use crate::policy::{Override, Policy};
use crate::snapshot::{Deployment, Layer, PolicySnapshot, Upstream};

/// One catalog that a policy draws from.
#[derive(Debug, Clone)]
pub struct CatalogInput {
    /// The source that discovered it; absent for the bootstrap catalog.
    pub source: Option<CatalogSourceRef>,
    /// Where requests to its models go.
    pub upstream: Upstream,
    /// Its models.
    pub entries: Vec<ModelCatalogEntry>,
    /// `key=value` tags of the source.
    pub tags: Vec<String>,
}

/// Everything one policy can pick from. The same inputs give the same snapshot, in whatever order they come.
#[must_use]
pub fn compile(policy: Policy, inputs: Vec<CatalogInput>) -> PolicySnapshot {
    let mut upstreams = BTreeMap::new();
    let mut deployments = BTreeMap::new();
    for input in inputs {
        for entry in input.entries {
            let deployment = deployment(&policy, &input.upstream, input.source.as_ref(), entry, &input.tags);
            deployments.insert(deployment.id.clone(), deployment);
        }
        upstreams.insert(input.upstream.name.clone(), input.upstream);
    }
    PolicySnapshot {
        policy,
        upstreams: upstreams.into_values().collect(),
        deployments: deployments.into_values().collect(),
    }
}

fn deployment(
    policy: &Policy,
    upstream: &Upstream,
    source: Option<&CatalogSourceRef>,
    mut entry: ModelCatalogEntry,
    tags: &[String],
) -> Deployment {
    let id = format!("{}/{}", upstream.name, entry.model_id);
    // Which strengths, tier and family a model has is inferred by the contract's rules, whoever listed it.
    let mut layers: BTreeMap<String, Layer> =
        ["strengths", "tier", "family"].map(|field| (field.to_owned(), Layer::Contract)).into();
    let matching = |given: &&Override| given.model == id || given.model == entry.model_id;
    let given: Vec<&Override> = policy.overrides.iter().filter(matching).collect();
    for given in given {
        apply(given, &mut entry, &mut layers);
    }
    let mut tags = tags.to_vec();
    tags.sort_unstable();
    Deployment {
        id,
        upstream: upstream.name.clone(),
        source: source.cloned(),
        entry,
        layers,
        tags,
        evidence: Vec::new(),
        penalties: Vec::new(),
    }
}

fn apply(given: &Override, entry: &mut ModelCatalogEntry, layers: &mut BTreeMap<String, Layer>) {
    let mut set = |field: &str| {
        layers.insert(field.to_owned(), Layer::Policy);
    };
    if let Some(price) = given.input_usd_per_mtok {
        entry.pricing.input_usd_per_mtok = Some(price);
        // Dearer prices for long prompts were of the price that is replaced.
        entry.pricing.long_context.clear();
        entry.pricing.dynamic = false;
        set("input_usd_per_mtok");
    }
    if let Some(price) = given.output_usd_per_mtok {
        entry.pricing.output_usd_per_mtok = Some(price);
        entry.pricing.long_context.clear();
        entry.pricing.dynamic = false;
        set("output_usd_per_mtok");
    }
    if let Some(tokens) = given.context_tokens {
        entry.context_length_tokens = Some(tokens);
        set("context_length_tokens");
    }
    if let Some(tier) = given.tier {
        entry.tier = tier;
        set("tier");
    }
    if !given.strengths.is_empty() {
        entry.strengths.clone_from(&given.strengths);
        set("strengths");
    }
    if let Some(tools) = given.tools {
        entry.supports.tools = Some(tools);
        set("tools");
    }
}
