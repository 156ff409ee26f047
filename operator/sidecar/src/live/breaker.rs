//! Passive ejection: who fails too often is not called until a probe has succeeded.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use vox_routing::request::Unavailable;

/// So many failures in a row open the circuit.
const CONSECUTIVE: u32 = 5;
/// Of a whole upstream so many do: more than one of its models has to fail, unless nothing else of it is called.
const CONSECUTIVE_OF_ALL: u32 = 10;
/// So do failures of this share of the calls of a window, per mille, if there were enough calls to tell.
const RATE_PER_MILLE: u32 = 500;
const RATE_CALLS: u32 = 20;
const WINDOW_MS: u64 = 10_000;
/// How long the circuit stays open: doubled by each probe that fails.
const FIRST_MS: u64 = 1_000;
const LAST_MS: u64 = 60_000;
/// A limit without a `Retry-After` holds for so long.
const LIMITED_MS: u64 = 1_000;
/// So long is one left alone that is busy, where requests wait for it.
const BUSY_MS: u64 = 100;
/// No `Retry-After` is believed beyond this.
const LIMITED_MAX_MS: u64 = 3_600_000;

/// The state of one deployment, or of an upstream with all its deployments.
#[derive(Debug, Default)]
pub struct Breaker {
    /// An upstream's. A share of failures opens none: that may be one bad model among good ones.
    of_all: bool,
    in_a_row: AtomicU32,
    /// When the window began, and calls and failures in it. Racing workers may lose a count, never a whole window.
    window_ms: AtomicU64,
    calls: AtomicU32,
    failures: AtomicU32,
    /// 0 while closed.
    open_until_ms: AtomicU64,
    /// Probes that failed since it opened.
    failed_probes: AtomicU32,
    probing: AtomicBool,
    limited_until_ms: AtomicU64,
    full_until_ms: AtomicU64,
}

/// The right to call a deployment. Dropped without a verdict (the client went away) it gives a probe back.
#[derive(Debug)]
pub struct Permit {
    breaker: Arc<Breaker>,
    probe: bool,
}

impl Breaker {
    /// Of an upstream with all its deployments.
    #[must_use]
    pub fn of_all() -> Self {
        Self { of_all: true, ..Self::default() }
    }

    /// Why it cannot be called now.
    #[must_use]
    pub fn unavailable(&self, now_ms: u64) -> Option<Unavailable> {
        let open_until = self.open_until_ms.load(Relaxed);
        if now_ms < open_until || (open_until > 0 && self.probing.load(Relaxed)) {
            Some(Unavailable::CircuitOpen)
        } else if now_ms < self.limited_until_ms.load(Relaxed) {
            Some(Unavailable::RateLimited)
        } else if now_ms < self.full_until_ms.load(Relaxed) {
            Some(Unavailable::AtCapacity)
        } else {
            None
        }
    }

    /// When what makes it unavailable ends, as far as a time is known.
    #[must_use]
    pub fn available_at_ms(&self) -> u64 {
        let times = [&self.open_until_ms, &self.limited_until_ms, &self.full_until_ms];
        times.into_iter().map(|time| time.load(Relaxed)).max().unwrap_or(0)
    }

    /// The right to call it, if it may be called; of those that ask while the circuit is half open, one gets it.
    #[must_use]
    pub fn begin(self: &Arc<Self>, now_ms: u64) -> Option<Permit> {
        if self.unavailable(now_ms).is_some() {
            return None;
        }
        let probe = self.open_until_ms.load(Relaxed) > 0;
        if probe && self.probing.swap(true, Relaxed) {
            return None;
        }
        Some(Permit { breaker: Arc::clone(self), probe })
    }

