//! Exploration: a declared share of the requests goes to another candidate than the best, so that there is a record of
//! others too. Which requests, and to whom, the bits of the decision's id say: no clock, no state, and who reads the
//! decision later knows with which probability it was made.

use crate::decision::Pick;
use crate::rank::Ranked;
use crate::router::{Asking, Router};
use crate::walk::{Walk, pick};

/// So many candidates behind the best share what is explored; those that rank lower would not be chosen anyhow.
const ALTERNATIVES: usize = 8;

/// The best comes first for sure.
pub(crate) const CERTAIN: u32 = 1_000_000_000;

const MILLION: u32 = 1_000_000;

/// So many of a million requests of a category probe those that suddenly fell in it: what keeps them away must not be all
/// that is ever known of them.
const PROBES_PER_MILLION: u32 = 10_000;

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
        let (order, fallen) = (&asking.ranking.order, &asking.ranking.fallen);
        let share = self.snapshot.policy.evidence.exploration_per_million.min(MILLION);
        let (Some(lot), Some(best)) = (walk.request.lot, picks.first().copied()) else {
            return Explored::NOT;
        };
        if (share == 0 && fallen.is_empty()) || walk.named || walk.force_cost || walk.hint.is_some() {
            return Explored::NOT;
        }
        let Some(local_first) = order.iter().find(|one| is(one, &best)).map(|one| one.local_first) else {
            return Explored::NOT;
        };
        let among = |candidates: &'_ [Ranked]| Others { walk, best, local_first }.count(candidates);
        let (probed, others) = (among(fallen), if share == 0 { 0 } else { among(order) });
        let probes = if probed == 0 { 0 } else { PROBES_PER_MILLION };
        let explores = if others == 0 { 0 } else { share.min(MILLION - probes) };
        let draw = mixed(lot);
        let drawn = draw % u64::from(MILLION);
        let (candidates, count, share) = if drawn < u64::from(probes) {
            (fallen, probed, probes)
        } else if drawn < u64::from(probes + explores) {
            (order, others, explores)
        } else {
            let probability_ppb = CERTAIN - (probes + explores) * (CERTAIN / MILLION);
            return Explored { another: false, probability_ppb };
        };
        // Of bits that the share did not look at.
        let place = mixed(draw) % u64::from(count.max(1));
        let Some(chosen) = (Others { walk, best, local_first }).nth(candidates, place) else {
            return Explored::NOT;
        };
        lead(picks, chosen, at_most);
        Explored { another: true, probability_ppb: share * (CERTAIN / MILLION) / count.max(1) }
    }
}

/// Candidates other than the best that may serve.
struct Others<'a> {
    walk: &'a Walk<'a>,
    best: Pick,
    local_first: bool,
}

impl Others<'_> {
    fn all(&self, candidates: &[Ranked]) -> impl Iterator<Item = Pick> {
        candidates
            .iter()
            .filter(|one| one.local_first == self.local_first && !is(one, &self.best))
            .filter_map(|one| Some(pick(one, self.walk.admits(one).ok()?)))
            .take(ALTERNATIVES)
    }

    fn count(&self, candidates: &[Ranked]) -> u32 {
        u32::try_from(self.all(candidates).count()).unwrap_or(u32::MAX)
    }

    fn nth(&self, candidates: &[Ranked], place: u64) -> Option<Pick> {
        self.all(candidates).nth(usize::try_from(place).ok()?)
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
