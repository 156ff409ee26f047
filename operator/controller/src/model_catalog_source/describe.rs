//! From what was observed to the status that a user reads. Pure: the same
//! observation gives the same status, so that nothing is written when nothing changed.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use vox_contracts::overlay::OverlayUse;
use vox_crds::conditions::{reasons, types};
use vox_crds::model_catalog_source::{
    AttemptStatus, CatalogStatus, EffectiveSettings, ModelCatalogSourceStatus,
};
use vox_store::catalog::gate::{self, Held};
use vox_store::catalog::{CatalogState, SourceState};

use super::due::{later, promise};
use super::validate::{Problem, ValidatedSource};
use super::{messages, prices};
use crate::condition::{self, Said, whole};

/// Everything a status is made from.
pub(crate) struct Observation<'a> {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) generation: Option<i64>,
    pub(crate) previous: &'a ModelCatalogSourceStatus,
    pub(crate) verdict: Result<&'a ValidatedSource, &'a Problem>,
    /// `None` while the store is away: what the status said before, stays.
    pub(crate) state: Option<&'a SourceState>,
    /// A run is due and others' runs leave it no place.
    pub(crate) waits: bool,
    /// A run is under way or was just started.
    pub(crate) running: bool,
    /// The request that was handled now or before.
    pub(crate) handled: Option<String>,
    /// The overlay's entries that the catalog's prices are from; `None` while that is not known.
    pub(crate) overlaid: Option<&'a [OverlayUse]>,
    /// The API server's words when it refused what the source needs.
    pub(crate) refusal: Option<&'a str>,
    pub(crate) now: Timestamp,
}

/// The status.
pub(crate) fn describe(seen: &Observation<'_>) -> ModelCatalogSourceStatus {
    let previous = seen.previous;
    let mut status = ModelCatalogSourceStatus {
        observed_generation: seen.generation,
        last_handled_request: seen.handled.clone(),
        conditions: Vec::new(),
        next_refresh_time: None,
        ..previous.clone()
    };
    if let Some(state) = seen.state {
        status.catalog = state.catalog.as_ref().map(catalog);
        status.last_refresh_time = state.refreshed_at.map(whole);
        status.last_attempt = state.finished.as_ref().map(|attempt| AttemptStatus {
            time: whole(attempt.finished_at),
            outcome: attempt.outcome.clone(),
            failures: attempt.failures,
        });
    }
    if let Ok(source) = seen.verdict {
        status.provider = Some(source.target.provider.to_string());
        status.effective = Some(effective(source));
        status.stale_time =
            status.last_refresh_time.as_ref().map(|time| whole(later(time.0, source.max_age)));
        // Another generation, another schedule: its promises are new.
        let promised =
            previous.next_refresh_time.as_ref().filter(|_| previous.observed_generation == seen.generation);
        status.next_refresh_time =
            promise(source, seen.state, promised.map(|time| time.0), seen.now).map(whole);
    }
    let (ready, reason, message) = ready(seen, &status);
    push(&mut status, seen, types::READY, ready, reason, message);
    let (fresh, reason, mut message) = fresh(seen, &status);
    if let Some(short) = seen.verdict.ok().and_then(messages::stale_between_runs) {
        message = format!("{message}; {short}");
    }
    push(&mut status, seen, types::FRESH, fresh, reason, message);
    if seen.running {
        let message = "a discovery run is under way".to_owned();
        push(&mut status, seen, types::RECONCILING, "True", reasons::DISCOVERING, message);
    }
    if seen.waits && !seen.running {
        push(&mut status, seen, types::RECONCILING, "True", reasons::DISCOVERING, messages::WAITS.to_owned());
    }
    match seen.overlaid {
        Some(used) => {
            if let Some(message) = prices::outdated(used, seen.now) {
                let reason = reasons::PRICES_OUTDATED;
                push(&mut status, seen, types::PRICES_OUTDATED, "True", reason, message);
            }
        }
        None => status.conditions.extend(condition(previous, types::PRICES_OUTDATED).cloned()),
    }
    if let Err(problem) = seen.verdict {
        push(&mut status, seen, types::STALLED, "True", reasons::INVALID_SPEC, problem.to_string());
    } else if let Some(refusal) = seen.refusal {
        push(&mut status, seen, types::STALLED, "True", reasons::APPLY_REFUSED, refusal.to_owned());
    }
    status
}

fn catalog(state: &CatalogState) -> CatalogStatus {
    CatalogStatus {
        revision: state.revision,
        digest: state.digest.clone(),
        published_time: whole(state.published_at),
        models: state.models,
        added: state.added,
        removed: state.removed,
        repriced: state.repriced,
        suspect: state.suspect,
        refused: state.refused,
    }
}

