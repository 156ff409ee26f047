//! From a policy and its catalogs to what a sidecar decides from. Pure.

use std::collections::BTreeMap;

use vox_contracts::model_key::server_key;
use vox_crds::routing_policy::{PolicyError, RoutingPolicySpec};
use vox_routing::policy::Demands;
use vox_routing::{CatalogInput, Policy, PolicySnapshot, Record, compile};

use super::evidence::Observations;
use super::resolve::Catalogs;

/// Compiles one policy. What it names and never had a catalog is left out;
/// [`unresolved`](super::resolve::unresolved) says so.
pub(crate) fn policy_snapshot(
    spec: &RoutingPolicySpec,
    name: &str,
    generation: i64,
    catalogs: &Catalogs,
    demands: &Demands,
    observations: &Observations,
) -> Result<PolicySnapshot, PolicyError> {
    let policy = Policy { demands: demands.clone(), ..spec.to_policy(name, generation)? };
    let inputs = spec.catalogs.iter().filter_map(|reference| {
        let models = catalogs.get(&reference.name)?.models.as_ref()?;
        Some(CatalogInput {
            source: models.catalog.source.clone(),
            upstream: spec.upstream(
                name,
                &reference.name,
                models.upstream.provider.clone(),
                models.upstream.base_url.clone(),
            ),
            entries: models.catalog.entries.clone(),
            tags: models.upstream.tags.clone(),
        })
    });
    let inputs: Vec<CatalogInput> = inputs.collect();
    let seen = inputs.iter().filter_map(|input| {
        let upstream = &input.upstream;
        let server = observations.at(&server_key(&upstream.provider, &upstream.base_url))?;
        Some(server.iter().map(|(model, record)| (format!("{}/{model}", upstream.name), record.clone())))
    });
    let records: BTreeMap<String, Record> = seen.flatten().collect();
    Ok(compile(policy, inputs, &records))
}
