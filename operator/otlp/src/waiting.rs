//! A queue with a bound on its bytes. Whoever adds never waits: where it is full, the oldest goes.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// What waits.
#[derive(Debug)]
pub(crate) struct Waiting<T> {
    most_bytes: usize,
    queue: Mutex<Queue<T>>,
    arrived: Notify,
}

#[derive(Debug)]
struct Queue<T> {
    items: VecDeque<(T, usize)>,
    bytes: usize,
}

impl<T> Waiting<T> {
    pub(crate) fn new(most_bytes: usize) -> Self {
        let queue = Mutex::new(Queue { items: VecDeque::new(), bytes: 0 });
        Self { most_bytes, queue, arrived: Notify::new() }
    }

    /// Adds one that has so many bytes, and gives back those that had to go.
    pub(crate) fn push(&self, item: T, bytes: usize) -> Vec<T> {
        let mut gone = Vec::new();
        let mut queue = self.lock();
        queue.items.push_back((item, bytes));
        queue.bytes = queue.bytes.saturating_add(bytes);
        while queue.bytes > self.most_bytes {
            let Some(oldest) = queue.pop() else { break };
            gone.push(oldest);
        }
        drop(queue);
        self.arrived.notify_one();
        gone
    }

    /// The oldest, as long as `more` wants further ones; it hears what each has in bytes.
    pub(crate) fn take(&self, mut more: impl FnMut(&T, usize) -> bool) -> Vec<T> {
        let mut taken = Vec::new();
        let mut queue = self.lock();
        while queue.items.front().is_some_and(|(item, bytes)| more(item, *bytes)) {
            taken.extend(queue.pop());
        }
        taken
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().items.len()
    }

    /// Waits until something is there.
    pub(crate) async fn arrived(&self) {
        while self.len() == 0 {
            self.arrived.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Queue<T> {
    fn pop(&mut self) -> Option<T> {
        let (item, bytes) = self.items.pop_front()?;
        self.bytes = self.bytes.saturating_sub(bytes);
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_it_is_full_the_oldest_goes() {
        let waiting = Waiting::new(10);
        assert!(waiting.push("a", 4).is_empty() && waiting.push("b", 4).is_empty());
        assert_eq!(waiting.push("c", 6), ["a"]);
        assert_eq!(waiting.push("larger than all", 11), ["b", "c", "larger than all"]);
        assert_eq!(waiting.len(), 0);
    }

    #[test]
    fn the_oldest_are_taken_first_and_not_more_than_wanted() {
        let waiting = Waiting::new(100);
        for number in 0..5 {
            waiting.push(number, 10);
        }
        let mut bytes = 0;
        let taken = waiting.take(|_, more| {
            bytes += more;
            bytes <= 30
        });
        assert_eq!((taken, waiting.len()), (vec![0, 1, 2], 2));
    }
}
