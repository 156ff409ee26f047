//! Explanations, the tests of policies, and snapshots made of catalogs.

mod support;

use std::collections::BTreeMap;

use support::*;
use vox_contracts::entry::CatalogSourceRef;
use vox_contracts::{ModelTier, TaskCategory};
use vox_routing::policy::{Expect, Override, PolicyTest};
use vox_routing::snapshot::Layer;
use vox_routing::{CatalogInput, Deployment, Policy, Record, Request, Router, compile, run_tests};

fn three() -> Vec<Deployment> {
    let mut small = at("u/small", "0.1");
    small.entry.context_length_tokens = Some(900);
    vec![
        proven(at("u/good", "2"), TaskCategory::Chat, 40, 900),
        small,
        at("own/new", "0"),
        at("u/dear", "90"),
    ]
}

#[test]
fn an_explanation_says_everything() {
    let router = router(Policy { name: "team".into(), generation: 7, ..Policy::default() }, three());
    let request = Request { max_cost: Some(usd("0.1")), tool_hints: 2, ..chat() };
    insta::assert_json_snapshot!(router.explain(&request, &Today::default(), NOW));
}

#[test]
fn an_unknown_name_is_explained_as_a_refusal() {
    let request = Request { choice: vox_routing::Choice::Named("nothing".into()), ..Request::default() };
    let explanation = router(Policy::default(), three()).explain(&request, &Today::default(), NOW);
    assert_eq!(explanation.refusal.unwrap().code, "unknown_model");
    assert!(explanation.candidates.is_empty());
}

fn tested(expect: Expect) -> Vec<String> {
    let test = PolicyTest { name: "t".into(), category: TaskCategory::Chat, complexity: None, expect };
    let policy = Policy { tests: vec![test], ..Policy::default() };
    run_tests(&router(policy, vec![at("u/a", "1"), at("v/b", "9")]))
        .into_iter()
        .map(|failure| failure.sentence)
        .collect()
}

#[test]
fn a_policy_test_names_the_candidate_that_breaks_it_and_how() {
    let at_most = Expect { tier_at_most: Some(ModelTier::Pro), ..Expect::default() };
    assert_eq!(tested(at_most), ["fall-back 1 \"v/b\" is of tier premium, above pro"]);
    let not = Expect { not_providers: vec![upstream("u").provider], ..Expect::default() };
    assert_eq!(tested(not), ["the pick \"u/a\" is served by u.example, which is expected not to serve it"]);
    let model = Expect { model: Some("v/b".into()), ..Expect::default() };
    assert_eq!(tested(model), ["the pick is \"u/a\", not \"v/b\""]);
    let many = Expect { candidates_at_least: Some(3), ..Expect::default() };
    assert_eq!(tested(many), ["only 2 candidates are left, and 3 are expected"]);
}

#[test]
fn a_policy_test_that_holds_says_nothing() {
    let expect = Expect {
        tier_at_least: Some(ModelTier::Standard),
        providers: vec![upstream("u").provider, upstream("v").provider],
        candidates_at_least: Some(2),
        ..Expect::default()
    };
    assert!(tested(expect).is_empty());
}

fn catalog(source: Option<&str>, name: &str, ids: &[&str]) -> CatalogInput {
    CatalogInput {
        source: source.map(|name| CatalogSourceRef { namespace: "n".into(), name: name.into() }),
        upstream: upstream(name),
        entries: ids.iter().map(|id| at(&format!("{name}/{id}"), "1").entry).collect(),
        tags: vec!["residency=eu".into()],
    }
}

#[test]
fn compiling_keeps_each_deployment_once_and_in_order_whatever_the_order_of_the_catalogs() {
    let catalogs = vec![
        catalog(None, "hub", &["c", "a"]),
        catalog(Some("s"), "hub", &["a", "b"]),
        catalog(None, "x", &["a"]),
    ];
    let mut turned = catalogs.clone();
    turned.reverse();
    let records = BTreeMap::<String, Record>::new();
    let snapshot = compile(Policy::default(), catalogs, &records);
    assert_eq!(snapshot, compile(Policy::default(), turned, &records));
    let known: Vec<_> =
        snapshot.deployments.iter().map(|one| (one.id.as_str(), one.source.is_some())).collect();
    assert_eq!(known, [("hub/a", true), ("hub/b", true), ("hub/c", false), ("x/a", false)]);
}

#[test]
fn an_override_sets_its_fields_and_notes_their_layer() {
    let dear = Override {
        models: "hub/*".into(),
        input_usd_per_mtok: "50".parse().ok(),
        output_usd_per_mtok: "50".parse().ok(),
        ..Override::default()
    };
    let tier = Override { models: "hub/b".into(), tier: Some(ModelTier::Economy), ..Override::default() };
    let policy = Policy { overrides: vec![tier, dear], ..Policy::default() };
    let snapshot = compile(policy, vec![catalog(None, "hub", &["a", "b"])], &BTreeMap::new());
    let tiers: Vec<_> = snapshot.deployments.iter().map(|one| one.entry.tier).collect();
    assert_eq!(tiers, [ModelTier::Premium, ModelTier::Economy]);
    assert_eq!(snapshot.deployments[0].layers.get("inputPrice"), Some(&Layer::Policy));
    assert_eq!(snapshot.deployments[0].layers.get("tier"), None);
    let shown = Router::new(snapshot).explain(&chat(), &Today::default(), NOW);
    let layers = &shown.candidates.iter().find(|one| one.deployment == "hub/b").unwrap().layers;
    assert_eq!((layers["tier"], layers["strengths"]), (Layer::Policy, Layer::Contract));
    assert_eq!(layers["contextLengthTokens"], Layer::Bootstrap);
}
