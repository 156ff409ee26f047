use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A moment in the past, as people write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    /// So long ago.
    Ago(SignedDuration),
    /// At this moment.
    At(Timestamp),
}

impl Since {
    /// Reads a duration, a date (from its midnight, UTC) or a time.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let hint =
            || "write a time back from now like 24h or 7d, or a date or time like 2026-01-31".to_owned();
        if let Some(ago) = duration(text) {
            return if ago.is_positive() { Ok(Self::Ago(ago)) } else { Err(hint()) };
        }
        let midnight = |date: Date| Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp());
        let at = text.parse::<Timestamp>().ok().or_else(|| midnight(text.parse().ok()?));
        at.map(Self::At).ok_or_else(hint)
    }

    /// The moment, seen from `now`; a reason why not where it lies in the future, or before all time.
    pub(crate) fn moment(self, now: Timestamp) -> Result<Timestamp, String> {
        match self {
            Self::Ago(ago) => now.checked_sub(ago).map_err(|_| "--since lies before all time".to_owned()),
            Self::At(at) if at > now => Err(format!("--since {at} lies in the future")),
            Self::At(at) => Ok(at),
        }
    }
}

/// As everywhere, and whole days.
fn duration(text: &str) -> Option<SignedDuration> {
    match text.strip_suffix('d').map(str::parse::<u16>) {
        Some(Ok(days)) => Some(SignedDuration::from_hours(24 * i64::from(days))),
        _ => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> Result<Timestamp, String> {
        Since::read(text)?.moment("2026-02-01T12:00:00Z".parse().unwrap())
    }

    #[test]
    fn a_time_back_a_date_and_a_time_are_read() {
        for (text, expected) in [
            ("24h", "2026-01-31T12:00:00Z"),
            ("7d", "2026-01-25T12:00:00Z"),
            ("90m", "2026-02-01T10:30:00Z"),
            ("2026-01-31", "2026-01-31T00:00:00Z"),
            ("2026-01-31T12:00:00+01:00", "2026-01-31T11:00:00Z"),
        ] {
            assert_eq!(moment(text).unwrap(), expected.parse().unwrap(), "{text}");
        }
    }

    #[test]
    fn what_is_no_past_moment_is_refused() {
        for text in ["", "soon", "yesterday", "-24h", "0h", "0d", "2026-02-30", "24"] {
            assert!(moment(text).unwrap_err().contains("24h"), "{text}");
        }
        assert!(moment("2026-02-02").unwrap_err().contains("future"));
        assert!(moment("2026-02-01T12:00:01Z").unwrap_err().contains("future"));
    }
}
