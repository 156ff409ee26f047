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
