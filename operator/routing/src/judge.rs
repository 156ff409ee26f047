//! Every candidate with its verdict: what a refusal counts and an explanation shows.

use std::collections::BTreeMap;

use vox_contracts::TaskCategory;

use crate::cost::Cost;
use crate::decision::Refusal;
use crate::filter::{self, Filter};
use crate::rank::Ranked;
use crate::router::{Asking, Router};
use crate::walk::Walk;

/// One candidate.
#[derive(Debug, Clone)]
pub(crate) struct Judged {
    pub(crate) ranked: Ranked,
    /// Its worst case where it may serve; otherwise what stops it.
    pub(crate) verdict: Result<Option<Cost>, Filter>,
}

impl Judged {
    /// Why nobody is left, told from all verdicts.
    pub(crate) fn refusal(category: TaskCategory, judged: &[Self]) -> Refusal {
        let filters = || judged.iter().filter_map(|one| one.verdict.as_ref().err());
        let too_dear = filters().filter_map(|filter| match filter {
            Filter::TooDear { worst_case, limit } => Some((*worst_case, *limit)),
            _ => None,
        });
        if let Some((cheapest, limit)) = too_dear.min() {
            return Refusal::TooDear { limit, cheapest };
        }
        // Of what comes back by itself nobody knows here whether it would be long enough.
        let too_small = filters().filter_map(|filter| match filter {
            Filter::ContextTooSmall { needed_tokens, has_tokens: Some(has) } => Some((*has, *needed_tokens)),
            _ => None,
        });
        if let Some((most_tokens, needed_tokens)) = too_small.max()
            && !filters().any(Filter::passes)
        {
            return Refusal::TooLong { needed_tokens, most_tokens };
        }
        let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
        for filter in filters().filter(|filter| **filter != Filter::NotAsked) {
            *counts.entry(filter.name()).or_default() += 1;
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let summary = if counts.is_empty() {
            "the policy has no models".to_owned()
        } else {
            counts.iter().map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
        };
        Refusal::NoCandidate { category, summary }
    }
}

impl Router {
    /// All deployments: those in the order in which they would be tried, then those that were stopped beforehand, in the
    /// same order of preference.
    pub(crate) fn judge(&self, asking: &Asking<'_>, walk: Walk<'_>) -> Vec<Judged> {
        if let Some(places) = &asking.target.deployments {
            return self.judge_named(asking, walk, places);
        }
        let descent = self.descent(asking, walk);
        let order = &asking.ranking.order;
        let lower = Walk { descent, ..walk };
        let walk =
            if descent.is_some() && !lower.keep(order, 1).into_picks().is_empty() { lower } else { walk };
        let mut judged = judged_by(&walk, order);
        let spare = judged.iter().any(|one| one.verdict.is_ok());
        judged.extend(judged_by(&walk_generic(walk), &asking.ranking.generic).into_iter().map(|mut one| {
            if spare && one.verdict.is_ok() {
                one.verdict = Err(Filter::LastResort);
            }
            one
        }));
        let spare = judged.iter().any(|one| one.verdict.is_ok());
        judged.extend(judged_by(&walk_generic(walk), &asking.ranking.fallen).into_iter().map(|mut one| {
            let fell = self.snapshot.deployments.get(one.ranked.deployment as usize);
            let fell = fell.and_then(|fell| filter::quarantine(asking.asked.category, fell));
            if let (true, true, Some(filter)) = (spare, one.verdict.is_ok(), fell) {
                one.verdict = Err(filter);
            }
            one
        }));
        if walk.force_cost {
            cheapest_first(&mut judged);
        }
        judged.extend(self.stopped(asking));
        judged
    }

    fn judge_named(&self, asking: &Asking<'_>, walk: Walk<'_>, places: &[u32]) -> Vec<Judged> {
        let mut judged = judged_by(&walk, &self.named(asking, places));
        if walk.force_cost {
            cheapest_first(&mut judged);
        }
        let rest = (0..self.snapshot.deployments.len()).filter_map(|place| {
            let asked = places.iter().any(|asked| *asked as usize == place);
            if asked { self.stops_named(asking, place) } else { Some(Filter::NotAsked) }
                .map(|filter| (place, filter))
        });
        judged.extend(self.stopped_by(asking, rest.collect()));
        judged
    }

    fn stopped(&self, asking: &Asking<'_>) -> Vec<Judged> {
        let material = self.material();
        let stopped = (0..self.snapshot.deployments.len())
            .filter_map(|place| Some((place, material.stops(&asking.ranking.plan, place)?)))
            .filter(|(_, filter)| !matches!(filter, Filter::Quarantined { .. }))
            .collect();
        self.stopped_by(asking, stopped)
    }

    fn stopped_by(&self, asking: &Asking<'_>, mut filters: BTreeMap<usize, Filter>) -> Vec<Judged> {
        let material = self.material();
        let mut order: Vec<Ranked> =
            filters.keys().filter_map(|place| material.ranked(&asking.ranking.plan, *place)).collect();
        material.sort(&mut order);
        order
            .into_iter()
            .filter_map(|ranked| {
                let filter = filters.remove(&(ranked.deployment as usize))?;
                Some(Judged { ranked, verdict: Err(filter) })
            })
            .collect()
    }
}

/// The generic fall-back is asked by what the request is, not by what money prefers.
const fn walk_generic(walk: Walk<'_>) -> Walk<'_> {
    Walk { descent: None, ..walk }
}

/// In the order of the walk; the penalised serve where nobody else does.
fn judged_by(walk: &Walk<'_>, order: &[Ranked]) -> Vec<Judged> {
    let mut judged: Vec<Judged> = walk
        .order(order)
        .into_iter()
        .map(|ranked| Judged { ranked: *ranked, verdict: walk.admits(ranked) })
        .collect();
    if judged.iter().all(|one| one.verdict.is_err()) {
        for one in &mut judged {
            if matches!(one.verdict, Err(Filter::Penalised { .. })) {
                one.verdict = Ok(walk.worst_case(&one.ranked));
            }
        }
    }
    judged
}

/// As a walk that looks for the cheapest keeps them: those that may serve by worst case, an unknown one last.
fn cheapest_first(judged: &mut [Judged]) {
    judged.sort_by_key(|one| match &one.verdict {
        Ok(worst_case) => (false, Some(one.ranked.standing), worst_case.is_none(), *worst_case),
        Err(_) => (true, None, true, None),
    });
}
