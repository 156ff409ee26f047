//! Who serves each category.

use serde::Serialize;
use vox_contracts::TaskCategory;
use vox_routing::{Explanation, Offline, Request, Router};

/// Who serves one category.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::commands) struct Serves {
    pub(in crate::commands) category: TaskCategory,
    /// The best; absent when nobody is left.
    pub(in crate::commands) pick: Option<String>,
    /// Who serves when it fails.
    pub(in crate::commands) runner_up: Option<String>,
    /// Of a million.
    pub(in crate::commands) score: Option<u32>,
    /// Why nobody serves.
    pub(in crate::commands) refusal: Option<String>,
}

/// All categories, in the order of the contract.
pub(super) fn picks(router: &Router, complexity: Option<u8>, now_unix_ms: u64) -> Vec<Serves> {
    let deployments = &router.policy_snapshot().deployments;
    let serves = |category: &TaskCategory| {
        let mut serves =
            Serves { category: *category, pick: None, runner_up: None, score: None, refusal: None };
        match router.decide(&Request::of_category(*category, complexity), &Offline, now_unix_ms) {
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
    router.explain(&Request::of_category(category, complexity), &Offline, now_unix_ms)
}
