//! Which run is due now, if any, and when to look again. Pure: time is an argument.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use vox_store::catalog::SourceState;
use vox_store::catalog::gate::{Held, allowed_from, held, retry_at};

use super::lost::CACHE_LAG;
use super::validate::ValidatedSource;

/// How late a scheduled run may begin before it counts as missed: the CronJob controller, scheduling and image pulls.
const GRACE: SignedDuration = SignedDuration::from_mins(5);
/// Look again at least so often, because a watch may lose an event.
const RESYNC: SignedDuration = SignedDuration::from_mins(30);

/// How soon to look whether other sources' runs have made room.
pub(crate) const CROWDED: SignedDuration = SignedDuration::from_secs(5);

/// What a source needs now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Due {
    /// The run to start.
    pub(crate) run: Option<DueRun>,
    /// What becomes of a pending request.
    pub(crate) request: Request,
    /// The scheduled time at which nothing happened.
    pub(crate) missed: Option<Timestamp>,
    /// A run is due and has to wait until others end.
    pub(crate) waits: bool,
    /// When to look again, if nothing happens before.
    pub(crate) look_again: Timestamp,
}

/// A run to start, named by its cause: the same cause never starts two.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DueRun {
    /// Identifies the cause.
    pub(crate) cause: String,
}

/// A request by annotation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// There is none, or it was handled before.
    None,
    /// It starts this run.
    Granted,
    /// The provider may not be asked yet.
    TooSoon(Held),
    /// A run is under way or the source is suspended; look again later.
    Pending,
}

/// What is known beside the store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Situation<'a> {
    /// Value of `vox.dev/requestedAt`.
    pub(crate) requested: Option<&'a str>,
    /// The value that was last acted on.
    pub(crate) handled: Option<&'a str>,
    /// Whether a Job of this source has not ended.
    pub(crate) running: bool,
    /// Whether so many runs of other sources are under way that this one has to wait.
    pub(crate) crowded: bool,
    /// The next run as the status promised it.
    pub(crate) promised: Option<Timestamp>,
    pub(crate) now: Timestamp,
}

/// How the cause of a run begins that was requested.
pub(super) fn of_request(request: &str) -> String {
    format!("request {request} after ")
}

/// Decides.
pub(crate) fn due(source: &ValidatedSource, state: &SourceState, situation: Situation<'_>) -> Due {
    let Situation { requested, handled, running, now, .. } = situation;
    let pending = requested.filter(|request| Some(*request) != handled);
    let idle = Due {
        run: None,
        request: if pending.is_some() { Request::Pending } else { Request::None },
        missed: None,
        waits: false,
        look_again: look_again(source, state, now),
    };
    // A run that asked and whose end is not known yet is one in flight, also when its Job is gone.
    let unfinished = state.last.as_ref().is_some_and(|last| {
        last.finished_at.is_none() && now < later(last.started_at, source.pace.run_limit)
    });
    if source.suspend || running || unfinished {
        return idle;
    }
    let wanted = wanted(source, state, situation, &idle, pending);
    if situation.crowded && wanted.run.is_some() {
        return Due { waits: true, look_again: now.checked_add(CROWDED).unwrap_or(now), ..idle };
    }
    wanted
}

/// What is due, were there nobody else.
fn wanted(
    source: &ValidatedSource,
    state: &SourceState,
    situation: Situation<'_>,
    idle: &Due,
    pending: Option<&str>,
) -> Due {
    let now = situation.now;
    let last = state.last.as_ref();
    let missed = missed(source, state, situation);
    // The same cause after another run is another cause: a plan that comes back is fetched again.
    let after = last.map_or("nothing", |last| last.run.as_str());
    let start = |cause: String, request: Request| Due {
        run: Some(DueRun { cause }),
        request,
        missed,
        ..idle_at(idle)
    };
    let granted = |cause: &str| {
        held(last, cause, &source.plan_digest, &source.pace)
            .filter(|held| held.until > now)
            .map_or(Ok(()), Err)
    };
    if let Some(request) = pending {
        let cause = format!("{}{after}", of_request(request));
        return match granted(&cause) {
            Ok(()) => start(cause, Request::Granted),
            Err(held) => Due { request: Request::TooSoon(held), missed, ..idle_at(idle) },
        };
    }
    let new_plan = last.is_none_or(|last| last.plan_digest != source.plan_digest);
    if new_plan {
        let cause = format!("plan {} after {after}", source.plan_digest);
        if granted(&cause).is_ok() {
            return start(cause, Request::None);
        }
    }
    let retry = last.filter(|last| !new_plan && retry_at(last, &source.pace).is_some_and(|at| at <= now));
    if let Some(last) = retry {
        return start(format!("retry after {}", last.run), Request::None);
    }
    if let Some(time) = missed {
        return start(format!("missed {time}"), Request::None);
    }
    Due { missed, ..idle_at(idle) }
}

