//! The watches behind the controller: policies, the sources that they name, and what their namespaces demand.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use futures::{Stream, StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::controller::Config as ControllerConfig;
use kube::runtime::reflector::{self, ObjectRef, Store as Cache};
use kube::runtime::{Controller, Predicate as _, WatchStreamExt as _, predicates, watcher};
use kube::{Api, Client, Resource as _, ResourceExt as _};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use vox_crds::{ModelCatalogSource, demands};

use super::forget::forget_missing;
use super::siblings::{Siblings, to_look_at};
use super::{CONTROLLER, Context, Guarded, budget, evidence, failed, reconcile, sidecars};
use crate::context::Backoff;
use crate::control_plane::Shared;
use crate::events::Teller;

type Source = DeserializeGuard<ModelCatalogSource>;

/// Reconciles until told to end.
pub(crate) async fn run(shared: Shared, end: CancellationToken) {
    let client = shared.client.clone();
    let (policies, writer) = reflector::store();
    let gone = Arc::new(Notify::new());
    let (deleted, metrics) = (Arc::clone(&gone), Arc::clone(&shared));
    let (siblings, told) = Siblings::new();
    let (seeing, known) = (siblings.clone(), policies.clone());
    let events = watcher(Api::<Guarded>::all(client.clone()), watcher::Config::default())
        .default_backoff()
        .modify(|policy: &mut Guarded| policy.meta_mut().managed_fields = None)
        .inspect_ok(move |event| seeing.see(&known, event))
        .reflect(writer)
        .inspect_ok(move |event| {
            if let watcher::Event::Delete(policy) = event {
                let namespace = policy.namespace().unwrap_or_default();
                metrics.metrics.forget_policy(&namespace, &policy.name_any());
                deleted.notify_one();
            }
        })
        .applied_objects()
        .predicate_filter(predicates::generation.combine(predicates::annotations), Default::default());
    let context = Arc::new(Context {
        teller: Teller::new(client.clone(), shared.settings.pod_name.clone()),
        backoff: Backoff::default(),
        namespaces: Default::default(),
        built: Default::default(),
        evidence: Default::default(),
        missing: Default::default(),
        policies: policies.clone(),
        gone,
        siblings,
        programming: Default::default(),
        shared: Arc::clone(&shared),
    });
    let forget = tokio::spawn(forget_missing(Arc::clone(&context), end.clone()));
    let count = tokio::spawn(sidecars::count(Arc::clone(&context)));
    let happened = Arc::clone(&context);
    let happened = tokio::spawn(async move { evidence::keep(&happened).await });
    let money = Arc::clone(&context);
    let money = tokio::spawn(async move { budget::keep(&money).await });
    let (named, governed) = (policies.clone(), policies.clone());
    let siblings = to_look_at(told, policies.clone());
    let config = ControllerConfig::default().concurrency(shared.settings.concurrency);
    Controller::for_stream(events, policies)
        .with_config(config)
        .watches_stream(catalogs(client.clone()), move |source: Source| naming(&named, &source))
        .watches_stream(namespaces(client), move |namespace| within(&governed, &namespace.name_any()))
        .reconcile_on(siblings)
        .graceful_shutdown_on(end.cancelled_owned())
        .run(reconcile, failed, context)
        .for_each(async |result| {
            // Errors of the reconcile itself are logged where they are counted.
            if let Err(kube::runtime::controller::Error::QueueError(error)) = result {
                tracing::warn!(%error, controller = CONTROLLER, "a watch failed; it is restarted");
            }
        })
        .await;
    forget.abort();
    count.abort();
    money.abort();
    happened.abort();
}

/// Sources whose catalog, endpoint or existence changed; most of what a status says is of no interest to a policy.
fn catalogs(client: Client) -> impl Stream<Item = Result<Source, watcher::Error>> + Send {
    let changed = |source: &Source| {
        let source = source.0.as_ref().ok()?;
        let mut hasher = DefaultHasher::new();
        source.metadata.generation.hash(&mut hasher);
        source.metadata.deletion_timestamp.is_some().hash(&mut hasher);
        source.status.as_ref()?.catalog.as_ref().map(|catalog| &catalog.digest).hash(&mut hasher);
        Some(hasher.finish())
    };
    watcher(Api::<Source>::all(client), watcher::Config::default())
        .default_backoff()
        .map_ok(|event| match event {
            // An object that is gone looks as it did before, and would be taken for unchanged.
            watcher::Event::Delete(mut source) => {
                source.meta_mut().deletion_timestamp.get_or_insert(Time(Timestamp::now()));
                watcher::Event::Delete(source)
            }
            other => other,
        })
        .touched_objects()
        .predicate_filter(changed, Default::default())
}

/// Namespaces whose demands changed.
fn namespaces(
    client: Client,
) -> impl Stream<Item = Result<PartialObjectMeta<Namespace>, watcher::Error>> + Send {
    let changed = |namespace: &PartialObjectMeta<Namespace>| {
        let mut hasher = DefaultHasher::new();
        demands::of(&namespace.metadata).hash(&mut hasher);
        Some(hasher.finish())
    };
    watcher(Api::<PartialObjectMeta<Namespace>>::all(client), watcher::Config::default())
        .default_backoff()
        .applied_objects()
        .predicate_filter(changed, Default::default())
}

/// The policies of a namespace.
fn within(policies: &Cache<Guarded>, namespace: &str) -> Vec<ObjectRef<Guarded>> {
    let policies = policies.state();
    let here = policies.iter().filter(|policy| policy.namespace().as_deref() == Some(namespace));
    here.map(|policy| ObjectRef::from_obj(&**policy)).collect()
}

/// The policies that name a source.
fn naming(policies: &Cache<Guarded>, source: &Source) -> Vec<ObjectRef<Guarded>> {
    let (namespace, name) = (source.namespace(), source.name_any());
    let names = |policy: &Guarded| {
        policy.0.as_ref().is_ok_and(|policy| policy.spec.catalogs.iter().any(|catalog| catalog.name == name))
    };
    let policies = policies.state();
    let naming = policies.iter().filter(|policy| policy.namespace() == namespace && names(policy));
    naming.map(|policy| ObjectRef::from_obj(&**policy)).collect()
}
