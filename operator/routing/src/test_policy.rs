//! A policy's own tests: what must hold before a new generation serves.

use crate::decision::{Decision, Pick, Refusal};
use crate::policy::{Expect, PolicyTest};
use crate::request::{Offline, Request};
use crate::router::Router;
use crate::snapshot::{Deployment, Upstream};

/// A test that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestFailure {
    /// Its name.
    pub test: String,
    /// Which candidate breaks it, and how.
    pub sentence: String,
}

/// Runs all tests of the router's policy, as if every candidate could be called and nothing were spent. One failure for
/// each expectation that a candidate breaks; none when all hold.
#[must_use]
pub fn run_tests(router: &Router) -> Vec<TestFailure> {
    let tests = &router.policy_snapshot().policy.tests;
    tests
        .iter()
        .flat_map(|test| {
            broken(router, test).into_iter().map(|sentence| TestFailure { test: test.name.clone(), sentence })
        })
        .collect()
}

fn broken(router: &Router, test: &PolicyTest) -> Vec<String> {
    let request = Request::of_category(test.category, test.complexity);
    match router.decide(&request, &Offline, 0) {
        Ok(decision) => broken_by(router, &test.expect, &request, &decision),
        Err(Refusal::NoCandidate { .. }) if test.expect.candidates_at_least == Some(0) => Vec::new(),
        Err(refusal) => vec![format!("nobody serves it: {refusal}")],
    }
}

fn broken_by(router: &Router, expect: &Expect, request: &Request, decision: &Decision) -> Vec<String> {
    let snapshot = router.policy_snapshot();
    let mut sentences = Vec::new();
    for (place, pick) in decision.picks.iter().enumerate() {
        let Some(deployment) = snapshot.deployments.get(pick.deployment) else { continue };
        let Some(upstream) = snapshot.upstreams.iter().find(|one| one.name == deployment.upstream) else {
            continue;
        };
        let role = if place == 0 { "the pick".to_owned() } else { format!("fall-back {place}") };
        let name = format!("{role} {:?}", deployment.id);
        sentences.extend(one(expect, deployment, upstream).map(|how| format!("{name} {how}")));
    }
    if let (Some(wanted), Some(pick)) = (&expect.model, decision.picks.first()) {
        let picked = id(router, *pick);
        if picked != wanted {
            sentences.push(format!("the pick is {picked:?}, not {wanted:?}"));
        }
    }
    if let Some(least) = expect.candidates_at_least {
        let candidates = router.candidates(request, &Offline, 0);
        if candidates < usize::try_from(least).unwrap_or(usize::MAX) {
            sentences.push(format!("only {candidates} candidates are left, and {least} are expected"));
        }
    }
    sentences
}

fn id(router: &Router, pick: Pick) -> &str {
    router.policy_snapshot().deployments.get(pick.deployment).map_or("", |deployment| deployment.id.as_str())
}

fn one(expect: &Expect, deployment: &Deployment, upstream: &Upstream) -> impl Iterator<Item = String> {
    let (tier, provider) = (deployment.entry.tier, &upstream.provider);
    let above = expect
        .tier_at_most
        .filter(|most| tier > *most)
        .map(|most| format!("is of tier {tier}, above {most}"));
    let below = expect
        .tier_at_least
        .filter(|least| tier < *least)
        .map(|least| format!("is of tier {tier}, below {least}"));
    let foreign = (!expect.providers.is_empty() && !expect.providers.contains(provider))
        .then(|| format!("is served by {provider}, which is none of the expected providers"));
    let unwanted = expect
        .not_providers
        .contains(provider)
        .then(|| format!("is served by {provider}, which is expected not to serve it"));
    [above, below, foreign, unwanted].into_iter().flatten()
}