    fn count(&self, failed: bool, now_ms: u64) {
        if now_ms.saturating_sub(self.window_ms.load(Relaxed)) > WINDOW_MS {
            self.window_ms.store(now_ms, Relaxed);
            self.calls.store(0, Relaxed);
            self.failures.store(0, Relaxed);
        }
        let calls = self.calls.fetch_add(1, Relaxed).saturating_add(1);
        if !failed {
            self.in_a_row.store(0, Relaxed);
            return;
        }
        let failures = self.failures.fetch_add(1, Relaxed).saturating_add(1);
        let in_a_row = self.in_a_row.fetch_add(1, Relaxed).saturating_add(1);
        let often = !self.of_all
            && calls >= RATE_CALLS
            && failures.saturating_mul(1000) >= calls.saturating_mul(RATE_PER_MILLE);
        let most = if self.of_all { CONSECUTIVE_OF_ALL } else { CONSECUTIVE };
        if in_a_row >= most || often {
            self.open(now_ms);
        }
    }

    fn open(&self, now_ms: u64) {
        let doublings = self.failed_probes.load(Relaxed).min(6);
        let pause = FIRST_MS.saturating_mul(1 << doublings).min(LAST_MS);
        self.open_until_ms.store(now_ms.saturating_add(pause), Relaxed);
    }

    fn close(&self) {
        for count in [&self.in_a_row, &self.calls, &self.failures, &self.failed_probes] {
            count.store(0, Relaxed);
        }
        self.open_until_ms.store(0, Relaxed);
    }
}

impl Permit {
    /// Its answer has begun: a probe has found out what it was sent for. How the answer ends still counts.
    pub fn began(&mut self) {
        if std::mem::take(&mut self.probe) {
            self.breaker.close();
            self.breaker.probing.store(false, Relaxed);
        }
    }

    /// It answered.
    pub fn succeeded(self, now_ms: u64) {
        if self.probe {
            self.breaker.close();
        }
        self.breaker.count(false, now_ms);
    }

    /// It failed in a way that says something about it.
    pub fn failed(self, now_ms: u64) {
        if self.probe {
            self.breaker.failed_probes.fetch_add(1, Relaxed);
            self.breaker.open(now_ms);
        } else {
            self.breaker.count(true, now_ms);
        }
    }

    /// It said that it is limited.
    pub fn limited(self, retry_after: Option<Duration>, now_ms: u64) {
        self.breaker.limited_until_ms.store(until(retry_after, LIMITED_MS, now_ms), Relaxed);
    }

    /// It said that it is full: it is not called until it has had time to serve some. Who does not say when to come back
    /// may as well be down, so that counts as a failure, too.
    pub fn full(self, retry_after: Option<Duration>, now_ms: u64) {
        self.breaker.full_until_ms.store(until(retry_after, LIMITED_MS, now_ms), Relaxed);
        if retry_after.is_none() {
            self.failed(now_ms);
        }
    }

    /// It said that it is full, and the policy says that this is usual there and that requests wait for it: no failure, and
    /// no pause in which its places stay empty.
    pub fn busy(self, retry_after: Option<Duration>, now_ms: u64) {
        self.breaker.full_until_ms.store(until(retry_after, BUSY_MS, now_ms), Relaxed);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.probe {
            self.breaker.probing.store(false, Relaxed);
        }
    }
}

