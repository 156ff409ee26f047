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
    let upstream = spec.upstream("shop", "acme", ProviderType::OpenAi, "https://acme.example/v1".to_owned());
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

/// Generation 1 of a policy that serves nothing and of which nothing is wrong.
const fn seen(previous: &RoutingPolicyStatus) -> Observation<'_> {
    Observation {
        generation: Some(1),
        previous,
        invalid: None,
        other_defaults: Vec::new(),
        unresolved: Vec::new(),
        missing_keys: Vec::new(),
        failing: Vec::new(),
        nobody: None,
        leaving: Vec::new(),
        serving: None,
        now: Timestamp::UNIX_EPOCH,
    }
}

/// The status of generation 1, which serves, while these of its tests fail.
fn serving(previous: &RoutingPolicyStatus, failing: &[&str]) -> RoutingPolicyStatus {
    let router = router(bootstrap().unwrap().entries);
    describe(&Observation {
        failing: failing.iter().map(|&test| test.to_owned()).collect(),
        serving: Some(Serving { generation: 1, router: &router, snapshot: published() }),
        ..seen(previous)
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
    let [(status, reason, _)] = &events(&failing, &serving(&failing, &[]))[..] else { panic!("one event") };
    assert_eq!((status.as_str(), reason.as_str()), ("True", reasons::PROGRAMMED));
}

#[test]
fn a_model_in_quarantine_is_a_condition_for_as_long_as_it_is_there() {
    let conditions = |quarantines: Vec<Quarantine>| {
        let mut deployments = router(bootstrap().unwrap().entries).policy_snapshot().clone();
        Arc::make_mut(&mut deployments.deployments[0]).quarantines = quarantines;
        let router = Router::new(deployments);
        describe(&Observation {
            serving: Some(Serving { generation: 1, router: &router, snapshot: published() }),
            ..seen(&RoutingPolicyStatus::default())
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
        describe(&Observation { leaving, ..seen(&RoutingPolicyStatus::default()) })
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
        unresolved: unresolved.into_iter().collect(),
        missing_keys: missing_keys.iter().map(|&key| key.to_owned()).collect(),
        serving: Some(Serving { generation: 1, router: &router, snapshot: published() }),
        ..seen(&RoutingPolicyStatus::default())
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
    assert_eq!((programmed.status.as_str(), programmed.reason.as_str()), ("False", reasons::NO_CANDIDATE));
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
