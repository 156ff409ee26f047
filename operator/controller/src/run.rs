//! `run`: every replica serves; the one that holds the lease reconciles.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use arc_swap::ArcSwap;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, Client, CustomResourceExt as _};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use vox_crds::{ModelCatalogSource, RoutingPolicy};
use vox_otlp::Exporter;

use crate::args::RunSettings;
use crate::control_plane::{ControlPlane, Readiness, Shared};
use crate::lease::Elector;
use crate::metrics::Metrics;
use crate::snapshots::Snapshots;
use crate::{
    admission, migrate, model_catalog_source, partitions, retention, routing_policy, scoreboard, serve, tls,
};

const DATABASE: &str = "the database";
const CERTIFICATE: &str = "its certificate";
const CRDS: &str = "its custom resource definitions";
/// What is left to export when everything else has ended gets so long.
const LAST_EXPORT: Duration = Duration::from_secs(5);

/// Runs until it is told to end, or until a part of it ends by itself: then the whole process does, and is started anew.
pub(crate) async fn run(settings: RunSettings) -> anyhow::Result<()> {
    let client = Client::try_default().await.context("failed to configure the Kubernetes client")?;
    let metrics = Metrics::new();
    let exporter = settings.otlp.client();
    let exporter =
        exporter.map(|client| Exporter::new(client, settings.pod_name.clone(), metrics.otlp.clone()));
    let shared: Shared = Arc::new(ControlPlane {
        store: migrate::open(&settings.database)?,
        client,
        metrics,
        exporter,
        authority: ArcSwap::default(),
        certificate: ArcSwap::default(),
        snapshots: Snapshots::default(),
        presences: Default::default(),
        readiness: Readiness::waiting_for(&[DATABASE, CERTIFICATE, CRDS]),
        settings,
    });
    let end = CancellationToken::new();
    let exporting = Exporting::start(&shared);
    let mut parts: JoinSet<anyhow::Result<()>> = JoinSet::new();
    parts.spawn(serve::health(Arc::clone(&shared), end.clone()));
    parts.spawn(serve::admin(Arc::clone(&shared), end.clone()));
    parts.spawn(database(Arc::clone(&shared), end.clone()));
    parts.spawn(control(Arc::clone(&shared), end.clone()));
    parts.spawn(lead(Arc::clone(&shared), end.clone()));
    let ended = tokio::select! {
        () = told_to_end()? => Ok(()),
        first = parts.join_next() => match first {
            Some(Ok(result)) => result.and_then(|()| bail!("a part of the operator ended")),
            Some(Err(panic)) => Err(panic).context("a part of the operator panicked"),
            None => Ok(()),
        },
    };
    tracing::info!("ending");
    end.cancel();
    // Calls in flight and the lease get a moment; then the process ends all the same.
    let rest = async { while parts.join_next().await.is_some() {} };
    if tokio::time::timeout(Duration::from_secs(15), rest).await.is_err() {
        tracing::warn!("some parts did not end in time");
    }
    // The last, since calls in flight have brought something.
    exporting.end().await;
    ended
}

/// The export to a collector. It is no part whose end would end the operator, and goes on until all parts have ended.
struct Exporting {
    end: CancellationToken,
    task: JoinHandle<()>,
}

impl Exporting {
    fn start(shared: &Shared) -> Self {
        let (end, shared) = (CancellationToken::new(), Arc::clone(shared));
        let ended = end.clone();
        let task = tokio::spawn(async move {
            if let Some(exporter) = &shared.exporter {
                exporter.run(ended).await;
            }
        });
        Self { end, task }
    }

    async fn end(self) {
        self.end.cancel();
        // Whatever becomes of it, the process ends then.
        let _ = tokio::time::timeout(LAST_EXPORT, self.task).await;
    }
}

fn told_to_end() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("failed to listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("failed to listen for SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

async fn database(shared: Shared, end: CancellationToken) -> anyhow::Result<()> {
    tokio::select! {
        migrated = migrate::until_migrated(&shared.store) => migrated?,
        () = end.cancelled() => return Ok(()),
    }
    shared.readiness.done(DATABASE);
    let presences = shared.presences.keep(&shared.store, end.clone());
    let snapshots = shared.snapshots.keep(&shared.store, &shared.metrics, end);
    futures::future::join(snapshots, presences).await;
    shared.store.close().await;
    Ok(())
}

async fn control(shared: Shared, end: CancellationToken) -> anyhow::Result<()> {
    let config = tokio::select! {
        config = tls::load(&shared) => config?,
        () = end.cancelled() => return Ok(()),
    };
    shared.readiness.done(CERTIFICATE);
    let keeper = tokio::spawn(tls::keep(Arc::clone(&shared), config.clone()));
    let admission = serve::admission(Arc::clone(&shared), config.clone(), end.clone());
    let served = tokio::try_join!(serve::control(shared, config, end), admission);
    keeper.abort();
    served.map(drop)
}

/// Reconciles while holding the lease. Losing it ends the process: the other replica already reconciles.
async fn lead(shared: Shared, end: CancellationToken) -> anyhow::Result<()> {
    let settings = &shared.settings;
    let elector =
        Elector::new(shared.client.clone(), &settings.namespace, &settings.lease, &settings.pod_name);
    let ready = async {
        crds_established(&shared).await;
        // The children's Jobs are told which authority to trust, so there has to be one.
        while shared.authority.load().is_empty() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        elector.acquire().await;
    };
    tokio::select! {
        () = ready => {}
        () = end.cancelled() => return Ok(()),
    }
    tracing::info!(lease = settings.lease, holder = settings.pod_name, "holding the lease; reconciling");
    shared.metrics.leads(true);
    let stop = end.child_token();
    let sources = model_catalog_source::run(Arc::clone(&shared), stop.clone());
    let policies = routing_policy::run(Arc::clone(&shared), stop.clone());
    let controllers = futures::future::join(sources, policies);
    let result = tokio::select! {
        lost = elector.hold() => Err(lost.context("lost the lease")),
        _ = controllers => if end.is_cancelled() { Ok(()) } else { Err(anyhow::anyhow!("a controller ended")) },
        never = retention::keep(&shared) => match never {},
        never = scoreboard::keep(&shared) => match never {},
        never = partitions::keep(&shared) => match never {},
        never = admission::bundle::keep(&shared) => match never {},
    };
    shared.metrics.leads(false);
    stop.cancel();
    if result.is_ok() {
        elector.release().await;
    }
    result
}

/// Waits for the kinds to be served. A missing CRD is no reason to end: it may be on its way.
async fn crds_established(shared: &Shared) {
    let api: Api<CustomResourceDefinition> = Api::all(shared.client.clone());
    for name in [ModelCatalogSource::crd_name(), RoutingPolicy::crd_name()] {
        established(&api, name).await;
    }
    shared.readiness.done(CRDS);
}

async fn established(api: &Api<CustomResourceDefinition>, name: &str) {
    let mut said = false;
    loop {
        let found = api.get_opt(name).await;
        let conditions = found
            .as_ref()
            .ok()
            .and_then(Option::as_ref)
            .and_then(|crd| crd.status.as_ref()?.conditions.as_ref());
        if conditions
            .into_iter()
            .flatten()
            .any(|condition| condition.type_ == "Established" && condition.status == "True")
        {
            return;
        }
        if !said {
            let error = found.err().map(|error| error.to_string());
            tracing::warn!(
                name,
                error,
                "waiting for the custom resource definition; install charts/vox-crds"
            );
            said = true;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}
