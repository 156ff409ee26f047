//! Waits until the sources that were asked have answered.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;
use vox_contracts::entry::CatalogSourceRef;
use vox_crds::ModelCatalogSource;
use vox_crds::conditions::reasons;

use super::outcome::{Look, Outcome, Row, look, too_soon};
use super::reference;
use crate::cluster::{self, Cluster, Place};
use crate::error::Error;
use crate::progress::Progress;

/// How often to look.
const LOOK: Duration = Duration::from_secs(1);
/// How long an answered request without a run may still turn into one: the operator reads the runs and their records one
/// after the other.
const SETTLE: Duration = Duration::from_secs(10);
/// How far the user's clock may be ahead of the operator's.
const SKEW: SignedDuration = SignedDuration::from_mins(1);

/// A source that was asked.
struct Pending {
    source: ModelCatalogSource,
    /// When its newest attempt had ended when it was asked.
    before: Option<Timestamp>,
    /// Why it is still waited for.
    why: String,
    /// Since when its request is answered without a run.
    unrun: Option<Instant>,
}

pub(super) async fn wait(
    cluster: &Cluster,
    asked: Vec<ModelCatalogSource>,
    request: &str,
    timeout: Duration,
) -> Result<Vec<Row>, Error> {
    let since = Timestamp::now() - SKEW;
    let deadline = Instant::now() + timeout;
    let mut progress = Progress::new();
    let mut rows = Vec::with_capacity(asked.len());
    let mut pending: BTreeMap<CatalogSourceRef, Pending> = asked.into_iter().map(pending).collect();
    let mut trouble: Option<Error> = None;
    while !pending.is_empty() && Instant::now() < deadline {
        tokio::time::sleep(LOOK.min(deadline.saturating_duration_since(Instant::now()))).await;
        match refresh(cluster, &mut pending).await {
            Ok(gone) => {
                trouble = None;
                rows.extend(gone);
            }
            // An API server that restarts comes back; a right that was taken away does not.
            Err(error @ Error::ApiServer { .. }) => {
                progress.tell("the API server does not answer; still trying");
                trouble = Some(error);
                continue;
            }
            Err(error) => return Err(error),
        }
        let names: Vec<CatalogSourceRef> = pending.keys().cloned().collect();
        for name in names {
            let Some(one) = pending.get_mut(&name) else { continue };
            if let Some(outcome) = ended(cluster, &name, one, request, since).await {
                rows.push(Row::new(&one.source, outcome));
                pending.remove(&name);
            }
        }
        if let Some(text) = told(&pending) {
            progress.tell(&text);
        }
    }
    if let Some(error) = trouble {
        return Err(error);
    }
    rows.extend(pending.into_values().map(|one| Row::new(&one.source, Outcome::TimedOut(one.why))));
    Ok(rows)
}

fn pending(source: ModelCatalogSource) -> (CatalogSourceRef, Pending) {
    let attempt = source.status.as_ref().and_then(|status| status.last_attempt.as_ref());
    let before = attempt.map(|attempt| attempt.time.0);
    (reference(&source), Pending { source, before, why: String::new(), unrun: None })
}

/// Reads the sources anew; those that are gone leave.
async fn refresh(
    cluster: &Cluster,
    pending: &mut BTreeMap<CatalogSourceRef, Pending>,
) -> Result<Vec<Row>, Error> {
    let mut found = BTreeMap::new();
    if let [only] = pending.keys().cloned().collect::<Vec<_>>().as_slice() {
        // Whoever may read this one source need not be allowed to list.
        match cluster::get(cluster, only).await {
            Ok(source) => drop(found.insert(only.clone(), source)),
            Err(Error::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    } else {
        let namespaces: BTreeSet<String> = pending.keys().map(|source| source.namespace.clone()).collect();
        for namespace in namespaces {
            let sources = cluster::list(cluster, &Place::Namespace(namespace)).await?;
            found.extend(sources.into_iter().map(|source| (reference(&source), source)));
        }
    }
    let mut gone = Vec::new();
    pending.retain(|name, one| {
        // One that was made anew under the same name knows nothing of the request.
        match found.remove(name).filter(|source| source.uid() == one.source.uid()) {
            Some(source) => one.source = source,
            None => gone.push(Row::new(&one.source, Outcome::Deleted)),
        }
        gone.last().is_none_or(|row| row.key() != (name.namespace.as_str(), name.name.as_str()))
    });
    Ok(gone)
}

async fn ended(
    cluster: &Cluster,
    name: &CatalogSourceRef,
    one: &mut Pending,
    request: &str,
    since: Timestamp,
) -> Option<Outcome> {
    match look(&one.source, request, one.before) {
        Look::Ended(outcome) => return Some(outcome),
        Look::Waiting(why) => one.why = format!("{why}; vox doctor checks the operator"),
        Look::Running => {
            one.why = format!(
                "its run is still under way; kubectl logs -n {} -l {}={} follows it",
                name.namespace,
                cluster::SOURCE_LABEL,
                name.name
            );
            one.unrun = None;
        }
        Look::NoRun => {
            let note = cluster::note_since(cluster, name, reasons::REQUEST_TOO_SOON, since).await;
            let settled = one.unrun.get_or_insert_with(Instant::now).elapsed() >= SETTLE;
            if note.is_some() || settled {
                return Some(too_soon(&one.source, note, Timestamp::now()));
            }
            "the operator has answered, but no run has begun".clone_into(&mut one.why);
        }
    }
    None
}

fn told(pending: &BTreeMap<CatalogSourceRef, Pending>) -> Option<String> {
    let (name, one) = pending.iter().next()?;
    if pending.len() > 1 {
        return Some(format!(
            "waiting for {} sources, {}/{} among them",
            pending.len(),
            name.namespace,
            name.name
        ));
    }
    let why = one.why.split(';').next().unwrap_or_default();
    Some(format!("waiting for {}/{}: {why}", name.namespace, name.name))
}