fn idle_at(idle: &Due) -> Due {
    Due { run: None, request: Request::None, missed: None, waits: false, look_again: idle.look_again }
}

/// The promised time that passed more than the grace ago without a run, although the provider might have been asked.
fn missed(source: &ValidatedSource, state: &SourceState, situation: Situation<'_>) -> Option<Timestamp> {
    // The status may have promised another try instead, which no CronJob owes.
    let promised = situation.promised.filter(|time| source.schedule.is_due(*time))?;
    let over = promised.checked_add(GRACE).ok()? <= situation.now;
    let free = allowed_from(state.last.as_ref(), "", &source.plan_digest, &source.pace) <= promised;
    (over && free && !begun(promised, state)).then_some(promised)
}

/// A run may begin a moment before its time: clocks differ.
fn begun(promised: Timestamp, state: &SourceState) -> bool {
    state.last.as_ref().is_some_and(|last| last.started_at >= promised - SignedDuration::from_secs(60))
}

/// The next run as the status shall promise it: by schedule, or another try if that is sooner. A promise stands until its run has begun or its grace is over:
/// were it replaced the moment it passes, nobody would see that it was broken.
pub(crate) fn promise(
    source: &ValidatedSource,
    state: Option<&SourceState>,
    before: Option<Timestamp>,
    now: Timestamp,
) -> Option<Timestamp> {
    if source.suspend {
        return None;
    }
    let awaited = before.filter(|promised| {
        let open = *promised <= now && promised.checked_add(GRACE).is_ok_and(|end| now < end);
        open && state.is_none_or(|state| !begun(*promised, state))
    });
    // What the store knows of failures stays promised while it is away.
    let kept = before.filter(|promised| state.is_none() && *promised > now);
    let retry = state
        .and_then(|state| state.last.as_ref())
        .filter(|last| last.plan_digest == source.plan_digest)
        .and_then(|last| retry_at(last, &source.pace))
        .filter(|retry| *retry > now);
    awaited.or(kept).or_else(|| source.schedule.next(now).into_iter().chain(retry).min())
}

fn look_again(source: &ValidatedSource, state: &SourceState, now: Timestamp) -> Timestamp {
    let stale = state.refreshed_at.map(|time| later(time, source.max_age));
    let retry = state.last.as_ref().and_then(|last| retry_at(last, &source.pace));
    let scheduled = source.schedule.next(now).and_then(|time| time.checked_add(GRACE).ok());
    let running = state.last.as_ref().filter(|last| last.finished_at.is_none());
    // Whether it is lost shows when the cache must know its Job, and at the latest when its time is over.
    let lost = running.and_then(|last| {
        let times = [last.started_at + CACHE_LAG, later(last.started_at, source.pace.run_limit)];
        times.into_iter().find(|time| *time > now)
    });
    let soonest = [stale, retry.filter(|_| !source.suspend), scheduled.filter(|_| !source.suspend), lost]
        .into_iter()
        .flatten()
        .filter(|time| *time > now)
        .min();
    let resync = now.checked_add(RESYNC).unwrap_or(Timestamp::MAX);
    soonest.map_or(resync, |time| time.min(resync))
}