fn effective(source: &ValidatedSource) -> EffectiveSettings {
    EffectiveSettings {
        endpoint: source.target.endpoint.clone(),
        schedule: source.cron_line.clone(),
        time_zone: source.time_zone.clone(),
        delay: source.schedule.delay.into(),
        min_interval: source.pace.min_interval.into(),
        max_age: source.max_age.into(),
    }
}

type Verdict = (&'static str, String, String);

fn ready(seen: &Observation<'_>, status: &ModelCatalogSourceStatus) -> Verdict {
    let no = |reason: &str, message: String| ("False", reason.to_owned(), message);
    if let Err(problem) = seen.verdict {
        return no(reasons::INVALID_SPEC, problem.to_string());
    }
    if let Some(refusal) = seen.refusal {
        return no(reasons::APPLY_REFUSED, refusal.to_owned());
    }
    let Some(state) = seen.state else {
        return no(
            reasons::STORE_UNAVAILABLE,
            "the database does not answer; the last known state is shown".to_owned(),
        );
    };
    if let Some(attempt) = state.finished.as_ref().filter(|attempt| attempt.is_failure()) {
        let kept = status.catalog.as_ref().map_or_else(String::new, |catalog| {
            format!(
                "; the last good catalog, revision {} with {} models, is kept",
                catalog.revision, catalog.models
            )
        });
        // Of a run that is under way, nobody wants to know the next.
        let next = status.next_refresh_time.as_ref().map(|time| time.0).filter(|_| !seen.running);
        let next = messages::next_try(&seen.name, &seen.namespace, next, held(seen, state));
        return no(&attempt.outcome, format!("{}{kept}{next}", attempt.message));
    }
    match (&status.catalog, seen.verdict.is_ok_and(|source| source.suspend)) {
        (None, true) => no(reasons::SUSPENDED, "suspended before any catalog was fetched".to_owned()),
        (None, false) => {
            let waits = if seen.waits { format!("; {}", messages::WAITS) } else { String::new() };
            ("Unknown", reasons::DISCOVERING.to_owned(), format!("no discovery run has ended yet{waits}"))
        }
        (Some(catalog), suspended) => {
            let reason = if suspended { reasons::SUSPENDED } else { reasons::PUBLISHED };
            (
                "True",
                reason.to_owned(),
                format!("revision {} with {} models{}", catalog.revision, catalog.models, refused(state)),
            )
        }
    }
}

/// What of the list is no model, if something is.
fn refused(state: &SourceState) -> String {
    let Some(catalog) = state.catalog.as_ref().filter(|catalog| catalog.refused > 0) else {
        return String::new();
    };
    let plural = if catalog.refused == 1 { " of the list was" } else { "s of the list were" };
    format!("; {} row{plural} not taken ({})", catalog.refused, catalog.refusals)
}

/// What keeps a request from being granted, as far as this source's newest attempt tells.
fn held(seen: &Observation<'_>, state: &SourceState) -> Option<Held> {
    let source = seen.verdict.ok()?;
    gate::held(state.last.as_ref(), "", &source.plan_digest, &source.pace)
}

fn fresh(seen: &Observation<'_>, status: &ModelCatalogSourceStatus) -> Verdict {
    let (Some(refreshed), Some(stale)) = (&status.last_refresh_time, &status.stale_time) else {
        return ("False", reasons::NEVER_FETCHED.to_owned(), "no catalog has been fetched yet".to_owned());
    };
    if stale.0 > seen.now {
        (
            "True",
            reasons::REFRESHED.to_owned(),
            format!("refreshed at {}, stale from {}", refreshed.0, stale.0),
        )
    } else {
        (
            "False",
            reasons::STALE.to_owned(),
            format!("last refreshed at {}, stale since {}", refreshed.0, stale.0),
        )
    }
}

fn push(
    status: &mut ModelCatalogSourceStatus,
    seen: &Observation<'_>,
    kind: &'static str,
    value: &'static str,
    reason: impl Into<String>,
    message: String,
) {
    let said = Said { kind, value, reason: reason.into(), message };
    status.conditions.push(condition::condition(said, &seen.previous.conditions, seen.generation, seen.now));
}

/// The condition of a type.
pub(crate) fn condition<'a>(status: &'a ModelCatalogSourceStatus, kind: &str) -> Option<&'a Condition> {
    status.conditions.iter().find(|condition| condition.type_ == kind)
}

#[cfg(test)]
mod tests;
