//! The controller of `ModelCatalogSource`: dereference → validate → build → apply → status.

pub(crate) mod apply;
pub(crate) mod build;
pub(crate) mod changes;
mod chosen;
mod cron;
pub(crate) mod dereference;
pub(crate) mod describe;
mod digest;
pub(crate) mod due;
mod lost;
mod messages;
mod places;
mod prices;
mod schedule;
mod status;
pub(crate) mod validate;
mod watch;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use kube::core::DeserializeGuard;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::{Resource as _, ResourceExt as _};
use vox_contracts::entry::CatalogSourceRef;
use vox_contracts::overlay::OverlayUse;
use vox_crds::model_catalog_source::REQUESTED_AT;
use vox_crds::{ModelCatalogSource, ModelCatalogSourceStatus, conditions::reasons};
use vox_store::catalog::{RevisionChange, RunIdentity, SourceIdentity, SourceState};

use crate::context::Backoff;
use crate::control_plane::Shared;
use crate::events::Teller;
use build::{Owner, Surroundings};
use changes::Change;
use dereference::{Children, Dereferenced};
use describe::Observation;
use due::{Due, Request, Situation};
use places::{Places, Waiting};
use prices::Overlaid;
use validate::{Problem, ValidatedSource};

pub(crate) use watch::run;

/// Owner of the fields that this controller sets.
pub(crate) const FIELD_MANAGER: &str = "vox-modelcatalogsource";
/// Name of this controller in metrics.
const CONTROLLER: &str = "modelcatalogsource";
/// Bound on one reconcile: a hanging API server must not hold a place for ever.
const RECONCILE: Duration = Duration::from_secs(60);
/// How soon to look again while the database is away.
const STORE_AWAY: Duration = Duration::from_secs(15);
/// How soon to look again after the API server refused something: a quota may have been raised.
const REFUSED: Duration = Duration::from_secs(60);

/// What a reconcile works with.
pub(crate) struct Context {
    pub(crate) shared: Shared,
    pub(crate) teller: Teller,
    pub(crate) children: Children,
    pub(crate) places: Places,
    pub(crate) overlaid: Overlaid,
    pub(crate) backoff: Backoff<ObjectRef<DeserializeGuard<ModelCatalogSource>>>,
}

