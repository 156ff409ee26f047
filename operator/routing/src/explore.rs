//! Exploration: a declared share of the requests goes to another candidate than the best, so that there is a record of
//! others too. Which requests, and to whom, the bits of the decision's id say: no clock, no state, and who reads the
//! decision later knows with which probability it was made.

use vox_contracts::generated::routing::{EXPLORED_AMONG, PROBES_PER_MILLE};

use crate::decision::{Pick, Refusal};
use crate::rank::Ranked;
use crate::request::{Live, Request};
use crate::router::{Asking, Router};
use crate::snapshot::Standing;
use crate::walk::{Walk, pick};

/// The best comes first for sure.
pub(crate) const CERTAIN: u32 = 1_000_000_000;

const MILLION: u32 = 1_000_000;

/// So many of a million requests of a category probe those that are kept from it: what keeps them away must not be all that
/// is ever known of them.
const PROBES_PER_MILLION: u32 = PROBES_PER_MILLE * 1000;

/// What exploration made of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Explored {
    /// Whether another candidate than the best comes first.
    pub(crate) another: bool,
    /// With which probability this candidate comes first, in thousand millionths.
    pub(crate) probability_ppb: u32,
}

impl Explored {
    pub(crate) const NOT: Self = Self { another: false, probability_ppb: CERTAIN };
}

/// Who may come first, and how likely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Odds {
    /// Its place in [`crate::PolicySnapshot::deployments`].
    pub deployment: usize,
    /// In thousand millionths.
    pub probability_ppb: u32,
}

impl Odds {
    /// The probability as a number from 0 to 1.
    #[must_use]
    pub fn probability(self) -> f64 {
        f64::from(self.probability_ppb) / f64::from(CERTAIN)
    }
}

impl Router {
    /// Puts another candidate first where the lot falls so. Candidates pass every filter that the best one passes, money
    /// included; hardware of one's own is not left for others where the route prefers it.
    pub(crate) fn explore(
        &self,
        asking: &Asking<'_>,
        walk: &Walk<'_>,
        picks: &mut Vec<Pick>,
        at_most: usize,
    ) -> Explored {
        let (Some(lot), Some(shares)) = (walk.request.lot, self.shares(asking, walk, picks)) else {
            return Explored::NOT;
        };
        let draw = mixed(lot);
        let drawn = draw % u64::from(MILLION);
        let pool = if drawn < u64::from(shares.probed.share) {
            &shares.probed
        } else if drawn < u64::from(shares.probed.share + shares.explored.share) {
            &shares.explored
        } else {
            return Explored { another: false, probability_ppb: shares.best_ppb() };
        };
        // Of bits that the share did not look at.
        let place = mixed(draw) % u64::from(pool.count.max(1));
        let chosen = usize::try_from(place).ok().and_then(|place| shares.others.of(pool).nth(place));
        let Some(chosen) = chosen else {
            return Explored::NOT;
        };
        lead(picks, chosen, at_most);
        Explored { another: true, probability_ppb: pool.each_ppb() }
    }

    /// Who may come first, whatever the lot, the best one before the others; together their probabilities are 1.
    ///
    /// # Errors
    /// [`Refusal`] when nobody may serve.
    pub fn odds(&self, request: &Request, live: &dyn Live, now_unix_ms: u64) -> Result<Vec<Odds>, Refusal> {
        let asking = self.asking(request, live)?;
        let walk = asking.walk(self, request, live, now_unix_ms);
        let (picks, descended) = self.picks(&asking, walk);
        let Some(best) = picks.first() else {
            return Err(self.refusal(&asking, &walk));
        };
        let shares = if descended { None } else { self.shares(&asking, &walk, &picks) };
        let certain = || vec![Odds { deployment: best.deployment, probability_ppb: CERTAIN }];
        Ok(shares.map_or_else(certain, |shares| shares.odds()))
    }

