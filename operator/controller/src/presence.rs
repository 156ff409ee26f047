//! Which sidecars this replica serves. They are written to the database together, so that a thousand of them cost it one
//! statement and not a thousand.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use vox_store::Store;
use vox_store::routing::SidecarPresence;

/// How often each sidecar is seen again; one that was not seen for three times as long counts as gone.
const SEEN_AGAIN: Duration = Duration::from_secs(25);
/// How long changes are gathered before they are written: a new snapshot goes to all sidecars of a namespace at once.
const GATHER: Duration = Duration::from_secs(1);
/// Streams that one pod may have at once: one for each of its sidecars, and the one that is just being replaced.
const MOST_OF_A_POD: usize = 8;
/// The same for a `ServiceAccount` whose token is bound to no pod: nobody can tell how many pods share it.
const MOST_OF_AN_ACCOUNT: usize = 256;

/// All streams of this replica.
#[derive(Debug, Default)]
pub(crate) struct Presences {
    streams: Mutex<Streams>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Streams {
    open: HashMap<Uuid, Stream>,
    ended: Vec<Uuid>,
}

#[derive(Debug)]
struct Stream {
    caller: Caller,
    presence: SidecarPresence,
    /// The database does not know it like this yet.
    is_new: bool,
}

/// Whose stream it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    /// A pod of the namespace.
    Pod(String),
    /// A `ServiceAccount` of the namespace, whose token names no pod.
    Account(String),
}

/// A stream that is open until this is dropped.
#[derive(Debug)]
pub(crate) struct Open {
    presences: Arc<Presences>,
    stream: Uuid,
}

impl Open {
    /// Notes the version that the sidecar was sent.
    pub(crate) fn sent(&self, version: u64) {
        if let Some(stream) = self.presences.lock().open.get_mut(&self.stream) {
            stream.presence.version = version;
            stream.is_new = true;
        }
        self.presences.changed.notify_one();
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut streams = self.presences.lock();
        streams.open.remove(&self.stream);
        streams.ended.push(self.stream);
        drop(streams);
        self.presences.changed.notify_one();
    }
}

impl Presences {
    /// Opens a stream; `None` when the caller has too many already. `version` and `missing` are what the sidecar says of
    /// itself.
    pub(crate) fn open(
        self: &Arc<Self>,
        namespace: &str,
        caller: Caller,
        policy: Option<String>,
        version: u64,
        missing: Vec<String>,
    ) -> Option<Open> {
        let stream = Uuid::now_v7();
        let (pod, most) = match &caller {
            Caller::Pod(pod) => (pod.clone(), MOST_OF_A_POD),
            // Each stream counts as a sidecar of its own.
            Caller::Account(account) => (format!("{account}/{stream}"), MOST_OF_AN_ACCOUNT),
        };
        let presence =
            SidecarPresence { namespace: namespace.to_owned(), pod, policy, stream, version, missing };
        let mut streams = self.lock();
        let of_caller =
            |open: &&Stream| open.caller == caller && open.presence.namespace == presence.namespace;
        if streams.open.values().filter(of_caller).count() >= most {
            return None;
        }
        streams.open.insert(stream, Stream { caller, presence, is_new: true });
        drop(streams);
        self.changed.notify_one();
        Some(Open { presences: Arc::clone(self), stream })
    }

    /// Keeps the database up to date until told to end. What is left then nobody sees any more, and it is removed.
    pub(crate) async fn keep(&self, store: &Store, end: CancellationToken) {
        let mut again = interval(SEEN_AGAIN);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let gathered = async || {
            self.changed.notified().await;
            sleep(GATHER).await;
        };
        loop {
            let all = tokio::select! {
                _ = again.tick() => true,
                () = gathered() => false,
                () = end.cancelled() => return,
            };
            let (seen, ended) = self.take(all);
            if let Err(error) = write(store, &seen, &ended).await {
                // All are seen again soon, and those that ended are not.
                tracing::warn!(error = &error as &dyn std::error::Error, "failed to record sidecars");
            }
        }
    }

    /// What is to be written: all that is open, or only what is new; and what ended.
    fn take(&self, all: bool) -> (Vec<SidecarPresence>, Vec<Uuid>) {
        let mut streams = self.lock();
        let seen = streams.open.values_mut().filter(|stream| all || stream.is_new);
        let seen = seen
            .map(|stream| {
                stream.is_new = false;
                stream.presence.clone()
            })
            .collect();
        (seen, std::mem::take(&mut streams.ended))
    }

    fn lock(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn write(store: &Store, seen: &[SidecarPresence], ended: &[Uuid]) -> vox_store::Result<()> {
    if !seen.is_empty() {
        store.see_sidecars(seen).await?;
    }
    store.forget_sidecars(ended).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str) -> Caller {
        Caller::Pod(name.to_owned())
    }

    fn seen(presences: &Presences, all: bool) -> Vec<(String, u64)> {
        presences.take(all).0.into_iter().map(|one| (one.pod, one.version)).collect()
    }

    #[test]
    fn a_sidecar_is_written_when_it_comes_when_it_is_sent_a_version_and_when_all_are() {
        let presences = Arc::new(Presences::default());
        let open = presences.open("shop", pod("a"), None, 6, Vec::new()).unwrap();
        assert_eq!(seen(&presences, false), [("a".to_owned(), 6)]);
        assert_eq!(seen(&presences, false), []);
        open.sent(7);
        assert_eq!(seen(&presences, false), [("a".to_owned(), 7)]);
        assert_eq!(seen(&presences, true), [("a".to_owned(), 7)]);
        let stream = open.stream;
        drop(open);
        assert_eq!(presences.take(true), (Vec::new(), vec![stream]));
        assert_eq!(presences.take(true), (Vec::new(), Vec::new()), "an end is told once");
    }

    #[test]
    fn a_pod_has_few_streams_and_the_pods_of_other_namespaces_are_others() {
        let presences = Arc::new(Presences::default());
        let open = |namespace| presences.open(namespace, pod("a"), None, 0, Vec::new());
        let mut streams: Vec<Open> = (0..MOST_OF_A_POD).map(|_| open("shop").unwrap()).collect();
        assert!(open("shop").is_none());
        assert!(open("office").is_some());
        streams.pop();
        assert!(open("shop").is_some(), "one that ended makes room");
    }

    #[test]
    fn sidecars_whose_tokens_name_no_pod_are_told_apart() {
        let presences = Arc::new(Presences::default());
        let account = || Caller::Account("gateway".to_owned());
        let open = || presences.open("shop", account(), None, 0, Vec::new());
        let _streams = [open(), open()];
        let pods = seen(&presences, true);
        assert_ne!(pods[0], pods[1]);
        assert!(pods[0].0.starts_with("gateway/"), "{pods:?}");
    }
}
