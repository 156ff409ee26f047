//! What one policy spends on one day (UTC), counted in this process alone and kept in memory: after a restart the day
//! begins anew, and each sidecar has the whole amount. Leases that the operator gives out can take this place: they would
//! only change what [`Budget::left`] says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use vox_routing::Cost;

const DAY_MS: u64 = 86_400_000;

/// The day's account of one policy.
#[derive(Debug, Default)]
pub struct Budget {
    day: AtomicU64,
    spent: AtomicU64,
    /// Worst cases of requests under way.
    reserved: AtomicU64,
}

/// The worst case of a request under way, set aside so that requests at the same time cannot spend it twice.
#[derive(Debug)]
pub struct Reservation {
    budget: Arc<Budget>,
    amount: u64,
}

impl Budget {
    /// What may still be spent today.
    #[must_use]
    pub fn left(&self, per_day: Cost, now_ms: u64) -> Cost {
        self.turn(now_ms);
        let taken = self.spent.load(Relaxed).saturating_add(self.reserved.load(Relaxed));
        per_day.minus(Cost::from_pico_usd(taken))
    }

    /// Spent today, in pico-USD.
    #[must_use]
    pub fn spent(&self) -> Cost {
        Cost::from_pico_usd(self.spent.load(Relaxed))
    }

    /// Sets the worst case aside.
    #[must_use]
    pub fn reserve(self: &Arc<Self>, worst_case: Cost) -> Reservation {
        // What has no bound in the decision is bounded here, so that sums cannot wrap.
        let amount = worst_case.pico_usd().min(u64::MAX >> 16);
        self.reserved.fetch_add(amount, Relaxed);
        Reservation { budget: Arc::clone(self), amount }
    }

    /// What was really spent.
    pub fn spend(&self, cost: Cost, now_ms: u64) {
        self.turn(now_ms);
        self.spent.fetch_add(cost.pico_usd().min(u64::MAX >> 16), Relaxed);
    }

    fn turn(&self, now_ms: u64) {
        let today = now_ms / DAY_MS;
        let day = self.day.load(Relaxed);
        if day < today && self.day.compare_exchange(day, today, Relaxed, Relaxed).is_ok() {
            self.spent.store(0, Relaxed);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.reserved.fetch_sub(self.amount, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: Cost = Cost::from_pico_usd(10);

    #[test]
    fn what_is_reserved_cannot_be_spent_twice_and_comes_back() {
        let budget = Arc::new(Budget::default());
        let reservation = budget.reserve(Cost::from_pico_usd(8));
        assert_eq!(budget.left(TEN, 0), Cost::from_pico_usd(2));
        budget.spend(Cost::from_pico_usd(3), 0);
        drop(reservation);
        assert_eq!(budget.left(TEN, 0), Cost::from_pico_usd(7));
    }

    #[test]
    fn a_new_day_begins_at_midnight_utc() {
        let budget = Arc::new(Budget::default());
        budget.spend(TEN, DAY_MS - 1);
        assert_eq!(budget.left(TEN, DAY_MS - 1), Cost::ZERO);
        assert_eq!(budget.left(TEN, DAY_MS), TEN);
    }
}
