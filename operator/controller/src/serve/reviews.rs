//! How many tokens the API server is asked about. Whoever reaches the control API can show a new invalid token with each
//! call; without a bound each of them would be a call of the API server.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};

/// Between two reviews in the long run: fifty a second.
const EVERY: Duration = Duration::from_millis(20);
/// How far reviews may run ahead of that: five hundred at once, as when a replica takes over another one's sidecars.
const AHEAD: Duration = Duration::from_secs(10);
/// Reviews under way.
const AT_ONCE: usize = 16;
/// How long a review waits for one of these.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bounds reviews; one for all connections.
#[derive(Debug, Clone)]
pub(crate) struct Reviews {
    bucket: Arc<Mutex<Bucket>>,
    slots: Arc<Semaphore>,
}

/// Too many tokens are unknown now: try again after this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("failed to have a token reviewed: too many are new; tried again after {0:?}")]
pub(crate) struct Busy(pub(crate) Duration);

impl Reviews {
    pub(crate) fn new() -> Self {
        Self { bucket: Arc::default(), slots: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Permission for one review, held while it lasts.
    pub(crate) async fn permit(&self) -> Result<SemaphorePermit<'_>, Busy> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now())?;
        let slot = timeout(PATIENCE, self.slots.acquire()).await;
        // The semaphore is never closed.
        slot.ok().and_then(Result::ok).ok_or(Busy(PATIENCE))
    }
}

/// When the next review would be due if they came evenly.
#[derive(Debug, Default)]
struct Bucket {
    due: Option<Instant>,
}

impl Bucket {
    fn take(&mut self, now: Instant) -> Result<(), Busy> {
        let due = self.due.unwrap_or(now).max(now);
        let ahead = due.duration_since(now);
        if ahead >= AHEAD {
            return Err(Busy(ahead.saturating_sub(AHEAD).max(EVERY)));
        }
        self.due = Some(due + EVERY);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of `asked` reviews are permitted at one moment.
    fn permitted(bucket: &mut Bucket, now: Instant, asked: usize) -> usize {
        (0..asked).filter(|_| bucket.take(now).is_ok()).count()
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
        assert_eq!(bucket.take(now), Err(Busy(EVERY)));
        assert_eq!(bucket.take(now + EVERY), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn an_api_server_that_is_slow_is_not_asked_more_and_more() {
        let reviews = Reviews::new();
        let mut held = Vec::new();
        for _ in 0..AT_ONCE {
            held.push(reviews.permit().await.unwrap());
        }
        assert_eq!(reviews.permit().await.err(), Some(Busy(PATIENCE)));
        held.pop();
        assert!(reviews.permit().await.is_ok());
    }
}
