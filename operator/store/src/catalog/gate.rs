//! When a provider may be asked. Pure: time is an argument.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use vox_contracts::discovery::FailureClass;

use super::Asked;

/// The newest attempt of a source, as far as the gate looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastAttempt {
    /// The run that made it.
    pub run: String,
    /// What it was made for.
    pub plan_digest: String,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended; `None` while it runs.
    pub finished_at: Option<Timestamp>,
    /// The failure, if it failed.
    pub failure: Option<FailureClass>,
    /// Failures in a row, this one included.
    pub failures: u32,
    /// The provider asked to be left alone for so long.
    pub retry_after: Option<Duration>,
}

/// How often a provider may be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    /// Least time from the start of a fetch that worked to the next; a request waits no longer after a failure either, unless
    /// the provider asks for more.
    pub min_interval: Duration,
    /// A run that has not ended after this long is lost.
    pub run_limit: Duration,
    /// Wait after the first failure; doubles with each, up to `retry_max`.
    pub retry_base: Duration,
    /// Longest wait after a failure, unless the provider asks for more.
    pub retry_max: Duration,
    /// Who is asked, where somebody is: other sources may ask the same.
    pub asked: Option<Asked>,
}

/// What keeps a run from asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Another run of the same source that has not ended.
    Running,
    /// The minimum interval since the last good run began.
    MinInterval,
    /// The wait after a failure.
    Failure(FailureClass),
    /// The provider's own `Retry-After`, which outlasts the wait after a failure.
    RetryAfter(FailureClass),
    /// What other sources of the same host or key were told or have used up.
    Withheld,
}

/// Until when a run is kept from asking, and by what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// From then on it may ask; a time in the past means now.
    pub until: Timestamp,
    /// What keeps it.
    pub by: Cause,
}

/// From when on `run` may ask the provider; a time in the past means now. See [`held`].
#[must_use]
pub fn allowed_from(last: Option<&LastAttempt>, run: &str, plan_digest: &str, pace: &Pace) -> Timestamp {
    held(last, run, plan_digest, pace).map_or(Timestamp::MIN, |held| held.until)
}

/// Until when `run` may not ask the provider, and why; none where nothing keeps it.
///
/// A pod that takes over from a lost one of the same run may always ask. A changed plan may ask at once: a corrected
/// endpoint should not wait for the interval of the wrong one.
#[must_use]
pub fn held(last: Option<&LastAttempt>, run: &str, plan_digest: &str, pace: &Pace) -> Option<Held> {
    let last = last?;
    let Some(finished_at) = last.finished_at else {
        let until = later(last.started_at, pace.run_limit);
        return (last.run != run).then_some(Held { until, by: Cause::Running });
    };
    let (until, by) = match last.failure {
        _ if last.plan_digest != plan_digest => return None,
        None => (later(last.started_at, pace.min_interval), Cause::MinInterval),
        // The provider was never asked.
        Some(FailureClass::CredentialMissing) if last.run != run => return None,
        // Neither was it now, and others know until when.
        Some(FailureClass::Withheld) => (later(finished_at, asked_wait(last)), Cause::Withheld),
        // Whoever asks by hand waits no longer than after a good run, unless the provider itself asked for more.
        Some(class) => {
            let (own, asked) = (own_wait(last, pace).min(pace.min_interval), asked_wait(last));
            let by = if asked > own { Cause::RetryAfter(class) } else { Cause::Failure(class) };
            (later(finished_at, own.max(asked)), by)
        }
    };
    Some(Held { until, by })
}

/// When to try again by itself after a failure, with nobody asking.
#[must_use]
pub fn retry_at(last: &LastAttempt, pace: &Pace) -> Option<Timestamp> {
    last.failure?;
    Some(later(last.finished_at?, own_wait(last, pace).max(asked_wait(last))))
}

fn own_wait(last: &LastAttempt, pace: &Pace) -> Duration {
    let doublings = last.failures.saturating_sub(1).min(20);
    pace.retry_base.saturating_mul(1 << doublings).min(pace.retry_max)
}

fn asked_wait(last: &LastAttempt) -> Duration {
    last.retry_after.unwrap_or_default()
}

