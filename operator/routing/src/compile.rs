//! From a policy and catalogs to what a sidecar decides from: overrides applied, layers noted, each deployment once.

use std::collections::BTreeMap;
use std::sync::Arc;

use vox_contracts::entry::{CatalogSourceRef, ModelCatalogEntry};
use vox_contracts::generated::routing::{CANDIDATE_CALLS, CANDIDATE_SUCCESS_AT_LEAST_PER_MILLE};
use vox_contracts::identity;
use vox_contracts::inference::infer_tier;

use crate::billed::{self, Billed};
use crate::bound::success_interval;
use crate::pattern;
use crate::policy::{EvidenceMode, NewModels, Override, Policy};
use crate::snapshot::{Deployment, Evidence, Layer, Penalty, PolicySnapshot, Quarantine, Upstream};

/// One catalog with the server that serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogInput {
    /// The source that discovered it; absent for the bootstrap catalog.
    pub source: Option<CatalogSourceRef>,
    /// Where its models are called.
    pub upstream: Upstream,
    /// Its models.
    pub entries: Vec<ModelCatalogEntry>,
    /// `key=value` tags of the source.
    pub tags: Vec<String>,
}

/// What happened at one deployment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Record {
    /// For each category that has been seen.
    pub evidence: Vec<Evidence>,
    /// Categories that it is kept from.
    pub penalties: Vec<Penalty>,
    /// Categories in which it suddenly fell.
    pub quarantines: Vec<Quarantine>,
    /// What its calls were billed at, where enough of them tell.
    pub billed: Option<Billed>,
}

/// Puts everything together. The same inputs in any order give the same snapshot. Where two catalogs have one upstream's
/// name, the discovered one wins over the bootstrap, then the source that comes first by namespace and name; the other's
/// models are kept where only it has them. `records` are by deployment id; one that no catalog has is left out.
#[must_use]
pub fn compile(
    policy: Policy,
    catalogs: Vec<CatalogInput>,
    records: &BTreeMap<String, Record>,
) -> PolicySnapshot {
    let mut catalogs = catalogs;
    // The whole input is the last key, so that no two that differ are in an order that depends on the caller.
    catalogs.sort_by_cached_key(|catalog| {
        let source = catalog.source.clone();
        (source.is_none(), source, catalog.upstream.name.clone(), format!("{catalog:?}"))
    });
    let mut upstreams: BTreeMap<String, Upstream> = BTreeMap::new();
    let mut deployments: BTreeMap<String, Deployment> = BTreeMap::new();
    for catalog in catalogs {
        let CatalogInput { source, upstream, mut entries, mut tags } = catalog;
        tags.sort_unstable();
        tags.dedup();
        entries.sort_by_cached_key(|entry| (entry.model_id.clone(), format!("{entry:?}")));
        for mut entry in entries {
            let id = format!("{}/{}", upstream.name, entry.model_id);
            // Entries of catalogs that an earlier version discovered have none yet.
            if entry.identity.is_none() {
                entry.identity = identity::of_entry(&entry);
            }
            let entry = entry.to_decide_with();
            deployments.entry(id.clone()).or_insert_with(|| Deployment {
                id,
                upstream: upstream.name.clone(),
                source: source.clone(),
                entry,
                listed: None,
                layers: BTreeMap::new(),
                tags: tags.clone(),
                evidence: Vec::new(),
                penalties: Vec::new(),
                quarantines: Vec::new(),
                candidate: policy.evidence.new_models == NewModels::Candidate,
            });
        }
        upstreams.entry(upstream.name.clone()).or_insert(upstream);
    }
    for (id, deployment) in &mut deployments {
        if let Some(record) = records.get(id) {
            observe(deployment, record, policy.evidence.mode);
        }
        for rule in policy.overrides.iter().filter(|rule| pattern::matches(&rule.models, id)) {
            apply(deployment, rule);
        }
    }
    PolicySnapshot {
        policy,
        upstreams: upstreams.into_values().collect(),
        deployments: deployments.into_values().map(Arc::new).collect(),
    }
}

/// Whether enough calls of all categories together surely succeeded often enough, by the routing window or by all windows.
fn has_proven_itself(evidence: &[Evidence]) -> bool {
    let suffices = |each: &dyn Fn(&Evidence) -> (u64, u32)| {
        let calls: u64 = evidence.iter().map(|one| each(one).0).sum();
        let successes: u64 =
            evidence.iter().map(each).map(|(calls, per_mille)| calls.saturating_mul(per_mille.into())).sum();
        let share = u32::try_from(successes / calls.max(1)).unwrap_or(0);
        calls >= CANDIDATE_CALLS && success_interval(calls, share).0 >= CANDIDATE_SUCCESS_AT_LEAST_PER_MILLE
    };
    suffices(&|one| (one.calls, one.success_per_mille))
        || suffices(&|one| one.decayed.map_or((0, 0), |old| (old.calls, old.success_per_mille)))
}

fn observe(deployment: &mut Deployment, record: &Record, mode: EvidenceMode) {
    if let Some(billed) = &record.billed {
        billed::apply(deployment, billed);
    }
    deployment.candidate &= !has_proven_itself(&record.evidence);
    deployment.evidence.clone_from(&record.evidence);
    deployment.evidence.sort_by_key(|evidence| evidence.category);
    if mode == EvidenceMode::Rule {
        deployment.evidence.iter_mut().for_each(|evidence| evidence.decayed = None);
    }
    deployment.quarantines.clone_from(&record.quarantines);
    deployment.quarantines.sort_by_key(|quarantine| quarantine.category);
    deployment.penalties.clone_from(&record.penalties);
    deployment.penalties.sort_by_key(|penalty| (penalty.category, penalty.until_unix_ms));
}

/// A later override of the same field wins. A price that the policy states holds for every prompt length, and decides the
/// tier unless the policy states that too.
fn apply(deployment: &mut Deployment, rule: &Override) {
    let mut note = Vec::new();
    let entry = &mut deployment.entry;
    if let Some(price) = rule.input_usd_per_mtok {
        entry.pricing.input_usd_per_mtok = Some(price);
        note.push("inputPrice");
    }
    if let Some(price) = rule.output_usd_per_mtok {
        entry.pricing.output_usd_per_mtok = Some(price);
        note.push("outputPrice");
    }
    if !note.is_empty() {
        entry.pricing.long_context.clear();
        entry.pricing.dynamic &= !entry.pricing.is_known();
        deployment.listed = None;
        if deployment.layers.get("tier") != Some(&Layer::Policy) {
            entry.tier = infer_tier(entry.pricing.input_usd_per_mtok, entry.pricing.output_usd_per_mtok);
        }
    }
    if let Some(tokens) = rule.context_length_tokens {
        entry.context_length_tokens = Some(tokens);
        note.push("contextLengthTokens");
    }
    if let Some(tokens) = rule.max_output_tokens {
        entry.max_output_tokens = Some(tokens);
        note.push("maxOutputTokens");
    }
    if let Some(tier) = rule.tier {
        entry.tier = tier;
        note.push("tier");
    }
    if let Some(strengths) = &rule.strengths {
        entry.strengths.clone_from(strengths);
        note.push("strengths");
    }
    for (said, value, name) in [
        (&mut entry.supports.tools, rule.tools, "tools"),
        (&mut entry.supports.json_schema, rule.json_schema, "jsonSchema"),
        (&mut entry.supports.streaming, rule.streaming, "streaming"),
    ] {
        if value.is_some() {
            *said = value;
            note.push(name);
        }
    }
    deployment.layers.extend(note.into_iter().map(|field| (field.to_owned(), Layer::Policy)));
}
