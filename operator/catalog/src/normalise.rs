//! From a provider's list to a catalog: ids unique and sorted, everything inferred, the filter applied.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use vox_contracts::ModelCatalogEntry;
use vox_contracts::discovery::{FailureClass, FetchFailure, FetchTarget, RowRefusal};

use crate::contract;
use crate::filter;
use crate::listing::{Listing, Refusals};
use crate::text::{MAX_QUOTED, clip};

/// A catalog, ready to be uploaded.
#[derive(Debug, PartialEq, Eq)]
pub struct FetchedCatalog {
    /// The models, ascending by id.
    pub entries: Vec<ModelCatalogEntry>,
    /// The first rows that were not taken, with their reasons.
    pub refusals: Vec<RowRefusal>,
    /// How many rows were not taken in all.
    pub refused: u32,
    /// The list's ETag.
    pub etag: Option<String>,
}

/// Makes a catalog of a list.
///
/// # Errors
/// [`FailureClass::CatalogEmpty`] when nothing is left, [`FailureClass::BodyTooLarge`] when more is left than allowed.
pub fn normalise(listing: Listing, target: &FetchTarget) -> Result<FetchedCatalog, FetchFailure> {
    let Listing { entries, mut refusals, etag } = listing;
    let listed = entries.len();
    let mut entries = without_duplicates(entries, &mut refusals);
    entries.sort_unstable_by(|a, b| a.model_id.cmp(&b.model_id));
    // Most models of a filtered source are dropped by their id; nothing need be inferred about those.
    entries.retain(|entry| filter::keeps_id(&target.filter, &entry.model_id));
    entries.iter_mut().for_each(contract::infer);
    entries.retain(|entry| filter::keeps(&target.filter, entry));
    if entries.is_empty() {
        return Err(empty(listed, &refusals));
    }
    if entries.len() > target.max_models as usize {
        return Err(too_many(entries.len(), target.max_models));
    }
    let (refusals, refused) = refusals.into_parts();
    Ok(FetchedCatalog { entries, refusals, refused, etag })
}

/// The first of each id stays. A second one that says the same is dropped; one that says something else is refused
/// by name, because somebody may wonder which of the two holds.
fn without_duplicates(entries: Vec<ModelCatalogEntry>, refusals: &mut Refusals) -> Vec<ModelCatalogEntry> {
    let mut places: HashMap<String, usize> = HashMap::with_capacity(entries.len());
    let mut kept: Vec<ModelCatalogEntry> = Vec::with_capacity(entries.len());
    for entry in entries {
        match places.entry(entry.model_id.clone()) {
            Entry::Vacant(place) => {
                place.insert(kept.len());
                kept.push(entry);
            }
            Entry::Occupied(place) if kept[*place.get()] == entry => {}
            Entry::Occupied(_) => refusals.push(RowRefusal {
                row: clip(&entry.model_id, MAX_QUOTED),
                reason: "the id stands there before with other facts; the first row holds".to_owned(),
            }),
        }
    }
    kept
}

fn empty(listed: usize, refusals: &Refusals) -> FetchFailure {
    let message = match (listed, refusals.named().first()) {
        (0, None) => "the provider lists no model; see whether the credential may use any".to_owned(),
        (0, Some(first)) => format!(
            "none of the {} listed rows is a model ({}: {}); check endpoint and provider of the source",
            refusals.total(),
            first.row,
            first.reason
        ),
        (listed, _) => format!("the filter of the source keeps none of the {listed} listed models; widen it"),
    };
    FetchFailure { class: FailureClass::CatalogEmpty, message, retry_after_ms: None }
}

fn too_many(left: usize, max: u32) -> FetchFailure {
    let message = format!(
        "{left} models are more than the limit of {max}; the limit is max_models of the routing contract"
    );
    FetchFailure { class: FailureClass::BodyTooLarge, message, retry_after_ms: None }
}
