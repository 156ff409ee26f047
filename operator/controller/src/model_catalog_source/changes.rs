//! From one status to the next: the events that tell of the way. Pure.

use vox_crds::conditions::{reasons, types};
use vox_crds::model_catalog_source::ModelCatalogSourceStatus;

use super::describe::condition;

/// Something worth an event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) warning: bool,
    pub(crate) reason: String,
    pub(crate) note: String,
}

/// What to tell of the way from one status to the next.
pub(crate) fn changes(before: &ModelCatalogSourceStatus, after: &ModelCatalogSourceStatus) -> Vec<Change> {
    let mut told = Vec::new();
    let mut tell =
        |warning, reason: &str, note: String| told.push(Change { warning, reason: reason.to_owned(), note });
    let known = before.catalog.as_ref().map(|catalog| catalog.revision);
    if let Some(catalog) = after.catalog.as_ref().filter(|catalog| Some(catalog.revision) != known) {
        let revision = catalog.revision;
        if catalog.added > 0 {
            tell(
                false,
                reasons::DISCOVERED,
                format!("revision {revision}: {} new of {} models", catalog.added, catalog.models),
            );
        }
        if catalog.repriced > 0 {
            tell(
                false,
                reasons::REPRICED,
                format!("revision {revision}: {} models have another price", catalog.repriced),
            );
        }
        if catalog.removed > 0 {
            tell(
                false,
                reasons::MODELS_REMOVED,
                format!("revision {revision}: {} models are gone", catalog.removed),
            );
        }
    }
    // What stalls a source is told by Ready, with the same reason.
    for kind in [types::READY, types::FRESH] {
        let (old, new) = (condition(before, kind), condition(after, kind));
        let Some(new) = new else { continue };
        let same = old.is_some_and(|old| old.status == new.status && old.reason == new.reason);
        // A new source is not fresh and no news.
        let unremarkable = new.reason == reasons::NEVER_FETCHED || new.reason == reasons::SUSPENDED;
        if same || unremarkable {
            continue;
        }
        let recovered = old.is_some_and(|old| old.status == "False" && old.reason != reasons::NEVER_FETCHED);
        if new.status == "False" {
            tell(true, &new.reason, new.message.clone());
        } else if recovered && new.status == "True" {
            tell(false, &new.reason, new.message.clone());
        }
    }
    told
}
