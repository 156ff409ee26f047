//! The authority in the webhook configurations: without it the API server does not trust the operator, and calls it in
//! vain. The leader keeps it current, also when an upgrade or somebody's hand takes it away.

use std::convert::Infallible;
use std::fmt::Debug;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use kube::api::{Patch, PatchParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use vox_contracts::checkup::WebhookFacts;

use crate::control_plane::Shared;

/// How soon a new authority is written, and a patch that failed tried again. A change of the object is seen at once.
const LOOK: Duration = Duration::from_secs(5);

/// A kind of configuration: the names of its webhooks, each with the authority that it trusts.
pub(crate) trait Configuration:
    Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static
{
    fn webhooks(&self) -> Vec<(&str, Option<&ByteString>)>;
}

impl Configuration for MutatingWebhookConfiguration {
    fn webhooks(&self) -> Vec<(&str, Option<&ByteString>)> {
        let webhooks = self.webhooks.iter().flatten();
        webhooks.map(|webhook| (webhook.name.as_str(), webhook.client_config.ca_bundle.as_ref())).collect()
    }
}

impl Configuration for ValidatingWebhookConfiguration {
    fn webhooks(&self) -> Vec<(&str, Option<&ByteString>)> {
        let webhooks = self.webhooks.iter().flatten();
        webhooks.map(|webhook| (webhook.name.as_str(), webhook.client_config.ca_bundle.as_ref())).collect()
    }
}

/// Keeps the authority in both configurations for as long as this replica leads. Their name is the same; with no name
/// there is nothing to keep.
pub(crate) async fn keep(shared: &Shared) -> Infallible {
    match &shared.settings.injection.webhook_configuration {
        Some(name) => {
            let mutating = watch::<MutatingWebhookConfiguration>(shared, name);
            let validating = watch::<ValidatingWebhookConfiguration>(shared, name);
            futures::future::join(mutating, validating).await.0
        }
        None => std::future::pending().await,
    }
}

/// Which webhooks trust the operator as it is; nothing where it keeps none, or may not look.
pub(crate) async fn facts(shared: &Shared) -> Option<WebhookFacts> {
    let name = shared.settings.injection.webhook_configuration.as_ref()?;
    let authority = shared.authority.load();
    let mutating = trust::<MutatingWebhookConfiguration>(shared, name, &authority).await?;
    let validating = trust::<ValidatingWebhookConfiguration>(shared, name, &authority).await?;
    Some(WebhookFacts {
        all: mutating.all + validating.all,
        trusting: mutating.trusting + validating.trusting,
    })
}

async fn trust<K: Configuration>(shared: &Shared, name: &str, authority: &str) -> Option<WebhookFacts> {
    let found = Api::<K>::all(shared.client.clone()).get_opt(name).await.ok()?;
    Some(found.map_or(WebhookFacts { all: 0, trusting: 0 }, |found| counted(&found, authority)))
}

fn counted<K: Configuration>(found: &K, authority: &str) -> WebhookFacts {
    let webhooks = found.webhooks();
    let trusting = webhooks.iter().filter(|(_, bundle)| {
        bundle.is_some_and(|bundle| !authority.is_empty() && bundle.0 == authority.as_bytes())
    });
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    WebhookFacts { all: number(webhooks.len()), trusting: number(trusting.count()) }
}

async fn watch<K: Configuration>(shared: &Shared, name: &str) -> Infallible {
    let api: Api<K> = Api::all(shared.client.clone());
    // By name: the operator may see these two and no others.
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let events = watcher(api.clone(), config).default_backoff();
    let mut events = std::pin::pin!(events);
    let mut seen: Option<K> = None;
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Ok(watcher::Event::Apply(found) | watcher::Event::InitApply(found))) => seen = Some(found),
                Some(Ok(watcher::Event::Delete(_) | watcher::Event::Init)) => seen = None,
                Some(Ok(watcher::Event::InitDone)) => {}
                Some(Err(error)) => tracing::warn!(%error, name, "the watch of a webhook configuration failed; it is restarted"),
                None => std::future::pending().await,
            },
            () = tokio::time::sleep(LOOK) => {}
        }
        let Some(patch) = seen.as_ref().and_then(|seen| patch(seen, &shared.authority.load())) else {
            continue;
        };
        match api.patch(name, &PatchParams::default(), &Patch::Strategic(patch)).await {
            Ok(written) => {
                tracing::info!(name, kind = %K::kind(&()), "wrote the operator's authority into the webhook configuration");
                seen = Some(written);
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    name,
                    kind = %K::kind(&()),
                    "failed to patch the webhook configuration; trying again"
                );
            }
        }
    }
}

/// A strategic merge patch, which finds webhooks by their names and leaves all else; nothing where all is well.
fn patch<K: Configuration>(found: &K, authority: &str) -> Option<Value> {
    let bundle = ByteString(authority.as_bytes().to_vec());
    let stale = found.webhooks().into_iter().filter(|(_, trusted)| *trusted != Some(&bundle));
    let webhooks: Vec<Value> =
        stale.map(|(name, _)| json!({ "name": name, "clientConfig": { "caBundle": bundle } })).collect();
    (!webhooks.is_empty() && !authority.is_empty()).then(|| json!({ "webhooks": webhooks }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration(bundles: [Option<&str>; 2]) -> MutatingWebhookConfiguration {
        let webhooks = ["a.vox.dev", "b.vox.dev"].into_iter().zip(bundles).map(|(name, bundle)| {
            json!({
                "name": name,
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "clientConfig": { "caBundle": bundle.map(|pem| ByteString(pem.as_bytes().to_vec())) },
            })
        });
        serde_json::from_value(json!({ "metadata": {}, "webhooks": webhooks.collect::<Vec<_>>() })).unwrap()
    }

    #[test]
    fn a_webhook_without_the_authority_or_with_an_older_one_gets_it_and_the_others_are_left() {
        let ours = json!({ "webhooks": [{ "name": "b.vox.dev", "clientConfig": { "caBundle": "cGVt" } }] });
        assert_eq!(patch(&configuration([Some("pem"), None]), "pem"), Some(ours.clone()));
        assert_eq!(patch(&configuration([Some("pem"), Some("old")]), "pem"), Some(ours));
    }

    #[test]
    fn a_webhook_that_trusts_another_authority_or_none_is_told_apart() {
        let facts = |bundles, authority| {
            let counted = counted(&configuration(bundles), authority);
            (counted.trusting, counted.all)
        };
        assert_eq!(facts([Some("pem"), Some("old")], "pem"), (1, 2));
        assert_eq!(facts([Some("pem"), Some("pem")], "pem"), (2, 2));
        assert_eq!(facts([Some(""), None], ""), (0, 2), "an authority that is not known yet");
    }

    #[test]
    fn nothing_is_written_where_all_is_well_or_nothing_is_known() {
        assert_eq!(patch(&configuration([Some("pem"), Some("pem")]), "pem"), None);
        assert_eq!(patch(&configuration([None, None]), ""), None);
    }
}
