//! A policy's own tests, asked of its ranking before it serves.

use std::fmt;

use crate::decision::{Decision, Refusal};
use crate::policy::{Expect, PolicyTest};
use crate::request::{Needs, Offline, Request};
use crate::router::Router;
use crate::snapshot::Deployment;
use vox_contracts::TaskCategory;

/// A test that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestFailure {
    /// Its name.
    pub test: String,
    /// Which candidate breaks it, and how.
    pub why: String,
}

impl fmt::Display for TestFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "test {} fails: {}", self.test, self.why)
    }
}

/// Asks every test; the answers are those of a request that uses no more than the category itself.
#[must_use]
pub fn run_tests(router: &Router) -> Vec<TestFailure> {
    let fails =
        |test: &PolicyTest| broken(router, test).map(|why| TestFailure { test: test.name.clone(), why });
    router.policy_snapshot().policy.tests.iter().filter_map(fails).collect()
}

fn broken(router: &Router, test: &PolicyTest) -> Option<String> {
    let needs = Needs {
        embedding: test.category == TaskCategory::Embedding,
        vision: test.category == TaskCategory::Vision,
        ..Needs::default()
    };
    let request =
        Request { category: Some(test.category), complexity: test.complexity, needs, ..Request::default() };
    // Without penalties: a test is of the policy, not of the hour.
    match router.decide(&request, &Offline, u64::MAX) {
        Ok(decision) => broken_by(router, &decision, &test.expect),
        Err(Refusal::NoCandidate { summary, .. }) => Some(format!("no candidate is left: {summary}")),
        Err(refusal) => Some(refusal.to_string()),
    }
}

fn broken_by(router: &Router, decision: &Decision, expect: &Expect) -> Option<String> {
    let deployments = &router.policy_snapshot().deployments;
    let picked: Vec<&Deployment> =
        decision.picks.iter().filter_map(|pick| deployments.get(pick.deployment)).collect();
    if let Some(model) = &expect.model
        && picked.first().is_none_or(|first| first.id != *model)
    {
        let first = picked.first().map_or("nobody", |first| first.id.as_str());
        return Some(format!("the pick is {first}, not {model}"));
    }
    if let Some(least) = expect.candidates_at_least
        && picked.len() < usize::try_from(least).unwrap_or(usize::MAX)
    {
        return Some(format!("{} candidates instead of {least}, the route's attempts counted", picked.len()));
    }
    picked
        .iter()
        .find_map(|deployment| unwanted(deployment, expect).map(|why| format!("{} {why}", deployment.id)))
}

fn unwanted(deployment: &Deployment, expect: &Expect) -> Option<String> {
    let (tier, provider) = (deployment.entry.tier, &deployment.entry.provider);
    if let Some(most) = expect.tier_at_most.filter(|most| tier > *most) {
        return Some(format!("is {tier}, above {most}"));
    }
    if let Some(least) = expect.tier_at_least.filter(|least| tier < *least) {
        return Some(format!("is {tier}, below {least}"));
    }
    if !expect.providers.is_empty() && !expect.providers.contains(provider) {
        return Some(format!("is of {provider}, which is not among the expected providers"));
    }
    expect.not_providers.contains(provider).then(|| format!("is of {provider}"))
}
