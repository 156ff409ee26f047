//! From a policy and its catalogs to what a sidecar decides from. Pure.

use std::collections::BTreeMap;

use vox_contracts::ProviderType;
use vox_contracts::generated::providers::{AuthStyle, ChatRouteBackend};
use vox_crds::routing_policy::{PolicyError, RoutingPolicySpec};
use vox_routing::{CatalogInput, PolicySnapshot, Upstream, compile};
use vox_store::routing::SourceUpstream;

use super::resolve::Catalogs;

/// Compiles one policy. What it names and never had a catalog is left out;
/// [`unresolved`](super::resolve::unresolved) says so.
pub(crate) fn policy_snapshot(
    spec: &RoutingPolicySpec,
    name: &str,
    generation: i64,
    catalogs: &Catalogs,
) -> Result<PolicySnapshot, PolicyError> {
    let policy = spec.to_policy(name, generation)?;
    let inputs = spec.catalogs.iter().filter_map(|reference| {
        let models = catalogs.get(&reference.name)?.models.as_ref()?;
        Some(CatalogInput {
            source: models.catalog.source.clone(),
            upstream: upstream(&models.upstream, &reference.name, spec, name),
            entries: models.catalog.entries.clone(),
            tags: Vec::new(),
        })
    });
    let inputs = inputs.collect();
    // What happened is not recorded yet; prices and the contract's rules decide.
    Ok(compile(policy, inputs, &BTreeMap::new()))
}

/// Where requests to a source's models go.
fn upstream(target: &SourceUpstream, name: &str, spec: &RoutingPolicySpec, policy: &str) -> Upstream {
    let provider = target.provider.to_string();
    let info = target.provider.info();
    let keyed = spec.credentials.iter().any(|credential| credential.provider == provider);
    let auth = auth(&target.provider, keyed);
    Upstream {
        name: name.to_owned(),
        base_url: target.base_url.clone(),
        route: info.map_or(ChatRouteBackend::OpenaiCompatible, |info| info.route_kind),
        auth,
        credential: (auth != AuthStyle::None).then(|| format!("{policy}/{provider}")),
        headers: info.map_or_else(BTreeMap::new, |info| {
            info.headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        }),
        local: info.is_some_and(|info| info.local),
        provider: target.provider.clone(),
    }
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
