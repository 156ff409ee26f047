//! One model at several servers: what they share and what they do not.

// Clippy knows tests by their attribute and does not know their helpers.
#![allow(clippy::unwrap_used)]

mod support;

use support::*;
use vox_contracts::{ModelCatalogEntry, TaskCategory};
use vox_routing::policy::{Alias, EvidenceMode, EvidenceRule, FallBack, Prefer, Require, Route};
use vox_routing::{Bound, CatalogInput, Choice, Offline, Policy, Record, Request, Router, compile};

/// Two catalogs as an earlier version discovered them, of which the second model has a record of the best.
fn catalogs(unknown: &str, known: &str) -> Router {
    let catalog = |upstream_name: &str, ids: &[&str]| CatalogInput {
        source: None,
        upstream: upstream(upstream_name),
        entries: ids
            .iter()
            .map(|id| ModelCatalogEntry { identity: None, ..at(&format!("x/{id}"), "2").entry })
            .collect(),
        tags: Vec::new(),
    };
    let evidence = proven(at("x/x", "2"), TaskCategory::Chat, 300, 1000).evidence;
    let record = Record { evidence, ..Record::default() };
    let policy = Policy {
        evidence: EvidenceRule { mode: EvidenceMode::Bounds, ..EvidenceRule::default() },
        ..Policy::default()
    };
    let catalogs = vec![catalog("a", &[unknown, "stranger"]), catalog("b", &[known])];
    Router::new(compile(policy, catalogs, &[(format!("b/{known}"), record)].into()))
}

fn bound(router: &Router, deployment: &str) -> Bound {
    let shown = router.explain(&chat(), &Offline, NOW).candidates;
    shown.iter().find(|one| one.deployment == deployment).unwrap().bound.unwrap()
}

#[test]
fn a_model_borrows_from_itself_under_another_name() {
    for (unknown, known) in [
        ("meta.llama9-3-70b-instruct-v1:0", "meta-llama/Llama-9.3-70B-Instruct"),
        ("llama9.3:70b-instruct-q4_K_M", "llama-9.3-70b-versatile"),
        ("us.anthropic.claude-opus-4-1-20250805-v1:0", "claude-opus-4-1"),
    ] {
        let router = catalogs(unknown, known);
        let borrows = bound(&router, &format!("a/{unknown}"));
        let stranger = bound(&router, "a/stranger");
        assert_eq!((borrows.calls, stranger.calls), (15, 5), "{unknown}");
        assert!(borrows.low_per_mille > stranger.low_per_mille, "{unknown}");
    }
}

#[test]
fn what_is_borrowed_stays_the_others_record() {
    let router = catalogs("llama9.3:70b", "llama-9.3-70b-versatile");
    let shown = router.explain(&chat(), &Offline, NOW).candidates;
    let of = |id: &str| shown.iter().find(|one| one.deployment == id).unwrap();
    let (borrows, known) = (of("a/llama9.3:70b"), of("b/llama-9.3-70b-versatile"));
    assert_eq!(borrows.identity, known.identity);
    assert_eq!((borrows.evidence, known.evidence.map(|proof| proof.calls)), (None, Some(300)));
}

#[test]
fn nothing_is_borrowed_from_another_size_or_by_a_name_that_tells_no_model() {
    for (unknown, known) in [
        ("llama9.1:8b", "llama9.1:70b"),
        ("gpt-9o-mini", "gpt-9o"),
        ("default", "default"),
        ("acme-large-latest", "acme-large-latest"),
    ] {
        let router = catalogs(unknown, known);
        assert_eq!(bound(&router, &format!("a/{unknown}")), bound(&router, "a/stranger"), "{unknown}");
    }
}

#[test]
fn a_model_that_is_named_for_all_its_servers_is_served_by_the_best_and_then_by_the_others() {
    let alias = |name: &str, model: &str| Alias {
        name: name.to_owned(),
        category: None,
        model: Some(model.to_owned()),
        force_cost: false,
    };
    let aliases = vec![alias("llama", "vox/meta/llama-9.3-70b"), alias("gone", "vox/meta/llama-9-70b")];
    let all = vec![
        at("a/meta.llama9-3-70b-instruct-v1:0", "3"),
        at("b/meta-llama/Llama-9.3-70B-Instruct", "1"),
        at("b/meta-llama/Llama-3.1-8B-Instruct", "0.1"),
    ];
    let router = router(Policy { aliases, ..Policy::default() }, all);
    let named = |name: &str| Request { choice: Choice::Named(name.to_owned()), ..chat() };
    let both = ["b/meta-llama/Llama-9.3-70B-Instruct", "a/meta.llama9-3-70b-instruct-v1:0"];
    assert_eq!(decided(&router, &named("llama")), both);
    assert_eq!(decided(&router, &named("vox/meta/llama-9.3-70b")), both);
    assert_eq!(decided(&router, &named("meta-llama/Llama-9.3-70B-Instruct")), both[..1]);
    assert_eq!(refused(&router, &named("gone")).code(), "unknown_model");
    assert_eq!(refused(&router, &named("meta/llama-9.3-70b")).code(), "unknown_model");
}

#[test]
fn the_generic_fall_back_behind_a_proxy_is_one_as_well() {
    let generic = vox_contracts::entry::bootstrap().unwrap().aliases["generic"].clone();
    let router =
        router(Policy::default(), vec![at("a/one", "9"), at(&format!("proxy/litellm/{generic}"), "1")]);
    assert_eq!(decided(&router, &chat()), ["a/one"]);
}

#[test]
fn a_model_counts_to_the_family_that_made_it_whoever_repacked_or_sells_it() {
    let route = Route {
        category: TaskCategory::Chat,
        prefer: Prefer { family: Some("meta".to_owned()), ..Prefer::default() },
        require: Require::default(),
        max_latency_ms: None,
        fall_back: FallBack::default(),
    };
    let policy = Policy { routes: vec![route], ..Policy::default() };
    let repacked = of_family(at("a/nvidia/Llama-9.3-70B-Instruct-FP8", "2"), "nvidia");
    let sold = at("b/us.meta.llama3-1-8b-instruct-v1:0", "1");
    let router = router(policy, vec![at("c/one", "0.1"), repacked, sold]);
    let order = ["b/us.meta.llama3-1-8b-instruct-v1:0", "a/nvidia/Llama-9.3-70B-Instruct-FP8", "c/one"];
    assert_eq!(decided(&router, &chat()), order);
}

#[test]
fn of_two_releases_that_are_level_the_newer_comes_first() {
    let models = ["a/claude-opus-4-1-20250805", "a/claude-opus-4-8", "b/claude-opus-4-7", "b/x"];
    let router = router(Policy::default(), models.iter().map(|id| at(id, "1")).collect());
    let shown = router.explain(&chat(), &Offline, NOW);
    let order: Vec<&str> = shown.candidates.iter().map(|one| one.deployment.as_str()).collect();
    assert_eq!(order, ["a/claude-opus-4-8", "b/claude-opus-4-7", "a/claude-opus-4-1-20250805", "b/x"]);
}
