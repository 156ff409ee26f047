//! The watches behind the controller. One watch per kind, each cache filled by the same events that trigger a reconcile.

use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::core::DeserializeGuard;
use kube::runtime::controller::Config as ControllerConfig;
use kube::runtime::reflector::{self, ObjectRef, Store as Cache};
use kube::runtime::{Controller, Predicate as _, WatchStreamExt as _, predicates, watcher};
use kube::{Api, Resource, ResourceExt as _};
use tokio_util::sync::CancellationToken;
use vox_crds::ModelCatalogSource;

use super::dereference::Children;
use super::places::Places;
use super::prices::Overlaid;
use super::{CONTROLLER, Context, failed, reconcile, retire_missing};
use crate::context::{Backoff, filled};
use crate::control_plane::Shared;
use crate::events::Teller;
use crate::names::{MANAGED_SELECTOR, SOURCE_LABEL};

type Guarded = DeserializeGuard<ModelCatalogSource>;

/// How often the store is told which sources still exist.
const RETIRE: Duration = Duration::from_secs(60);

/// Reconciles until told to end.
pub(crate) async fn run(shared: Shared, end: CancellationToken) {
    let client = shared.client.clone();
    let (sources, source_events) = sources(&shared);
    let ours = watcher::Config::default().labels(MANAGED_SELECTOR);
    let (service_accounts, account_writer) = reflector::store();
    let account_events = watcher(Api::<ServiceAccount>::all(client.clone()), ours.clone())
        .default_backoff()
        .modify(ServiceAccount::forget_managers)
        .reflect(account_writer)
        .touched_objects();
    let (cron_jobs, cron_job_writer) = reflector::store();
    let cron_job_events = watcher(Api::<CronJob>::all(client.clone()), ours.clone())
        .default_backoff()
        .modify(CronJob::forget_managers)
        .reflect(cron_job_writer)
        .touched_objects();
    let (jobs, job_writer) = reflector::store();
    let job_events = watcher(Api::<Job>::all(client.clone()), ours)
        .default_backoff()
        .modify(Job::forget_managers)
        .reflect(job_writer)
        .touched_objects();
    let context = Arc::new(Context {
        teller: Teller::new(client, shared.settings.pod_name.clone()),
        children: Children { service_accounts, cron_jobs, jobs },
        places: Places::default(),
        overlaid: Overlaid::default(),
        backoff: Backoff::default(),
        shared: Arc::clone(&shared),
    });
    let retire = tokio::spawn(retire(Arc::clone(&context), sources.clone(), end.clone()));
    // The default would reconcile every object at once.
    let config = ControllerConfig::default().concurrency(shared.settings.concurrency);
    Controller::for_stream(source_events, sources)
        .with_config(config)
        .owns_stream(account_events)
        .owns_stream(cron_job_events)
        .watches_stream(job_events, |job: Job| source_of(&job))
        .graceful_shutdown_on(end.cancelled_owned())
        .run(reconcile, failed, context)
        .for_each(async |result| {
            // Errors of the reconcile itself are logged where they are counted.
            if let Err(kube::runtime::controller::Error::QueueError(error)) = result {
                tracing::warn!(%error, controller = CONTROLLER, "a watch failed; it is restarted");
            }
        })
        .await;
    retire.abort();
}

/// Sources, and the events on them that call for a reconcile: a new spec, or an annotation. Status is our own writing.
fn sources(
    shared: &Shared,
) -> (Cache<Guarded>, impl Stream<Item = Result<Guarded, watcher::Error>> + Send + use<>) {
    let (cache, writer) = reflector::store();
    let metrics = Arc::clone(shared);
    let events = watcher(Api::<Guarded>::all(shared.client.clone()), watcher::Config::default())
        .default_backoff()
        .inspect_ok(move |event| {
            if let watcher::Event::Delete(source) = event {
                metrics.metrics.forget(&source.namespace().unwrap_or_default(), &source.name_any());
            }
        })
        .modify(Guarded::forget_managers)
        .reflect(writer)
        .applied_objects()
        .predicate_filter(predicates::generation.combine(predicates::annotations), Default::default());
    (cache, events)
}

fn source_of(job: &Job) -> Option<ObjectRef<Guarded>> {
    let name = job.labels().get(SOURCE_LABEL)?;
    Some(ObjectRef::new(name).within(&job.namespace()?))
}

async fn retire(context: Arc<Context>, sources: Cache<Guarded>, end: CancellationToken) {
    if !filled(&sources).await {
        return;
    }
    while !end.is_cancelled() {
        let alive: Vec<String> = sources.state().iter().filter_map(|source| source.uid()).collect();
        context.overlaid.keep_only(&alive);
        retire_missing(&alive, &context.shared.store).await;
        tokio::time::sleep(RETIRE).await;
    }
}

/// Managed fields are half of an object's size, and nobody here reads them.
trait ForgetManagers {
    fn forget_managers(&mut self);
}

impl<K: Resource> ForgetManagers for K {
    fn forget_managers(&mut self) {
        self.meta_mut().managed_fields = None;
    }
}
