use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::runtime::reflector::{Lookup, Store};

/// How soon to look again whether a cache is filled.
const FILLED: Duration = Duration::from_secs(1);

/// Waits until a cache holds what is there; false when its watch ended before. kube wakes only the last of those that
/// wait for one cache, so that another would sleep for ever: each looks again by itself.
pub(crate) async fn filled<K>(cache: &Store<K>) -> bool
where
    K: Lookup + Clone + 'static,
    K::DynamicType: Eq + Hash + Clone,
{
    loop {
        if let Ok(ready) = tokio::time::timeout(FILLED, cache.wait_until_ready()).await {
            return ready.is_ok();
        }
    }
}

/// First and longest wait after a failed reconcile.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);

/// Waits of objects whose last reconcile failed: doubling for each object by itself, because one broken object must not
/// slow the others. The runtime has no such thing.
#[derive(Debug)]
pub(crate) struct Backoff<K> {
    failures: Mutex<HashMap<K, u32>>,
}

impl<K> Default for Backoff<K> {
    fn default() -> Self {
        Self { failures: Mutex::default() }
    }
}

impl<K: Eq + Hash + Clone> Backoff<K> {
    /// The next wait of an object that failed, and how many objects are waiting now.
    pub(crate) fn failed(&self, object: &K) -> (Duration, usize) {
        let mut failures = self.lock();
        let count = failures.entry(object.clone()).or_default();
        let wait = FIRST.saturating_mul(1 << (*count).min(16)).min(LONGEST);
        *count = count.saturating_add(1);
        (wait, failures.len())
    }

    /// Forgets the failures of an object; returns how many objects are waiting now.
    pub(crate) fn succeeded(&self, object: &K) -> usize {
        let mut failures = self.lock();
        failures.remove(object);
        failures.len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, u32>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_per_object_up_to_a_limit_and_end_with_a_success() {
        let backoff = Backoff::default();
        let waits: Vec<u64> = (0..12).map(|_| backoff.failed(&"a").0.as_secs()).collect();
        assert_eq!(&waits[..4], &[1, 2, 4, 8]);
        assert_eq!(waits[11], 300);
        assert_eq!(backoff.failed(&"b"), (FIRST, 2));
        assert_eq!(backoff.succeeded(&"a"), 1);
        assert_eq!(backoff.failed(&"a").0, FIRST);
    }
}
