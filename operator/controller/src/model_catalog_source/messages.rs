//! Sentences of conditions and events that take more than a few words. Pure: the same for the same facts, so that a
//! status is not written anew.

use jiff::Timestamp;
use vox_crds::DurationText;

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

/// When a failed source is tried again, and how to ask for it now.
pub(crate) fn next_try(name: &str, namespace: &str, next: Option<Timestamp>) -> String {
    let Some(next) = next else { return String::new() };
    format!(
        "; next try at {}; `kubectl annotate mcat {name} -n {namespace} vox.dev/requestedAt=\"$(date)\" --overwrite` asks now",
        minute(next)
    )
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
    use vox_crds::ModelCatalogSource;

    use super::*;
    use crate::model_catalog_source::validate::validate;

    #[test]
    fn the_command_that_asks_now_works_in_any_namespace() {
        let hint = next_try("acme", "shop", Some(Timestamp::UNIX_EPOCH));
        assert!(hint.contains("kubectl annotate mcat acme -n shop vox.dev/requestedAt="), "{hint}");
        assert_eq!(next_try("acme", "shop", None), "");
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