fn until(retry_after: Option<Duration>, else_ms: u64, now_ms: u64) -> u64 {
    let asked = retry_after.map_or(else_ms, |wait| u64::try_from(wait.as_millis()).unwrap_or(LIMITED_MAX_MS));
    now_ms.saturating_add(asked.min(LIMITED_MAX_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened() -> Arc<Breaker> {
        let breaker = Arc::new(Breaker::default());
        (0..CONSECUTIVE).for_each(|_| breaker.begin(1_000).unwrap().failed(1_000));
        breaker
    }

    #[test]
    fn five_failures_in_a_row_open_the_circuit_for_a_second() {
        let breaker = opened();
        assert_eq!(breaker.unavailable(1_999), Some(Unavailable::CircuitOpen));
        assert_eq!(breaker.unavailable(2_000), None);
    }

    #[test]
    fn a_success_between_failures_keeps_it_closed() {
        let breaker = Arc::new(Breaker::default());
        for _ in 0..3 {
            (0..CONSECUTIVE - 1).for_each(|_| breaker.begin(1).unwrap().failed(1));
            breaker.begin(1).unwrap().succeeded(1);
        }
        assert_eq!(breaker.unavailable(1), None);
    }

    #[test]
    fn failures_of_half_of_many_calls_open_it() {
        let breaker = Arc::new(Breaker::default());
        for _ in 0..RATE_CALLS / 2 {
            breaker.begin(1).unwrap().succeeded(1);
            breaker.begin(1).unwrap().failed(1);
        }
        assert_eq!(breaker.unavailable(1), Some(Unavailable::CircuitOpen));
    }

    #[test]
    fn an_upstream_opens_when_all_fail_and_not_for_a_share_of_failures() {
        let upstream = Arc::new(Breaker::of_all());
        for _ in 0..RATE_CALLS {
            upstream.begin(1).unwrap().succeeded(1);
            upstream.begin(1).unwrap().failed(1);
        }
        assert_eq!(upstream.unavailable(1), None);
        (1..CONSECUTIVE_OF_ALL).for_each(|_| upstream.begin(1).unwrap().failed(1));
        assert_eq!(upstream.unavailable(1), Some(Unavailable::CircuitOpen));
    }

    #[test]
    fn one_probe_is_let_through_and_a_failed_one_doubles_the_pause() {
        let breaker = opened();
        let probe = breaker.begin(2_000).unwrap();
        assert!(breaker.begin(2_000).is_none());
        probe.failed(2_000);
        assert_eq!(breaker.unavailable(3_999), Some(Unavailable::CircuitOpen));
        breaker.begin(4_000).unwrap().succeeded(4_000);
        assert_eq!(breaker.unavailable(4_000), None);
        assert!(breaker.begin(4_000).is_some_and(|permit| !permit.probe));
    }

    #[test]
    fn a_probe_whose_client_went_away_is_given_back() {
        let breaker = opened();
        drop(breaker.begin(2_000).unwrap());
        assert!(breaker.begin(2_000).is_some());
    }

    #[test]
    fn a_probe_whose_answer_has_begun_closes_the_circuit_before_its_end() {
        let breaker = opened();
        let mut probe = breaker.begin(2_000).unwrap();
        probe.began();
        assert!(breaker.begin(2_000).is_some_and(|permit| !permit.probe));
        probe.failed(9_000);
        assert_eq!(breaker.unavailable(9_000), None, "one failure does not open it");
    }

    #[test]
    fn who_is_full_again_and_again_and_never_says_until_when_is_ejected() {
        let breaker = Arc::new(Breaker::default());
        for second in 1..=u64::from(CONSECUTIVE) {
            breaker.begin(second * 1_000).unwrap().full(None, second * 1_000);
        }
        assert_eq!(breaker.unavailable(5_500), Some(Unavailable::CircuitOpen));
    }

    #[test]
    fn who_is_waited_for_is_never_ejected_for_being_busy() {
        let breaker = Arc::new(Breaker::default());
        for tenth in 1..=u64::from(RATE_CALLS) {
            breaker.begin(tenth * BUSY_MS).unwrap().busy(None, tenth * BUSY_MS);
        }
        let last = u64::from(RATE_CALLS) * BUSY_MS;
        assert_eq!(breaker.unavailable(last), Some(Unavailable::AtCapacity));
        assert_eq!(breaker.unavailable(last + BUSY_MS), None);
    }

    #[test]
    fn a_limit_holds_for_as_long_as_was_asked() {
        let breaker = Arc::new(Breaker::default());
        breaker.begin(0).unwrap().limited(Some(Duration::from_secs(7)), 0);
        assert_eq!(breaker.unavailable(6_999), Some(Unavailable::RateLimited));
        assert_eq!(breaker.unavailable(7_000), None);
        breaker.begin(7_000).unwrap().full(None, 7_000);
        assert_eq!(breaker.unavailable(7_999), Some(Unavailable::AtCapacity));
        assert_eq!(breaker.unavailable(8_000), None);
    }
}
