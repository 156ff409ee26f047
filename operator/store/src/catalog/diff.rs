//! What a new catalog changes. Pure.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use serde_json::Value;
use vox_contracts::ModelCatalogEntry;
use vox_contracts::change::{Abilities, ChangeKind, Lifecycle, Window};

/// The difference between two catalogs of one source.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct CatalogDiff<'a> {
    /// What happened, by model; several things may happen to one.
    pub changes: Vec<Change<'a>>,
    /// Models that were not there before, or that differ in anything.
    pub written: Vec<&'a ModelCatalogEntry>,
}

/// One thing that happened to one model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<'a> {
    /// What.
    pub kind: ChangeKind,
    /// The model before; absent where it was not there.
    pub before: Option<&'a ModelCatalogEntry>,
    /// The model after; absent where it is gone.
    pub after: Option<&'a ModelCatalogEntry>,
}

impl Change<'_> {
    /// Which model.
    #[must_use]
    pub fn model(&self) -> &str {
        self.after.or(self.before).map_or("", |entry| entry.model_id.as_str())
    }

    /// What the change is about, before and after; see [`ChangeKind`].
    ///
    /// # Errors
    /// Passes on a serialisation failure, which no value of these types can cause today.
    pub fn facts(&self) -> serde_json::Result<(Option<Value>, Option<Value>)> {
        let of = |entry: Option<&ModelCatalogEntry>| entry.map(|entry| fact(self.kind, entry)).transpose();
        let (before, after) = (of(self.before)?, of(self.after)?);
        // Of one that is suspected or no longer, the other side has nothing to say.
        Ok((before.filter(|fact| !fact.is_null()), after.filter(|fact| !fact.is_null())))
    }
}

fn fact(kind: ChangeKind, entry: &ModelCatalogEntry) -> serde_json::Result<Value> {
    fn json(value: impl Serialize) -> serde_json::Result<Value> {
        serde_json::to_value(value)
    }
    match kind {
        ChangeKind::Added | ChangeKind::Removed | ChangeKind::Repriced => json(&entry.pricing),
        ChangeKind::Suspect | ChangeKind::Returned => json(&entry.suspect),
        ChangeKind::Context => json(Window::of(entry)),
        ChangeKind::Capability => json(Abilities::of(entry)),
        ChangeKind::Deprecated | ChangeKind::Superseded => json(Lifecycle::of(entry)),
    }
}

impl CatalogDiff<'_> {
    /// Whether the two catalogs are equal.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.written.is_empty() && self.count(ChangeKind::Removed) == 0
    }

    /// How often this happened.
    #[must_use]
    pub fn count(&self, kind: ChangeKind) -> usize {
        self.changes.iter().filter(|change| change.kind == kind).count()
    }

    /// How often each kind of change happened, those only that did.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<ChangeKind, u64> {
        let mut counts = BTreeMap::new();
        for change in &self.changes {
            *counts.entry(change.kind).or_default() += 1;
        }
        counts
    }
}

/// Compares by model id; the order of entries does not matter.
#[must_use]
pub fn diff<'a>(
    before: &'a [ModelCatalogEntry],
    after: impl IntoIterator<Item = &'a ModelCatalogEntry>,
) -> CatalogDiff<'a> {
    let mut old: HashMap<&str, &ModelCatalogEntry> =
        before.iter().map(|entry| (entry.model_id.as_str(), entry)).collect();
    let mut diff = CatalogDiff::default();
    for entry in after {
        let known = old.remove(entry.model_id.as_str());
        if known == Some(entry) {
            continue;
        }
        diff.written.push(entry);
        let kinds = known.map_or_else(|| vec![ChangeKind::Added], |known| kinds(known, entry));
        diff.changes.extend(kinds.into_iter().map(|kind| Change { kind, before: known, after: Some(entry) }));
    }
    let mut removed: Vec<&ModelCatalogEntry> = old.into_values().collect();
    removed.sort_unstable_by(|a, b| a.model_id.cmp(&b.model_id));
    let gone = |entry| Change { kind: ChangeKind::Removed, before: Some(entry), after: None };
    diff.changes.extend(removed.into_iter().map(gone));
    diff
}

/// What happened to a model that is in both catalogs. A new name for people is nothing that anybody has to hear of.
fn kinds(before: &ModelCatalogEntry, after: &ModelCatalogEntry) -> Vec<ChangeKind> {
    let (was, is) = (Lifecycle::of(before), Lifecycle::of(after));
    let kinds = [
        (ChangeKind::Suspect, before.suspect.is_none() && after.suspect.is_some()),
        (ChangeKind::Returned, before.suspect.is_some() && after.suspect.is_none()),
        (ChangeKind::Repriced, before.pricing != after.pricing),
        (ChangeKind::Context, Window::of(before) != Window::of(after)),
        (ChangeKind::Capability, Abilities::of(before) != Abilities::of(after)),
        (ChangeKind::Deprecated, ends(&was) != ends(&is)),
        (ChangeKind::Superseded, is.replaced_by().is_some() && was.replaced_by() != is.replaced_by()),
    ];
    kinds.into_iter().filter(|(_, happened)| *happened).map(|(kind, _)| kind).collect()
}

