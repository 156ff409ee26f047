//! From a policy and its catalogs to what a sidecar decides from. Pure.

use std::collections::BTreeMap;

use vox_crds::routing_policy::{PolicyError, RoutingPolicySpec};
use vox_routing::policy::Demands;
use vox_routing::{CatalogInput, Policy, PolicySnapshot, compile};

use super::resolve::Catalogs;

/// Compiles one policy. What it names and never had a catalog is left out;
/// [`unresolved`](super::resolve::unresolved) says so.
pub(crate) fn policy_snapshot(
    spec: &RoutingPolicySpec,
    name: &str,
    generation: i64,
    catalogs: &Catalogs,
    demands: &Demands,
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
    let inputs = inputs.collect();
    // What happened is not recorded yet; prices and the contract's rules decide.
    Ok(compile(policy, inputs, &BTreeMap::new()))
}
