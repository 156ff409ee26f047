use std::sync::Arc;

use arc_swap::ArcSwap;
use kube::Client;
use vox_otlp::Exporter;
use vox_store::Store;

use crate::args::RunSettings;
use crate::metrics::Metrics;
use crate::presence::Presences;
use crate::snapshots::Snapshots;

/// What every part of a running operator shares.
pub(crate) struct ControlPlane {
    pub(crate) client: Client,
    pub(crate) store: Store,
    pub(crate) metrics: Metrics,
    pub(crate) settings: RunSettings,
    /// Certificates of the authority that Jobs are told to trust, PEM; more than one while it changes.
    pub(crate) authority: ArcSwap<String>,
    /// The certificate that is shown to callers now, PEM, without its key.
    pub(crate) certificate: ArcSwap<Vec<u8>>,
    /// What sidecars are sent.
    pub(crate) snapshots: Snapshots,
    /// Which sidecars this replica serves.
    pub(crate) presences: Arc<Presences>,
    /// Sends what happened to a collector, where one is named.
    pub(crate) exporter: Option<Exporter>,
    /// Which parts are not ready yet.
    pub(crate) readiness: Readiness,
}

impl ControlPlane {
    /// The URL under which Jobs and sidecars reach the control API.
    pub(crate) fn url(&self) -> String {
        format!("https://{}:{}", self.host(), self.settings.listen.port())
    }

    /// The host name that the certificate is for.
    pub(crate) fn host(&self) -> String {
        format!("{}.{}.svc", self.settings.service, self.settings.namespace)
    }
}

/// The parts a replica waits for before it is ready. Each turns ready once and stays so: a database that goes away later
/// is reported where it hurts, and taking all replicas out of the Service would help nobody.
#[derive(Debug, Default)]
pub(crate) struct Readiness {
    pending: std::sync::Mutex<Vec<&'static str>>,
}

impl Readiness {
    pub(crate) fn waiting_for(parts: &[&'static str]) -> Self {
        Self { pending: std::sync::Mutex::new(parts.to_vec()) }
    }

    pub(crate) fn done(&self, part: &'static str) {
        self.pending.lock().unwrap_or_else(std::sync::PoisonError::into_inner).retain(|other| *other != part);
    }

    pub(crate) fn pending(&self) -> Vec<&'static str> {
        self.pending.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

/// Shared by reference from every task.
pub(crate) type Shared = Arc<ControlPlane>;
