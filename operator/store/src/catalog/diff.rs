//! What a new catalog changes. Pure.

use std::collections::HashMap;

use vox_contracts::ModelCatalogEntry;
use vox_contracts::entry::Pricing;

/// The difference between two catalogs of one source.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct CatalogDiff<'a> {
    /// Models that were not there before.
    pub added: Vec<&'a ModelCatalogEntry>,
    /// Models that are no longer there.
    pub removed: Vec<&'a ModelCatalogEntry>,
    /// Models with another pricing: before and after.
    pub repriced: Vec<(&'a Pricing, &'a ModelCatalogEntry)>,
    /// Models that changed in anything, pricing included.
    pub changed: Vec<&'a ModelCatalogEntry>,
}

impl CatalogDiff<'_> {
    /// Whether the two catalogs are equal.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

/// Compares by model id; the order of entries does not matter.
#[must_use]
pub fn diff<'a>(before: &'a [ModelCatalogEntry], after: &'a [ModelCatalogEntry]) -> CatalogDiff<'a> {
    let mut old: HashMap<&str, &ModelCatalogEntry> =
        before.iter().map(|entry| (entry.model_id.as_str(), entry)).collect();
    let mut diff = CatalogDiff::default();
    for entry in after {
        match old.remove(entry.model_id.as_str()) {
            None => diff.added.push(entry),
            Some(known) if known == entry => {}
            Some(known) => {
                diff.changed.push(entry);
                if known.pricing != entry.pricing {
                    diff.repriced.push((&known.pricing, entry));
                }
            }
        }
    }
    diff.removed = old.into_values().collect();
    diff.removed.sort_unstable_by(|a, b| a.model_id.cmp(&b.model_id));
    diff
}

/// Whether a catalog lost more models than allowed: `limit_per_mille` of those before, at least one model.
/// An empty catalog always did, unless there was none before.
#[must_use]
pub fn shrank_too_far(before: usize, after: usize, limit_per_mille: u32) -> bool {
    let lost = before.saturating_sub(after);
    lost > 1 && lost * 1000 > before * limit_per_mille as usize || (before > 0 && after == 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use vox_contracts::{ModelTier, ProviderType, UsdPerMTok};

    use super::*;

    fn entry(id: u8, price: Option<u8>) -> ModelCatalogEntry {
        ModelCatalogEntry {
            pricing: Pricing {
                input_usd_per_mtok: price.map(|p| p.to_string().parse::<UsdPerMTok>().unwrap()),
                ..Pricing::default()
            },
            tier: ModelTier::ALL[0],
            ..ModelCatalogEntry::bare(format!("acme/m{id}"), ProviderType::Ollama)
        }
    }

    #[test]
    fn a_price_that_becomes_unknown_is_a_repricing() {
        let (before, after) = ([entry(1, Some(0))], [entry(1, None)]);
        let diff = diff(&before, &after);
        assert_eq!((diff.added.len(), diff.removed.len(), diff.repriced.len()), (0, 0, 1));
    }

    #[test]
    fn the_shrink_limit_counts_lost_models_and_never_lets_a_catalog_vanish() {
        assert!(!shrank_too_far(100, 50, 500));
        assert!(shrank_too_far(100, 49, 500));
        assert!(!shrank_too_far(2, 1, 400), "one lost model is no accident");
        assert!(shrank_too_far(1, 0, 1000));
        assert!(!shrank_too_far(0, 0, 500));
        assert!(!shrank_too_far(10, 400, 500));
    }

    fn catalog() -> impl Strategy<Value = Vec<ModelCatalogEntry>> {
        proptest::collection::btree_map(0u8..40, proptest::option::of(0u8..4), 0..40)
            .prop_map(|models| models.into_iter().map(|(id, price)| entry(id, price)).collect())
    }

    proptest! {
        #[test]
        fn counts_add_up_and_equal_catalogs_have_no_difference(before in catalog(), after in catalog()) {
            let difference = diff(&before, &after);
            prop_assert_eq!(before.len() + difference.added.len(), after.len() + difference.removed.len());
            prop_assert_eq!(difference.is_empty(), before == after);
            prop_assert!(diff(&after, &after).is_empty());
        }
    }
}
