//! The newest snapshot of each namespace that somebody follows, in every replica. Postgres tells when one is new; it is
//! read once and sent to all who wait, so that a thousand sidecars cost the database one query.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use vox_store::Store;

use crate::metrics::Metrics;

mod line;

pub(crate) use line::Line;

/// How often everything is read again, whether told or not: a notice can be lost with the connection.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// How long to wait before listening anew to a database that went away.
const LISTEN_AGAIN: Duration = Duration::from_secs(2);

/// A snapshot as it is sent.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) version: u64,
    line: Line,
}

impl Sent {
    pub(crate) fn new(version: u64, line: Line) -> Self {
        Self { version, line }
    }

    /// What a reader gets, who takes gzip or does not.
    pub(crate) fn line(&self, gzip: bool) -> Bytes {
        if gzip { self.line.gzip() } else { self.line.plain() }
    }
}

type Newest = watch::Sender<Option<Arc<Sent>>>;

/// Who follows which namespace.
#[derive(Debug, Default)]
pub(crate) struct Snapshots {
    namespaces: Mutex<HashMap<String, Newest>>,
}

impl Snapshots {
    /// The newest snapshot of a namespace, now and from now on.
    ///
    /// # Errors
    /// When nobody follows it yet and the database does not answer.
    pub(crate) async fn follow(
        &self,
        store: &Store,
        namespace: &str,
    ) -> vox_store::Result<watch::Receiver<Option<Arc<Sent>>>> {
        if let Some(known) = self.lock().get(namespace) {
            return Ok(known.subscribe());
        }
        let receiver =
            self.lock().entry(namespace.to_owned()).or_insert_with(|| watch::channel(None).0).subscribe();
        self.read(store, namespace).await?;
        Ok(receiver)
    }

    /// Keeps everything that is followed up to date until told to end.
    pub(crate) async fn keep(&self, store: &Store, metrics: &Metrics, end: CancellationToken) {
        while !end.is_cancelled() {
            tokio::select! {
                () = self.listen(store, metrics) => {}
                () = end.cancelled() => return,
            }
            tokio::time::sleep(LISTEN_AGAIN).await;
        }
    }

    /// Returns when the database has gone away.
    async fn listen(&self, store: &Store, metrics: &Metrics) {
        let mut notices = match store.watch_snapshots().await {
            Ok(notices) => notices,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "failed to listen for snapshots");
                return;
            }
        };
        // Whatever came while nobody listened.
        let mut all = true;
        loop {
            if all && !self.read_all(store).await {
                return;
            }
            match tokio::time::timeout(LOOK_AGAIN, notices.next()).await {
                Ok(Ok(Some(namespace))) => {
                    let begun = Instant::now();
                    all = self.is_followed(&namespace) && self.read(store, &namespace).await.is_err();
                    metrics.policy_stage("read", begun);
                }
                Ok(Ok(None)) | Err(_) => all = true,
                Ok(Err(_)) => return,
            }
        }
    }

    async fn read_all(&self, store: &Store) -> bool {
        for namespace in self.followed() {
            if let Err(error) = self.read(store, &namespace).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    namespace,
                    "failed to read a snapshot"
                );
                return false;
            }
        }
        true
    }

    async fn read(&self, store: &Store, namespace: &str) -> vox_store::Result<()> {
        let known = self.lock().get(namespace).and_then(|newest| Some(newest.borrow().as_ref()?.version));
        let Some(stored) = store.snapshot_after(namespace, known.unwrap_or_default()).await? else {
            return Ok(());
        };
        let sent = Arc::new(Sent::new(stored.version, Line::of_stored(stored.document)));
        if let Some(newest) = self.lock().get(namespace) {
            // Two reads may end in the other order; versions only go forwards.
            newest.send_if_modified(|newest| {
                let newer = newest.as_ref().is_none_or(|newest| newest.version < sent.version);
                if newer {
                    *newest = Some(sent);
                }
                newer
            });
        }
        Ok(())
    }

    /// What is followed; what nobody follows any more is forgotten on the way.
    fn followed(&self) -> Vec<String> {
        let mut namespaces = self.lock();
        namespaces.retain(|_, newest| newest.receiver_count() > 0);
        namespaces.keys().cloned().collect()
    }

    fn is_followed(&self, namespace: &str) -> bool {
        self.lock().contains_key(namespace)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Newest>> {
        self.namespaces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
