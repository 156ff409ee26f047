//! What a day's account and a lease come to after a call. Pure: the caller holds the lock on the day.

use vox_contracts::budget::LeaseRequest;

/// A lease is at least this part of the day's budget, as long as there is plenty: many sidecars share a policy.
const SHARE: i64 = 64;
/// Of what is left, one call gets this part, or what it needs: leases become smaller towards the end of the budget.
const TAPER: i64 = 4;

/// The day's account of one policy, in pico-USD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Account {
    pub(super) limit: i64,
    pub(super) spent: i64,
    pub(super) leased: i64,
}

/// One lease, in pico-USD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Holding {
    pub(super) granted: i64,
    pub(super) spent: i64,
    pub(super) settled: bool,
}

impl Account {
    /// What is neither spent nor granted.
    pub(super) fn left(&self) -> i64 {
        self.limit.saturating_sub(self.spent.saturating_add(self.leased)).max(0)
    }

    /// By how much the limit is passed if every lease is spent to its end.
    pub(super) fn worst_overspend(&self) -> i64 {
        self.spent.saturating_add(self.leased).saturating_sub(self.limit).max(0)
    }

    fn replace(&mut self, before: Holding, after: Holding) {
        self.spent = self.spent.saturating_add(after.spent.saturating_sub(before.spent));
        self.leased = self.leased.saturating_add(after.rest().saturating_sub(before.rest())).max(0);
    }
}

impl Holding {
    /// What its holder may still spend.
    pub(super) fn rest(&self) -> i64 {
        if self.settled { 0 } else { self.granted.saturating_sub(self.spent).max(0) }
    }
}

/// Takes the report down and grants, if `grants` says so, what is due. Figures of a lease only grow, so that calls may come twice,
/// late or out of order. That a holder knows of more than the table does means that the database lost something: the
/// holder may spend it, so it counts.
pub(super) fn turn(account: &mut Account, lease: &mut Holding, call: &LeaseRequest, grants: bool) {
    let before = *lease;
    if lease.settled {
        // What was under way when the rest was given back is counted too.
        lease.spent = lease.spent.max(pusd(call.spent_pico_usd));
        account.replace(before, *lease);
        return;
    }
    lease.granted = lease.granted.max(pusd(call.granted_pico_usd));
    lease.spent = lease.spent.max(pusd(call.spent_pico_usd));
    lease.settled = call.settled;
    account.replace(before, *lease);
    if lease.settled || !grants {
        return;
    }
    let missing = |unspent: i64| unspent.saturating_sub(lease.rest()).max(0);
    let wanted = missing(pusd(call.want_pico_usd).max(account.limit / SHARE));
    let needed = missing(pusd(call.need_pico_usd));
    let left = account.left();
    let grant = wanted.max(needed).min(needed.max(left / TAPER)).min(left);
    lease.granted = lease.granted.max(lease.spent).saturating_add(grant);
    account.leased = account.leased.saturating_add(grant);
}

/// As the tables hold it: what is larger counts as the largest.
pub(super) fn pusd(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn call(spent: u64, need: u64, want: u64) -> LeaseRequest {
        LeaseRequest {
            lease: Uuid::nil(),
            day: jiff::civil::date(2026, 1, 1),
            holder: String::new(),
            granted_pico_usd: 0,
            spent_pico_usd: spent,
            need_pico_usd: need,
            want_pico_usd: want,
            settled: false,
        }
    }

    fn account() -> Account {
        Account { limit: 6400, ..Account::default() }
    }

    #[test]
    fn a_lease_is_a_share_of_the_budget_or_what_a_request_needs() {
        for (want, granted) in [(0, 100), (40, 100), (400, 400), (6000, 1600)] {
            let (mut account, mut lease) = (account(), Holding::default());
            turn(&mut account, &mut lease, &call(0, 10, want), true);
            assert_eq!((lease.granted, account.leased), (granted, granted), "{want}");
        }
        let (mut account, mut lease) = (account(), Holding::default());
        turn(&mut account, &mut lease, &call(0, 6000, 6000), true);
        assert_eq!(lease.granted, 6000, "what is needed is granted as long as it is there");
    }

    #[test]
    fn little_that_is_left_is_given_out_in_small_parts() {
        let (mut account, mut lease) = (account(), Holding::default());
        account.spent = 6200;
        turn(&mut account, &mut lease, &call(0, 0, 0), true);
        assert_eq!(lease.granted, 50);
    }

    #[test]
    fn what_was_spent_beyond_the_lease_counts() {
        let (mut account, mut lease) = (account(), Holding::default());
        turn(&mut account, &mut lease, &call(0, 0, 0), true);
        turn(&mut account, &mut lease, &call(130, 0, 0), false);
        assert_eq!((account.spent, account.leased), (130, 0));
    }

    #[test]
    fn a_lease_that_the_database_lost_is_the_holders_all_the_same() {
        let (mut account, mut lease) = (account(), Holding::default());
        let known = LeaseRequest { granted_pico_usd: 7000, ..call(100, 0, 0) };
        turn(&mut account, &mut lease, &known, true);
        assert_eq!((lease.granted, account.spent, account.leased), (7000, 100, 6900));
        assert_eq!((account.left(), account.worst_overspend()), (0, 600));
    }

    #[test]
    fn a_limit_that_is_lowered_grants_nothing_and_shows_what_may_be_overspent() {
        let (mut account, mut lease) = (account(), Holding::default());
        turn(&mut account, &mut lease, &call(0, 1000, 1000), true);
        account.limit = 300;
        turn(&mut account, &mut lease, &call(900, 500, 500), true);
        assert_eq!((lease.granted, account.worst_overspend()), (1000, 700));
    }

    proptest! {
        #[test]
        fn whatever_holders_ask_they_hold_no_more_than_the_limit(
            limit in 0..10_000_i64,
            steps in proptest::collection::vec((0..4_usize, 0..100_u64, 0..4000_u64, 0..4000_u64, any::<bool>(), any::<bool>()), 1..60),
        ) {
            let mut account = Account { limit, ..Account::default() };
            let mut leases = [Holding::default(); 4];
            for (holder, percent, need, want, settled, again) in steps {
                let lease = &mut leases[holder];
                let spent = lease.spent + lease.rest() * i64::try_from(percent).unwrap() / 100;
                let call = LeaseRequest { settled: settled && again, ..call(u64::try_from(spent).unwrap(), need, want) };
                turn(&mut account, lease, &call, true);
                if again {
                    // The same report again changes nothing of what was spent.
                    let before = account.spent;
                    turn(&mut account, lease, &call, false);
                    prop_assert_eq!(before, account.spent);
                }
                prop_assert!(account.spent + account.leased <= limit);
                prop_assert_eq!(account.spent, leases.iter().map(|lease| lease.spent).sum::<i64>());
                prop_assert_eq!(account.leased, leases.iter().map(Holding::rest).sum::<i64>());
            }
        }
    }
}
