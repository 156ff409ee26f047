//! Why a request goes where it goes: every candidate with its score's parts or what stopped it, and who set each figure.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use vox_contracts::generated::routing::{CONTEXT_UTILISATION_ABOVE_PER_MILLE, CONTEXT_UTILISATION_TIMES};
use vox_contracts::{ModelTier, TaskCategory};

use crate::asked::{Asked, Band};
use crate::bound::Bound;
use crate::cost::Cost;
use crate::decision::Pick;
use crate::filter::Filter;
use crate::judge::Judged;
use crate::plan::route;
use crate::policy::{EvidenceMode, NewModels, Weights};
use crate::rank::{Outgrown, Ranking};
use crate::request::{Live, Request};
use crate::router::{Asking, Router};
use crate::score::{Part, merit, record};
use crate::snapshot::{Deployment, Layer};
use crate::walk::{Walk, attempts};

/// A decision with all its reasons. Making one calls nobody and spends nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The policy's name.
    pub policy: String,
    /// Its generation.
    pub generation: i64,
    /// What the request was taken for, and by which rules.
    #[serde(flatten)]
    pub asked: Asked,
    /// Complexities that are ranked alike.
    pub band: Band,
    /// How many may be tried.
    pub attempts: usize,
    /// Whether a lower tier was taken because money runs short.
    pub descended: bool,
    /// Whether the first candidate is there to be known better, and not because it is the best.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub explored: bool,
    /// The refusal, where nobody serves it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refused>,
    /// Who set the figures that decided.
    pub figures: Vec<Figure>,
    /// All deployments: those that may serve in the order in which they are tried, mixed with those that the request or the
    /// moment stopped, then those that can never serve such a request.
    pub candidates: Vec<Candidate>,
}

/// Why nobody serves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// The code of its error page.
    pub code: Cow<'static, str>,
    /// For people.
    pub message: String,
}

/// A figure that decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Figure {
    /// Its name in the policy.
    pub name: Cow<'static, str>,
    /// As text.
    pub value: String,
    /// Who set it.
    pub layer: Layer,
}

/// One deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// Its id.
    pub deployment: String,
    /// Its place among those that may serve, from 1; absent for those that may not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<usize>,
    /// Whether it is among those that would be tried.
    pub picked: bool,
    /// Which model it is, whoever serves it; absent where its id tells no particular model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Its tier.
    pub tier: ModelTier,
    /// 0 to 1,000,000.
    pub score: u32,
    /// What the score is made of.
    pub parts: Vec<Part>,
    /// The record that counted, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Proof>,
    /// What it surely is, where the policy ranks by that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound: Option<Bound>,
    /// What the request costs there at worst; absent when a price is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worst_case_usd: Option<Cost>,
    /// Whether it has yet to prove itself, and stands behind all that have.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub candidate: bool,
    /// Since when its provider does not list it (RFC 3339): it may be gone, and stands behind all others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspect: Option<String>,
    /// What stopped it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Stopped>,
    /// Who set what is known of it, by field.
    pub layers: std::collections::BTreeMap<String, Layer>,
}

/// A record of enough calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Proof {
    /// Finished calls.
    pub calls: u64,
    /// Successes among them, per mille.
    pub success_per_mille: u32,
    /// Quality, per mille, where something judged it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality_per_mille: Option<u32>,
    /// Median of the whole call; absent where none succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50_ms: Option<u64>,
    /// Success times quality, per mille: what the score takes.
    pub merit_per_mille: u32,
}

/// What stopped a candidate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stopped {
    /// The filter's name.
    pub filter: Cow<'static, str>,
    /// By how much, for people; without a full stop.
    pub sentence: String,
}

