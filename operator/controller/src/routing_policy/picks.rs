//! Who serves each category now, on what record that rests, and what of it changed. Pure.

use jiff::Timestamp;
use vox_contracts::TaskCategory;
use vox_contracts::generated::routing::MIN_EVIDENCE_CALLS;
use vox_crds::conditions::reasons;
use vox_crds::routing_policy::{
    NewModelsStatus, PickEvidence, PickStatus, PriceDrift, QuarantineStatus, RoutingPolicyStatus,
};
use vox_routing::policy::NewModels;
use vox_routing::snapshot::{Evidence, Penalty};
use vox_routing::{Deployment, Offline, Request, Router};

use super::describe::Verdict;

/// How many prices that drifted, quarantines and new models a status tells of.
const TOLD: usize = 16;

/// Whether anybody serves any category.
pub(super) fn serves(router: &Router, now: Timestamp) -> bool {
    picks(router, now).iter().any(|pick| pick.model.is_some())
}

/// Why nobody serves the first category, which stands for all.
pub(super) fn nobody(router: &Router, now: Timestamp) -> Option<String> {
    picks(router, now).into_iter().next().map(|pick| pick.reason)
}

/// Who serves each category, for a request of the contract's default complexity.
pub(super) fn picks(router: &Router, now: Timestamp) -> Vec<PickStatus> {
    let now = unix_ms(now);
    TaskCategory::ALL.iter().map(|category| pick(router, *category, now)).collect()
}

fn pick(router: &Router, category: TaskCategory, now_unix_ms: u64) -> PickStatus {
    let request = Request::of_category(category, None);
    let decision = match router.decide(&request, &Offline, now_unix_ms) {
        Ok(decision) => decision,
        Err(refusal) => {
            return PickStatus {
                category,
                model: None,
                evidence: None,
                runner_up: None,
                runner_up_evidence: None,
                reason: refusal.to_string(),
            };
        }
    };
    let mut order = decision.picks.iter();
    let (first, second) = (order.next(), order.next());
    let deployment = |place: usize| router.policy_snapshot().deployments.get(place);
    let of = |pick: Option<&vox_routing::Pick>| pick.and_then(|pick| deployment(pick.deployment));
    PickStatus {
        category,
        model: of(first).map(|one| one.id.clone()),
        evidence: of(first).and_then(|one| figures(one, category)),
        runner_up: of(second).map(|one| one.id.clone()),
        runner_up_evidence: of(second).and_then(|one| figures(one, category)),
        reason: reason(first.map(|pick| pick.score), second.map(|pick| pick.score)),
    }
}

/// Scores are of a million; a person reads three places.
fn reason(first: Option<u32>, second: Option<u32>) -> String {
    let score = |score: u32| format!("{}.{:03}", score / 1_000_000, score % 1_000_000 / 1000);
    match (first, second) {
        (Some(first), Some(second)) if score(first) == score(second) => {
            format!("score {}, level with the runner-up", score(first))
        }
        (Some(first), Some(second)) if first < second => {
            format!("score {}, preferred to the runner-up with {} by the policy", score(first), score(second))
        }
        (Some(first), Some(second)) => format!("score {} before {}", score(first), score(second)),
        (Some(first), None) => format!("score {}; nobody else may serve", score(first)),
        _ => "nobody may serve".to_owned(),
    }
}

/// The record of a deployment in a category, if it has one.
fn figures(deployment: &Deployment, category: TaskCategory) -> Option<PickEvidence> {
    let evidence = deployment.evidence.iter().find(|one| one.category == category && one.calls > 0)?;
    let (low, high) = evidence.success_interval_per_mille();
    Some(PickEvidence {
        calls: signed(evidence.calls),
        success_per_mille: i64::from(evidence.success_per_mille),
        success_low_per_mille: i64::from(low),
        success_high_per_mille: i64::from(high),
        quality_per_mille: evidence.quality_per_mille.map(i64::from),
    })
}

/// Whether the leaders of all categories that matter, those with a route and those with traffic, have enough calls.
pub(super) fn sufficient(router: Option<&Router>, picks: &[PickStatus]) -> Verdict {
    let snapshot = router.map(Router::policy_snapshot);
    let routed =
        |category| snapshot.is_some_and(|it| it.policy.routes.iter().any(|route| route.category == category));
    let seen = |one: &Evidence, category| one.category == category && one.calls > 0;
    let travelled = |category| {
        let deployments = snapshot.iter().flat_map(|snapshot| &snapshot.deployments);
        deployments.flat_map(|one| &one.evidence).any(|one| seen(one, category))
    };
    let matters: Vec<&PickStatus> =
        picks.iter().filter(|pick| routed(pick.category) || travelled(pick.category)).collect();
    let enough = |pick: &&&PickStatus| {
        pick.evidence.as_ref().is_some_and(|record| record.calls >= i64::from(MIN_EVIDENCE_CALLS))
    };
    let (measured, thin): (Vec<&PickStatus>, Vec<&PickStatus>) =
        matters.iter().copied().partition(|pick| enough(&pick));
    if measured.is_empty() && thin.iter().all(|pick| pick.evidence.is_none()) {
        let message = format!(
            "no model that leads a category has figures of {MIN_EVIDENCE_CALLS} finished calls there; prices and the contract's rules put them first"
        );
        return (false, reasons::TOO_FEW_CALLS, message);
    }
    let told = |picks: &[&PickStatus]| picks.iter().map(|pick| line(pick)).collect::<Vec<_>>().join("; ");
    if thin.is_empty() {
        return (true, reasons::MEASURED, told(&measured));
    }
    let mut message = format!("fewer than {MIN_EVIDENCE_CALLS} finished calls: {}", told(&thin));
    if !measured.is_empty() {
        message = format!("{message}. Measured: {}", told(&measured));
    }
    (false, reasons::TOO_FEW_CALLS, message)
}

