//! Figures of many measurements.

use std::fmt;
use std::time::Duration;

/// A share of measurements that are not longer, by the nearest rank.
pub(super) fn percentile(sorted: &[Duration], share: f64) -> Duration {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// What many sidecars came to with one change.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spread {
    pub(super) first: Duration,
    pub(super) median: Duration,
    pub(super) last: Duration,
}

impl Spread {
    pub(super) fn of(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        Self { first: percentile(&all, 0.0), median: percentile(&all, 0.5), last: percentile(&all, 1.0) }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "first {:>6.1}  median {:>6.1}  last {:>6.1} ms",
            ms(self.first),
            ms(self.median),
            ms(self.last)
        )
    }
}

pub(super) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_measurements() {
        let sorted: Vec<Duration> = (1..=30).map(Duration::from_millis).collect();
        assert_eq!(percentile(&sorted, 0.5), Duration::from_millis(15));
        assert_eq!(percentile(&sorted, 0.99), Duration::from_millis(30));
        assert_eq!(percentile(&sorted, 0.0), Duration::from_millis(1));
        assert_eq!(percentile(&[], 0.5), Duration::ZERO);
    }
}
