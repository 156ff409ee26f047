//! What one policy spends on one day (UTC). With an operator, a sidecar spends what it leased and no more; with a
//! snapshot file it has the whole day's budget to itself, in memory.
//!
//! Workers share an account through atomics. A reservation never takes it past what may be spent; only who finds too
//! little waits, and [`crate::lease`] brings more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::Notify;
use vox_routing::Cost;

use super::account::{Account, Reservation};

/// Milliseconds of a day.
pub(crate) const DAY_MS: u64 = 86_400_000;
/// So long a request waits for a lease.
const PATIENCE: Duration = Duration::from_millis(500);
/// No limit: over a million USD. Sums of it and of amounts cannot wrap.
pub(super) const NO_LIMIT: u64 = u64::MAX >> 4;
/// No request costs more: over 70,000 USD.
pub(super) const LARGEST_AMOUNT: u64 = NO_LIMIT >> 4;

/// Why a request may not be paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoMoney {
    /// The day's budget is spent, or granted to others.
    Spent,
    /// The lease does not suffice, and the operator cannot be asked.
    Away,
}

/// The budget of one policy.
#[derive(Debug)]
pub struct Budget {
    /// Whether there is an operator who leases.
    leases: bool,
    limit: AtomicU64,
    account: ArcSwapOption<Account>,
    /// The last call of the operator failed.
    away: AtomicBool,
    /// The largest worst case of a request so far.
    largest: AtomicU64,
    /// What requests wait for, together.
    waiting: AtomicU64,
    /// A request was refused for want of the day's money since the operator last answered.
    short: AtomicBool,
    /// The limit is another one than the operator last granted of.
    relimited: AtomicBool,
    /// Told when more is needed.
    pub(crate) wanted: Notify,
    /// Told when the operator has answered, or could not.
    answered: Notify,
}

impl Budget {
    /// Without a limit until [`Budget::limit_to`] sets one.
    #[must_use]
    pub fn new(leases: bool) -> Self {
        Self {
            leases,
            limit: AtomicU64::new(NO_LIMIT),
            account: ArcSwapOption::empty(),
            away: AtomicBool::new(false),
            largest: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            short: AtomicBool::new(false),
            relimited: AtomicBool::new(false),
            wanted: Notify::new(),
            answered: Notify::new(),
        }
    }

    /// The policy says so.
    pub fn limit_to(&self, per_day: Option<Cost>) {
        let limit = per_day.map_or(NO_LIMIT, |limit| limit.pico_usd().min(NO_LIMIT - 1));
        if self.limit.swap(limit, SeqCst) != limit {
            self.relimited.store(true, SeqCst);
            self.wanted.notify_one();
        }
    }

    /// The day's budget; more than any request costs where there is none.
    #[must_use]
    pub fn limit(&self) -> Cost {
        Cost::from_pico_usd(self.limit.load(SeqCst))
    }

    /// A request was refused because too little of the day is left: what is held may never fall below half of itself, and
    /// somebody has to ask all the same.
    pub fn fell_short(&self) {
        self.short.store(true, SeqCst);
    }

    /// Whether the operator has to be asked before anything is spent.
    #[must_use]
    pub fn is_leased(&self) -> bool {
        self.leases && self.limit.load(SeqCst) < NO_LIMIT
    }

    /// Today's account; nothing where it has to be leased and is not yet.
    pub(crate) fn account(&self, now_ms: u64) -> Option<Arc<Account>> {
        let (day, leased) = (now_ms / DAY_MS, self.is_leased());
        let fits = |account: &Arc<Account>| account.day >= day && account.lease.is_some() == leased;
        if let Some(account) = self.account.load_full().filter(fits) {
            return Some(account);
        }
        if leased {
            return None;
        }
        // Of two workers that come first, both get the account of the one that wins.
        self.account.rcu(|current| match current {
            Some(account) if fits(account) => Arc::clone(account),
            _ => Arc::new(Account::own(day)),
        });
        self.account.load_full()
    }

    /// What may still be spent today as far as is known: what is held, and what the operator has left. While the
    /// operator is away, only what is held.
    #[must_use]
    pub fn left(&self, now_ms: u64) -> Cost {
        let limit = self.limit.load(SeqCst);
        let away = self.is_away();
        Cost::from_pico_usd(match self.account(now_ms) {
            Some(account) if !account.is_leased() => account.free(limit),
            Some(account) if away => account.rest(),
            Some(account) => account.rest().saturating_add(account.remaining()).min(limit),
            None if away => 0,
            None => limit,
        })
    }

    /// Spent by this sidecar today.
    #[must_use]
    pub fn spent(&self, now_ms: u64) -> Cost {
        Cost::from_pico_usd(self.account(now_ms).map_or(0, |account| account.spent()))
    }

