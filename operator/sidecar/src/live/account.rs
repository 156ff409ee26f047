//! The account of one policy and day: what may be spent of it, what is set aside, what is spent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use uuid::Uuid;
use vox_routing::Cost;

use super::budget::{LARGEST_AMOUNT, NO_LIMIT};

/// Taken of an account that has ended: more than any limit.
const SEALED: u64 = NO_LIMIT << 1;

/// One day of one policy, in pico-USD.
#[derive(Debug)]
pub struct Account {
    /// Days since 1970-01-01 UTC.
    pub(crate) day: u64,
    /// The lease; nothing where all of the budget is this sidecar's.
    pub(crate) lease: Option<Uuid>,
    /// All that the operator has granted.
    granted: AtomicU64,
    /// As much of that as is written down as possibly spent: after a crash it counts as spent.
    usable: AtomicU64,
    /// Spent and set aside.
    taken: AtomicU64,
    spent: AtomicU64,
    /// What the operator has left for everybody.
    remaining: AtomicU64,
    /// From here on more is wanted.
    low: AtomicU64,
}

impl Account {
    /// The whole budget is this sidecar's.
    pub(super) fn own(day: u64) -> Self {
        Self { low: AtomicU64::new(u64::MAX), ..Self::new(day, None, 0, 0) }
    }

    /// A lease of which so much may have been spent before.
    pub(crate) fn leased(day: u64, lease: Uuid, granted: u64, spent: u64) -> Self {
        Self::new(day, Some(lease), granted, spent)
    }

    fn new(day: u64, lease: Option<Uuid>, granted: u64, spent: u64) -> Self {
        let [usable, taken, spent] = [(); 3].map(|()| AtomicU64::new(spent));
        // What the operator has left is not known before its first answer.
        let (granted, remaining, low) =
            (AtomicU64::new(granted), AtomicU64::new(NO_LIMIT), AtomicU64::new(0));
        Self { day, lease, granted, usable, taken, spent, remaining, low }
    }

    pub(super) const fn is_leased(&self) -> bool {
        self.lease.is_some()
    }

    pub(crate) fn granted(&self) -> u64 {
        self.granted.load(SeqCst)
    }

    pub(crate) fn usable(&self) -> u64 {
        self.usable.load(SeqCst)
    }

    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(SeqCst)
    }

    pub(crate) fn spent(&self) -> u64 {
        self.spent.load(SeqCst)
    }

    pub(crate) fn remaining(&self) -> u64 {
        self.remaining.load(SeqCst)
    }

    /// What may be spent of so much.
    pub(super) fn free(&self, of: u64) -> u64 {
        of.saturating_sub(self.taken())
    }

    /// What of the lease is neither spent nor set aside.
    pub(crate) fn rest(&self) -> u64 {
        self.free(self.granted())
    }

    /// Neither the lease nor what the operator has left is enough.
    pub(super) fn falls_short(&self, amount: u64) -> bool {
        self.rest().saturating_add(self.remaining()) < amount
    }

    pub(super) fn is_low(&self) -> bool {
        self.taken() >= self.low.load(SeqCst)
    }

    /// The operator has granted so much in all, and has so much left. Grants never shrink.
    pub(crate) fn grant(&self, granted: u64, remaining: u64) {
        self.granted.fetch_max(granted.min(NO_LIMIT), SeqCst);
        self.remaining.store(remaining, SeqCst);
    }

    /// So much is written down as possibly spent, and below `low` nobody needs to be told.
    pub(crate) fn release(&self, usable: u64, low: u64) {
        self.usable.fetch_max(usable, SeqCst);
        self.low.store(low, SeqCst);
    }

    /// Ends the account if nothing is under way: from now on nothing can be reserved. Says whether it has ended.
    pub(crate) fn seal(&self) -> bool {
        let spent = self.spent();
        let sealed = self.taken.compare_exchange(spent, SEALED, SeqCst, SeqCst);
        sealed.is_ok() || self.is_sealed()
    }

    /// Whether it has ended.
    pub(crate) fn is_sealed(&self) -> bool {
        self.taken() >= SEALED
    }

    /// Sets an amount aside unless that would pass `most`.
    pub(super) fn reserve(self: &Arc<Self>, amount: u64, most: u64) -> Option<Reservation> {
        let fits = |taken: u64| {
            taken.checked_add(amount).filter(|after| *after <= most || (amount == 0 && taken < SEALED))
        };
        self.taken.fetch_update(SeqCst, SeqCst, fits).ok()?;
        Some(Reservation { account: Arc::clone(self), amount, sent: false, settled: false })
    }
}

/// The worst case of a request under way. Dropped without a settlement it costs nothing before the request was sent, and
/// all of itself afterwards: nobody will say what it came to.
#[derive(Debug)]
pub struct Reservation {
    account: Arc<Account>,
    amount: u64,
    sent: bool,
    settled: bool,
}

impl Reservation {
    /// From now on an upstream may be at work on it.
    pub const fn sent(&mut self) {
        self.sent = true;
    }

    /// It came to this.
    pub fn settle(mut self, cost: Cost) {
        self.charge(cost.pico_usd().min(LARGEST_AMOUNT));
    }

    fn charge(&mut self, cost: u64) {
        self.settled = true;
        self.account.spent.fetch_add(cost, SeqCst);
        // One step, and wrapping where it came to less: in between nothing looks free that is not.
        self.account.taken.fetch_add(cost.wrapping_sub(self.amount), SeqCst);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.settled {
            self.charge(if self.sent { self.amount } else { 0 });
        }
    }
}
