//! The router of one policy: everything that can be told beforehand is told when it is made; a decision filters and picks.

use std::fmt;

use vox_contracts::TaskCategory;

use crate::asked::{Asked, Band};
use crate::bound::Parents;
use crate::decision::{Decision, Pick, Refusal};
use crate::explore::Explored;
use crate::facts::Facts;
use crate::filter::{self, Filter, Money};
use crate::judge::Judged;
use crate::names::{Names, ServedName, Target, served};
use crate::plan::below;
use crate::policy::EvidenceMode;
use crate::rank::{self, Leans, Material, Ranked, Ranking};
use crate::request::{Live, Request};
use crate::snapshot::PolicySnapshot;
use crate::walk::{Walk, attempts};

/// Decides for one policy. Immutable: a new snapshot makes a new router.
pub struct Router {
    pub(crate) snapshot: PolicySnapshot,
    pub(crate) facts: Vec<Facts>,
    pub(crate) admission: Vec<Option<Filter>>,
    pub(crate) leans: Leans,
    pub(crate) parents: Parents,
    ties: Vec<u32>,
    /// For each category, in the order of the contract, each band, ascending.
    rankings: Vec<Ranking>,
    names: Names,
    /// Makers of the candidates, ascending.
    families: Vec<String>,
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router")
            .field("policy", &self.snapshot.policy.name)
            .field("generation", &self.snapshot.policy.generation)
            .field("deployments", &self.snapshot.deployments.len())
            .finish_non_exhaustive()
    }
}

impl Router {
    /// Ranks all candidates for all categories and complexities: some milliseconds for some hundred candidates.
    #[must_use]
    pub fn new(snapshot: PolicySnapshot) -> Self {
        let place = |name: &str| snapshot.upstreams.iter().position(|upstream| upstream.name == name);
        let upstream = |name: &str| snapshot.upstreams.get(place(name)?);
        let mut families: Vec<String> =
            snapshot.deployments.iter().filter_map(|one| one.family().map(str::to_owned)).collect();
        families.sort_unstable();
        families.dedup();
        let family = |name: &str| {
            let place = families.binary_search_by(|family| family.as_str().cmp(name)).ok()?;
            u16::try_from(place).ok()
        };
        let facts: Vec<Facts> = snapshot
            .deployments
            .iter()
            .map(|deployment| {
                let upstream = place(&deployment.upstream)
                    .and_then(|place| Some((place, snapshot.upstreams.get(place)?.local)));
                Facts::of(deployment, deployment.family().and_then(family), upstream)
            })
            .collect();
        let admission: Vec<Option<Filter>> = snapshot
            .deployments
            .iter()
            .map(|one| filter::admission(&snapshot.policy, one, upstream(&one.upstream)))
            .collect();
        let leans = Leans::of_all(&snapshot.deployments);
        let parents = match snapshot.policy.evidence.mode {
            EvidenceMode::Rule => Parents::default(),
            EvidenceMode::Bounds => Parents::of_all(&snapshot.deployments),
        };
        let ties = rank::ties(&snapshot.deployments);
        let material = Material {
            snapshot: &snapshot,
            facts: &facts,
            admission: &admission,
            leans: &leans,
            parents: &parents,
            ties: &ties,
        };
        let rankings = TaskCategory::ALL
            .iter()
            .flat_map(|category| Band::ALL.map(|band| Ranking::of(&material, *category, band)))
            .collect();
        let names = Names::of(&snapshot);
        Self { snapshot, facts, admission, leans, parents, ties, rankings, names, families }
    }

    /// What it decides from.
    #[must_use]
    pub const fn policy_snapshot(&self) -> &PolicySnapshot {
        &self.snapshot
    }

    /// Every name that a client may write as its model (a bare model id may be written too, and is not listed).
    #[must_use]
    pub fn models(&self) -> Vec<ServedName> {
        let has_candidates = |category| {
            self.ranking(category, Band::Usual).is_some_and(|ranking| {
                ranking.order.iter().any(|one| !one.below_floor)
                    || !ranking.generic.is_empty()
                    || !ranking.fallen.is_empty()
            })
        };
        let is_allowed = |place: usize| matches!(self.admission.get(place), Some(None));
        served(&self.snapshot, &self.names, has_candidates, is_allowed)
    }

    /// Who serves a request, and who does when that fails. `now_unix_ms` is the time, in milliseconds since 1970 UTC.
    ///
    /// # Errors
    /// [`Refusal`] when nobody may.
    pub fn decide(&self, request: &Request, live: &dyn Live, now_unix_ms: u64) -> Result<Decision, Refusal> {
        let asking = self.asking(request, live)?;
        let walk = asking.walk(self, request, live, now_unix_ms);
        let (mut picks, descended) = self.picks(&asking, walk);
        if picks.is_empty() {
            return Err(self.refusal(&asking, &walk));
        }
        // Where money runs short, what is best is what is cheap.
        let explored = if descended {
            Explored::NOT
        } else {
            self.explore(&asking, &walk, &mut picks, attempts(asking.ranking))
        };
        Ok(Decision {
            category: asking.asked.category,
            complexity: asking.asked.complexity,
            picks,
            total_timeout_ms: asking.ranking.plan.fall_back.total_timeout_ms,
            wait_when_busy_ms: asking.ranking.plan.fall_back.wait_when_busy_ms,
            descended,
            explored: explored.another,
            probability_ppb: explored.probability_ppb,
        })
    }

