//! Who serves each category.

use serde::Serialize;
use vox_contracts::TaskCategory;
use vox_routing::{Explanation, Needs, Offline, Request, Router};

/// Who serves one category.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Serves {
    pub(super) category: TaskCategory,
    /// The best; absent when nobody is left.
    pub(super) pick: Option<String>,
    /// Who serves when it fails.
    pub(super) runner_up: Option<String>,
    /// Of a million.
    pub(super) score: Option<u32>,
    /// Why nobody serves.
    pub(super) refusal: Option<String>,
}

/// A request of a category as the operator asks it for a policy's status.
pub(super) fn request(category: TaskCategory, complexity: Option<u8>) -> Request {
    let needs = Needs {
        embedding: category == TaskCategory::Embedding,
        vision: category == TaskCategory::Vision,
        ..Needs::default()
    };
    Request { category: Some(category), complexity, needs, ..Request::default() }
}

/// All categories, in the order of the contract.
pub(super) fn picks(router: &Router, complexity: Option<u8>, now_unix_ms: u64) -> Vec<Serves> {
    let deployments = &router.policy_snapshot().deployments;
    let serves = |category: &TaskCategory| {
        let mut serves =
            Serves { category: *category, pick: None, runner_up: None, score: None, refusal: None };
        match router.decide(&request(*category, complexity), &Offline, now_unix_ms) {
            Ok(decision) => {
                let mut ids = decision
                    .picks
                    .iter()
                    .filter_map(|pick| deployments.get(pick.deployment).map(|one| one.id.clone()));
                (serves.pick, serves.runner_up) = (ids.next(), ids.next());
                serves.score = decision.picks.first().map(|pick| pick.score);
            }
            Err(refusal) => serves.refusal = Some(refusal.to_string()),
        }
        serves
    };
    TaskCategory::ALL.iter().map(serves).collect()
}

/// All reasons of one category.
pub(super) fn explain(
    router: &Router,
    category: TaskCategory,
    complexity: Option<u8>,
    now_unix_ms: u64,
) -> Explanation {
    router.explain(&request(category, complexity), &Offline, now_unix_ms)
}
