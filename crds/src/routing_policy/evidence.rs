//! How a policy takes what happened.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// How what happened counts.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// By which figure models are ranked. Default: rule.
    #[serde(default)]
    pub mode: EvidenceMode,
    /// A share of the requests goes to another model than the best, so that there is a record of others too. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exploration: Option<Exploration>,
    /// How models are taken that have not proven themselves here. Default: eligible.
    #[serde(default, skip_serializing_if = "NewModels::is_default")]
    pub new_models: NewModels,
}

/// By which figure models are ranked.
#[derive(schemars::JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[schemars(inline)]
#[serde(rename_all = "camelCase")]
pub enum EvidenceMode {
    /// Price × (1 − success × quality), from the contract's least number of calls on; before that nothing counts.
    #[default]
    Rule,
    /// A bound below the mean of success × quality, from the first call on. Few calls make it low, old calls count less.
    Bounds,
}

/// How models are taken that have not proven themselves here.
#[derive(schemars::JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[schemars(inline)]
#[serde(rename_all = "camelCase")]
pub enum NewModels {
    /// Like all others, by what their catalog promises.
    #[default]
    Eligible,
    /// Behind all others until enough of their calls succeeded. Exploration puts them first, or without it one request in a
    /// hundred, and nothing else while somebody else is left.
    Candidate,
}

impl NewModels {
    // The form that serde calls with.
    #[allow(clippy::trivially_copy_pass_by_ref)]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How much is explored.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Exploration {
    /// Share of the requests, from 0.1% to 50%. Only models that may serve the request, and never above a budget.
    #[schemars(
        length(max = 5),
        regex(pattern = r"^(0[.][1-9]|[1-9]([.][0-9])?|[1-4][0-9]([.][0-9])?|50)%$")
    )]
    pub share: String,
}

#[cfg(test)]
mod tests {
    use super::super::{PolicyError, RoutingPolicySpec};

    #[test]
    fn new_models_are_like_all_others_unless_the_policy_says_so() {
        let new = |evidence: serde_json::Value| {
            let spec = serde_json::json!({ "catalogs": [{ "name": "acme" }], "evidence": evidence });
            let spec: RoutingPolicySpec = serde_json::from_value(spec).unwrap();
            spec.to_policy("main", 1).unwrap().evidence.new_models
        };
        assert_eq!(new(serde_json::json!({})), vox_routing::policy::NewModels::Eligible);
        let candidate = serde_json::json!({ "newModels": "candidate" });
        assert_eq!(new(candidate), vox_routing::policy::NewModels::Candidate);
    }

    fn explored(share: &str) -> Result<u32, PolicyError> {
        let spec = serde_json::json!({
            "catalogs": [{ "name": "acme" }],
            "evidence": { "mode": "bounds", "exploration": { "share": share } },
        });
        let spec: RoutingPolicySpec = serde_json::from_value(spec).unwrap();
        spec.to_policy("main", 1).map(|policy| policy.evidence.exploration_per_million)
    }

    #[test]
    fn a_share_to_explore_is_from_a_tenth_of_a_percent_to_half() {
        assert_eq!(
            ["0.1%", "2%", "12.5%", "50%"].map(|share| explored(share).unwrap()),
            [1_000, 20_000, 125_000, 500_000]
        );
        for share in ["0%", "51%", "2", "0.05%", "-1%", "%"] {
            assert_eq!(explored(share), Err(PolicyError::Explored(share.to_owned())));
        }
    }
}
