//! From one status to the next: the events that tell of the way. Pure.

use vox_contracts::change::ChangeKind;
use vox_crds::conditions::{reasons, types};
use vox_crds::model_catalog_source::{CatalogStatus, ModelCatalogSourceStatus};
use vox_store::catalog::RevisionChange;

use super::describe::condition;

/// Something worth an event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) warning: bool,
    pub(crate) reason: String,
    pub(crate) note: String,
}

/// What to tell of the way from one status to the next. `revision` is what the newest revision changed.
pub(crate) fn changes(
    before: &ModelCatalogSourceStatus,
    after: &ModelCatalogSourceStatus,
    revision: &[RevisionChange],
) -> Vec<Change> {
    let mut told = Vec::new();
    let mut tell =
        |warning, reason: &str, note: String| told.push(Change { warning, reason: reason.to_owned(), note });
    if let Some(catalog) = new_catalog(before, after) {
        let number = catalog.revision;
        // Of a first catalog everything is new.
        if number == 1 {
            let models = catalog.models;
            tell(false, reasons::DISCOVERED, format!("revision 1: {models} new of {models} models"));
        }
        for change in revision {
            let note = format!("revision {number}: {}", told_of(change));
            tell(change.kind == ChangeKind::Suspect, reason(change.kind), note);
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
    // Told when it begins, like what follows; how many there are may change with each list.
    let refused =
        |status: &ModelCatalogSourceStatus| status.catalog.as_ref().map_or(0, |catalog| catalog.refused);
    if refused(before) == 0
        && refused(after) > 0
        && let Some(ready) = condition(after, types::READY)
    {
        let note = ready.message.clone();
        told.push(Change { warning: true, reason: reasons::ROWS_REFUSED.to_owned(), note });
    }
    // Present only while it holds: told when it begins, however its message changes meanwhile.
    if condition(before, types::PRICES_OUTDATED).is_none()
        && let Some(outdated) = condition(after, types::PRICES_OUTDATED)
    {
        let note = outdated.message.clone();
        told.push(Change { warning: true, reason: outdated.reason.clone(), note });
    }
    told
}

/// The catalog of the newer status, if it is of another revision than that of the older one.
pub(crate) fn new_catalog<'a>(
    before: &ModelCatalogSourceStatus,
    after: &'a ModelCatalogSourceStatus,
) -> Option<&'a CatalogStatus> {
    let known = before.catalog.as_ref().map(|catalog| catalog.revision);
    after.catalog.as_ref().filter(|catalog| Some(catalog.revision) != known)
}

const fn reason(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Added => reasons::DISCOVERED,
        ChangeKind::Removed => reasons::MODELS_REMOVED,
        ChangeKind::Suspect => reasons::MODELS_SUSPECT,
        ChangeKind::Returned => reasons::MODELS_RETURNED,
        ChangeKind::Repriced => reasons::REPRICED,
        ChangeKind::Context | ChangeKind::Capability => reasons::MODELS_CHANGED,
        ChangeKind::Deprecated | ChangeKind::Superseded => reasons::MODELS_DEPRECATED,
    }
}

/// `2 models have another price (a, b)`.
fn told_of(change: &RevisionChange) -> String {
    let what = match change.kind {
        ChangeKind::Added => "new",
        ChangeKind::Removed => "gone",
        ChangeKind::Suspect => "missing from the list, and kept until it misses them again",
        ChangeKind::Returned => "listed again",
        ChangeKind::Repriced => "with another price",
        ChangeKind::Context => "with another context",
        ChangeKind::Capability => "that read, write or can do something else",
        ChangeKind::Deprecated => "with other words of their provider on their end",
        ChangeKind::Superseded => "with a successor",
    };
    let plural = if change.models == 1 { "" } else { "s" };
    let rest = change.models.saturating_sub(change.named.len().try_into().unwrap_or(u64::MAX));
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    format!("{} model{plural} {what} ({}{more})", change.models, change.named.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(revision: i64) -> ModelCatalogSourceStatus {
        let catalog = serde_json::from_value(serde_json::json!({
            "revision": revision, "digest": "sha256:0", "publishedTime": "2026-01-01T00:00:00Z", "models": 312,
            "added": 0, "removed": 0, "repriced": 0, "suspect": 0,
        }));
        ModelCatalogSourceStatus { catalog: Some(catalog.unwrap()), ..Default::default() }
    }

    fn change(kind: ChangeKind, models: u64) -> RevisionChange {
        let named = (0..models.min(3)).map(|n| format!("acme/m{n}")).collect();
        RevisionChange { kind, models, named }
    }

    fn told(before: i64, after: i64, revision: &[RevisionChange]) -> Vec<(bool, String, String)> {
        let told = changes(&status(before), &status(after), revision);
        told.into_iter().map(|one| (one.warning, one.reason, one.note)).collect()
    }

    #[test]
    fn each_kind_of_change_is_an_event_that_names_a_few_models_and_counts_the_others() {
        let revision = ChangeKind::ALL.iter().map(|kind| change(*kind, 5)).collect::<Vec<_>>();
        insta::assert_debug_snapshot!(told(1, 2, &revision));
    }

    #[test]
    fn a_first_catalog_is_one_event_and_the_same_revision_again_is_none() {
        assert_eq!(told(0, 1, &[]).len(), 1);
        assert_eq!(told(2, 2, &[change(ChangeKind::Added, 1)]), []);
    }

    #[test]
    fn one_model_is_named_in_the_singular() {
        let [(_, _, note)] = &told(1, 2, &[change(ChangeKind::Repriced, 1)])[..] else { panic!("one") };
        assert_eq!(note, "revision 2: 1 model with another price (acme/m0)");
    }

    #[test]
    fn outdated_prices_are_told_once_and_not_each_day() {
        let with = |message: &str| {
            let condition = serde_json::json!({
                "type": types::PRICES_OUTDATED, "status": "True", "reason": reasons::PRICES_OUTDATED,
                "message": message, "lastTransitionTime": "2026-01-01T00:00:00Z",
            });
            let conditions = vec![serde_json::from_value(condition).unwrap()];
            ModelCatalogSourceStatus { conditions, ..Default::default() }
        };
        let (none, today, tomorrow) =
            (ModelCatalogSourceStatus::default(), with("181 days"), with("182 days"));
        assert_eq!(changes(&none, &today, &[]).len(), 1);
        assert!(changes(&none, &today, &[])[0].warning);
        assert_eq!(changes(&today, &tomorrow, &[]), []);
        assert_eq!(changes(&tomorrow, &none, &[]), []);
    }
}
