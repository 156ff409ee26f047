//! Sentences of conditions and events that take more than a few words. Pure: the same for the same facts, so that a
//! status is not written anew.

use std::time::Duration;

use jiff::Timestamp;
use vox_crds::DurationText;
use vox_store::catalog::gate::{Cause, Held};

use super::validate::ValidatedSource;

/// What a source says while others' runs leave it no place.
pub(crate) const WAITS: &str =
    "waits for a place: as many discovery Jobs are running as the operator's --runs-at-once allows";

/// A time to the minute, in UTC.
pub(crate) fn minute(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// The whole second at or after a time: from then on holds what held from the time on.
pub(crate) fn second_from(time: Timestamp) -> Timestamp {
    let up = i64::from(time.subsec_nanosecond() > 0);
    Timestamp::from_second(time.as_second().saturating_add(up)).unwrap_or(time)
}

/// When a failed source is tried again, and from when on a request for a run is granted. `held` is the gate's answer to one
/// that nothing but the newest attempt holds up.
pub(crate) fn next_try(name: &str, namespace: &str, next: Option<Timestamp>, held: Option<Held>) -> String {
    let Some(next) = next else { return String::new() };
    let tried = format!("; next try at {}", minute(next));
    let command = format!(
        "`kubectl annotate mcat {name} -n {namespace} vox.dev/requestedAt=\"$(date)\" --overwrite` asks for one"
    );
    match held {
        None => format!("{tried}; {command} at once"),
        Some(held) if held.until < next => {
            format!("{tried}; {command} sooner, from {} on", second_from(held.until))
        }
        Some(held) => {
            format!("{tried}; no request is granted before {}", second_from(held.until))
        }
    }
}

/// Why a request is refused, and from when on one is granted. `said` is what the newest attempt said of itself.
pub(crate) fn too_soon(held: Held, min_interval: Option<Duration>, said: &str) -> String {
    let why = match held.by {
        Cause::Running => "a run that began before has not ended".to_owned(),
        Cause::MinInterval => {
            let of = min_interval.map(|interval| format!(" of {}", DurationText::from(interval)));
            format!("the provider was asked less than the minimum interval{} ago", of.unwrap_or_default())
        }
        Cause::Failure(class) => {
            format!("the last fetch failed ({class}), and the provider is left alone for a while")
        }
        Cause::RetryAfter(class) => format!("the provider asked to be left alone ({class}, Retry-After)"),
        Cause::Withheld if said.is_empty() => {
            "other sources of the same host or key were told to wait, or have used up its fetches".to_owned()
        }
        Cause::Withheld => said.to_owned(),
    };
    format!("{why}; a request is granted from {} on", second_from(held.until))
}

/// Said where the freshness limit cannot be held by the schedule.
pub(crate) fn stale_between_runs(source: &ValidatedSource) -> Option<String> {
    let gap = source.schedule.longest_gap;
    (source.max_age < gap && !source.suspend).then(|| {
        format!(
            "freshness.maxAge {} is shorter than the {} between runs of schedule {:?}: the source will be stale in between; \
             raise maxAge or run more often",
            DurationText::from(source.max_age),
            DurationText::from(gap),
            source.cron_line,
        )
    })
}

#[cfg(test)]
mod tests {
    use vox_contracts::discovery::FailureClass;
    use vox_crds::ModelCatalogSource;

    use super::*;
    use crate::model_catalog_source::validate::validate;

    fn held(second: i64, by: Cause) -> Held {
        Held { until: Timestamp::from_second(second).unwrap(), by }
    }

    #[test]
    fn the_command_that_asks_works_in_any_namespace_and_says_from_when_on() {
        let next = Timestamp::from_second(600).ok();
        let failed = Cause::Failure(FailureClass::TimedOut);
        let hint = next_try("acme", "shop", next, Some(held(60, failed)));
        assert!(hint.contains("kubectl annotate mcat acme -n shop vox.dev/requestedAt="), "{hint}");
        assert!(hint.ends_with("asks for one sooner, from 1970-01-01T00:01:00Z on"), "{hint}");
        assert!(next_try("acme", "shop", next, None).ends_with("asks for one at once"));
        let withheld = next_try("acme", "shop", next, Some(held(600, Cause::Withheld)));
        assert!(withheld.ends_with("; no request is granted before 1970-01-01T00:10:00Z"), "{withheld}");
        assert_eq!(next_try("acme", "shop", None, None), "");
    }

    #[test]
    fn a_refused_request_is_told_what_really_holds_it_up() {
        let note = |by, said| too_soon(held(60, by), Some(Duration::from_secs(3600)), said);
        let causes = [
            (Cause::MinInterval, ""),
            (Cause::Failure(FailureClass::TimedOut), "it took too long"),
            (Cause::RetryAfter(FailureClass::RateLimited), "it answered 429"),
            (Cause::Withheld, "llm.example.com was not asked: it told source team-b/llm to wait"),
            (Cause::Running, ""),
        ];
        insta::assert_debug_snapshot!(causes.map(|(by, said)| note(by, said)));
    }

    fn said(schedule: &str, max_age: &str) -> Option<String> {
        let spec = serde_json::json!({ "provider": { "openRouter": {} }, "minInterval": "1m",
            "schedule": schedule, "freshness": { "maxAge": max_age } });
        stale_between_runs(
            &validate(&ModelCatalogSource::new("s", serde_json::from_value(spec).unwrap())).unwrap(),
        )
    }

    #[test]
    fn a_limit_shorter_than_the_time_between_runs_is_told_with_both() {
        let told = said("0 3 * * *", "1h").unwrap();
        assert!(
            told.starts_with("freshness.maxAge 1h is shorter than the 24h between runs of schedule"),
            "{told}"
        );
        assert_eq!(said("0 3 * * *", "24h"), None);
        assert!(said("0 3 * * 1-5", "36h").unwrap().contains("the 72h between"));
    }

    #[test]
    fn a_time_is_told_in_whole_seconds_and_never_early() {
        let part: Timestamp = "2026-01-01T00:00:07.25Z".parse().unwrap();
        assert_eq!(second_from(part).to_string(), "2026-01-01T00:00:08Z");
        assert_eq!(second_from(second_from(part)), second_from(part));
        assert_eq!(minute(part), "2026-01-01 00:00 UTC");
    }
}