impl Router {
    /// Decides as [`Router::decide`] does, and says why; up to some milliseconds for some hundred candidates. A request that
    /// cannot even be ranked (an unknown name, a spent budget) has a refusal and no candidates.
    #[must_use]
    pub fn explain(&self, request: &Request, live: &dyn Live, now_unix_ms: u64) -> Explanation {
        let decision = self.decide(request, live, now_unix_ms);
        let policy = &self.snapshot.policy;
        let refusal = decision
            .as_ref()
            .err()
            .map(|refusal| Refused { code: refusal.code().into(), message: refusal.to_string() });
        let asked = Asked::of(request, None);
        let empty = Explanation {
            policy: policy.name.clone(),
            generation: policy.generation,
            asked,
            band: Band::of(asked.complexity),
            attempts: 0,
            descended: decision.as_ref().is_ok_and(|decision| decision.descended),
            explored: decision.as_ref().is_ok_and(|decision| decision.explored),
            refusal,
            figures: Vec::new(),
            candidates: Vec::new(),
        };
        let Ok(asking) = self.asking(request, live) else { return empty };
        let walk = asking.walk(self, request, live, now_unix_ms);
        let attempts = attempts(asking.ranking);
        let picks = decision.as_ref().map(|decision| decision.picks.as_slice()).unwrap_or_default();
        let mut place = 0;
        let mut judged = self.judge(&asking, walk);
        if let Ok(decision) = &decision
            && decision.explored
        {
            first(&mut judged, decision.picks.first());
        }
        let candidates = judged
            .iter()
            .filter_map(|judged| self.candidate(&asking, &walk, judged, &mut place, picks))
            .collect();
        Explanation {
            asked: asking.asked,
            band: Band::of(asking.asked.complexity),
            attempts,
            figures: figures(&policy.weights, asking.ranking, self, asking.asked.category),
            candidates,
            ..empty
        }
    }

    /// How many could serve a request now; at most one attempt's worth of them is picked.
    #[must_use]
    pub fn candidates(&self, request: &Request, live: &dyn Live, now_unix_ms: u64) -> usize {
        self.asking(request, live).map_or(0, |asking| {
            let walk = asking.walk(self, request, live, now_unix_ms);
            self.judge(&asking, walk).iter().filter(|judged| judged.verdict.is_ok()).count()
        })
    }

    fn candidate(
        &self,
        asking: &Asking<'_>,
        walk: &Walk<'_>,
        judged: &Judged,
        place: &mut usize,
        picks: &[Pick],
    ) -> Option<Candidate> {
        let plan = &asking.ranking.plan;
        let deployment = self.snapshot.deployments.get(judged.ranked.deployment as usize)?;
        let stopped = judged.verdict.as_ref().err().map(Stopped::by);
        let here = stopped.is_none().then(|| {
            *place += 1;
            *place
        });
        let parts = self.material().parts(plan, judged.ranked.deployment as usize)?;
        let bound = self.material().bound(plan, judged.ranked.deployment as usize);
        let counted = match bound {
            Some(_) => deployment.evidence.iter().find(|evidence| evidence.category == plan.category),
            None => record(deployment, plan.category),
        };
        let evidence = counted.map(|record| Proof {
            calls: record.calls,
            success_per_mille: record.success_per_mille,
            quality_per_mille: record.quality_per_mille,
            p50_ms: record.p50_ms,
            merit_per_mille: merit(record),
        });
        Some(Candidate {
            deployment: deployment.id.clone(),
            place: here,
            picked: picks.iter().any(|pick| pick.deployment == judged.ranked.deployment as usize),
            identity: deployment.entry.identity.clone(),
            tier: deployment.entry.tier,
            score: judged.ranked.score,
            parts: parts.to_vec(),
            worst_case_usd: walk.worst_case(&judged.ranked),
            candidate: deployment.candidate,
            suspect: deployment.entry.suspect.as_ref().map(|suspect| suspect.since.clone()),
            stopped,
            layers: layers(deployment, evidence.is_some()),
            evidence,
            bound,
        })
    }
}

impl Stopped {
    fn by(filter: &Filter) -> Self {
        Self { filter: filter.name().into(), sentence: filter.to_string() }
    }
}