/// Why a reconcile failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Apply(#[from] apply::Error),
    #[error("failed to write the status")]
    Status(#[source] kube::Error),
    #[error("failed to query the store")]
    Store(#[from] vox_store::Error),
    #[error("failed to build the source's objects")]
    Build(#[from] serde_json::Error),
    #[error("failed to end within {RECONCILE:?}")]
    TimedOut,
}

impl Error {
    /// From a closed set: a metric label.
    fn category(&self) -> &'static str {
        match self {
            Self::Apply(_) => "apply",
            Self::Status(_) => "status",
            Self::Store(_) => "store",
            Self::Build(_) => "build",
            Self::TimedOut => "timeout",
        }
    }
}

/// One pass over one source.
async fn reconcile(
    guarded: Arc<DeserializeGuard<ModelCatalogSource>>,
    context: Arc<Context>,
) -> Result<Action, Error> {
    let source = match &guarded.0 {
        Ok(source) => source,
        // The schema lets nothing through that this type cannot read, unless an older CRD is installed.
        Err(error) => {
            tracing::error!(%error, "failed to read a source; is the installed CRD older than the operator?");
            return Ok(Action::await_change());
        }
    };
    if source.metadata.deletion_timestamp.is_some() {
        context.shared.metrics.forget(&source.namespace().unwrap_or_default(), &source.name_any());
        context.places.note(Waiting::of(source), false, Timestamp::now());
        return Ok(Action::await_change());
    }
    let begun = Instant::now();
    let result = tokio::time::timeout(RECONCILE, Box::pin(pass(source, &context)))
        .await
        .unwrap_or(Err(Error::TimedOut));
    let label = result.as_ref().map_or_else(Error::category, |_| "ok");
    context.shared.metrics.reconciled(CONTROLLER, label, begun.elapsed().as_secs_f64());
    if result.is_ok() {
        context.shared.metrics.in_backoff(context.backoff.succeeded(&ObjectRef::from_obj(&*guarded)));
    }
    result
}

/// Called after a failed reconcile: when to try again.
fn failed(
    guarded: Arc<DeserializeGuard<ModelCatalogSource>>,
    error: &Error,
    context: Arc<Context>,
) -> Action {
    let (wait, objects) = context.backoff.failed(&ObjectRef::from_obj(&*guarded));
    context.shared.metrics.in_backoff(objects);
    tracing::warn!(source = %guarded.name_any(), namespace = guarded.namespace(), error = error as &dyn std::error::Error, ?wait, "failed to reconcile");
    Action::requeue(wait)
}

async fn pass(source: &ModelCatalogSource, context: &Context) -> Result<Action, Error> {
    // Children that are not known yet must not be taken for children that are not there.
    context.children.known().await;
    let now = Timestamp::now();
    let before = source.status.clone().unwrap_or_default();
    let mut live = dereference::dereference(source, &context.shared.store, &context.children).await;
    let verdict = validate::validate(source);
    if let Ok(valid) = &verdict {
        record_lost(source, valid, &mut live, context, now).await?;
    }
    let state = live.state.as_ref().ok();
    let due = verdict
        .as_ref()
        .ok()
        .zip(state)
        .map(|(valid, state)| due::due(valid, state, situation(source, &live, &before, context, now)));
    let waits = due.as_ref().is_some_and(|due| due.waits);
    context.places.note(Waiting::of(source), waits, now);
    let refusal = match (&verdict, &due) {
        (Ok(valid), due) => Box::pin(apply_children(source, valid, due.as_ref(), &live, context)).await?,
        (Err(_), _) => None,
    };
    let starts = due.as_ref().is_some_and(|due| due.run.is_some()) && refusal.is_none();
    let (handled, too_soon) = handled(source, due.as_ref(), &before, &live, verdict.as_ref().ok());
    let overlaid = overlaid(source, verdict.as_ref().ok(), state, context).await;
    let after = describe::describe(&Observation {
        generation: source.metadata.generation,
        previous: &before,
        verdict: verdict.as_ref(),
        state,
        name: source.name_any(),
        namespace: source.namespace().unwrap_or_default(),
        waits,
        running: starts || live.jobs.iter().any(|job| job.end.is_none()),
        handled,
        refusal: refusal.as_deref(),
        overlaid: overlaid.as_deref(),
        now,
    });
    status::write(&context.shared.client, &context.shared.metrics, source, &after)
        .await
        .map_err(Error::Status)?;
    let missed = due.as_ref().and_then(|due| due.missed).map(|time| missed(source, context, time));
    let short = verdict.as_ref().ok().and_then(|valid| stale_between_runs(source, valid, &before));
    let revision = Box::pin(revision(source, &before, &after, context)).await;
    let told = changes::changes(&before, &after, &revision);
    let told = told.into_iter().chain(too_soon).chain(missed).chain(short).collect();
    status::tell(&context.teller, source, told).await;
    Ok(next_look(&live, &verdict, due.as_ref(), refusal.is_some(), &after, now))
}

/// What a new revision changed. An event that cannot be told is not worth failing for: `vox catalog diff` says the same.
async fn revision(
    source: &ModelCatalogSource,
    before: &ModelCatalogSourceStatus,
    after: &ModelCatalogSourceStatus,
    context: &Context,
) -> Vec<RevisionChange> {
    let Some(catalog) = changes::new_catalog(before, after) else { return Vec::new() };
    let uid = source.uid().unwrap_or_default();
    context.shared.store.revision_changes(&uid, catalog.revision).await.unwrap_or_else(|error| {
        tracing::info!(%error, source = %source.name_any(), "failed to read what a revision changed");
        Vec::new()
    })
}

/// A run that ended without a report is recorded first, so that the rest of the pass sees it as the failure it is.
async fn record_lost(
    source: &ModelCatalogSource,
    valid: &ValidatedSource,
    live: &mut Dereferenced,
    context: &Context,
    now: Timestamp,
) -> Result<(), Error> {
    let Ok(state) = &live.state else { return Ok(()) };
    let Some(lost) = lost::lost_run(state, &live.jobs, now) else { return Ok(()) };
    let identity = identity(source, valid);
    let run = RunIdentity { run: lost.run, plan_digest: valid.plan_digest.clone() };
    let store = &context.shared.store;
    store.record_lost(&identity, &run, &lost.failure, lost.started_at, now).await?;
    context.shared.metrics.attempt_ended(lost.failure.class.as_str());
    live.state = store.source_state(&identity.uid).await;
    Ok(())
}

fn identity(source: &ModelCatalogSource, valid: &ValidatedSource) -> SourceIdentity {
    SourceIdentity {
        uid: source.uid().unwrap_or_default(),
        source: CatalogSourceRef {
            namespace: source.namespace().unwrap_or_default(),
            name: source.name_any(),
        },
        provider: valid.target.provider.clone(),
    }
}

/// The overlay's entries that the catalog's prices are from.
async fn overlaid(
    source: &ModelCatalogSource,
    valid: Option<&ValidatedSource>,
    state: Option<&SourceState>,
    context: &Context,
) -> Option<Arc<[OverlayUse]>> {
    let identity = identity(source, valid?);
    let store = &context.shared.store;
    context.overlaid.of(&identity.uid, &identity.source, &identity.provider, state, store).await
}

fn situation<'a>(
    source: &'a ModelCatalogSource,
    live: &Dereferenced,
    before: &'a ModelCatalogSourceStatus,
    context: &Context,
    now: Timestamp,
) -> Situation<'a> {
    Situation {
        requested: source.annotations().get(REQUESTED_AT).map(String::as_str),
        handled: before.last_handled_request.as_deref(),
        running: live.jobs.iter().any(|job| job.end.is_none()),
        crowded: context.places.crowded(
            &Waiting::of(source),
            live.runs_in_flight,
            live.runs_of_namespace,
            context.shared.settings.runs_at_once,
            now,
        ),
        promised: before.next_refresh_time.as_ref().map(|time| time.0),
        now,
    }
}

