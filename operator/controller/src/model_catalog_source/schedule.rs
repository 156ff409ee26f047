//! Cron lines, as Kubernetes reads them. Pure: time is an argument.

use std::time::Duration;

use croner::Cron;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use vox_crds::DurationText;

use super::cron::Line;

/// A schedule with its time zone and this source's own delay.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    line: Line,
    cron: Cron,
    zone: TimeZone,
    /// The longest time between two runs, clock changes left out.
    pub(crate) longest_gap: Duration,
    /// Added to every scheduled time.
    pub(crate) delay: Duration,
}

/// Why a schedule cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ScheduleError {
    #[error("spec.schedule {line:?}: {reason}")]
    Line { line: String, reason: String },
    #[error(
        "spec.timeZone {0:?} is not in the IANA time zone database; write it exactly as there, such as Europe/Berlin or Etc/UTC"
    )]
    Zone(String),
    #[error("spec.schedule {0:?} never comes due")]
    Never(String),
    #[error(
        "spec.jitter {jitter} is not shorter than the {gap} between two runs of schedule {line:?}; shorten it"
    )]
    Jitter { jitter: DurationText, gap: DurationText, line: String },
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
        let wrong = |reason| ScheduleError::Line { line: line.to_owned(), reason };
        let never = || ScheduleError::Never(line.to_owned());
        let read = Line::read(line).map_err(wrong)?;
        let cron = library(&read).ok_or_else(never)?;
        let zone = zone_of(zone).ok_or_else(|| ScheduleError::Zone(zone.to_owned()))?;
        let longest_gap = longest_gap(&read, now).ok_or_else(never)?;
        let schedule = Self { line: read, cron, zone, longest_gap, delay: part_of(jitter, seed) };
        let gap = schedule.shortest_gap(now).ok_or_else(never)?;
        if jitter >= gap {
            return Err(ScheduleError::Jitter {
                jitter: jitter.into(),
                gap: gap.into(),
                line: line.to_owned(),
            });
        }
        Ok(schedule)
    }

    /// The next time after `now` at which a run starts, delay included.
    pub(crate) fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let delay = SignedDuration::try_from(self.delay).ok()?;
        let from = now.checked_sub(delay).ok()?;
        let zoned = from.to_zoned(self.zone.clone());
        // A time that a clock change leaves out is moved by our library and skipped by the CronJob controller.
        let mut times = self.cron.iter_after(zoned).take(LOOKED_AT);
        let next = times.find(|time| self.line.has_time(unsigned(time.hour()), unsigned(time.minute())))?;
        next.timestamp().checked_add(delay).ok()
    }

    /// Whether a run starts at `time`, which is in whole seconds.
    pub(crate) fn is_due(&self, time: Timestamp) -> bool {
        time.checked_sub(SignedDuration::from_secs(1)).is_ok_and(|before| self.next(before) == Some(time))
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

/// The line as our library reads it: nothing is left that it reads otherwise.
fn library(line: &Line) -> Option<Cron> {
    line.plain().parse().ok()
}

/// By its exact name: where the CronJob controller looks, case matters, and `Local` is none.
fn zone_of(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok().filter(|zone| zone.iana_name() == Some(name) && !zone.is_unknown())
}

/// The longest time between two runs: within a day, or from the last of one day to the first of the next.
fn longest_gap(line: &Line, now: Timestamp) -> Option<Duration> {
    let minutes = line.minutes_of_day();
    let within = minutes.windows(2).filter_map(|pair| pair[1].checked_sub(pair[0])).max().unwrap_or_default();
    let used = minutes.last()?.checked_sub(*minutes.first()?)?;
    let days: Cron = line.days().parse().ok()?;
    let days: Vec<Timestamp> =
        days.iter_after(now.to_zoned(TimeZone::UTC)).take(LOOKED_AT).map(|day| day.timestamp()).collect();
    let apart =
        days.windows(2).filter_map(|pair| Duration::try_from(pair[1].duration_since(pair[0])).ok()).max();
    // A single day has no gap that anyone could plan for.
    let between =
        apart.map_or(Duration::ZERO, |apart| apart.saturating_sub(Duration::from_secs(u64::from(used) * 60)));
    (!days.is_empty()).then(|| between.max(Duration::from_secs(u64::from(within) * 60)))
}

fn unsigned(part: i8) -> u32 {
    u32::try_from(part).unwrap_or_default()
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

    #[test]
    fn a_star_with_a_step_of_one_leaves_the_weekday_to_decide() {
        // 2026-01-01 is a Thursday.
        let mondays = schedule("0 3 */1 * 1", "Etc/UTC", 0).unwrap();
        assert_eq!(mondays.next(at("2026-01-01T00:00:00Z")).unwrap(), at("2026-01-05T03:00:00Z"));
    }

    #[test]
    fn where_both_days_are_restricted_either_counts() {
        for line in ["0 3 3 * 1", "0 3 3 * MON"] {
            let either = schedule(line, "Etc/UTC", 0).unwrap();
            assert_eq!(either.next(at("2026-01-01T00:00:00Z")).unwrap(), at("2026-01-03T03:00:00Z"));
            assert_eq!(either.next(at("2026-01-03T04:00:00Z")).unwrap(), at("2026-01-05T03:00:00Z"));
        }
        let every_day = schedule("0 3 1-31 * 1", "Etc/UTC", 0).unwrap();
        assert_eq!(every_day.next(at("2026-01-01T04:00:00Z")).unwrap(), at("2026-01-02T03:00:00Z"));
    }

    #[test]
    fn a_time_that_the_clock_change_leaves_out_is_not_promised() {
        let berlin = schedule("30 2 * * *", "Europe/Berlin", 0).unwrap();
        assert_eq!(berlin.next(at("2026-03-28T12:00:00Z")).unwrap(), at("2026-03-30T00:30:00Z"));
    }

    #[test]
    fn the_longest_gap_is_the_one_over_night_or_the_weekend() {
        let gap = |line| schedule(line, "Europe/Berlin", 0).unwrap().longest_gap.as_secs() / 60;
        assert_eq!(gap("*/10 * * * *"), 10);
        assert_eq!(gap("0 3 * * *"), 24 * 60);
        assert_eq!(gap("* 8-17 * * 1-5"), (48 + 14) * 60 + 1);
        assert_eq!(gap("0 0,20 * * *"), 20 * 60);
    }

    #[test]
    fn a_zone_is_called_exactly_as_in_the_database() {
        for zone in ["europe/berlin", "Local", "Etc/Unknown"] {
            assert!(matches!(schedule("0 3 * * *", zone, 0), Err(ScheduleError::Zone(_))), "{zone}");
        }
        assert!(schedule("0 3 * * *", "UTC", 0).is_ok());
    }
}
