//! Where requests to a source's models go, as a policy has it.

use std::collections::BTreeMap;

use vox_contracts::ProviderType;
use vox_contracts::generated::providers::{AuthStyle, ChatRouteBackend};
use vox_routing::Upstream;

use super::RoutingPolicySpec;

impl RoutingPolicySpec {
    /// The upstream of a source that this policy names. `policy` is the policy's name, `endpoint` the provider's base URL.
    #[must_use]
    pub fn upstream(&self, policy: &str, source: &str, provider: ProviderType, endpoint: String) -> Upstream {
        let name = provider.to_string();
        let info = provider.info();
        let keyed = self.credentials.iter().any(|credential| credential.provider == name);
        let auth = auth(&provider, keyed);
        Upstream {
            name: source.to_owned(),
            base_url: endpoint,
            route: info.map_or(ChatRouteBackend::OpenaiCompatible, |info| info.route_kind),
            auth,
            credential: (auth != AuthStyle::None).then(|| format!("{policy}/{name}")),
            headers: info.map_or_else(BTreeMap::new, |info| {
                info.headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
            }),
            local: info.is_some_and(|info| info.local),
            provider,
        }
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