/// Applies the children. Returns the API server's words if it refused them: then a person has to act.
async fn apply_children(
    source: &ModelCatalogSource,
    valid: &ValidatedSource,
    due: Option<&Due>,
    live: &Dereferenced,
    context: &Context,
) -> Result<Option<String>, Error> {
    let Some(reference) = source.controller_owner_ref(&()) else { return Ok(None) };
    let namespace = source.namespace().unwrap_or_default();
    let uid = reference.uid.clone();
    let owner = Owner { namespace: namespace.clone(), name: source.name_any(), reference };
    let around = surroundings(&context.shared);
    let run = due.and_then(|due| due.run.as_ref());
    let desired = apply::Desired {
        service_account: build::service_account(&owner)?,
        cron_job: build::cron_job(&owner, valid, &around)?,
        job: run.map(|run| build::job(&owner, valid, &around, &run.cause)).transpose()?,
    };
    match Box::pin(apply::apply(&context.shared.client, &namespace, &uid, desired, live)).await {
        Ok(()) => Ok(None),
        Err(error) => error.refusal().map_or_else(|| Err(Error::Apply(error)), |refusal| Ok(Some(refusal))),
    }
}

fn surroundings(shared: &Shared) -> Surroundings {
    Surroundings {
        image: shared.settings.image.clone(),
        image_pull_policy: shared.settings.image_pull_policy.clone(),
        image_pull_secrets: shared
            .settings
            .image_pull_secrets
            .iter()
            .filter(|name| !name.is_empty())
            .cloned()
            .collect(),
        operator_url: shared.url(),
        authority: shared.authority.load().as_str().to_owned(),
        log: "info".to_owned(),
    }
}

