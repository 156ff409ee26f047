//! Ids without a system call: a generator in each thread, seeded once. Ids have to be unique, not secret. And the time,
//! which is in them.

use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use uuid::Uuid;

thread_local! {
    static STATE: Cell<u64> = Cell::new(seed());
}

/// The system's randomness, through the one random id per thread that is drawn from it.
fn seed() -> u64 {
    Uuid::now_v7().as_u64_pair().1 ^ Uuid::now_v7().as_u64_pair().1.rotate_left(32)
}

/// 64 random bits (SplitMix64: each state is met once in 2⁶⁴ draws).
#[must_use]
pub fn random() -> u64 {
    STATE.with(|state| {
        let next = state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        state.set(next);
        let mixed = (next ^ (next >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    })
}

/// A `UUIDv7` of this moment.
#[must_use]
pub fn uuid(unix_ms: u64) -> Uuid {
    let mut tail = [0; 10];
    let random = random().to_be_bytes().into_iter().chain(self::random().to_be_bytes());
    tail.iter_mut().zip(random).for_each(|(byte, random)| *byte = random);
    uuid::Builder::from_unix_timestamp_millis(unix_ms, &tail).into_uuid()
}

/// A moment by both clocks. It is handed on to all that happens then: a request would else read clocks thirty times.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// For durations.
    pub at: Instant,
    /// Milliseconds since 1970 UTC.
    pub unix_ms: u64,
}

impl Moment {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        Self { at: Instant::now(), unix_ms: now_ms() }
    }

    /// Now, which is some time after this moment.
    #[must_use]
    pub fn later(self) -> Self {
        let at = Instant::now();
        Self { at, unix_ms: self.unix_ms.saturating_add(millis(self.until(at))) }
    }

    /// From this moment until then.
    #[must_use]
    pub fn until(self, then: Instant) -> Duration {
        then.saturating_duration_since(self.at)
    }
}

/// Whole milliseconds.
#[must_use]
pub fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds since 1970 UTC.
#[must_use]
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_of_several_threads_differ_and_are_of_version_seven() {
        let threads: Vec<_> = (0..4)
            .map(|_| std::thread::spawn(|| (0..1000).map(|_| uuid(now_ms())).collect::<Vec<_>>()))
            .collect();
        let ids: Vec<Uuid> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert!(ids.iter().all(|id| id.get_version_num() == 7));
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 4000);
    }
}
