//! What happened, for all policies: read when the roll-up has written, and when a penalty is told. The snapshots of the
//! namespaces whose servers it concerns are published at once; their policies tell of it in their status after that.

mod observations;
mod quarantine;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use jiff::Timestamp;
use tokio::sync::Mutex as AsyncMutex;
use vox_contracts::model_key::server_key;
use vox_routing::PolicySnapshot;
use vox_store::Store;
use vox_store::evidence::{BilledPrice, EvidenceMark, PenaltyWatch, QuarantineHeld, Scored};

use super::{Context, publish};
use crate::context::filled;

pub(crate) use observations::{Observations, Server};

use super::resolve::Catalogs;

/// Between two looks: penalties are told, the rest is written every two minutes.
const LOOK: Duration = Duration::from_secs(3);
/// How many namespaces are published at a time.
const AT_ONCE: usize = 8;
/// Before listening anew to a database that went away.
const LISTEN_AGAIN: Duration = Duration::from_secs(2);

/// What is known of what happened.
#[derive(Debug, Default)]
pub(crate) struct Known {
    read: AsyncMutex<Option<Read>>,
    /// Servers of each namespace's snapshot.
    servers: Mutex<HashMap<String, BTreeSet<String>>>,
}

#[derive(Debug)]
struct Read {
    mark: EvidenceMark,
    scored: Vec<Scored>,
    billed: Vec<BilledPrice>,
    quarantines: Vec<QuarantineHeld>,
    now: Arc<Observations>,
}

impl Known {
    /// What happened, as it was last read; read now where it never was, so that the first snapshot of a new leader is no
    /// other than the last one's.
    pub(crate) async fn now(&self, store: &Store) -> vox_store::Result<Arc<Observations>> {
        let mut read = self.read.lock().await;
        if let Some(read) = &*read {
            return Ok(Arc::clone(&read.now));
        }
        let first = look(store, None).await?;
        let now = Arc::clone(&first.now);
        *read = Some(first);
        Ok(now)
    }

    /// Reads again; the servers of which something else is known than before, and how many quarantines hold.
    async fn look_again(&self, store: &Store) -> vox_store::Result<(Vec<String>, usize)> {
        let mut read = self.read.lock().await;
        let before = read.as_ref().map(|read| Arc::clone(&read.now)).unwrap_or_default();
        let after = look(store, read.take()).await?;
        let differing: Vec<String> =
            after.now.differing(&before).into_iter().map(ToOwned::to_owned).collect();
        let quarantines = after.quarantines.len();
        *read = Some(after);
        Ok((differing, quarantines))
    }

    /// Remembers which servers a namespace's snapshot has.
    pub(crate) fn serves(&self, namespace: &str, policies: &[PolicySnapshot]) {
        let upstreams = policies.iter().flat_map(|policy| &policy.upstreams);
        let servers = upstreams.map(|upstream| server_key(&upstream.provider, &upstream.base_url)).collect();
        let mut known = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(namespace.to_owned(), servers);
    }

    fn concerned(&self, differing: &[String]) -> Vec<String> {
        let known = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        let concerned =
            known.iter().filter(|(_, servers)| differing.iter().any(|server| servers.contains(server)));
        concerned.map(|(namespace, _)| namespace.clone()).collect()
    }
}

/// Scoreboard and prices are read where they were computed anew, penalties always: they are few.
async fn look(store: &Store, before: Option<Read>) -> vox_store::Result<Read> {
    let now = Timestamp::now();
    let mark = store.evidence_mark().await?;
    let penalties = store.penalties_held(now).await?;
    let known = before.as_ref().map(|read| Arc::clone(&read.now)).unwrap_or_default();
    let (scored, billed, quarantines) = match before {
        Some(read) if read.mark == mark => (read.scored, read.billed, read.quarantines),
        _ => {
            let scored = store.scored().await?;
            let quarantines = quarantine::pass(store, &scored, now).await?;
            (scored, store.billed_prices().await?, quarantines)
        }
    };
    let now_unix_ms = u64::try_from(now.as_millisecond()).unwrap_or_default();
    let now = Observations::of(&scored, &penalties, &quarantines, &billed).after(&known, now_unix_ms);
    Ok(Read { mark, scored, billed, quarantines, now: Arc::new(now) })
}

/// Keeps what is known up to date until it is aborted.
pub(super) async fn keep(context: &Context) {
    if !filled(&context.policies).await {
        return;
    }
    loop {
        match context.shared.store.watch_penalties().await {
            Ok(told) => {
                let error = listen(context, told).await;
                tracing::warn!(error = &error as &dyn std::error::Error, "failed to read what happened");
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "failed to listen for penalties");
            }
        }
        tokio::time::sleep(LISTEN_AGAIN).await;
    }
}

/// Returns when the database has gone away.
async fn listen(context: &Context, mut told: PenaltyWatch) -> vox_store::Error {
    loop {
        match context.evidence.look_again(&context.shared.store).await {
            Ok((differing, quarantines)) => {
                context.shared.metrics.quarantines(quarantines);
                tell(context, &context.evidence.concerned(&differing)).await;
            }
            Err(error) => return error,
        }
        if let Ok(Err(error)) = tokio::time::timeout(LOOK, told.next()).await {
            return error;
        }
    }
}

async fn tell(context: &Context, namespaces: &[String]) {
    let each = futures::stream::iter(namespaces);
    each.for_each_concurrent(AT_ONCE, |namespace| tell_one(context, namespace)).await;
}

/// Publishes before any policy is looked at: what a sidecar decides must not wait for what a status says.
async fn tell_one(context: &Context, namespace: &str) {
    if let Err(error) = publish::publish(context, namespace, &mut Catalogs::new()).await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            namespace,
            "failed to publish what happened; the policies' next pass does"
        );
    }
    context.siblings.of(namespace, None);
}