/// Whether a model is advised against, since when, and when it ends.
fn ends(lifecycle: &Lifecycle) -> (bool, Option<&str>, Option<&str>) {
    let deprecation = lifecycle.deprecation.as_ref();
    let since = deprecation.and_then(|deprecation| deprecation.since.as_deref());
    (deprecation.is_some(), since, lifecycle.expires_at.as_deref())
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
    use vox_contracts::entry::{Deprecation, Pricing, Suspect};
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

    /// The kinds of what happens when one model becomes another.
    fn told(before: &ModelCatalogEntry, after: &ModelCatalogEntry) -> Vec<ChangeKind> {
        let (before, after) = ([before.clone()], [after.clone()]);
        diff(&before, &after).changes.iter().map(|change| change.kind).collect()
    }

    #[test]
    fn a_price_that_becomes_unknown_is_a_repricing() {
        assert_eq!(told(&entry(1, Some(0)), &entry(1, None)), [ChangeKind::Repriced]);
    }

    #[test]
    fn each_kind_of_change_is_told_by_its_name_and_several_at_once() {
        let plain = entry(1, Some(1));
        let longer = ModelCatalogEntry { context_length_tokens: Some(1), ..plain.clone() };
        assert_eq!(told(&plain, &longer), [ChangeKind::Context]);
        let sees = ModelCatalogEntry { input_modalities: vec!["image".to_owned()], ..plain.clone() };
        assert_eq!(told(&plain, &sees), [ChangeKind::Capability]);
        let suspect = ModelCatalogEntry { suspect: Some(Suspect::default()), ..plain.clone() };
        assert_eq!(told(&plain, &suspect), [ChangeKind::Suspect]);
        assert_eq!(told(&suspect, &longer), [ChangeKind::Returned, ChangeKind::Context]);
        let renamed = ModelCatalogEntry { display_name: Some("M".to_owned()), ..plain.clone() };
        assert_eq!(told(&plain, &renamed), []);
        let recognised = ModelCatalogEntry { identity: Some("acme/m-1".to_owned()), ..plain.clone() };
        assert_eq!(told(&plain, &recognised), []);
        assert!(!diff(std::slice::from_ref(&plain), [&recognised]).is_empty(), "it is written all the same");
    }

    #[test]
    fn modalities_in_another_order_are_no_change_of_what_it_can() {
        let reads = |modalities: [&str; 2]| ModelCatalogEntry {
            input_modalities: modalities.map(str::to_owned).to_vec(),
            ..entry(1, None)
        };
        assert_eq!(told(&reads(["text", "image"]), &reads(["image", "text"])), []);
    }

    #[test]
    fn an_end_is_a_deprecation_and_a_successor_is_told_apart_from_it() {
        let plain = entry(1, Some(1));
        let ends = |at: &str, replaced_by: Option<&str>| ModelCatalogEntry {
            expires_at: Some(at.to_owned()),
            deprecation: Some(Deprecation { since: None, replaced_by: replaced_by.map(str::to_owned) }),
            ..plain.clone()
        };
        assert_eq!(told(&plain, &ends("2026-12-31", None)), [ChangeKind::Deprecated]);
        assert_eq!(told(&ends("2026-12-31", None), &ends("2027-01-31", None)), [ChangeKind::Deprecated]);
        assert_eq!(
            told(&ends("2026-12-31", None), &ends("2026-12-31", Some("acme/m2"))),
            [ChangeKind::Superseded]
        );
        assert_eq!(
            told(&plain, &ends("2026-12-31", Some("acme/m2"))),
            [ChangeKind::Deprecated, ChangeKind::Superseded]
        );
        assert_eq!(told(&ends("2026-12-31", Some("acme/m2")), &plain), [ChangeKind::Deprecated]);
    }

    #[test]
    fn the_facts_of_a_change_are_those_that_it_is_about() {
        let (before, after) = ([entry(1, Some(1)), entry(2, None)], [entry(1, Some(2))]);
        let difference = diff(&before, &after);
        let facts: Vec<_> = difference.changes.iter().map(|change| change.facts().unwrap()).collect();
        let price = |price: &str| Some(serde_json::json!({ "input_usd_per_mtok": price }));
        assert_eq!(facts, [(price("1"), price("2")), (Some(serde_json::json!({})), None)]);
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
            let (added, removed) = (difference.count(ChangeKind::Added), difference.count(ChangeKind::Removed));
            prop_assert_eq!(before.len() + added, after.len() + removed);
            prop_assert_eq!(difference.is_empty(), before == after);
            prop_assert!(diff(&after, &after).is_empty());
        }
    }
}
