use std::collections::BTreeMap;

use vox_contracts::entry::bootstrap;
use vox_routing::policy::Route;
use vox_routing::{CatalogInput, Policy, Record, compile};

use super::*;

const CHAT: TaskCategory = TaskCategory::Chat;

/// Two text models of the compiled-in catalog, the cheaper one first, with what happened at each of them.
fn router(records: [Record; 2], policy: Policy) -> Router {
    let mut entry = bootstrap().unwrap().entries.into_iter().find(|one| one.pricing.is_known()).unwrap();
    let entries = ["cheap", "dear"].map(|name| {
        entry.model_id = name.to_owned();
        entry.context_length_tokens = Some(1_000_000);
        let price = if name == "cheap" { "0.1" } else { "2" };
        entry.pricing.input_usd_per_mtok = price.parse().ok();
        entry.pricing.output_usd_per_mtok = price.parse().ok();
        entry.pricing.long_context.clear();
        entry.clone()
    });
    let upstream = vox_crds::RoutingPolicySpec::default().upstream(
        "p",
        "hub",
        vox_contracts::ProviderType::OpenRouter,
        "https://hub.example".to_owned(),
    );
    let input = CatalogInput { source: None, upstream, entries: entries.to_vec(), tags: Vec::new() };
    let ids = ["hub/cheap", "hub/dear"].map(str::to_owned);
    let records: BTreeMap<String, Record> = ids.into_iter().zip(records).collect();
    Router::new(compile(policy, vec![input], &records))
}

fn of(calls: u64, success_per_mille: u32) -> Record {
    let evidence = Evidence {
        category: CHAT,
        calls,
        success_per_mille,
        quality_per_mille: Some(1000),
        p50_ms: Some(900),
        judged: 3,
        context_above: 0,
        decayed: None,
    };
    Record { evidence: vec![evidence], ..Record::default() }
}

fn status(router: &Router, generation: i64) -> RoutingPolicyStatus {
    RoutingPolicyStatus {
        programmed_generation: Some(generation),
        picks: picks(router, Timestamp::UNIX_EPOCH),
        price_drifts: price_drifts(router),
        ..RoutingPolicyStatus::default()
    }
}

fn chat(status: &RoutingPolicyStatus) -> &PickStatus {
    status.picks.iter().find(|pick| pick.category == CHAT).unwrap()
}

#[test]
fn a_pick_has_the_records_of_its_leader_and_of_the_runner_up() {
    let status = status(&router([of(30, 100), of(40, 900)], Policy::default()), 1);
    let pick = chat(&status);
    assert_eq!((pick.model.as_deref(), pick.runner_up.as_deref()), (Some("hub/dear"), Some("hub/cheap")));
    let (leader, second) = (pick.evidence.as_ref().unwrap(), pick.runner_up_evidence.as_ref().unwrap());
    assert_eq!((leader.calls, second.calls, leader.success_per_mille), (40, 30, 900));
    assert!(leader.success_low_per_mille < 900 && leader.success_high_per_mille > 900);
    assert_eq!(leader.quality_per_mille, Some(1000));
}

#[test]
fn a_leader_that_lost_its_place_by_its_record_is_told_with_both_records() {
    let before = status(&router([of(10, 100), of(10, 900)], Policy::default()), 1);
    assert_eq!(chat(&before).model.as_deref(), Some("hub/cheap"));
    let router = router([of(30, 100), of(40, 900)], Policy::default());
    let changes = leader_changes(&before, &status(&router, 1), &router, Timestamp::UNIX_EPOCH);
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].leader, "hub/dear");
    assert_eq!(
        changes[0].message,
        "chat is led by hub/dear (40 calls, 90.0 % succeeded, 76.9 to 96.0, quality 100.0 %) and no longer by \
         hub/cheap (30 calls, 10.0 % succeeded, 3.5 to 25.6, quality 100.0 %)"
    );
}

#[test]
fn a_leader_that_lost_its_place_to_another_spec_is_not_told() {
    let before = status(&router([of(10, 100), of(10, 900)], Policy::default()), 1);
    let router = router([of(30, 100), of(40, 900)], Policy::default());
    let after = status(&router, 2);
    assert!(leader_changes(&before, &after, &router, Timestamp::UNIX_EPOCH).is_empty());
}

#[test]
fn evidence_is_sufficient_where_the_leaders_of_routes_and_of_traffic_are_measured() {
    let told = |records, policy| {
        let router = router(records, policy);
        let picks = picks(&router, Timestamp::UNIX_EPOCH);
        sufficient(Some(&router), &picks)
    };
    let (holds, reason, _) = told([Record::default(), Record::default()], Policy::default());
    assert_eq!((holds, reason), (false, reasons::TOO_FEW_CALLS));
    let (holds, _, message) = told([of(29, 900), Record::default()], Policy::default());
    assert!(!holds && message.contains("chat hub/cheap (29 calls"), "{message}");
    let (holds, reason, message) = told([of(30, 900), Record::default()], Policy::default());
    assert_eq!((holds, reason), (true, reasons::MEASURED), "{message}");
    let route = Route {
        category: TaskCategory::Codegen,
        require: Default::default(),
        prefer: Default::default(),
        max_latency_ms: None,
        fall_back: Default::default(),
    };
    let routed = Policy { routes: vec![route], ..Policy::default() };
    let (holds, _, message) = told([of(30, 900), Record::default()], routed);
    assert!(!holds && message.contains("codegen") && message.contains("Measured: chat"), "{message}");
}

#[test]
fn the_end_of_the_next_penalty_is_when_the_leaders_are_told_anew() {
    let penalty = |until_unix_ms| Penalty { category: CHAT, until_unix_ms };
    let record = Record { penalties: vec![penalty(5_000), penalty(2_000)], ..Record::default() };
    let router = router([record, Record::default()], Policy::default());
    let at = |ms| next_end(&router, Timestamp::from_millisecond(ms).unwrap());
    assert_eq!((at(1_000), at(2_000), at(5_000)), (Some(1_000), Some(3_000), None));
}

#[test]
fn who_has_yet_to_prove_themselves_is_told_where_the_policy_asks_for_it() {
    let of_policy = |new_models| {
        let evidence = vox_routing::policy::EvidenceRule { new_models, ..Default::default() };
        new_models_of(Policy { evidence, ..Policy::default() })
    };
    assert_eq!(of_policy(NewModels::Eligible), None);
    let told = of_policy(NewModels::Candidate).unwrap();
    assert_eq!((told.candidates, told.eligible, told.models), (1, 1, vec!["hub/dear".to_owned()]));
}

/// With a record of the cheap model.
fn new_models_of(policy: Policy) -> Option<NewModelsStatus> {
    new_models(&router([of(40, 950), Record::default()], policy))
}