    /// How long a request of a category waits for candidates that are busy, where nobody else is left, in milliseconds.
    #[must_use]
    pub fn wait_when_busy_ms(&self, category: TaskCategory) -> u64 {
        let route = self.snapshot.policy.routes.iter().find(|route| route.category == category);
        route.map_or(0, |route| route.fall_back.wait_when_busy_ms)
    }

    /// What the request is taken for, before any candidate is looked at.
    pub(crate) fn asking(&self, request: &Request, live: &dyn Live) -> Result<Asking<'_>, Refusal> {
        let target = self.names.resolve(&request.choice).map_err(|unknown| unknown.refusal())?;
        let asked = Asked::of(request, target.category);
        let money = Money::of(&self.snapshot.policy, request, live);
        if money.spent {
            return Err(Refusal::BudgetSpent { policy: self.snapshot.policy.name.clone() });
        }
        let no_ranking =
            || Refusal::NoCandidate { category: asked.category, summary: "no ranking".to_owned() };
        let ranking = self.ranking(asked.category, Band::of(asked.complexity)).ok_or_else(no_ranking)?;
        Ok(Asking { target, asked, money, ranking })
    }

    /// The ranking of a category in a band; there is one for each.
    fn ranking(&self, category: TaskCategory, band: Band) -> Option<&Ranking> {
        self.rankings.get(category as usize * Band::ALL.len() + band as usize)
    }

    /// The picks, and whether money made them come from a lower tier.
    pub(crate) fn picks(&self, asking: &Asking<'_>, walk: Walk<'_>) -> (Vec<Pick>, bool) {
        let at_most = attempts(asking.ranking);
        if let Some(places) = &asking.target.deployments {
            return (walk.keep(&self.named(asking, places), at_most).into_picks(), false);
        }
        let order = &asking.ranking.order;
        if let Some(ceiling) = self.descent(asking, walk) {
            let lower = Walk { descent: Some(ceiling), ..walk };
            let picks = lower.keep(order, at_most).into_picks();
            if !picks.is_empty() {
                return (picks, true);
            }
        }
        let picks = walk.keep(order, at_most).into_picks();
        if !picks.is_empty() {
            return (picks, false);
        }
        let picks = walk.keep(&asking.ranking.generic, at_most).into_picks();
        if !picks.is_empty() {
            return (picks, false);
        }
        (walk.keep(&asking.ranking.fallen, at_most).into_picks(), false)
    }

    /// The tier below the one that would serve, where the declared share of the day's budget is used.
    pub(crate) fn descent(&self, asking: &Asking<'_>, walk: Walk<'_>) -> Option<vox_contracts::ModelTier> {
        if !asking.money.descend {
            return None;
        }
        let best = walk.keep(&asking.ranking.order, 1).into_picks();
        below(self.facts.get(best.first()?.deployment)?.tier)
    }

    /// The deployments that a name stands for, ranked as the category ranks them, whatever its floors are; but never what
    /// the policy's lists forbid or what makes something else.
    pub(crate) fn named(&self, asking: &Asking<'_>, places: &[u32]) -> Vec<Ranked> {
        let material = self.material();
        let plan = &asking.ranking.plan;
        let mut order: Vec<Ranked> = places
            .iter()
            .map(|place| *place as usize)
            .filter(|place| self.stops_named(asking, *place).is_none())
            .filter_map(|place| material.ranked(plan, place))
            .collect();
        material.sort(&mut order);
        order
    }

    /// What stops a named deployment before the request is looked at.
    pub(crate) fn stops_named(&self, asking: &Asking<'_>, place: usize) -> Option<Filter> {
        let facts = self.facts.get(place)?;
        let admission = self.admission.get(place).cloned().flatten();
        admission.or_else(|| filter::output(asking.asked.category, facts))
    }

    pub(crate) fn material(&self) -> Material<'_> {
        Material {
            snapshot: &self.snapshot,
            facts: &self.facts,
            admission: &self.admission,
            leans: &self.leans,
            parents: &self.parents,
            ties: &self.ties,
        }
    }

    /// The family that a hint names, whatever its case; none that no candidate has.
    fn family(&self, hint: Option<&String>) -> Option<u16> {
        let hint = hint?;
        let place = self.families.iter().position(|family| family.eq_ignore_ascii_case(hint))?;
        u16::try_from(place).ok()
    }

    #[cold]
    pub(crate) fn refusal(&self, asking: &Asking<'_>, walk: &Walk<'_>) -> Refusal {
        Judged::refusal(asking.asked.category, &self.judge(asking, *walk))
    }
}

/// A request with all that does not depend on a candidate.
pub(crate) struct Asking<'a> {
    pub(crate) target: &'a Target,
    pub(crate) asked: Asked,
    pub(crate) money: Money,
    pub(crate) ranking: &'a Ranking,
}

impl<'a> Asking<'a> {
    pub(crate) fn walk(
        &'a self,
        router: &'a Router,
        request: &'a Request,
        live: &'a dyn Live,
        now_unix_ms: u64,
    ) -> Walk<'a> {
        Walk {
            deployments: &router.snapshot.deployments,
            facts: &router.facts,
            plan: &self.ranking.plan,
            request,
            live,
            now_unix_ms,
            money: self.money,
            named: self.target.deployments.is_some(),
            force_cost: request.force_cost || self.target.force_cost,
            hint: router.family(request.family_hint.as_ref()),
            descent: None,
            lone_upstream: router.snapshot.upstreams.len() < 2,
        }
    }
}
