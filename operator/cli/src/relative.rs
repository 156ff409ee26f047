//! Times as people say them: `41s ago`, `in 18h`.

use jiff::{SignedDuration, Timestamp};

/// `41s`, `5m`, `18h`, `3d`: the largest unit that still says something; two days are better known as hours.
pub(crate) fn short(duration: SignedDuration) -> String {
    let (number, unit) = parts(duration);
    format!("{number}{unit}")
}

/// `41s ago`. A time that lies a little ahead (clocks differ) is now.
pub(crate) fn ago(now: Timestamp, time: Timestamp) -> String {
    format!("{} ago", short(now.duration_since(time)))
}

/// `in 18h`, or when it has passed `5m overdue`.
pub(crate) fn until(now: Timestamp, time: Timestamp) -> String {
    let left = time.duration_since(now);
    if left.is_negative() { format!("{} overdue", short(-left)) } else { format!("in {}", short(left)) }
}

fn parts(duration: SignedDuration) -> (i64, char) {
    let seconds = duration.as_secs().max(0);
    match seconds {
        0..60 => (seconds, 's'),
        60..3600 => (seconds / 60, 'm'),
        3600..172_800 => (seconds / 3600, 'h'),
        _ => (seconds / 86400, 'd'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn an_age_is_told_in_its_largest_unit() {
        let told = |seconds: i64| ago(at(1_000_000), at(1_000_000 - seconds));
        assert_eq!(told(41), "41s ago");
        assert_eq!(told(300), "5m ago");
        assert_eq!(told(38 * 3600 + 59), "38h ago");
        assert_eq!(told(5 * 86400), "5d ago");
    }

    #[test]
    fn a_time_ahead_counts_down_and_one_that_passed_is_overdue() {
        assert_eq!(until(at(0), at(18 * 3600)), "in 18h");
        assert_eq!(until(at(300), at(0)), "5m overdue");
    }

    #[test]
    fn a_clock_that_is_behind_does_not_show_negative_ages() {
        assert_eq!(ago(at(0), at(3)), "0s ago");
    }
}
