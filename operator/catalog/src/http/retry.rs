//! When to try again: exponential back-off with full jitter, and what a server asks for with `Retry-After`.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use http::header::{HeaderMap, RETRY_AFTER};
use jiff::Timestamp;
use vox_contracts::discovery::FetchFailure;

/// A longer `Retry-After` is cut to this, in milliseconds: a week; the schedule asks again long before.
const MAX_RETRY_AFTER_MS: u64 = 7 * 24 * 3600 * 1000;

/// How often a list is asked for, and how long the pauses in between are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Attempts, the first included.
    pub attempts: u32,
    /// The pause before the second attempt; it doubles from attempt to attempt.
    pub initial: Duration,
    /// The longest pause.
    pub max: Duration,
}

/// How long to wait before the next attempt; `None` when there is none: not retriable, or no time left.
pub(super) fn pause(
    failure: &FetchFailure,
    tries: u32,
    remaining: Duration,
    patience: &Patience,
) -> Option<Duration> {
    if !failure.class.is_retriable() {
        return None;
    }
    let asked = failure.retry_after_ms.unwrap_or(0);
    let pause = Duration::from_millis(asked.saturating_add(back_off_ms(patience, tries, random())));
    // An attempt that starts with no time left only hides the first failure behind a timeout.
    (pause < remaining).then_some(pause)
}

/// Between half of and the whole exponential step.
fn back_off_ms(patience: &Patience, tries: u32, random: u64) -> u64 {
    let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let step = ms(patience.initial).saturating_mul(1 << (tries.clamp(1, 16) - 1)).min(ms(patience.max));
    step / 2 + random % (step / 2 + 1)
}

/// Enough randomness to keep clients from marching in step.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// `Retry-After` in milliseconds: seconds or an HTTP date (RFC 9110, 10.2.3); before it `retry-after-ms`, which
/// Azure OpenAI sends.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<u64> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let exact = text("retry-after-ms").and_then(|text| text.parse::<u64>().ok());
    let ms = exact.or_else(|| read_retry_after(text(RETRY_AFTER.as_str())?, Timestamp::now()))?;
    Some(ms.min(MAX_RETRY_AFTER_MS))
}

fn read_retry_after(text: &str, now: Timestamp) -> Option<u64> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(seconds.saturating_mul(1000));
    }
    // The preferred HTTP date is an RFC 2822 one with the zone "GMT".
    let until = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    u64::try_from(until.duration_since(now).as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use vox_contracts::discovery::FailureClass;

    use super::*;

    fn failure(class: FailureClass, retry_after_ms: Option<u64>) -> FetchFailure {
        FetchFailure { class, message: String::new(), retry_after_ms }
    }

    const PATIENCE: Patience =
        Patience { attempts: 4, initial: Duration::from_millis(400), max: Duration::from_secs(10) };

    #[test]
    fn back_off_doubles_up_to_a_limit_and_is_jittered() {
        assert_eq!(back_off_ms(&PATIENCE, 1, 0), 200);
        assert_eq!(back_off_ms(&PATIENCE, 1, 200), 400);
        assert_eq!(back_off_ms(&PATIENCE, 2, 0), 400);
        assert_eq!(back_off_ms(&PATIENCE, 100, u64::MAX) / 5000, 1);
        for random in [0, 1, 7, u64::MAX] {
            assert!((5000..=10_000).contains(&back_off_ms(&PATIENCE, 30, random)));
        }
    }

    #[test]
    fn a_longer_wait_than_the_time_left_is_given_up_at_once() {
        let limited = failure(FailureClass::RateLimited, Some(60_000));
        assert_eq!(pause(&limited, 1, Duration::from_secs(30), &PATIENCE), None);
        assert!(pause(&limited, 1, Duration::from_secs(90), &PATIENCE).unwrap() >= Duration::from_secs(60));
        assert_eq!(
            pause(&failure(FailureClass::Unauthorized, None), 1, Duration::from_secs(90), &PATIENCE),
            None
        );
    }

    #[test]
    fn both_forms_of_retry_after_are_read() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(read_retry_after("7", now), Some(7000));
        assert_eq!(read_retry_after("Thu, 01 Jan 2026 00:00:30 GMT", now), Some(30_000));
        assert_eq!(read_retry_after("Wed, 31 Dec 2025 00:00:00 GMT", now), None);
        assert_eq!(read_retry_after("soon", now), None);
        assert_eq!(read_retry_after("99999999999999999999", now), None);
    }
}