    /// How the first place is shared out; none where the best has it for sure.
    fn shares<'a>(&self, asking: &'a Asking<'_>, walk: &'a Walk<'a>, picks: &[Pick]) -> Option<Shares<'a>> {
        // Whoever may be gone is not worth a request to be known better.
        let known = asking.ranking.order.partition_point(|one| one.standing < Standing::Suspect);
        let order = asking.ranking.order.get(..known)?;
        let fallen = asking.ranking.fallen.as_slice();
        let share = self.snapshot.policy.evidence.exploration_per_million.min(MILLION);
        let best = picks.first().copied()?;
        let has_new = order.last().is_some_and(|last| last.standing == Standing::Candidate);
        if (share == 0 && fallen.is_empty() && !has_new)
            || walk.named
            || walk.force_cost
            || walk.hint.is_some()
        {
            return None;
        }
        let local_first = order.iter().find(|one| is(one, &best))?.local_first;
        let others = Others { walk, best, local_first };
        let (eligible, new) = order.split_at(order.partition_point(|one| one.standing == Standing::Proven));
        // What is explored takes the new along; where nothing is, probes do.
        let none: &[Ranked] = &[];
        let (explored, probed) =
            if share == 0 { ([none, none], [fallen, new]) } else { ([eligible, new], [fallen, none]) };
        let probed = others.pool(probed, PROBES_PER_MILLION);
        let explored = others.pool(explored, share.min(MILLION - probed.share));
        Some(Shares { others, probed, explored })
    }
}

/// How the first place is shared out among the best and others.
struct Shares<'a> {
    others: Others<'a>,
    probed: Pool<'a>,
    explored: Pool<'a>,
}

/// Who shares a part of the requests, all equally likely.
struct Pool<'a> {
    of: [&'a [Ranked]; 2],
    count: u32,
    /// Of a million requests, that of all together; zero where there is nobody.
    share: u32,
}

impl Pool<'_> {
    /// What one of them has, in thousand millionths.
    fn each_ppb(&self) -> u32 {
        self.share * (CERTAIN / MILLION) / self.count.max(1)
    }
}

impl Shares<'_> {
    const fn best_ppb(&self) -> u32 {
        CERTAIN - (self.probed.share + self.explored.share) * (CERTAIN / MILLION)
    }

    fn odds(&self) -> Vec<Odds> {
        let best = Odds { deployment: self.others.best.deployment, probability_ppb: self.best_ppb() };
        let each = |pool: &Pool<'_>| {
            let probability_ppb = pool.each_ppb();
            let of = |pick: Pick| Odds { deployment: pick.deployment, probability_ppb };
            self.others.of(pool).map(of).collect::<Vec<_>>()
        };
        let mut odds = vec![best];
        odds.extend(each(&self.probed));
        odds.extend(each(&self.explored));
        odds
    }
}

/// Candidates other than the best that may serve.
struct Others<'a> {
    walk: &'a Walk<'a>,
    best: Pick,
    local_first: bool,
}

impl Others<'_> {
    /// Those that rank lower would not be chosen anyhow.
    fn all(&self, candidates: &[Ranked]) -> impl Iterator<Item = Pick> {
        candidates
            .iter()
            .filter(|one| one.local_first == self.local_first && !is(one, &self.best))
            .filter_map(|one| Some(pick(one, self.walk.admits(one).ok()?)))
            .take(EXPLORED_AMONG)
    }

    fn of(&self, pool: &Pool<'_>) -> impl Iterator<Item = Pick> {
        let [first, second] = pool.of;
        self.all(first).chain(self.all(second))
    }

    /// With this share, if anybody is in it.
    fn pool<'r>(&self, of: [&'r [Ranked]; 2], share: u32) -> Pool<'r> {
        let pool = Pool { of, count: 0, share };
        let count = u32::try_from(self.of(&pool).count()).unwrap_or(u32::MAX);
        Pool { count, share: if count == 0 { 0 } else { share }, ..pool }
    }
}

/// Puts one first, and keeps at most so many.
fn lead(picks: &mut Vec<Pick>, chosen: Pick, at_most: usize) {
    picks.retain(|pick| pick.deployment != chosen.deployment);
    // The last one may be there for its upstream; one before it makes room.
    while picks.len() >= at_most.max(1) {
        let place = if at_most > 2 { picks.len().saturating_sub(2) } else { picks.len() - 1 };
        picks.remove(place);
    }
    picks.insert(0, chosen);
}

fn is(ranked: &Ranked, pick: &Pick) -> bool {
    ranked.deployment as usize == pick.deployment
}

/// SplitMix64's mixing: ids carry time and a counter in some of their bits.
const fn mixed(bits: u64) -> u64 {
    let bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
