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
    if let Some(verdict) = models_leaving(&status.leaving) {
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
fn models_leaving(leaving: &[LeavingModel]) -> Option<Verdict> {
    let reason = match leaving::severity(&leaving.first()?.reason) {
        0 => reasons::MODELS_REMOVED,
        1 => reasons::MODELS_SUSPECT,
        _ => reasons::MODELS_DEPRECATED,
    };
    let sentences: Vec<String> = leaving.iter().map(leaving::sentence).collect();
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
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
    use vox_contracts::entry::{ModelCatalogEntry, bootstrap};
    use vox_contracts::{ProviderType, TaskCategory};
    use vox_crds::RoutingPolicySpec;
    use vox_routing::snapshot::Quarantine;
    use vox_routing::{CatalogInput, compile};

    use super::super::status::{changed, is_programmed};
    use super::*;

    /// Generation 1 of a policy over a source with these models.
    fn router(entries: Vec<ModelCatalogEntry>) -> Router {
        let spec: RoutingPolicySpec =
            serde_json::from_value(serde_json::json!({ "catalogs": [{ "name": "acme" }] })).unwrap();
        let upstream =
            spec.upstream("shop", "acme", ProviderType::OpenAi, "https://acme.example/v1".to_owned());
        let models = CatalogInput { source: None, upstream, entries, tags: Vec::new() };
        Router::new(compile(spec.to_policy("shop", 1).unwrap(), vec![models], &BTreeMap::new()))
    }

    fn published() -> PublishedSnapshot {
        PublishedSnapshot {
            version: 1,
            digest: String::new(),
            published_at: Timestamp::UNIX_EPOCH,
            unchanged: false,
        }
    }

    /// The status of generation 1, which serves, while these of its tests fail.
    fn serving(previous: &RoutingPolicyStatus, failing: &[&str]) -> RoutingPolicyStatus {
        let router = router(bootstrap().unwrap().entries);
        describe(&Observation {
            generation: Some(1),
            previous,
            invalid: None,
            other_defaults: Vec::new(),
            unresolved: Vec::new(),
            missing_keys: Vec::new(),
            failing: failing.iter().map(|&test| test.to_owned()).collect(),
            nobody: None,
            leaving: Vec::new(),
            serving: Some(Serving { generation: 1, router: &router, snapshot: published() }),
            now: Timestamp::UNIX_EPOCH,
        })
    }

    /// Status, reason and message of the conditions that an event tells of.
    fn events(before: &RoutingPolicyStatus, next: &RoutingPolicyStatus) -> Vec<(String, String, String)> {
        let told = changed(before, next).cloned();
        told.map(|condition| (condition.status, condition.reason, condition.message)).collect()
    }

    #[test]
    fn a_test_that_begins_to_fail_though_the_policy_did_not_change_is_told_and_so_is_its_end() {
        let good = serving(&RoutingPolicyStatus::default(), &[]);
        assert!(is_programmed(&good));
        let failing = serving(&good, &["test cheap fails: it is dear"]);
        assert!(!is_programmed(&failing));
        let [(status, reason, message)] = &events(&good, &failing)[..] else { panic!("one event") };
        assert_eq!((status.as_str(), reason.as_str()), ("False", reasons::TEST_FAILED));
        assert!(message.contains("test cheap fails") && message.contains("serves on"), "{message}");
        assert!(events(&failing, &serving(&failing, &["test cheap fails: it is dearer"])).is_empty());
        let [(status, reason, _)] = &events(&failing, &serving(&failing, &[]))[..] else {
            panic!("one event")
        };
        assert_eq!((status.as_str(), reason.as_str()), ("True", reasons::PROGRAMMED));
    }

    #[test]
    fn a_model_in_quarantine_is_a_condition_for_as_long_as_it_is_there() {
        let conditions = |quarantines: Vec<Quarantine>| {
            let mut deployments = router(bootstrap().unwrap().entries).policy_snapshot().clone();
            Arc::make_mut(&mut deployments.deployments[0]).quarantines = quarantines;
            let router = Router::new(deployments);
            describe(&Observation {
                generation: Some(1),
                previous: &RoutingPolicyStatus::default(),
                invalid: None,
                other_defaults: Vec::new(),
                unresolved: Vec::new(),
                missing_keys: Vec::new(),
                failing: Vec::new(),
                nobody: None,
                leaving: Vec::new(),
                serving: Some(Serving { generation: 1, router: &router, snapshot: published() }),
                now: Timestamp::UNIX_EPOCH,
            })
        };
        let fell = Quarantine { category: TaskCategory::Chat, was_per_mille: 970, is_per_mille: 400 };
        let (well, fallen) = (conditions(Vec::new()), conditions(vec![fell]));
        let of = |status: &RoutingPolicyStatus| {
            status.conditions.iter().find(|one| one.type_ == types::QUARANTINED).cloned()
        };
        assert_eq!(of(&well), None);
        let told = of(&fallen).unwrap();
        assert_eq!((told.status.as_str(), told.reason.as_str()), ("True", reasons::QUARANTINED));
        assert!(told.message.ends_with("from chat (success fell from 97.0 % to 40.0 %)"), "{}", told.message);
        assert!(events(&well, &fallen).is_empty(), "each model has an event of its own");
    }

    #[test]
    fn a_policy_that_names_models_that_leave_says_so_for_as_long_as_it_does() {
        let leaving = |model: &str, reason: &str| LeavingModel {
            model: model.to_owned(),
            reason: reason.to_owned(),
            named_by: "aliases[fast]".to_owned(),
            date: Some("2026-12-31".to_owned()),
            replaced_by: None,
        };
        let status = |leaving: Vec<LeavingModel>| {
            describe(&Observation {
                generation: Some(1),
                previous: &RoutingPolicyStatus::default(),
                invalid: None,
                other_defaults: Vec::new(),
                unresolved: Vec::new(),
                missing_keys: Vec::new(),
                failing: Vec::new(),
                nobody: None,
                leaving,
                serving: None,
                now: Timestamp::UNIX_EPOCH,
            })
        };
        let of = |status: &RoutingPolicyStatus| {
            status.conditions.iter().find(|one| one.type_ == types::MODELS_LEAVING).cloned()
        };
        assert_eq!(of(&status(Vec::new())), None);
        let told = status(vec![
            leaving("hub/gone", reasons::MODELS_REMOVED),
            leaving("hub/old", reasons::MODELS_DEPRECATED),
        ]);
        assert_eq!(told.leaving.len(), 2);
        let told = of(&told).unwrap();
        assert_eq!((told.status.as_str(), told.reason.as_str()), ("True", reasons::MODELS_REMOVED));
        assert_eq!(
            told.message,
            "hub/gone, which aliases[fast] names, is gone since 2026-12-31. hub/old, which aliases[fast] names, is deprecated by its provider and ends on 2026-12-31"
        );
    }

    #[test]
    fn a_generation_whose_test_fails_still_serves() {
        let failing = serving(&RoutingPolicyStatus::default(), &["test cheap fails: it is dear"]);
        assert_eq!(failing.programmed_generation, Some(1));
        assert!(failing.picks.iter().any(|pick| pick.model.is_some()));
    }

    fn told(unresolved: Option<bool>) -> (Condition, Condition) {
        told_of(unresolved, &[])
    }

    /// `Programmed` and `ResolvedRefs` of generation 1 without a model, with one source that is not resolved.
    fn told_of(unresolved: Option<bool>, missing_keys: &[&str]) -> (Condition, Condition) {
        let router = router(Vec::new());
        let unresolved = unresolved.map(|has_models| Unresolved {
            reason: reasons::SOURCE_INVALID,
            sentence: "source acme cannot be used".to_owned(),
            has_models,
        });
        let status = describe(&Observation {
            generation: Some(1),
            previous: &RoutingPolicyStatus::default(),
            invalid: None,
            other_defaults: Vec::new(),
            unresolved: unresolved.into_iter().collect(),
            missing_keys: missing_keys.iter().map(|&key| key.to_owned()).collect(),
            failing: Vec::new(),
            nobody: None,
            leaving: Vec::new(),
            serving: Some(Serving { generation: 1, router: &router, snapshot: published() }),
            now: Timestamp::UNIX_EPOCH,
        });
        let condition = |kind| status.conditions.iter().find(|one| one.type_ == kind).unwrap().clone();
        (condition(types::PROGRAMMED), condition(types::RESOLVED_REFS))
    }

    #[test]
    fn a_generation_that_serves_without_a_sources_models_is_not_called_programmed() {
        let (programmed, resolved) = told(Some(false));
        for told in [programmed, resolved] {
            assert_eq!((told.status.as_str(), told.reason.as_str()), ("False", reasons::SOURCE_INVALID));
            assert!(told.message.contains("source acme"), "{}", told.message);
        }
    }

    #[test]
    fn a_generation_without_any_model_is_not_called_programmed() {
        let (programmed, resolved) = told(None);
        assert_eq!(
            (programmed.status.as_str(), programmed.reason.as_str()),
            ("False", reasons::NO_CANDIDATE)
        );
        assert_eq!(resolved.status, "True");
    }

    #[test]
    fn a_key_that_sidecars_miss_is_told_behind_a_catalog_that_is_not_there() {
        let (programmed, resolved) = told_of(None, &["no key for acme"]);
        assert_eq!((resolved.status.as_str(), resolved.reason.as_str()), ("False", "CredentialMissing"));
        assert_eq!(resolved.message, "no key for acme");
        assert_eq!(programmed.reason, reasons::NO_CANDIDATE, "it keeps no generation back");
        assert_eq!(told_of(Some(true), &["no key for acme"]).1.reason, reasons::SOURCE_INVALID);
    }
}