/// The request that counts as handled after this pass, and what to tell if it was refused.
fn handled(
    source: &ModelCatalogSource,
    due: Option<&Due>,
    before: &ModelCatalogSourceStatus,
    live: &Dereferenced,
    valid: Option<&ValidatedSource>,
) -> (Option<String>, Option<Change>) {
    let requested = source.annotations().get(REQUESTED_AT).cloned();
    let under_way =
        requested.as_ref().is_some_and(|request| live.jobs.iter().any(|job| job.works_on(request)));
    match due.map(|due| &due.request) {
        Some(Request::Granted) => (requested, None),
        Some(Request::TooSoon(held)) => {
            let finished = live.state.as_ref().ok().and_then(|state| state.finished.as_ref());
            let said = finished.map_or("", |attempt| attempt.message.as_str());
            let note = messages::too_soon(*held, valid.map(|valid| valid.pace.min_interval), said);
            (requested, Some(Change { warning: false, reason: reasons::REQUEST_TOO_SOON.to_owned(), note }))
        }
        Some(Request::Pending) if under_way => (requested, None),
        Some(Request::None | Request::Pending) | None => (before.last_handled_request.clone(), None),
    }
}

fn missed(source: &ModelCatalogSource, context: &Context, time: Timestamp) -> Change {
    context.shared.metrics.schedule_missed(&source.namespace().unwrap_or_default(), &source.name_any());
    let note = format!(
        "no run began at {time} as scheduled; one is started now; is the CronJob controller running?"
    );
    Change { warning: true, reason: reasons::SCHEDULE_MISSED.to_owned(), note }
}

/// Told once for each generation; the condition keeps saying it.
fn stale_between_runs(
    source: &ModelCatalogSource,
    valid: &ValidatedSource,
    before: &ModelCatalogSourceStatus,
) -> Option<Change> {
    let note = messages::stale_between_runs(valid)
        .filter(|_| before.observed_generation != source.metadata.generation)?;
    Some(Change { warning: true, reason: reasons::STALE_BETWEEN_RUNS.to_owned(), note })
}

fn next_look(
    live: &Dereferenced,
    verdict: &Result<ValidatedSource, Problem>,
    due: Option<&Due>,
    refused: bool,
    after: &ModelCatalogSourceStatus,
    now: Timestamp,
) -> Action {
    if live.state.is_err() {
        return Action::requeue(STORE_AWAY);
    }
    if refused {
        return Action::requeue(REFUSED);
    }
    let stale = after.stale_time.as_ref().map(|time| time.0).filter(|time| *time > now);
    if verdict.is_err() {
        // Only a person can mend the spec, but what was fetched before still ages.
        return stale.map_or_else(Action::await_change, |stale| Action::requeue(after_a_moment(stale, now)));
    }
    let look = due.map_or(now + SignedDuration::from_mins(30), |due| due.look_again);
    Action::requeue(after_a_moment(stale.map_or(look, |stale| stale.min(look)), now))
}

/// A moment late rather than a moment early, when the limit has not quite passed.
fn after_a_moment(time: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(time.duration_since(now)).unwrap_or_default() + Duration::from_millis(500)
}

/// Keeps the store in step with what exists: the sources that are gone are marked so.
async fn retire_missing(alive: &[String], store: &vox_store::Store) {
    match store.retire_missing(alive).await {
        Ok(0) => {}
        Ok(retired) => tracing::info!(retired, "marked the catalogs of deleted sources"),
        Err(error) => tracing::warn!(
            error = &error as &dyn std::error::Error,
            "failed to mark the catalogs of deleted sources"
        ),
    }
}
