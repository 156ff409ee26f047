//! The policies of all namespaces, as every replica knows them: the one that reconciles has a watch of its own.

use std::convert::Infallible;

use futures::StreamExt as _;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::{self, Store as Cache};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, Resource as _, ResourceExt as _};
use tokio::sync::OnceCell;
use vox_crds::RoutingPolicy;

use super::inject::{Policy, ProviderKey};

type Guarded = DeserializeGuard<RoutingPolicy>;

/// What is known of policies.
#[derive(Debug, Default)]
pub(crate) struct Policies {
    /// There from the moment in which the watch has listed what is there.
    cache: OnceCell<Cache<Guarded>>,
}

impl Policies {
    /// Watches for as long as the process lives.
    pub(crate) async fn watch(&self, client: Client) -> Infallible {
        let (cache, writer) = reflector::store();
        let events = watcher(Api::<Guarded>::all(client), watcher::Config::default())
            .default_backoff()
            .modify(|policy: &mut Guarded| policy.meta_mut().managed_fields = None)
            .reflect(writer);
        let mut events = std::pin::pin!(events);
        loop {
            match events.next().await {
                // The reflector has taken it already.
                Some(Ok(watcher::Event::InitDone)) => _ = self.cache.set(cache.clone()),
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    tracing::warn!(%error, "the watch of policies for admission failed; it is restarted")
                }
                None => std::future::pending().await,
            }
        }
    }

    /// The policies of a namespace by name; nothing while they are not known.
    pub(crate) fn of(&self, namespace: &str) -> Option<Vec<Policy>> {
        let policies = self.cache.get()?.state();
        let here = policies.iter().filter(|policy| {
            policy.namespace().as_deref() == Some(namespace) && policy.meta().deletion_timestamp.is_none()
        });
        let mut found: Vec<Policy> =
            here.filter_map(|policy| policy.0.as_ref().ok()).map(Policy::from).collect();
        found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Some(found)
    }
}

impl From<&RoutingPolicy> for Policy {
    fn from(policy: &RoutingPolicy) -> Self {
        let keys = policy.spec.credentials.iter().map(|credential| ProviderKey {
            provider: credential.provider.clone(),
            secret: credential.secret_ref.name.clone(),
            key: credential.secret_ref.key.clone(),
        });
        Self { name: policy.name_any(), default: policy.spec.is_default, keys: keys.collect() }
    }
}
