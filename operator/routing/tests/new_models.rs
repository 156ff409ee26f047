//! Models that have yet to prove themselves, where a policy holds them back.

// Clippy knows tests by their attribute and does not know their helpers.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;

use support::*;
use vox_contracts::TaskCategory;
use vox_routing::policy::{EvidenceRule, NewModels};
use vox_routing::snapshot::Decayed;
use vox_routing::{
    CatalogInput, Choice, Deployment, Offline, Policy, PolicySnapshot, Record, Request, Router, compile,
};

/// One server's models, each with a record.
fn compiled(policy: Policy, models: Vec<(Deployment, Record)>) -> PolicySnapshot {
    let records: BTreeMap<String, Record> =
        models.iter().map(|(model, record)| (model.id.clone(), record.clone())).collect();
    let entries = models.into_iter().map(|(model, _)| model.entry).collect();
    let input = CatalogInput { source: None, upstream: upstream("u"), entries, tags: Vec::new() };
    compile(policy, vec![input], &records)
}

fn happened(calls: u64, success: u32) -> Record {
    let mut model = proven(at("u/x", "1"), TaskCategory::Chat, calls, 1000);
    model.evidence[0].success_per_mille = success;
    Record { evidence: model.evidence, ..Record::default() }
}

fn holding_back_the_new(exploration_per_million: u32) -> Policy {
    let evidence =
        EvidenceRule { exploration_per_million, new_models: NewModels::Candidate, ..EvidenceRule::default() };
    Policy { evidence, ..Policy::default() }
}

/// A cheap model with this record beside a dearer one that has proven itself, by too few calls for the rule to count them.
fn beside_a_proven(policy: Policy, new: Record) -> Router {
    let models = vec![(at("u/new", "0.1"), new), (at("u/proven", "2"), happened(12, 1000))];
    Router::new(compiled(policy, models))
}

#[test]
fn a_new_model_stands_behind_the_proven_until_enough_of_its_calls_succeeded() {
    let first = |new: Record| decided(&beside_a_proven(holding_back_the_new(0), new), &chat());
    assert_eq!(first(Record::default()), ["u/proven", "u/new"], "it is a fall-back all the same");
    assert_eq!(first(happened(9, 1000))[0], "u/proven", "these are too few");
    assert_eq!(first(happened(10, 1000))[0], "u/new");
    assert_eq!(first(happened(10, 700))[0], "u/proven", "nobody knows whether half of them succeed");
    let usual = beside_a_proven(Policy::default(), Record::default());
    assert_eq!(decided(&usual, &chat())[0], "u/new", "unless the policy asks for it, it is like all others");
}

#[test]
fn calls_of_any_category_prove_a_model_and_so_do_those_that_have_aged() {
    let router = beside_a_proven(holding_back_the_new(0), happened(12, 1000));
    assert_eq!(decided(&router, &asking(TaskCategory::Writing))[0], "u/new");
    let mut aged = happened(0, 0);
    aged.evidence[0].decayed = Some(Decayed { calls: 10, success_per_mille: 1000 });
    assert_eq!(decided(&beside_a_proven(holding_back_the_new(0), aged), &chat())[0], "u/new");
}

#[test]
fn a_new_model_comes_first_by_probes_or_by_exploration_and_by_nothing_else() {
    for (explored, ppb) in [(0, 10_000_000), (50_000, 50_000_000)] {
        let router = beside_a_proven(holding_back_the_new(explored), Record::default());
        let odds = router.odds(&chat(), &Offline, NOW).unwrap();
        let deployments = &router.policy_snapshot().deployments;
        let of = |name: &str| odds.iter().find(|odd| deployments[odd.deployment].id == name).unwrap();
        assert_eq!(of("u/new").probability_ppb, ppb);
        assert_eq!(of("u/proven").probability_ppb, 1_000_000_000 - ppb);
        let cheapest = Request { force_cost: true, ..chat() };
        assert_eq!(decided(&router, &cheapest)[0], "u/proven");
        let shown = router.explain(&cheapest, &Offline, NOW);
        assert_eq!(shown.candidates.iter().map(|one| one.candidate).collect::<Vec<_>>(), [false, true]);
        let named = Request { choice: Choice::Named("u/new".to_owned()), ..chat() };
        assert_eq!(decided(&router, &named), ["u/new"]);
    }
    let family = |id, family| of_family(at(id, "1"), family);
    let models = vec![
        (family("u/new", "wanted"), Record::default()),
        (family("u/proven", "other"), happened(100, 950)),
    ];
    let router = Router::new(compiled(holding_back_the_new(0), models));
    let hinted = Request { family_hint: Some("wanted".to_owned()), ..chat() };
    assert_eq!(decided(&router, &hinted)[0], "u/proven");
}

#[test]
fn where_nobody_has_proven_anything_the_new_rank_as_ever() {
    let models = || vec![(at("u/a", "0.1"), Record::default()), (at("u/b", "2"), happened(3, 1000))];
    let held = Router::new(compiled(holding_back_the_new(0), models()));
    let usual = Router::new(compiled(Policy::default(), models()));
    assert_eq!(decided(&held, &chat()), decided(&usual, &chat()));
}