pub(crate) fn later(time: Timestamp, wait: Duration) -> Timestamp {
    SignedDuration::try_from(wait).ok().and_then(|wait| time.checked_add(wait).ok()).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use vox_contracts::discovery::FailureClass;
    use vox_crds::ModelCatalogSource;
    use vox_store::catalog::gate::{Cause, LastAttempt};

    use super::*;
    use crate::model_catalog_source::validate::validate;

    fn source(suspend: bool) -> ValidatedSource {
        let spec = serde_json::json!({ "provider": { "openRouter": {} }, "suspend": suspend, "minInterval": "1h", "jitter": "0s", "schedule": "40 17 * * *" });
        validate(&ModelCatalogSource::new("s", serde_json::from_value(spec).unwrap())).unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn state(failure: Option<FailureClass>) -> SourceState {
        SourceState {
            last: Some(LastAttempt {
                run: "r".to_owned(),
                plan_digest: source(false).plan_digest,
                started_at: at(100_000),
                finished_at: Some(at(100_010)),
                failure,
                failures: u32::from(failure.is_some()),
                retry_after: None,
            }),
            refreshed_at: Some(at(100_010)),
            ..SourceState::default()
        }
    }

    const QUIET: Situation<'static> = Situation {
        requested: None,
        handled: None,
        running: false,
        crowded: false,
        promised: None,
        now: Timestamp::UNIX_EPOCH,
    };

    fn now(second: i64) -> Situation<'static> {
        Situation { now: at(second), ..QUIET }
    }

    #[test]
    fn a_new_source_is_discovered_at_once() {
        assert!(due(&source(false), &SourceState::default(), now(0)).run.is_some());
    }

    #[test]
    fn a_source_with_a_fresh_catalog_needs_nothing() {
        let due = due(&source(false), &state(None), now(100_020));
        assert_eq!((due.run, due.missed), (None, None));
        assert!(due.look_again > at(100_020));
    }

    #[test]
    fn a_suspended_source_or_one_with_a_run_in_flight_starts_none() {
        assert_eq!(due(&source(true), &SourceState::default(), now(0)).run, None);
        let running = Situation { running: true, requested: Some("x"), ..now(0) };
        let due = due(&source(false), &SourceState::default(), running);
        assert_eq!((due.run, due.request), (None, Request::Pending));
    }

    #[test]
    fn where_many_sources_run_a_new_one_waits_its_turn_and_so_does_a_request() {
        let crowded = Situation { crowded: true, requested: Some("now"), ..now(200_000) };
        let first = due(&source(false), &SourceState::default(), Situation { requested: None, ..crowded });
        assert_eq!((first.run, first.waits, first.look_again), (None, true, at(200_005)));
        let asked = due(&source(false), &state(None), crowded);
        assert_eq!((asked.run, asked.request), (None, Request::Pending));
    }

    #[test]
    fn a_request_runs_once_and_inside_the_minimum_interval_not_at_all() {
        let ask = |second, handled| {
            let situation = Situation { requested: Some("now"), handled, ..now(second) };
            due(&source(false), &state(None), situation)
        };
        assert_eq!(ask(200_000, None).request, Request::Granted);
        assert_eq!(ask(200_000, Some("now")).request, Request::None);
        let soon = ask(100_020, None);
        assert_eq!(
            (soon.run, soon.request),
            (None, Request::TooSoon(Held { until: at(103_600), by: Cause::MinInterval }))
        );
    }

    #[test]
    fn a_failed_run_is_tried_again_when_its_wait_is_over() {
        let failed = state(Some(FailureClass::ProviderError));
        let wait = source(false).pace.retry_base.as_secs() as i64;
        assert_eq!(due(&source(false), &failed, now(100_011)).run, None);
        assert_eq!(due(&source(false), &failed, now(100_011)).look_again, at(100_010 + wait));
        assert!(due(&source(false), &failed, now(100_010 + wait)).run.is_some());
    }

    #[test]
    fn a_scheduled_time_without_a_run_is_missed_after_the_grace() {
        let promised = |second| Situation { promised: Some(at(150_000)), ..now(second) };
        assert_eq!(due(&source(false), &state(None), promised(150_200)).missed, None);
        assert_eq!(
            promise(&source(false), Some(&state(None)), Some(at(150_000)), at(150_200)),
            Some(at(150_000))
        );
        let late = due(&source(false), &state(None), promised(150_300));
        assert_eq!(late.missed, Some(at(150_000)));
        assert!(late.run.is_some(), "a missed run is made up for");
        assert!(
            promise(&source(false), Some(&state(None)), Some(at(150_000)), at(150_300)) > Some(at(150_300))
        );
    }

    #[test]
    fn after_a_failure_the_nearer_of_another_try_and_the_schedule_is_promised() {
        let failed = state(Some(FailureClass::ProviderError));
        let (source, retry) = (source(false), 100_010 + source(false).pace.retry_base.as_secs() as i64);
        let promised = |state, before, second| promise(&source, state, before, at(second));
        assert_eq!(promised(Some(&failed), None, 100_020), Some(at(retry)));
        assert_eq!(promised(None, Some(at(retry)), 100_030), Some(at(retry)), "the store is away");
        assert_eq!(promised(Some(&state(None)), None, 100_020), source.schedule.next(at(100_020)));
    }

    #[test]
    fn another_try_that_is_late_is_no_missed_schedule() {
        let failed = state(Some(FailureClass::ProviderError));
        let retry = at(100_010 + source(false).pace.retry_base.as_secs() as i64);
        let late = due(&source(false), &failed, Situation { promised: Some(retry), ..now(101_600) });
        assert_eq!(late.missed, None);
        assert!(late.run.is_some());
    }

    #[test]
    fn a_scheduled_time_inside_the_minimum_interval_is_not_missed() {
        let promised = Situation { promised: Some(at(101_000)), ..now(101_600) };
        assert_eq!(due(&source(false), &state(None), promised).missed, None);
    }
}
