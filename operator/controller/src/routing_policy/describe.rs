//! From what was observed to the status that a user reads. Pure: the same observation gives the same status.

use jiff::Timestamp;
use vox_contracts::discovery::FailureClass;
use vox_crds::conditions::{reasons, types};
use vox_crds::routing_policy::{LeavingModel, QuarantineStatus, RoutingPolicyStatus, SnapshotStatus};
use vox_routing::Router;
use vox_store::routing::PublishedSnapshot;

use super::leaving;
use super::picks::{new_models, percent, picks, price_drifts, quarantines, serves, sufficient};
use super::resolve::Unresolved;
use crate::condition::{Said, condition, whole};

/// Everything a status is made from.
pub(crate) struct Observation<'a> {
    pub(crate) generation: Option<i64>,
    pub(crate) previous: &'a RoutingPolicyStatus,
    /// Why the spec cannot be decided with.
    pub(crate) invalid: Option<String>,
    /// Other policies of the namespace that are the default as well.
    pub(crate) other_defaults: Vec<String>,
    /// What the spec names and what is not as it should be.
    pub(crate) unresolved: Vec<Unresolved>,
    /// Keys that sidecars say they miss, and what to do.
    pub(crate) missing_keys: Vec<String>,
    /// Tests of the spec that fail, and why.
    pub(crate) failing: Vec<String>,
    /// Models that the spec names and that leave.
    pub(crate) leaving: Vec<LeavingModel>,
    /// Why the newest generation would serve nobody, if so.
    pub(crate) nobody: Option<String>,
    /// What serves, if anything does.
    pub(crate) serving: Option<Serving<'a>>,
    pub(crate) now: Timestamp,
}

/// What serves.
pub(crate) struct Serving<'a> {
    pub(crate) generation: i64,
    pub(crate) router: &'a Router,
    pub(crate) snapshot: PublishedSnapshot,
}

/// The status.
pub(crate) fn describe(seen: &Observation<'_>) -> RoutingPolicyStatus {
    let serving = seen.serving.as_ref();
    let picks = serving.map(|serving| picks(serving.router, seen.now)).unwrap_or_default();
    let sufficient = sufficient(serving.map(|serving| serving.router), &picks);
    let mut status = RoutingPolicyStatus {
        observed_generation: seen.generation,
        programmed_generation: serving.map(|serving| serving.generation),
        conditions: Vec::new(),
        route_count: Some(
            picks.iter().filter(|pick| pick.model.is_some()).count().try_into().unwrap_or(i64::MAX),
        ),
        candidates: serving
            .map(|serving| serving.router.policy_snapshot().deployments.len().try_into().unwrap_or(i64::MAX)),
        picks,
        quarantines: serving.map(|serving| quarantines(serving.router)).unwrap_or_default(),
        leaving: seen.leaving.clone(),
        new_models: serving.and_then(|serving| new_models(serving.router)),
        price_drifts: serving.map(|serving| price_drifts(serving.router)).unwrap_or_default(),
        snapshot: serving.map(|serving| SnapshotStatus {
            version: i64::try_from(serving.snapshot.version).unwrap_or(i64::MAX),
            digest: serving.snapshot.digest.clone(),
            published_time: whole(serving.snapshot.published_at),
        }),
        // Written by others, each on its own clock and as its own field manager.
        sidecars: None,
        budget: None,
    };
    for (kind, verdict) in [
        (types::ACCEPTED, accepted(seen)),
        (types::RESOLVED_REFS, resolved(seen)),
        (types::PROGRAMMED, programmed(seen)),
        (types::EVIDENCE_SUFFICIENT, sufficient),
    ] {
        push(&mut status, seen, kind, verdict);
    }
    if let Some(message) = quarantined(&status.quarantines) {
        push(&mut status, seen, types::QUARANTINED, (true, reasons::QUARANTINED, message));
    }
    if let Some(verdict) = models_leaving(&status.leaving, seen.now) {
        push(&mut status, seen, types::MODELS_LEAVING, verdict);
    }
    status
}

/// Who is kept from what, if anybody is.
fn quarantined(held: &[QuarantineStatus]) -> Option<String> {
    let told = held.iter().map(|one| {
        let (was, is) = (percent(one.was_per_mille), percent(one.is_per_mille));
        format!("{} from {} (success fell from {was} % to {is} %)", one.model, one.category)
    });
    let told: Vec<String> = told.collect();
    (!told.is_empty()).then(|| format!("kept back until probes speak for them: {}", told.join("; ")))
}

