//! One way through a ranking: the filters that only the request and the moment decide.

use std::sync::Arc;

use vox_contracts::{ModelTier, TaskCategory};

use crate::cost::Cost;
use crate::decision::Pick;
use crate::facts::Facts;
use crate::filter::Filter;
use crate::filter::{self, Money};
use crate::plan::Plan;
use crate::rank::{Ranked, Ranking};
use crate::request::{Live, Request};
use crate::snapshot::{Deployment, Standing};

/// So many candidates of other upstreams are looked at for one that may serve: a decision stays a matter of microseconds.
const OTHERS: usize = 64;

/// All that a walk reads.
#[derive(Clone, Copy)]
pub(crate) struct Walk<'a> {
    pub(crate) deployments: &'a [Arc<Deployment>],
    pub(crate) facts: &'a [Facts],
    pub(crate) plan: &'a Plan,
    pub(crate) request: &'a Request,
    pub(crate) live: &'a dyn Live,
    pub(crate) now_unix_ms: u64,
    pub(crate) money: Money,
    /// The client named the model: floors do not hold, and what nobody says of it is believed.
    pub(crate) named: bool,
    pub(crate) force_cost: bool,
    /// The family that the client prefers, if one of the candidates has it.
    pub(crate) hint: Option<u16>,
    /// At most this tier, and no contract's floor: the day's money runs short.
    pub(crate) descent: Option<ModelTier>,
    /// There is no other upstream.
    pub(crate) lone_upstream: bool,
}

/// What a pass takes: how it stands, whether it is hardware that the route prefers, is of the family that the client prefers.
type Group = (Standing, bool, bool);

/// Who is left, best first.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) picks: Vec<Pick>,
    /// Those that only a penalty keeps away.
    penalised: Vec<Pick>,
}

impl Kept {
    /// The penalised only where nobody else is left.
    pub(crate) fn into_picks(self) -> Vec<Pick> {
        if self.picks.is_empty() { self.penalised } else { self.picks }
    }
}

