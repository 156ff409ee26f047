//! Decides: a walk over ranked candidates, until enough of them pass the request's filters.

use std::collections::HashMap;

use vox_contracts::generated::routing::{
    COMPLEXITY_DEFAULT, COMPLEXITY_MAX, COMPLEXITY_MIN, DEFAULT_TASK_CATEGORY, TOOL_HINTS, TOOL_HINTS_FLOOR,
};
use vox_contracts::{ModelTier, TaskCategory};

use crate::decision::{Decision, Filter, Pick, Refusal};
use crate::facts::Facts;
use crate::filter::{self, Money};
use crate::policy::{Alias, FallBack, WhenSpent};
use crate::rank::{Band, Ranked, Ranking, lower, rank};
use crate::request::{Choice, Live, Request};
use crate::snapshot::PolicySnapshot;
use crate::tally::Tally;

/// The prefix of Vox's own model names.
pub const OWN: &str = "vox/";
/// The name that leaves everything to the policy.
pub const AUTO: &str = "vox/auto";

/// One policy, ready to decide. Built when a snapshot arrives, read by every request.
#[derive(Debug, Clone)]
pub struct Router {
    snapshot: PolicySnapshot,
    pub(crate) facts: Vec<Facts>,
    /// For each of [`TaskCategory::ALL`].
    rankings: Vec<Ranking>,
    /// Deployments by their id and by their model's id.
    names: HashMap<String, Vec<u32>>,
}

/// What a request comes to before candidates are looked at.
pub(crate) struct Asked<'a> {
    pub(crate) category: TaskCategory,
    pub(crate) complexity: u8,
    /// Which rule set the complexity.
    pub(crate) complexity_rule: &'static str,
    pub(crate) named: Option<&'a [u32]>,
    pub(crate) force_cost: bool,
}

impl Router {
    /// Ranks everything that can be ranked without a request.
    #[must_use]
    pub fn new(snapshot: PolicySnapshot) -> Self {
        let upstream = |name: &str| snapshot.upstreams.iter().find(|upstream| upstream.name == name);
        let facts: Vec<Facts> = snapshot
            .deployments
            .iter()
            .map(|deployment| Facts::of(deployment, upstream(&deployment.upstream)))
            .collect();
        let rankings =
            TaskCategory::ALL.iter().map(|category| rank(&snapshot, &facts, category.info())).collect();
        let mut names: HashMap<String, Vec<u32>> = HashMap::new();
        for (place, deployment) in (0_u32..).zip(&snapshot.deployments) {
            for name in [&deployment.id, &deployment.entry.model_id] {
                let places = names.entry(name.clone()).or_default();
                if !places.contains(&place) {
                    places.push(place);
                }
            }
        }
        Self { snapshot, facts, rankings, names }
    }

    /// What it was made from.
    #[must_use]
    pub fn policy_snapshot(&self) -> &PolicySnapshot {
        &self.snapshot
    }

