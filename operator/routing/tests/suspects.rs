//! Models that their provider did not list when it was last asked.

// Clippy knows tests by their attribute and does not know their helpers.
#![allow(clippy::unwrap_used)]

mod support;

use support::*;
use vox_contracts::entry::Suspect;
use vox_routing::policy::EvidenceRule;
use vox_routing::{Choice, Deployment, Offline, Policy, Request, Router};

fn suspected(mut deployment: Deployment) -> Deployment {
    let since = "2026-01-01T00:00:00Z".to_owned();
    deployment.entry.suspect = Some(Suspect { since, fetches: 0 });
    deployment
}

/// A cheap suspect beside two dearer models, one of which has yet to prove itself.
fn beside_others(policy: Policy) -> Router {
    let new = Deployment { candidate: true, ..at("u/new", "1") };
    router(policy, vec![suspected(at("u/going", "0.1")), new, at("u/stays", "2")])
}

#[test]
fn a_suspect_stands_behind_all_others_and_still_serves_when_they_fail() {
    let router = beside_others(Policy::default());
    assert_eq!(decided(&router, &chat()), ["u/stays", "u/new", "u/going"]);
    let cheapest = Request { force_cost: true, ..chat() };
    assert_eq!(decided(&router, &cheapest), ["u/stays", "u/new", "u/going"]);
    let alone = support::router(Policy::default(), vec![suspected(at("u/going", "0.1"))]);
    assert_eq!(decided(&alone, &chat()), ["u/going"]);
}

#[test]
fn a_client_may_name_a_suspect_and_prefers_its_family_only_among_those_that_are_listed() {
    let named = Request { choice: Choice::Named("u/going".to_owned()), ..chat() };
    assert_eq!(decided(&beside_others(Policy::default()), &named), ["u/going"]);
    let models =
        vec![suspected(of_family(at("u/going", "1"), "wanted")), of_family(at("u/stays", "2"), "other")];
    let hinted = Request { family_hint: Some("wanted".to_owned()), ..chat() };
    assert_eq!(decided(&router(Policy::default(), models), &hinted), ["u/stays", "u/going"]);
}

#[test]
fn exploration_does_not_look_at_a_suspect() {
    let evidence = EvidenceRule { exploration_per_million: 500_000, ..EvidenceRule::default() };
    let router = beside_others(Policy { evidence, ..Policy::default() });
    let odds = router.odds(&chat(), &Offline, NOW).unwrap();
    let deployments = &router.policy_snapshot().deployments;
    let mut names: Vec<&str> = odds.iter().map(|odd| deployments[odd.deployment].id.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["u/new", "u/stays"]);
}

#[test]
fn an_explanation_says_since_when_it_is_missing() {
    let shown = beside_others(Policy::default()).explain(&chat(), &Offline, NOW);
    let since: Vec<Option<&str>> = shown.candidates.iter().map(|one| one.suspect.as_deref()).collect();
    assert_eq!(since, [None, None, Some("2026-01-01T00:00:00Z")]);
}
