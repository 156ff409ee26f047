//! Which catalogs have prices that were read too long ago. Pure, from the sources' conditions.

use kube::ResourceExt as _;
use vox_crds::ModelCatalogSource;
use vox_crds::conditions::types;

use super::judge::Check;
use super::named::named;
use crate::cluster::condition;

const NAME: &str = "prices";

pub(super) fn prices(sources: &[ModelCatalogSource]) -> Check {
    let old: Vec<(String, &str)> = sources
        .iter()
        .filter_map(|source| {
            let outdated = condition(source, types::PRICES_OUTDATED).filter(|one| one.status == "True")?;
            let name = format!("{}/{}", source.namespace().unwrap_or_default(), source.name_any());
            Some((name, outdated.message.as_str()))
        })
        .collect();
    let Some((first, message)) = old.first() else {
        return Check::ok(NAME, "none that a list lacks is older than its limit");
    };
    let names: Vec<&str> = old.iter().map(|(name, _)| name.as_str()).collect();
    // The status says what to do after its last semicolon.
    let (what, fix) = message.rsplit_once("; ").unwrap_or((message, "kubectl describe mcat says more"));
    Check::warn(NAME, format!("outdated in {}; of {first}: {what}", named(&names)), fix)
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
        assert_eq!(
            prices(&[old, source("hub", 1, Some(0), 1)]).told(),
            "WARN  prices: outdated in shop/claude; of shop/claude: 2 models have old prices: a (280 days old); compare them with https://vendor.example"
        );
    }

    #[test]
    fn where_no_source_says_so_it_is_well() {
        assert_eq!(prices(&[]).told(), "OK    prices: none that a list lacks is older than its limit");
    }
}