    /// Whether the operator could not be asked.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.is_leased() && self.away.load(SeqCst)
    }

    /// Sets the worst case aside. Waits for the operator only where what is held does not suffice, and not for long.
    ///
    /// # Errors
    /// [`NoMoney`] when nothing came.
    pub async fn reserve(&self, worst_case: Cost, now_ms: u64) -> Result<Reservation, NoMoney> {
        let amount = amount(worst_case);
        self.largest.fetch_max(amount, SeqCst);
        if let Some(reservation) = self.try_reserve(amount, now_ms) {
            return Ok(reservation);
        }
        if !self.is_leased() {
            return Err(NoMoney::Spent);
        }
        Box::pin(self.wait(amount, now_ms)).await
    }

    async fn wait(&self, amount: u64, now_ms: u64) -> Result<Reservation, NoMoney> {
        let _waiting = Waiting::begin(&self.waiting, amount);
        let waited = tokio::time::timeout(PATIENCE, async {
            loop {
                let mut answered = std::pin::pin!(self.answered.notified());
                answered.as_mut().enable();
                if let Some(reservation) = self.try_reserve(amount, now_ms) {
                    return Ok(reservation);
                }
                let account = self.account(now_ms);
                if self.is_away() && account.as_ref().is_none_or(|account| account.rest() < amount) {
                    return Err(NoMoney::Away);
                }
                if account.is_some_and(|account| account.falls_short(amount)) {
                    self.fell_short();
                    return Err(NoMoney::Spent);
                }
                self.wanted.notify_one();
                answered.await;
            }
        });
        waited.await.unwrap_or(Err(NoMoney::Away))
    }

    fn try_reserve(&self, amount: u64, now_ms: u64) -> Option<Reservation> {
        let account = self.account(now_ms)?;
        let most = if account.is_leased() { account.usable() } else { self.limit.load(SeqCst) };
        let reservation = Account::reserve(&account, amount, most)?;
        if account.is_low() {
            self.wanted.notify_one();
        }
        Some(reservation)
    }

    /// What requests wait for together, and the largest of them.
    pub(crate) fn demand(&self) -> (u64, u64) {
        (self.waiting.load(SeqCst), self.largest.load(SeqCst))
    }

    pub(crate) fn is_short(&self) -> bool {
        self.short.load(SeqCst)
    }

    /// The operator has said what there is.
    pub(crate) fn heard(&self) {
        self.short.store(false, SeqCst);
        self.tell(false);
    }

    /// Whether the limit has changed since this was asked last.
    pub(crate) fn take_relimited(&self) -> bool {
        self.relimited.swap(false, SeqCst)
    }

    /// Another account takes the place of the one before.
    pub(crate) fn open(&self, account: Option<Arc<Account>>) {
        self.account.store(account);
    }

    /// The operator has answered, or could not.
    pub(crate) fn tell(&self, away: bool) {
        self.away.store(away, SeqCst);
        self.answered.notify_waiters();
    }
}

/// An amount that waits; dropped, it does not any more.
struct Waiting<'a>(&'a AtomicU64, u64);

impl<'a> Waiting<'a> {
    fn begin(sum: &'a AtomicU64, amount: u64) -> Self {
        sum.fetch_add(amount, SeqCst);
        Self(sum, amount)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, SeqCst);
    }
}

fn amount(cost: Cost) -> u64 {
    cost.pico_usd().min(LARGEST_AMOUNT)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn pico(amount: u64) -> Cost {
        Cost::from_pico_usd(amount)
    }

    async fn reserved(budget: &Budget, amount: u64, now_ms: u64) -> Reservation {
        budget.reserve(pico(amount), now_ms).await.unwrap()
    }

    #[tokio::test]
    async fn what_is_reserved_cannot_be_spent_twice_and_comes_back() {
        let budget = Budget::new(false);
        budget.limit_to(Some(pico(10)));
        let reservation = reserved(&budget, 8, 0).await;
        assert_eq!(budget.left(0), pico(2));
        assert_eq!(budget.reserve(pico(3), 0).await.unwrap_err(), NoMoney::Spent);
        reservation.settle(pico(3));
        assert_eq!((budget.left(0), budget.spent(0)), (pico(7), pico(3)));
    }

    #[tokio::test]
    async fn a_large_day_is_all_there() {
        let budget = Budget::new(false);
        for usd in [300, 5_000, 1_000_000] {
            let limit = Cost::from_pico_usd(usd * 1_000_000_000_000);
            budget.limit_to(Some(limit));
            assert_eq!((budget.limit(), budget.left(0)), (limit, limit));
        }
    }

    #[tokio::test]
    async fn a_new_day_begins_at_midnight_utc_and_what_began_before_counts_for_the_old_one() {
        let budget = Budget::new(false);
        budget.limit_to(Some(pico(10)));
        let before = reserved(&budget, 10, DAY_MS - 1).await;
        assert_eq!(budget.left(DAY_MS - 1), Cost::ZERO);
        assert_eq!(budget.left(DAY_MS), pico(10));
        before.settle(pico(10));
        assert_eq!(budget.left(DAY_MS), pico(10));
    }

    #[tokio::test]
    async fn a_request_that_goes_away_after_it_was_sent_costs_its_worst_case() {
        let budget = Budget::new(false);
        drop(reserved(&budget, 8, 0).await);
        assert_eq!(budget.spent(0), Cost::ZERO, "it was never sent");
        let mut sent = reserved(&budget, 8, 0).await;
        sent.sent();
        drop(sent);
        assert_eq!(budget.spent(0), pico(8));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_lease_a_request_waits_for_half_a_second() {
        let budget = Budget::new(true);
        budget.limit_to(Some(pico(10)));
        let begun = tokio::time::Instant::now();
        assert_eq!(budget.reserve(pico(1), 0).await.unwrap_err(), NoMoney::Away);
        assert_eq!(begun.elapsed(), PATIENCE);
        budget.tell(true);
        assert_eq!(budget.reserve(pico(1), 0).await.unwrap_err(), NoMoney::Away);
        assert_eq!(begun.elapsed(), PATIENCE, "that the operator is away is known, so nobody waits");
    }

    #[test]
    fn threads_that_race_never_reserve_more_than_the_limit() {
        let budget = Budget::new(false);
        budget.limit_to(Some(pico(1000)));
        let taken = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..400 {
                        if let Some(reservation) = budget.try_reserve(3, 0) {
                            taken.fetch_add(2, SeqCst);
                            reservation.settle(pico(2));
                        }
                    }
                });
            }
        });
        let taken = taken.into_inner();
        assert!(taken <= 1000 && taken > 990, "{taken}");
        assert_eq!(budget.spent(0), pico(taken));
    }
}
