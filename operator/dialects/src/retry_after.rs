//! How long a provider wants to be left alone.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;

/// Reads a `Retry-After` header (RFC 9110, 10.2.3): whole seconds, or a date, which is counted from `now_unix` (Unix
/// seconds); one that has passed is zero. None when it is neither. Fractions of seconds, which some providers send,
/// are read too. The wait is not bounded here.
#[must_use]
pub fn retry_after(value: &str, now_unix: i64) -> Option<Duration> {
    let value = value.trim();
    if value.bytes().next()?.is_ascii_digit() {
        return seconds(value);
    }
    let at = http_date(value)?.as_second();
    Some(Duration::from_secs(u64::try_from(at.saturating_sub(now_unix)).unwrap_or(0)))
}

/// `12` or `12.5`.
fn seconds(value: &str) -> Option<Duration> {
    if !value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    if let Ok(whole) = value.parse() {
        return Some(Duration::from_secs(whole));
    }
    Duration::try_from_secs_f64(value.parse().ok()?).ok()
}

/// IMF-fixdate, which is RFC 2822's form with `GMT`. The two older forms, which a server must not send since 1999,
/// are not read.
fn http_date(value: &str) -> Option<Timestamp> {
    static PARSER: rfc2822::DateTimeParser = rfc2822::DateTimeParser::new();
    PARSER.parse_timestamp(value).ok()
}

/// `48s` or `1.5s`, as Google's `RetryInfo` writes it.
pub(crate) fn google_delay(value: &str) -> Option<Duration> {
    seconds(value.strip_suffix('s')?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wed, 21 Oct 2015 07:28:00 GMT.
    const THEN: i64 = 1_445_412_480;

    #[test]
    fn seconds_and_dates_are_read() {
        assert_eq!(retry_after("120", 0), Some(Duration::from_secs(120)));
        assert_eq!(retry_after(" 0 ", 0), Some(Duration::ZERO));
        assert_eq!(retry_after("1.5", 0), Some(Duration::from_millis(1500)));
        assert_eq!(retry_after("Wed, 21 Oct 2015 07:28:00 GMT", THEN - 30), Some(Duration::from_secs(30)));
    }

    #[test]
    fn a_date_that_has_passed_is_now() {
        assert_eq!(retry_after("Wed, 21 Oct 2015 07:28:00 GMT", THEN + 1), Some(Duration::ZERO));
    }

    #[test]
    fn what_is_neither_is_nothing() {
        for value in ["", "soon", "-1", "1.2.3", "1s", "99999999999999999999999", "Wed, 21 Oct"] {
            let read = retry_after(value, 0);
            assert!(read.is_none() || value.starts_with('9'), "{value}: {read:?}");
        }
    }

    #[test]
    fn googles_delays_are_seconds_with_an_s() {
        assert_eq!(google_delay("48s"), Some(Duration::from_secs(48)));
        assert_eq!(google_delay("48"), None);
    }
}
