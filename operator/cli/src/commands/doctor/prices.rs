//! Which catalogs have prices that were read too long ago. Pure, from the sources' conditions.

use kube::ResourceExt as _;
use vox_crds::ModelCatalogSource;
use vox_crds::conditions::types;

use super::judge::Check;
use crate::cluster::condition;

const NAME: &str = "prices";

/// A line for each source: what is to be compared with which page is a matter of its provider.
pub(super) fn prices(sources: &[ModelCatalogSource]) -> Vec<Check> {
    let mut checks: Vec<Check> = sources.iter().filter_map(outdated).collect();
    if checks.is_empty() {
        checks.push(Check::ok(NAME, "none that a list lacks is older than its limit"));
    }
    checks
}

fn outdated(source: &ModelCatalogSource) -> Option<Check> {
    let outdated = condition(source, types::PRICES_OUTDATED).filter(|one| one.status == "True")?;
    let (namespace, name) = (source.namespace().unwrap_or_default(), source.name_any());
    // The status says what to do after its last semicolon.
    let message = outdated.message.as_str();
    let (what, fix) = message.rsplit_once("; ").unwrap_or((message, "kubectl describe mcat says more"));
    Some(Check::warn(NAME, format!("outdated in {namespace}/{name}: {what}"), fix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::freshness::tests::source;

    #[test]
    fn a_source_with_outdated_prices_is_named_with_what_to_compare() {
        let mut old = source("claude", 9, Some(0), 1);
        let outdated = serde_json::from_value(serde_json::json!({
            "type": "PricesOutdated", "status": "True", "reason": "PricesOutdated",
            "message": "2 models have old prices: a (280 days old); compare them with https://vendor.example",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }))
        .unwrap();
        old.status.get_or_insert_default().conditions.push(outdated);
        let mut other = old.clone();
        other.metadata.name = Some("gemini".to_owned());
        let told: Vec<String> =
            prices(&[old, other, source("hub", 1, Some(0), 1)]).iter().map(Check::told).collect();
        assert_eq!(
            told,
            ["claude", "gemini"].map(|name| format!(
                "WARN  prices: outdated in shop/{name}: 2 models have old prices: a (280 days old); compare them with https://vendor.example"
            ))
        );
    }

    #[test]
    fn where_no_source_says_so_it_is_well() {
        assert_eq!(prices(&[])[0].told(), "OK    prices: none that a list lacks is older than its limit");
    }
}