fn line(pick: &PickStatus) -> String {
    let model = pick.model.as_deref().unwrap_or("nobody");
    let record = pick.evidence.as_ref().map_or_else(|| "no calls".to_owned(), words);
    format!("{} {model} ({record})", pick.category)
}

/// Per mille as percent, for people.
pub(super) fn percent(per_mille: i64) -> String {
    format!("{}.{}", per_mille / 10, per_mille % 10)
}

/// Figures for people.
fn words(record: &PickEvidence) -> String {
    let quality = record
        .quality_per_mille
        .map(|quality| format!(", quality {} %", percent(quality)))
        .unwrap_or_default();
    format!(
        "{} calls, {} % succeeded, {} to {}{quality}",
        record.calls,
        percent(record.success_per_mille),
        percent(record.success_low_per_mille),
        percent(record.success_high_per_mille),
    )
}

/// A category that another model leads than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LeaderChange {
    pub(super) category: TaskCategory,
    pub(super) leader: String,
    pub(super) message: String,
}

/// The categories whose leader changed because of what happened: the same generation decided before, and the record of one
/// of both models is another one, or a penalty came or ended.
pub(super) fn leader_changes(
    before: &RoutingPolicyStatus,
    after: &RoutingPolicyStatus,
    router: &Router,
    now: Timestamp,
) -> Vec<LeaderChange> {
    if before.programmed_generation != after.programmed_generation {
        return Vec::new();
    }
    let changed = |pick: &PickStatus| {
        let former = before.picks.iter().find(|former| former.category == pick.category)?;
        let (was, is) = (former.model.as_ref()?, pick.model.as_ref()?);
        if was == is {
            return None;
        }
        let find = |id: &String| router.policy_snapshot().deployments.iter().find(|one| one.id == *id);
        // One that is no longer offered went for another reason.
        let (old, new) = (find(was)?, find(is)?);
        let then = if former.runner_up.as_ref() == Some(is) { &former.runner_up_evidence } else { &None };
        let penalty = penalty(old, pick.category);
        let moved = figures(old, pick.category) != former.evidence
            || pick.evidence != *then
            || penalty.is_some()
            || self::penalty(new, pick.category).is_some();
        let held = penalty.filter(|penalty| penalty.until_unix_ms > unix_ms(now));
        moved.then(|| LeaderChange {
            category: pick.category,
            leader: is.clone(),
            message: format!(
                "{} is led by {is} ({}) and no longer by {was} ({}{})",
                pick.category,
                record(new, pick.category),
                record(old, pick.category),
                if held.is_some() { ", penalised" } else { "" },
            ),
        })
    };
    after.picks.iter().filter_map(changed).collect()
}

fn record(deployment: &Deployment, category: TaskCategory) -> String {
    figures(deployment, category).as_ref().map_or_else(|| "no calls".to_owned(), words)
}

fn penalty(deployment: &Deployment, category: TaskCategory) -> Option<Penalty> {
    let penalties = deployment.penalties.iter().filter(|penalty| penalty.category == category);
    penalties.copied().max_by_key(|penalty| penalty.until_unix_ms)
}

/// When the next penalty ends, in milliseconds from now; who serves is told anew then.
pub(super) fn next_end(router: &Router, now: Timestamp) -> Option<u64> {
    let penalties = router.policy_snapshot().deployments.iter().flat_map(|one| &one.penalties);
    penalties
        .filter_map(|penalty| penalty.until_unix_ms.checked_sub(unix_ms(now)))
        .filter(|left| *left > 0)
        .min()
}

/// Listed prices that are not what is billed.
pub(super) fn price_drifts(router: &Router) -> Vec<PriceDrift> {
    let deployments = router.policy_snapshot().deployments.iter();
    let told = deployments.filter_map(|one| one.drift()).map(|drift| PriceDrift {
        model: drift.deployment,
        listed_usd_per_mtok: drift.listed.to_string(),
        billed_usd_per_mtok: drift.billed.to_string(),
    });
    told.take(TOLD).collect()
}

/// Who is kept from which category.
pub(super) fn quarantines(router: &Router) -> Vec<QuarantineStatus> {
    let deployments = router.policy_snapshot().deployments.iter();
    let held = deployments.flat_map(|one| one.quarantines.iter().map(move |held| (one, held)));
    let told = held.map(|(one, held)| QuarantineStatus {
        model: one.id.clone(),
        category: held.category,
        was_per_mille: i64::from(held.was_per_mille),
        is_per_mille: i64::from(held.is_per_mille),
    });
    told.take(TOLD).collect()
}

/// Who has yet to prove themselves; none where the policy does not ask for that.
pub(super) fn new_models(router: &Router) -> Option<NewModelsStatus> {
    let snapshot = router.policy_snapshot();
    if snapshot.policy.evidence.new_models != NewModels::Candidate {
        return None;
    }
    let candidates: Vec<&String> =
        snapshot.deployments.iter().filter(|one| one.candidate).map(|one| &one.id).collect();
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    Some(NewModelsStatus {
        candidates: count(candidates.len()),
        eligible: count(snapshot.deployments.len() - candidates.len()),
        models: candidates.into_iter().take(TOLD).cloned().collect(),
    })
}

fn unix_ms(time: Timestamp) -> u64 {
    u64::try_from(time.as_millisecond()).unwrap_or_default()
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