    /// Every name that a client may send as its model: Vox's own, the policy's aliases, and the deployments.
    pub fn models(&self) -> impl Iterator<Item = String> + '_ {
        let own = TaskCategory::ALL.iter().map(|category| format!("{OWN}{category}"));
        let aliases = self.snapshot.policy.aliases.iter().map(|alias| alias.name.clone());
        let ids = self.snapshot.deployments.iter().map(|deployment| deployment.id.clone());
        std::iter::once(AUTO.to_owned()).chain(own).chain(aliases).chain(ids)
    }

    /// Who serves a request. `now_unix_ms` is milliseconds since 1970 UTC.
    ///
    /// # Errors
    /// [`Refusal`] when nobody may, with the reason that a client is told.
    pub fn decide(&self, request: &Request, live: &dyn Live, now_unix_ms: u64) -> Result<Decision, Refusal> {
        let asked = self.asked(request)?;
        let mut money = self.money(request, live, &asked)?;
        let fall_back = self.fall_back(asked.category);
        let mut tally = Tally::default();
        let mut picks = self.picks(request, &asked, &money, live, now_unix_ms, &fall_back, &mut tally);
        let mut descended = money.ceiling.is_some();
        if picks.is_empty() && descended {
            // A dearer model within the budget is better than a refusal.
            money.ceiling = None;
            descended = false;
            tally = Tally::default();
            picks = self.picks(request, &asked, &money, live, now_unix_ms, &fall_back, &mut tally);
        }
        if picks.is_empty() {
            return Err(tally.refusal(asked.category, money.limit));
        }
        Ok(Decision {
            category: asked.category,
            complexity: asked.complexity,
            picks,
            total_timeout_ms: fall_back.total_timeout_ms,
            descended,
        })
    }

    /// The candidates that serve, best first. One under a penalty serves only where nobody else does.
    #[allow(
        clippy::too_many_arguments,
        reason = "one walk over one request; a struct would only rename them"
    )]
    fn picks(
        &self,
        request: &Request,
        asked: &Asked<'_>,
        money: &Money,
        live: &dyn Live,
        now_unix_ms: u64,
        fall_back: &FallBack,
        tally: &mut Tally,
    ) -> Vec<Pick> {
        let most = usize::try_from(fall_back.max_attempts.max(1)).unwrap_or(usize::MAX);
        let mut picks = Vec::with_capacity(most.min(4));
        let mut penalised = Vec::new();
        for ranked in self.order(request, asked) {
            let Some((place, facts)) = self.facts_of(ranked.deployment) else { continue };
            if let Some(filter) =
                filter::of_request(request, asked.named.is_some(), place, facts, money, live)
            {
                tally.stopped(filter);
                continue;
            }
            let pick = Pick { deployment: place, score: ranked.score, worst_case: facts.worst_case(request) };
            if self.penalised(place, asked.category, now_unix_ms).is_some() {
                penalised.push(pick);
                continue;
            }
            picks.push(pick);
            if picks.len() == most {
                break;
            }
        }
        if picks.is_empty() {
            penalised.truncate(most);
            return penalised;
        }
        picks
    }

    /// The candidates in the order they are looked at.
    pub(crate) fn order<'a>(
        &'a self,
        request: &'a Request,
        asked: &Asked<'a>,
    ) -> Box<dyn Iterator<Item = Ranked> + 'a> {
        if let Some(named) = asked.named {
            return Box::new(self.ordered_names(named, asked).into_iter());
        }
        let ranking = self.ranking(asked.category);
        let ranked = if asked.force_cost {
            &ranking.by_cost
        } else {
            let band = Band::of(asked.complexity);
            let place = Band::ALL.iter().position(|other| *other == band).unwrap_or_default();
            ranking.bands.get(place).unwrap_or(&ranking.by_cost)
        };
        let Some(family) = request.family_hint.as_deref() else { return Box::new(ranked.iter().copied()) };
        let preferred = move |ranked: &&Ranked| self.family(ranked.deployment) == Some(family);
        let others = move |ranked: &&Ranked| !preferred(ranked);
        Box::new(ranked.iter().filter(preferred).chain(ranked.iter().filter(others)).copied())
    }

    /// Deployments of one name, in the category's order; those that it does not rank come last, by id.
    fn ordered_names(&self, named: &[u32], asked: &Asked<'_>) -> Vec<Ranked> {
        let band = Band::ALL.iter().position(|band| *band == Band::of(asked.complexity)).unwrap_or_default();
        let ranked = self.ranking(asked.category).bands.get(band).map_or(&[][..], Vec::as_slice);
        let mut found: Vec<Ranked> =
            ranked.iter().filter(|ranked| named.contains(&ranked.deployment)).copied().collect();
        for place in named {
            let known = found.iter().any(|ranked| ranked.deployment == *place);
            if !known && self.admitted(*place) {
                found.push(Ranked { deployment: *place, score: 0 });
            }
        }
        found
    }

    /// A name does not get around the policy's lists, nor around what is never known to be within a budget.
    fn admitted(&self, place: u32) -> bool {
        let deployment = usize::try_from(place).ok().and_then(|place| self.snapshot.deployments.get(place));
        deployment
            .is_some_and(|deployment| crate::rank::not_allowed(&self.snapshot.policy, deployment).is_none())
    }

    /// Alias, category, complexity and names, by the rules of the contract.
    pub(crate) fn asked<'a>(&'a self, request: &Request) -> Result<Asked<'a>, Refusal> {
        let mut alias: Option<&Alias> = None;
        let mut named = None;
        let mut category = request.category;
        if let Choice::Named(name) = &request.choice {
            alias = self.snapshot.policy.aliases.iter().find(|alias| alias.name == *name);
            let model = alias.map_or(Some(name), |alias| alias.model.as_ref());
            let own = name.strip_prefix(OWN).filter(|_| alias.is_none());
            if let Some(own) = own {
                category = self.own(name, own)?.or(category);
            } else if let Some(model) = model {
                let unknown = || Refusal::UnknownModel { name: name.chars().take(200).collect() };
                named = Some(self.names.get(model).ok_or_else(unknown)?.as_slice());
            }
        }
        category = alias.and_then(|alias| alias.category).or(category);
        if request.research_hint && alias.and_then(|alias| alias.category).is_none() {
            category = Some(TaskCategory::Research);
        }
        if request.needs.embedding {
            category = Some(TaskCategory::Embedding);
        }
        let category = category.unwrap_or(DEFAULT_TASK_CATEGORY);
        let (complexity, complexity_rule) = complexity(request, category);
        let force_cost = request.force_cost || alias.is_some_and(|alias| alias.force_cost);
        Ok(Asked { category, complexity, complexity_rule, named, force_cost })
    }

    /// `vox/auto` leaves the category open, `vox/<category>` sets it.
    fn own(&self, name: &str, own: &str) -> Result<Option<TaskCategory>, Refusal> {
        if name == AUTO {
            return Ok(None);
        }
        own.parse().map(Some).map_err(|_| Refusal::UnknownModel { name: name.chars().take(200).collect() })
    }

    /// What the request may cost, all budgets considered.
    pub(crate) fn money(
        &self,
        request: &Request,
        live: &dyn Live,
        asked: &Asked<'_>,
    ) -> Result<Money, Refusal> {
        let budget = &self.snapshot.policy.budget;
        let limit = [request.max_cost, budget.per_request].into_iter().flatten().min();
        let Some((day, left)) = budget.per_day.zip(live.day_budget_left()) else {
            return Ok(Money { limit, ..Money::default() });
        };
        if left.pico_usd() == 0 {
            return match budget.when_spent {
                WhenSpent::FreeOnly => Ok(Money { limit, free_only: true, ceiling: None }),
                WhenSpent::Refuse => Err(Refusal::BudgetSpent { policy: self.snapshot.policy.name.clone() }),
            };
        }
        let used = u128::from(day.minus(left).pico_usd()) * 1000;
        let descend =
            budget.descend_at_per_mille.is_some_and(|at| used >= u128::from(day.pico_usd()) * u128::from(at));
        Ok(Money {
            limit: Some(limit.map_or(left, |limit| limit.min(left))),
            free_only: false,
            ceiling: descend.then(|| self.descended(asked)),
        })
    }

    /// One tier below what would fit best.
    fn descended(&self, asked: &Asked<'_>) -> ModelTier {
        let route = self.snapshot.policy.routes.iter().find(|route| route.category == asked.category);
        lower(Band::of(asked.complexity).tier(asked.category.info(), route))
    }

    fn fall_back(&self, category: TaskCategory) -> FallBack {
        let route = self.snapshot.policy.routes.iter().find(|route| route.category == category);
        route.map(|route| route.fall_back.clone()).unwrap_or_default()
    }

    pub(crate) fn penalised(&self, place: usize, category: TaskCategory, now_unix_ms: u64) -> Option<Filter> {
        filter::penalised(self.snapshot.deployments.get(place)?, category, now_unix_ms)
    }

    fn facts_of(&self, place: u32) -> Option<(usize, &Facts)> {
        let place = usize::try_from(place).ok()?;
        Some((place, self.facts.get(place)?))
    }

    fn family(&self, place: u32) -> Option<&str> {
        self.snapshot.deployments.get(usize::try_from(place).ok()?)?.entry.family.as_deref()
    }

    fn ranking(&self, category: TaskCategory) -> &Ranking {
        static NONE: Ranking = Ranking { bands: [const { Vec::new() }; 4], by_cost: Vec::new() };
        let place = TaskCategory::ALL.iter().position(|other| *other == category);
        place.and_then(|place| self.rankings.get(place)).unwrap_or(&NONE)
    }
}

/// 1 to 10, and which rule spoke last.
fn complexity(request: &Request, category: TaskCategory) -> (u8, &'static str) {
    let mut complexity = (COMPLEXITY_DEFAULT, "the contract's default");
    if let Some(asked) = request.complexity {
        complexity = (asked.clamp(COMPLEXITY_MIN, COMPLEXITY_MAX), "the request");
    } else if category.info().complexity_floor > complexity.0 {
        complexity = (category.info().complexity_floor, "the category's floor");
    }
    if request.tool_hints >= TOOL_HINTS && complexity.0 < TOOL_HINTS_FLOOR {
        complexity = (TOOL_HINTS_FLOOR, "hints that tools are needed");
    }
    complexity
}
