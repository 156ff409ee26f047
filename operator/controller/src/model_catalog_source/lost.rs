//! Runs that ended without a report: killed, evicted, never started. Pure.

use jiff::{SignedDuration, Timestamp};
use vox_contracts::discovery::{FailureClass, FetchFailure};
use vox_store::catalog::SourceState;

use super::build::KILLED;
use super::dereference::{JobEnd, JobState};

/// A run whose Job the cache does not show may only be new to the cache.
pub(crate) const CACHE_LAG: SignedDuration = SignedDuration::from_secs(60);

/// A run to record as lost.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LostRun {
    pub(crate) run: String,
    pub(crate) started_at: Timestamp,
    pub(crate) failure: FetchFailure,
}

/// The lost run, if the newest run is one.
pub(crate) fn lost_run(state: &SourceState, jobs: &[JobState], now: Timestamp) -> Option<LostRun> {
    unfinished(state, jobs, now).or_else(|| never_asked(state, jobs))
}

/// A run that asked for a plan, and whose Job is over or gone.
fn unfinished(state: &SourceState, jobs: &[JobState], now: Timestamp) -> Option<LostRun> {
    let last = state.last.as_ref().filter(|last| last.finished_at.is_none())?;
    let why = match jobs.iter().find(|job| job.name == last.run).map(|job| &job.end) {
        Some(None) => return None,
        Some(Some(JobEnd::Complete)) => "the source changed while it ran".to_owned(),
        Some(Some(JobEnd::Failed(why))) => why.clone(),
        None if last.started_at + CACHE_LAG > now => return None,
        None => "its Job was deleted".to_owned(),
    };
    Some(lost(&last.run, last.started_at, &why))
}

/// A Job that failed before it ever asked: no image, no quota, killed at once.
fn never_asked(state: &SourceState, jobs: &[JobState]) -> Option<LostRun> {
    let newest = jobs.iter().max_by_key(|job| job.created)?;
    let Some(JobEnd::Failed(why)) = &newest.end else { return None };
    let known =
        state.last.as_ref().is_some_and(|last| last.run == newest.name || last.started_at > newest.created);
    (!known).then(|| lost(&newest.name, newest.created, why))
}

fn lost(run: &str, started_at: Timestamp, why: &str) -> LostRun {
    // The words of a Job that its failure policy ended.
    let killed = why.contains(&format!("exit code {KILLED} "));
    let killed =
        if killed { ": its container was killed, most often because it was out of memory" } else { "" };
    let message = format!(
        "run {run} ended without a report ({why}){killed}; its pod's events and log say more: kubectl describe job {run}"
    );
    let failure = FetchFailure { class: FailureClass::RunLost, message, retry_after_ms: None };
    LostRun { run: run.to_owned(), started_at, failure }
}

#[cfg(test)]
mod tests {
    use vox_store::catalog::gate::LastAttempt;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn job(name: &str, created: i64, end: Option<JobEnd>) -> JobState {
        JobState { name: name.to_owned(), created: at(created), end, cause: None }
    }

    fn begun(run: &str, finished: bool) -> SourceState {
        let last = LastAttempt {
            run: run.to_owned(),
            plan_digest: "p".to_owned(),
            started_at: at(1000),
            finished_at: finished.then(|| at(1010)),
            failure: None,
            failures: 0,
            retry_after: None,
        };
        SourceState { last: Some(last), ..SourceState::default() }
    }

    fn failed() -> Option<JobEnd> {
        Some(JobEnd::Failed("DeadlineExceeded: too slow".to_owned()))
    }

    #[test]
    fn a_run_that_goes_on_or_has_reported_is_not_lost() {
        assert_eq!(lost_run(&begun("a", false), &[job("a", 990, None)], at(1001)), None);
        assert_eq!(lost_run(&begun("a", true), &[job("a", 990, failed())], at(1020)), None);
        assert_eq!(
            lost_run(&SourceState::default(), &[job("a", 990, Some(JobEnd::Complete))], at(1020)),
            None
        );
    }

    #[test]
    fn a_run_whose_job_ended_first_is_lost_with_the_jobs_words() {
        let lost = lost_run(&begun("a", false), &[job("a", 990, failed())], at(1001)).unwrap();
        assert!(lost.failure.message.contains("DeadlineExceeded"));
    }

    #[test]
    fn a_run_that_was_killed_is_told_with_its_exit_code_and_what_that_means() {
        let told = |code: i32| {
            let words = format!(
                "PodFailurePolicy: Container discover for pod shop/a-x failed with exit code {code} matching FailJob rule at index 2"
            );
            let end = Some(JobEnd::Failed(words));
            lost_run(&begun("a", false), &[job("a", 990, end)], at(1001)).unwrap().failure.message
        };
        assert!(told(137).contains("exit code 137") && told(137).contains("out of memory"), "{}", told(137));
        assert!(!told(3).contains("out of memory"));
    }

    #[test]
    fn a_run_without_a_job_is_lost_once_the_cache_must_know() {
        assert_eq!(lost_run(&begun("a", false), &[], at(1059)), None);
        assert!(lost_run(&begun("a", false), &[], at(1060)).is_some());
    }

    #[test]
    fn a_job_that_failed_before_it_asked_is_lost() {
        let lost = lost_run(
            &begun("a", true),
            &[job("a", 990, Some(JobEnd::Complete)), job("b", 2000, failed())],
            at(2100),
        );
        assert_eq!(lost.unwrap().run, "b");
    }
}