/// Who leaves, if anybody does; the worst is the reason.
fn models_leaving(leaving: &[LeavingModel], now: Timestamp) -> Option<Verdict> {
    let reason = match leaving::severity(&leaving.first()?.reason) {
        0 => reasons::MODELS_REMOVED,
        1 => reasons::MODELS_SUSPECT,
        _ => reasons::MODELS_DEPRECATED,
    };
    let sentences: Vec<String> = leaving.iter().map(|one| one.sentence(now)).collect();
    Some((true, reason, sentences.join(". ")))
}

pub(super) type Verdict = (bool, &'static str, String);

fn accepted(seen: &Observation<'_>) -> Verdict {
    if let Some(invalid) = &seen.invalid {
        return (false, reasons::INVALID_SPEC, invalid.clone());
    }
    if !seen.other_defaults.is_empty() {
        let message = format!(
            "spec.default is true here and in {}: calls of pods that name no policy are refused until only one says so",
            seen.other_defaults.join(", ")
        );
        return (false, reasons::DEFAULT_AMBIGUOUS, message);
    }
    (true, reasons::ACCEPTED, "the policy can be decided with".to_owned())
}

fn resolved(seen: &Observation<'_>) -> Verdict {
    // A key that is missing keeps no generation back: only sidecars that have it can tell, and each passes over what it
    // has no key for.
    match unresolved(seen) {
        Some((reason, message)) => (false, reason, message),
        None if seen.missing_keys.is_empty() => {
            (true, reasons::RESOLVED, "every catalog is there, and no sidecar misses a key".to_owned())
        }
        None => (false, FailureClass::CredentialMissing.as_str(), seen.missing_keys.join("; ")),
    }
}

/// The reason of the first that is not resolved, and the sentences of all.
fn unresolved(seen: &Observation<'_>) -> Option<(&'static str, String)> {
    let first = seen.unresolved.first()?;
    let sentences: Vec<&str> = seen.unresolved.iter().map(|one| one.sentence.as_str()).collect();
    Some((first.reason, sentences.join("; ")))
}

fn programmed(seen: &Observation<'_>) -> Verdict {
    let serves = match &seen.serving {
        Some(serving) => format!("; generation {} serves", serving.generation),
        None => "; nothing serves yet".to_owned(),
    };
    let current = seen.serving.as_ref().filter(|serving| Some(serving.generation) == seen.generation);
    if let Some(serving) = current {
        return current_generation(seen, serving);
    }
    if let Some(invalid) = &seen.invalid {
        return (false, reasons::INVALID_SPEC, format!("{invalid}{serves}"));
    }
    if let Some((reason, sentences)) = unresolved(seen) {
        return (false, reason, format!("{sentences}{serves}"));
    }
    if !seen.failing.is_empty() {
        return (false, reasons::TEST_FAILED, format!("{}{serves}", seen.failing.join("; ")));
    }
    let nobody = seen.nobody.as_deref().unwrap_or("the catalogs have no model");
    let message = format!("no model may serve any category ({nobody}){serves}");
    (false, reasons::NO_CANDIDATE, message)
}

/// Of a generation that sidecars have been sent.
fn current_generation(seen: &Observation<'_>, serving: &Serving<'_>) -> Verdict {
    let left_out = seen.unresolved.iter().find(|one| !one.has_models);
    if let Some(one) = left_out {
        let message = format!("{}; this generation serves without its models", one.sentence);
        return (false, one.reason, message);
    }
    if !serves(serving.router, seen.now) {
        let message = if serving.router.policy_snapshot().deployments.is_empty() {
            "this generation was sent to sidecars, but its catalogs have no model left; look at its sources"
        } else {
            "this generation was sent to sidecars, but none of its models may serve any category; status.picks says why"
        };
        return (false, reasons::NO_CANDIDATE, message.to_owned());
    }
    // The policy is as it was when its tests held: its catalogs are not, or what the namespace demands.
    if !seen.failing.is_empty() {
        let message = format!("{}; this generation serves on over changed catalogs", seen.failing.join("; "));
        return (false, reasons::TEST_FAILED, message);
    }
    let last_good = if seen.unresolved.is_empty() { "" } else { ", in part from a last good catalog" };
    (true, reasons::PROGRAMMED, format!("this generation serves{last_good}"))
}

fn push(
    status: &mut RoutingPolicyStatus,
    seen: &Observation<'_>,
    kind: &'static str,
    (holds, reason, message): Verdict,
) {
    let said = Said { kind, value: if holds { "True" } else { "False" }, reason: reason.to_owned(), message };
    status.conditions.push(condition(said, &seen.previous.conditions, seen.generation, seen.now));
}

#[cfg(test)]
mod tests;
