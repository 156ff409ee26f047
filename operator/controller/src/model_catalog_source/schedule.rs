//! Cron lines, as Kubernetes reads them. Pure: time is an argument.

use std::time::Duration;

use croner::Cron;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A schedule with its time zone and this source's own delay.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    cron: Cron,
    zone: TimeZone,
    /// Added to every scheduled time.
    pub(crate) delay: Duration,
}

/// Why a schedule cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ScheduleError {
    #[error("spec.schedule {line:?} is no cron line: {reason}")]
    Line { line: String, reason: String },
    #[error(
        "spec.timeZone {0:?} is not in the IANA time zone database; write it like Europe/Berlin or Etc/UTC"
    )]
    Zone(String),
    #[error("spec.schedule {0:?} never comes due")]
    Never(String),
    #[error("spec.jitter {jitter:?} is not shorter than the {gap:?} between two scheduled runs; shorten it")]
    Jitter { jitter: Duration, gap: Duration },
}

/// How many scheduled times the shortest gap is looked for in: more than a month of daily runs, so that a line like
/// `0 3 1,2 * *` shows its short gap.
const LOOKED_AT: usize = 64;

impl Schedule {
    /// Reads a line and a zone, and derives the delay: a part of `jitter` that is always the same for the same `seed`
    /// (the source's uid), so that the next refresh can be promised.
    pub(crate) fn new(
        line: &str,
        zone: &str,
        jitter: Duration,
        seed: &str,
        now: Timestamp,
    ) -> Result<Self, ScheduleError> {
        let cron: Cron = line.parse().map_err(|error: croner::errors::CronError| ScheduleError::Line {
            line: line.to_owned(),
            reason: error.to_string(),
        })?;
        let zone = TimeZone::get(zone).map_err(|_| ScheduleError::Zone(zone.to_owned()))?;
        let schedule = Self { cron, zone, delay: part_of(jitter, seed) };
        let Some(gap) = schedule.shortest_gap(now) else { return Err(ScheduleError::Never(line.to_owned())) };
        if jitter >= gap {
            return Err(ScheduleError::Jitter { jitter, gap });
        }
        Ok(schedule)
    }

    /// The next time after `now` at which a run starts, delay included.
    pub(crate) fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let delay = SignedDuration::try_from(self.delay).ok()?;
        let from = now.checked_sub(delay).ok()?;
        let zoned = from.to_zoned(self.zone.clone());
        let next = self.cron.find_next_occurrence(&zoned, false).ok()?;
        next.timestamp().checked_add(delay).ok()
    }

    fn shortest_gap(&self, now: Timestamp) -> Option<Duration> {
        let times: Vec<Timestamp> = self
            .cron
            .iter_after(now.to_zoned(self.zone.clone()))
            .take(LOOKED_AT)
            .map(|time| time.timestamp())
            .collect();
        let gaps =
            times.windows(2).filter_map(|pair| Duration::try_from(pair[1].duration_since(pair[0])).ok());
        // A single time has no gap: any jitter is shorter.
        gaps.min().or_else(|| times.first().map(|_| Duration::MAX))
    }
}

/// A part of `whole` in whole seconds, the same for the same seed and evenly spread over seeds.
fn part_of(whole: Duration, seed: &str) -> Duration {
    let hash = crate::names::sha256(seed.as_bytes());
    let number = u64::from_str_radix(&hash[..12], 16).unwrap_or_default();
    Duration::from_secs(number % whole.as_secs().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn schedule(line: &str, zone: &str, jitter: u64) -> Result<Schedule, ScheduleError> {
        Schedule::new(line, zone, Duration::from_secs(jitter), "seed", at("2026-01-01T00:00:00Z"))
    }

    #[test]
    fn the_next_run_is_in_the_sources_time_zone_across_a_clock_change() {
        let berlin = schedule("0 3 * * *", "Europe/Berlin", 0).unwrap();
        assert_eq!(berlin.next(at("2026-03-27T12:00:00Z")).unwrap(), at("2026-03-28T02:00:00Z"));
        assert_eq!(berlin.next(at("2026-03-29T12:00:00Z")).unwrap(), at("2026-03-30T01:00:00Z"));
    }

    #[test]
    fn the_delay_is_part_of_the_promise_and_always_the_same() {
        let once = schedule("*/10 * * * *", "Etc/UTC", 300).unwrap();
        let again = schedule("*/10 * * * *", "Etc/UTC", 300).unwrap();
        assert_eq!(once.delay, again.delay);
        let next = once.next(at("2026-01-01T00:00:00Z")).unwrap();
        // Within the delay of the run at midnight, that run is still to come.
        let delay = SignedDuration::try_from(once.delay).unwrap();
        assert!(next == at("2026-01-01T00:00:00Z").checked_add(delay).unwrap());
    }

    #[test]
    fn what_kubernetes_would_not_run_is_refused_with_the_reason() {
        assert!(matches!(schedule("61 3 * * *", "Etc/UTC", 0), Err(ScheduleError::Line { .. })));
        assert!(matches!(schedule("0 3 * * *", "Mars/Olympus", 0), Err(ScheduleError::Zone(_))));
        assert!(matches!(schedule("0 0 31 2 *", "Etc/UTC", 0), Err(ScheduleError::Never(_))));
        let error = schedule("*/5 * * * *", "Etc/UTC", 300).unwrap_err();
        assert!(matches!(error, ScheduleError::Jitter { .. }), "{error}");
        assert!(schedule("@hourly", "Etc/UTC", 600).is_ok());
    }
}
