//! From a policy and its catalogs to what a sidecar decides from. Pure.

use std::collections::BTreeMap;

use vox_contracts::ProviderType;
use vox_contracts::generated::providers::{AuthStyle, ChatRouteBackend};
use vox_crds::ModelCatalogSource;
use vox_crds::routing_policy::{PolicyError, RoutingPolicySpec};

use vox_routing::{CatalogInput, PolicySnapshot, Upstream, compile};

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
            upstream: upstream(source, &reference.name, spec, name)?,
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

/// Where requests to a source's models go. `None` when the source's spec cannot work.
fn upstream(
    source: &ModelCatalogSource,
    name: &str,
    spec: &RoutingPolicySpec,
    policy: &str,
) -> Option<Upstream> {
    let target = validate(source).ok()?.target;
    let provider = target.provider.to_string();
    let info = target.provider.info();
    let keyed = spec.credentials.iter().any(|credential| credential.provider == provider);
    let auth = auth(&target.provider, keyed);
    Some(Upstream {
        name: name.to_owned(),
        base_url: target.endpoint,
        route: info.map_or(ChatRouteBackend::OpenaiCompatible, |info| info.route_kind),
        auth,
        credential: (auth != AuthStyle::None).then(|| format!("{policy}/{provider}")),
        headers: info.map_or_else(BTreeMap::new, |info| {
            info.headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        }),
        local: info.is_some_and(|info| info.local),
        provider: target.provider,
    })
}

/// A provider of the contract is asked as the contract says. One's own server takes a key if the policy has one for it.
fn auth(provider: &ProviderType, keyed: bool) -> AuthStyle {
    match provider.info() {
        Some(info) if info.auth_style != AuthStyle::None && (keyed || info.credential.is_some()) => {
            info.auth_style
        }
        _ if keyed => AuthStyle::Bearer,
        _ => AuthStyle::None,
    }
}
