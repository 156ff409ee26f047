//! From a policy and its catalogs to what a sidecar decides from. Pure.

use std::collections::BTreeMap;

use vox_crds::routing_policy::{PolicyError, RoutingPolicySpec};

use vox_routing::{CatalogInput, PolicySnapshot, compile};

use super::dereference::{Catalogs, Resolved};
use crate::model_catalog_source::validate::validate;

/// Compiles one policy. What it names and is not there is left out; [`unresolved`] says so.
pub(crate) fn policy_snapshot(
    spec: &RoutingPolicySpec,
    name: &str,
    generation: i64,
    catalogs: &Catalogs,
) -> Result<PolicySnapshot, PolicyError> {
    let policy = spec.to_policy(name, generation)?;
    let inputs = spec.catalogs.iter().filter_map(|reference| {
        let Some(Resolved::Found { source, catalog }) = catalogs.get(&reference.name) else { return None };
        Some(CatalogInput {
            source: catalog.source.clone(),
            upstream: {
                // A source whose spec cannot work serves nobody.
                let target = validate(source).ok()?.target;
                spec.upstream(name, &reference.name, target.provider, target.endpoint)
            },
            entries: catalog.entries.clone(),
            tags: Vec::new(),
        })
    });
    let inputs = inputs.collect();
    // What happened is not recorded yet; prices and the contract's rules decide.
    Ok(compile(policy, inputs, &BTreeMap::new()))
}

/// What the policy names and what is not there, each with what to do.
pub(crate) fn unresolved(spec: &RoutingPolicySpec, catalogs: &Catalogs) -> Vec<String> {
    let sentence = |name: &str| match catalogs.get(name) {
        Some(Resolved::Found { source, .. }) => {
            validate(source).err().map(|problem| format!("source {name} cannot be used: {problem}"))
        }
        Some(Resolved::NeverFetched) => {
            Some(format!("source {name} has no catalog yet; `kubectl describe mcat {name}` says why"))
        }
        Some(Resolved::Missing) | None => Some(format!(
            "source {name} does not exist in this namespace; apply a ModelCatalogSource of that name"
        )),
    };
    spec.catalogs.iter().filter_map(|reference| sentence(&reference.name)).collect()
}