impl Walk<'_> {
    pub(crate) fn vectors(&self) -> bool {
        self.plan.category == TaskCategory::Embedding
    }

    /// The worst case of a candidate that passes; otherwise what stops it. The penalty comes last, money before it: what
    /// they stop passed everything else.
    pub(crate) fn admits(&self, ranked: &Ranked) -> Result<Option<Cost>, Filter> {
        let place = ranked.deployment as usize;
        let (Some(deployment), Some(facts)) = (self.deployments.get(place), self.facts.get(place)) else {
            return Err(Filter::NotAsked);
        };
        self.tier(ranked, facts).map_or(Ok(()), Err)?;
        if let Some(capability) = facts.can.lacks(self.request.needs, self.named) {
            return Err(Filter::LacksCapability { capability });
        }
        let needed_tokens = facts.needed_tokens(self.request, self.vectors());
        if facts.context.map_or(!self.named, |has| has < needed_tokens) {
            return Err(Filter::ContextTooSmall { needed_tokens, has_tokens: facts.context });
        }
        if let Some(why) = self.live.unavailable(place) {
            return Err(Filter::Unavailable(why));
        }
        let worst_case = facts.worst_case(self.request, self.vectors());
        if let Some(filter) = self.money.stops(worst_case) {
            return Err(filter);
        }
        if facts.has_penalties
            && let Some(filter) = filter::penalty(deployment, self.plan.category, self.now_unix_ms)
        {
            return Err(filter);
        }
        Ok(worst_case)
    }

    pub(crate) fn worst_case(&self, ranked: &Ranked) -> Option<Cost> {
        self.facts.get(ranked.deployment as usize)?.worst_case(self.request, self.vectors())
    }

    fn tier(&self, ranked: &Ranked, facts: &Facts) -> Option<Filter> {
        if self.named {
            return None;
        }
        match self.descent {
            None if ranked.below_floor => Some(filter::out_of_range(self.plan, facts.tier)),
            Some(ceiling) if facts.tier > ceiling => {
                let floor = self.plan.tier_floor.min(ceiling);
                Some(Filter::TierOutOfRange { tier: facts.tier, floor, ceiling })
            }
            _ => None,
        }
    }

    /// The best `at_most`, best first. Where one upstream has them all, the last is the best of the others: an upstream
    /// that is away is away with all its models.
    pub(crate) fn keep(&self, order: &[Ranked], at_most: usize) -> Kept {
        let mut kept = self.best(order, at_most);
        if at_most > 1 && kept.picks.len() == at_most && !self.force_cost && !self.lone_upstream {
            self.spread(order, &mut kept.picks);
        }
        kept
    }

    /// Puts the best candidate of another upstream last, where all picks are of one.
    fn spread(&self, order: &[Ranked], picks: &mut [Pick]) {
        let upstream = |place: usize| self.facts.get(place).and_then(|facts| facts.upstream);
        let sole = picks.first().and_then(|pick| upstream(pick.deployment));
        if picks.iter().any(|pick| upstream(pick.deployment) != sole) {
            return;
        }
        let others = |pass: &Option<Group>| {
            let pass = *pass;
            order.iter().filter(move |ranked| {
                upstream(ranked.deployment as usize) != sole
                    && pass.is_none_or(|pass| pass == self.group(ranked))
            })
        };
        for ranked in self.passes().iter().flat_map(others).take(OTHERS) {
            if let (Ok(worst_case), Some(last)) = (self.admits(ranked), picks.last_mut()) {
                *last = pick(ranked, worst_case);
                return;
            }
        }
    }

    fn best(&self, order: &[Ranked], at_most: usize) -> Kept {
        let mut kept = Kept { picks: Vec::with_capacity(at_most.min(8)), penalised: Vec::new() };
        for pass in self.passes() {
            for ranked in order {
                if !pass.is_none_or(|pass| pass == self.group(ranked)) {
                    continue;
                }
                match self.admits(ranked) {
                    Ok(worst_case) => self.insert(&mut kept.picks, ranked, worst_case, at_most),
                    Err(Filter::Penalised { .. }) => {
                        self.insert(&mut kept.penalised, ranked, self.worst_case(ranked), at_most);
                    }
                    Err(_) => {}
                }
                if kept.picks.len() >= at_most && !self.force_cost {
                    return kept;
                }
            }
        }
        kept
    }

    /// The order in which a walk comes by, for explanations.
    pub(crate) fn order<'r>(&self, order: &'r [Ranked]) -> Vec<&'r Ranked> {
        self.passes()
            .iter()
            .flat_map(|pass| {
                order.iter().filter(move |ranked| pass.is_none_or(|pass| pass == self.group(ranked)))
            })
            .collect()
    }

    /// Without a hint one pass; with one, its family first, among hardware of one's own and then among the others; all
    /// that before those that have yet to prove themselves, and suspects last.
    fn passes(&self) -> &'static [Option<Group>] {
        const HINTED: [Option<Group>; 12] = [
            Some((Standing::Proven, true, true)),
            Some((Standing::Proven, true, false)),
            Some((Standing::Proven, false, true)),
            Some((Standing::Proven, false, false)),
            Some((Standing::Candidate, true, true)),
            Some((Standing::Candidate, true, false)),
            Some((Standing::Candidate, false, true)),
            Some((Standing::Candidate, false, false)),
            Some((Standing::Suspect, true, true)),
            Some((Standing::Suspect, true, false)),
            Some((Standing::Suspect, false, true)),
            Some((Standing::Suspect, false, false)),
        ];
        if self.hint.is_some() { &HINTED } else { &[None] }
    }

    fn group(&self, ranked: &Ranked) -> Group {
        let family = self.facts.get(ranked.deployment as usize).and_then(|facts| facts.family);
        (ranked.standing, ranked.local_first, family == self.hint)
    }

    /// In the order of the walk; by worst case where the cheapest is asked for, an unknown price last.
    fn insert(&self, picks: &mut Vec<Pick>, ranked: &Ranked, worst_case: Option<Cost>, at_most: usize) {
        let pick = pick(ranked, worst_case);
        let cost = |pick: &Pick| {
            let standing = self.deployments.get(pick.deployment).map(|one| one.standing());
            (standing, pick.worst_case.is_none(), pick.worst_case)
        };
        // Most candidates are dearer than those kept already.
        if picks.len() >= at_most && picks.last().is_none_or(|last| cost(last) <= cost(&pick)) {
            return;
        }
        let place = if self.force_cost {
            picks.partition_point(|other| cost(other) <= cost(&pick))
        } else {
            picks.len()
        };
        if place < at_most {
            picks.truncate(at_most.saturating_sub(1).max(place));
            picks.insert(place, pick);
        }
    }
}

/// A candidate that was admitted.
pub(crate) fn pick(ranked: &Ranked, worst_case: Option<Cost>) -> Pick {
    Pick { deployment: ranked.deployment as usize, score: ranked.score, worst_case }
}

/// How many may be tried on a route; a route of none is a route of one.
pub(crate) fn attempts(ranking: &Ranking) -> usize {
    usize::try_from(ranking.plan.fall_back.max_attempts).unwrap_or(usize::MAX).max(1)
}
