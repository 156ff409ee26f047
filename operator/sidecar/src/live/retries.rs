//! A bound on retries, so that an outage of everything is not answered with a multiple of the load. A retry that succeeds is
//! no part of one and is not counted: while one upstream is away and another answers, everybody is answered.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// So many retries are always allowed in a window.
const FLOOR: u64 = 10;
/// Beyond that, so many for each hundred requests.
const PERCENT: u64 = 20;
const WINDOW_MS: u64 = 10_000;
/// The half of a counter that is of this window.
const LOW: u64 = 0xffff_ffff;

/// Requests and retries of the last seconds: of the window under way and of the one before it.
#[derive(Debug, Default)]
pub struct Retries {
    window: AtomicU64,
    /// High half: the window before; low half: this one.
    requests: AtomicU64,
    retries: AtomicU64,
}

impl Retries {
    /// A request begins.
    pub fn request(&self, now_ms: u64) {
        self.turn(now_ms);
        self.requests.fetch_add(1, Relaxed);
    }

    /// Whether one more retry is allowed; if so, it is counted.
    #[must_use]
    pub fn allow(&self, now_ms: u64) -> bool {
        let any = self.any_left(now_ms);
        if any {
            self.retries.fetch_add(1, Relaxed);
        }
        any
    }

    /// A retry that was allowed has succeeded.
    pub fn succeeded(&self, now_ms: u64) {
        self.turn(now_ms);
        // Where its window has passed, there is nothing left to take back.
        let one_less = |retries: u64| (retries & LOW > 0).then(|| retries - 1);
        let _ = self.retries.fetch_update(Relaxed, Relaxed, one_less);
    }

    /// Whether one more retry would be allowed.
    #[must_use]
    pub fn any_left(&self, now_ms: u64) -> bool {
        self.turn(now_ms);
        let allowed = FLOOR.max(both(self.requests.load(Relaxed)).saturating_mul(PERCENT) / 100);
        both(self.retries.load(Relaxed)) < allowed
    }

    fn turn(&self, now_ms: u64) {
        let now = now_ms / WINDOW_MS;
        let window = self.window.load(Relaxed);
        if window < now && self.window.compare_exchange(window, now, Relaxed, Relaxed).is_ok() {
            let next = window.saturating_add(1) == now;
            for counter in [&self.requests, &self.retries] {
                let last = if next { counter.load(Relaxed) << 32 } else { 0 };
                counter.store(last, Relaxed);
            }
        }
    }
}

const fn both(halves: u64) -> u64 {
    (halves >> 32) + (halves & LOW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_requests_may_retry_ten_times() {
        let retries = Retries::default();
        assert_eq!((0..100).filter(|_| retries.allow(0)).count(), 10);
    }

    #[test]
    fn many_requests_may_retry_a_fifth_of_their_number() {
        let retries = Retries::default();
        (0..1000).for_each(|_| retries.request(WINDOW_MS));
        assert_eq!((0..1000).filter(|_| retries.allow(WINDOW_MS)).count(), 200);
        assert!(retries.allow(3 * WINDOW_MS), "what is long past does not count");
    }

    #[test]
    fn retries_that_succeed_are_not_counted() {
        let retries = Retries::default();
        for _ in 0..100 {
            assert!(retries.allow(0));
            retries.succeeded(0);
        }
        assert_eq!((0..100).filter(|_| retries.allow(0)).count(), 10);
        retries.succeeded(WINDOW_MS);
        assert_eq!(
            (0..100).filter(|_| retries.allow(WINDOW_MS)).count(),
            0,
            "those of the window before stay"
        );
    }
}
