//! How many tokens the API server is asked about. Whoever reaches the control API can show a new invalid token with each
//! call; without a bound each of them would be a call of the API server. Each address has a fifth of that, so that one pod
//! cannot keep the tokens of all others from being looked at.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};

/// Between two reviews in the long run: fifty a second.
const EVERY: Duration = Duration::from_millis(20);
/// How far reviews may run ahead of that: five hundred at once, as when a replica takes over another one's sidecars.
const AHEAD: Duration = Duration::from_secs(10);
/// Between two reviews for one address: ten a second, and by [`AHEAD`] a hundred at once, as when the pods of a node come from the
/// node's address.
const EVERY_OF_ONE: Duration = Duration::from_millis(100);
/// So many addresses are told apart. Those that ran ahead are remembered, which all together cannot do more often than this.
const ADDRESSES: usize = 4096;
/// Reviews under way.
const AT_ONCE: usize = 16;
/// How long a review waits for one of these.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bounds reviews; one for all connections.
#[derive(Debug, Clone)]
pub(crate) struct Reviews {
    buckets: Arc<Mutex<Buckets>>,
    slots: Arc<Semaphore>,
}

/// Too many tokens are unknown now: try again after this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("failed to have a token reviewed: too many are new; tried again after {0:?}")]
pub(crate) struct Busy(pub(crate) Duration);

impl Reviews {
    pub(crate) fn new() -> Self {
        Self { buckets: Arc::default(), slots: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Permission for one review of a token that came from this address, held while it lasts.
    pub(crate) async fn permit(&self, from: Option<IpAddr>) -> Result<SemaphorePermit<'_>, Busy> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner).take(from, Instant::now())?;
        let slot = timeout(PATIENCE, self.slots.acquire()).await;
        // The semaphore is never closed.
        slot.ok().and_then(Result::ok).ok_or(Busy(PATIENCE))
    }
}

/// Everybody's, and those of single addresses.
#[derive(Debug, Default)]
struct Buckets {
    all: Bucket,
    of: HashMap<IpAddr, Bucket>,
}

impl Buckets {
    fn take(&mut self, from: Option<IpAddr>, now: Instant) -> Result<(), Busy> {
        // An address is charged first: what it is not permitted must not count for the others.
        if let Some(from) = from {
            if self.of.len() >= ADDRESSES && !self.of.contains_key(&from) {
                self.of.retain(|_, bucket| bucket.due.is_some_and(|due| due > now));
            }
            if self.of.len() < ADDRESSES || self.of.contains_key(&from) {
                self.of.entry(from).or_default().take(EVERY_OF_ONE, now)?;
            }
        }
        self.all.take(EVERY, now)
    }
}

/// When the next review would be due if they came evenly.
#[derive(Debug, Default)]
struct Bucket {
    due: Option<Instant>,
}

impl Bucket {
    fn take(&mut self, every: Duration, now: Instant) -> Result<(), Busy> {
        let due = self.due.unwrap_or(now).max(now);
        let ahead = due.duration_since(now);
        if ahead >= AHEAD {
            return Err(Busy(ahead.saturating_sub(AHEAD).max(every)));
        }
        self.due = Some(due + every);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of `asked` reviews are permitted at one moment.
    fn permitted(bucket: &mut Bucket, now: Instant, asked: usize) -> usize {
        (0..asked).filter(|_| bucket.take(EVERY, now).is_ok()).count()
    }

    #[test]
    fn many_may_come_at_once_and_then_only_as_many_as_time_brings() {
        let (mut bucket, now) = (Bucket::default(), Instant::now());
        assert_eq!(permitted(&mut bucket, now, 2000), 500);
        assert_eq!(permitted(&mut bucket, now + Duration::from_secs(1), 2000), 50);
        assert_eq!(
            permitted(&mut bucket, now + Duration::from_secs(3600), 2000),
            500,
            "no more are saved up"
        );
    }

    #[test]
    fn whoever_is_turned_away_hears_when_to_come_again() {
        let (mut bucket, now) = (Bucket::default(), Instant::now());
        permitted(&mut bucket, now, 500);
        assert_eq!(bucket.take(EVERY, now), Err(Busy(EVERY)));
        assert_eq!(bucket.take(EVERY, now + EVERY), Ok(()));
    }

    #[test]
    fn one_address_cannot_use_up_what_is_there_for_all() {
        let (mut buckets, now) = (Buckets::default(), Instant::now());
        let address = |last: u8| Some(IpAddr::from([10, 0, 0, last]));
        let greedy = (0..2000).filter(|_| buckets.take(address(1), now).is_ok()).count();
        assert_eq!(greedy, 100);
        assert_eq!(buckets.take(address(1), now), Err(Busy(EVERY_OF_ONE)));
        assert_eq!(buckets.take(address(2), now), Ok(()));
    }

    #[test]
    fn addresses_that_are_quiet_again_are_forgotten() {
        let (mut buckets, now) = (Buckets::default(), Instant::now());
        for number in 0..10_000_u32 {
            let later = now + EVERY * number;
            buckets.take(Some(IpAddr::from(number.to_be_bytes())), later).unwrap();
        }
        assert!(buckets.of.len() <= ADDRESSES);
    }

    #[tokio::test(start_paused = true)]
    async fn an_api_server_that_is_slow_is_not_asked_more_and_more() {
        let reviews = Reviews::new();
        let mut held = Vec::new();
        for _ in 0..AT_ONCE {
            held.push(reviews.permit(None).await.unwrap());
        }
        assert_eq!(reviews.permit(None).await.err(), Some(Busy(PATIENCE)));
        held.pop();
        assert!(reviews.permit(None).await.is_ok());
    }
}