fn later(time: Timestamp, wait: Duration) -> Timestamp {
    SignedDuration::try_from(wait).ok().and_then(|wait| time.checked_add(wait).ok()).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace {
        min_interval: Duration::from_secs(3600),
        run_limit: Duration::from_secs(300),
        retry_base: Duration::from_secs(30),
        retry_max: Duration::from_secs(600),
        asked: None,
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn worked() -> LastAttempt {
        LastAttempt {
            run: "a".to_owned(),
            plan_digest: "p".to_owned(),
            started_at: at(1000),
            finished_at: Some(at(1010)),
            failure: None,
            failures: 0,
            retry_after: None,
        }
    }

    fn failed(class: FailureClass, failures: u32) -> LastAttempt {
        LastAttempt { failure: Some(class), failures, ..worked() }
    }

    #[test]
    fn a_first_run_may_ask_at_once() {
        assert_eq!(allowed_from(None, "a", "p", &PACE), Timestamp::MIN);
    }

    #[test]
    fn a_second_run_waits_for_the_minimum_interval_counted_from_the_start_of_the_first() {
        assert_eq!(allowed_from(Some(&worked()), "b", "p", &PACE), at(4600));
    }

    #[test]
    fn a_changed_plan_may_ask_at_once() {
        assert_eq!(allowed_from(Some(&worked()), "b", "other", &PACE), Timestamp::MIN);
    }

    #[test]
    fn a_run_in_flight_keeps_others_out_until_it_counts_as_lost() {
        let running = LastAttempt { finished_at: None, ..worked() };
        assert_eq!(allowed_from(Some(&running), "b", "other", &PACE), at(1300));
        assert_eq!(
            allowed_from(Some(&running), "a", "p", &PACE),
            Timestamp::MIN,
            "a new pod of the same run"
        );
    }

    #[test]
    fn after_failures_the_wait_doubles_up_to_its_limit() {
        for (failures, wait) in [(1, 30), (2, 60), (5, 480), (6, 600), (60, 600)] {
            let last = failed(FailureClass::ProviderError, failures);
            assert_eq!(allowed_from(Some(&last), "b", "p", &PACE), at(1010 + wait), "{failures}");
            assert_eq!(retry_at(&last, &PACE), Some(at(1010 + wait)));
        }
    }

    #[test]
    fn a_request_by_hand_waits_no_longer_than_the_minimum_interval() {
        let pace = Pace { min_interval: Duration::from_secs(5), ..PACE };
        let last = failed(FailureClass::ProviderError, 4);
        assert_eq!(allowed_from(Some(&last), "b", "p", &pace), at(1015));
        assert_eq!(retry_at(&last, &pace), Some(at(1010 + 240)), "nobody asked, so it takes its time");
    }

    #[test]
    fn retry_after_of_the_provider_outlasts_our_own_wait() {
        let last = LastAttempt {
            retry_after: Some(Duration::from_secs(7200)),
            ..failed(FailureClass::RateLimited, 1)
        };
        assert_eq!(allowed_from(Some(&last), "b", "p", &PACE), at(1010 + 7200));
    }

    #[test]
    fn a_run_that_was_withheld_waits_for_as_long_as_the_others_and_no_longer() {
        let last =
            LastAttempt { retry_after: Some(Duration::from_secs(20)), ..failed(FailureClass::Withheld, 9) };
        assert_eq!(allowed_from(Some(&last), "b", "p", &PACE), at(1010 + 20));
    }

    #[test]
    fn what_keeps_a_run_is_told_apart() {
        let by = |last: &LastAttempt| held(Some(last), "b", "p", &PACE).map(|held| held.by);
        let told = |seconds, class| LastAttempt {
            retry_after: Some(Duration::from_secs(seconds)),
            ..failed(class, 1)
        };
        assert_eq!(by(&worked()), Some(Cause::MinInterval));
        assert_eq!(by(&LastAttempt { finished_at: None, ..worked() }), Some(Cause::Running));
        assert_eq!(by(&failed(FailureClass::TimedOut, 1)), Some(Cause::Failure(FailureClass::TimedOut)));
        let limited = FailureClass::RateLimited;
        assert_eq!(by(&told(7200, limited)), Some(Cause::RetryAfter(limited)));
        assert_eq!(by(&told(1, limited)), Some(Cause::Failure(limited)), "our own wait is longer");
        assert_eq!(by(&told(20, FailureClass::Withheld)), Some(Cause::Withheld));
        assert_eq!(by(&failed(FailureClass::CredentialMissing, 1)), None);
    }

    #[test]
    fn a_missing_credential_does_not_count_because_nobody_was_asked() {
        let last = failed(FailureClass::CredentialMissing, 3);
        assert_eq!(allowed_from(Some(&last), "b", "p", &PACE), Timestamp::MIN);
        assert!(retry_at(&last, &PACE).is_some(), "it is still retried slowly");
    }
}