/// Who set what is known of a deployment. Family, identity, strengths and tier are told by rules of the contract unless a policy sets
/// them; all else is as the catalog has it.
fn layers(deployment: &Deployment, observed: bool) -> std::collections::BTreeMap<String, Layer> {
    let own = if deployment.source.is_some() { Layer::Discovered } else { Layer::Bootstrap };
    let of_entry = ["inputPrice", "outputPrice", "contextLengthTokens", "maxOutputTokens", "supports"];
    let mut layers: std::collections::BTreeMap<String, Layer> =
        of_entry.into_iter().map(|field| (field.to_owned(), own)).collect();
    layers
        .extend(["family", "identity", "strengths", "tier"].map(|field| (field.to_owned(), Layer::Contract)));
    if observed {
        layers.insert("evidence".to_owned(), Layer::Observed);
    }
    layers.extend(deployment.layers.iter().map(|(field, layer)| (field.clone(), *layer)));
    layers
}

/// Puts one candidate before the others.
fn first(judged: &mut [Judged], pick: Option<&Pick>) {
    let Some(pick) = pick else { return };
    let at = judged.iter().position(|one| one.ranked.deployment as usize == pick.deployment);
    let Some(before) = at.and_then(|at| judged.get_mut(..=at)) else { return };
    before.rotate_right(1);
    // A probe asks whom a fall keeps away.
    if let Some(first) = before.first_mut() {
        first.verdict = Ok(pick.worst_case);
    }
}

/// Who makes room for a larger context, for people.
fn context(router: &Router, outgrown: Outgrown) -> Option<Figure> {
    let id = |place: u32| router.snapshot.deployments.get(place as usize).map(|one| one.id.as_str());
    let (full, larger) = (id(outgrown.deployment)?, id(outgrown.larger)?);
    let value = format!(
        "{larger} before {full}, whose context was more than {} % full {CONTEXT_UTILISATION_TIMES} times or more",
        CONTEXT_UTILISATION_ABOVE_PER_MILLE / 10
    );
    Some(Figure { name: "context".into(), value, layer: Layer::Observed })
}

fn figures(weights: &Weights, ranking: &Ranking, router: &Router, category: TaskCategory) -> Vec<Figure> {
    let plan = &ranking.plan;
    let route = route(&router.snapshot.policy, category);
    let set = |is_set: bool| if is_set { Layer::Policy } else { Layer::Contract };
    let require = route.map(|route| &route.require);
    let prefer = route.map(|route| &route.prefer);
    let figure =
        |name: &'static str, value: String, is_set| Figure { name: name.into(), value, layer: set(is_set) };
    let weighed = format!(
        "efficiency {}, precision {}, latency {}, availability {}, balance {}, mobile {}",
        weights.efficiency,
        weights.precision,
        weights.latency,
        weights.availability,
        weights.balance,
        weights.mobile
    );
    let mut figures = vec![
        figure("weights", weighed, *weights != Weights::default()),
        figure("tierFloor", plan.tier_floor.to_string(), plan.floor_is_policys),
        figure(
            "minContextTokens",
            plan.min_context_tokens.to_string(),
            require.is_some_and(|require| require.min_context_tokens.is_some()),
        ),
        figure("tier", plan.tier.to_string(), prefer.is_some_and(|prefer| prefer.tier.is_some())),
        figure("maxAttempts", plan.fall_back.max_attempts.to_string(), route.is_some()),
    ];
    if let Some(ceiling) = require.and_then(|require| require.tier_ceiling) {
        figures.push(figure("tierCeiling", ceiling.to_string(), true));
    }
    if let Some(family) = &plan.family {
        figures.push(figure("family", family.clone(), prefer.is_some_and(|prefer| prefer.family.is_some())));
    }
    if let Some(limit) = plan.max_latency_ms {
        figures.push(figure("maxLatencyMs", limit.to_string(), true));
    }
    if plan.fall_back.wait_when_busy_ms > 0 {
        figures.push(figure("waitWhenBusyMs", plan.fall_back.wait_when_busy_ms.to_string(), true));
    }
    if plan.prefer_local {
        figures.push(figure("local", "first".to_owned(), true));
    }
    if router.snapshot.policy.evidence.mode == EvidenceMode::Bounds {
        figures.push(figure("evidence", "bounds".to_owned(), true));
    }
    if router.snapshot.policy.evidence.new_models == NewModels::Candidate {
        figures.push(figure("newModels", "candidate".to_owned(), true));
    }
    figures.extend(ranking.outgrown.and_then(|outgrown| context(router, outgrown)));
    figures
}
