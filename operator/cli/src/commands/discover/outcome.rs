//! What became of asking a source, and what its status says about that. Pure.

use jiff::Timestamp;
use kube::ResourceExt as _;
use serde::Serialize;
use vox_crds::ModelCatalogSource;
use vox_crds::conditions::types;
use vox_crds::model_catalog_source::{CatalogStatus, REQUESTED_AT};

use super::plan::stalled;
use crate::cluster::condition;
use crate::error::Exit;
use crate::freshness::Freshness;
use crate::table::printable;

/// What became of asking a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A new revision was published.
    Published,
    /// The provider was asked, and nothing has changed.
    Unchanged,
    /// The fetch failed.
    Failed { reason: String, message: String },
    /// The provider was asked too recently; nothing was done.
    TooSoon { message: String, fresh: bool },
    /// It was not asked.
    Skipped(String),
    /// It was asked, and nobody waited.
    Asked,
    /// Nothing came within the time limit.
    TimedOut(String),
    /// It was deleted meanwhile.
    Deleted,
    /// Nothing will happen until a person changes the spec.
    Stalled(String),
}

/// What a status says about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Look {
    /// The operator has not answered the request; why, as far as the status tells.
    Waiting(String),
    /// A run is under way.
    Running,
    /// The request has been answered and nothing runs, but no attempt has ended since it was made.
    NoRun,
    Ended(Outcome),
}

/// Reads a status. `before` is when the newest attempt had ended when the request was made.
///
/// Somebody else may have asked after us, which replaces our request: the answer to theirs is as good.
pub(super) fn look(source: &ModelCatalogSource, request: &str, before: Option<Timestamp>) -> Look {
    if let Some(message) = stalled(source) {
        return Look::Ended(Outcome::Stalled(message.to_owned()));
    }
    let status = source.status.clone().unwrap_or_default();
    let request = source.annotations().get(REQUESTED_AT).map_or(request, String::as_str);
    let ready = condition(source, types::READY);
    let running =
        condition(source, types::RECONCILING).is_some_and(|reconciling| reconciling.status == "True");
    if status.last_handled_request.as_deref() != Some(request) {
        let why = match ready.filter(|ready| ready.status == "False") {
            _ if running => "an earlier run is under way".to_owned(),
            Some(ready) => format!("{}: {}", ready.reason, ready.message),
            None => "the operator has not taken up the request".to_owned(),
        };
        return Look::Waiting(why);
    }
    if running {
        return Look::Running;
    }
    let Some(attempt) = status.last_attempt.filter(|attempt| Some(attempt.time.0) != before) else {
        return Look::NoRun;
    };
    Look::Ended(match attempt.outcome.as_str() {
        "Published" => Outcome::Published,
        _ if attempt.failures == 0 => Outcome::Unchanged,
        reason => {
            let message = ready.filter(|ready| ready.reason == reason).map(|ready| ready.message.clone());
            Outcome::Failed { reason: reason.to_owned(), message: message.unwrap_or_default() }
        }
    })
}

/// A source's outcome in machine output, and for people.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    namespace: String,
    name: String,
    outcome: &'static str,
    reason: Option<String>,
    message: Option<String>,
    revision: Option<i64>,
    models: Option<i64>,
    added: Option<i64>,
    removed: Option<i64>,
    repriced: Option<i64>,
    #[serde(skip)]
    kind: Outcome,
}

impl Row {
    /// `source` as it was last seen.
    pub(super) fn new(source: &ModelCatalogSource, kind: Outcome) -> Self {
        let catalog = source.status.as_ref().and_then(|status| status.catalog.clone());
        // What changed belongs to the revision that this request brought, not to an older one.
        let changed = |field: fn(&CatalogStatus) -> i64| match kind {
            Outcome::Published => catalog.as_ref().map(field),
            Outcome::Unchanged => Some(0),
            _ => None,
        };
        let (outcome, reason, message) = match &kind {
            Outcome::Published => ("Published", None, None),
            Outcome::Unchanged => ("Unchanged", None, None),
            Outcome::Failed { reason, message } => ("Failed", Some(reason.clone()), Some(message.clone())),
            Outcome::TooSoon { message, .. } => ("TooSoon", None, Some(message.clone())),
            Outcome::Skipped(reason) => ("Skipped", None, Some(reason.clone())),
            Outcome::Asked => ("Asked", None, None),
            Outcome::TimedOut(why) => ("TimedOut", None, Some(why.clone())),
            Outcome::Deleted => ("Deleted", None, None),
            Outcome::Stalled(message) => ("Stalled", None, Some(message.clone())),
        };
        Self {
            namespace: source.namespace().unwrap_or_default(),
            name: source.name_any(),
            outcome,
            reason,
            message,
            revision: catalog.as_ref().map(|catalog| catalog.revision),
            models: catalog.as_ref().map(|catalog| catalog.models),
            added: changed(|catalog| catalog.added),
            removed: changed(|catalog| catalog.removed),
            repriced: changed(|catalog| catalog.repriced),
            kind,
        }
    }

    pub(super) fn key(&self) -> (&str, &str) {
        (&self.namespace, &self.name)
    }

    /// One line.
    pub(super) fn told(&self) -> String {
        let count = |count: Option<i64>| count.unwrap_or_default();
        let text = match &self.kind {
            // A status counts no models that were deprecated, or missed once; the operator's log of changes has them.
            Outcome::Published if [self.added, self.removed, self.repriced] == [Some(0); 3] => format!(
                "{} models, none added, removed or repriced; vox catalog diff --source {}/{} says what else changed (revision {})",
                count(self.models),
                self.namespace,
                self.name,
                count(self.revision),
            ),
            Outcome::Published => format!(
                "{} models, {} added, {} removed, {} repriced (revision {})",
                count(self.models),
                count(self.added),
                count(self.removed),
                count(self.repriced),
                count(self.revision),
            ),
            Outcome::Unchanged => {
                format!("{} models, nothing changed (revision {})", count(self.models), count(self.revision))
            }
            Outcome::Failed { reason, message } => {
                let message = if message.is_empty() { "kubectl describe says more" } else { message };
                format!("failed: {reason}: {message}")
            }
            Outcome::TooSoon { message, .. } => format!("not asked: {message}"),
            Outcome::Skipped(reason) => format!("not asked: {reason}"),
            Outcome::Asked => "asked".to_owned(),
            Outcome::TimedOut(why) => format!("no answer yet: {why}"),
            Outcome::Deleted => "deleted meanwhile".to_owned(),
            Outcome::Stalled(message) => format!("stalled: {message}"),
        };
        printable(&format!("{}/{}: {text}", self.namespace, self.name))
    }

    /// Whether this is a failure. A source that the user `named` and that cannot be asked is one.
    pub(super) fn exit(&self, named: bool) -> Exit {
        match &self.kind {
            Outcome::Published
            | Outcome::Unchanged
            | Outcome::Asked
            | Outcome::TooSoon { fresh: true, .. } => Exit::Ok,
            Outcome::Skipped(reason) => {
                let in_vain = named && !reason.starts_with("fresh");
                if in_vain { Exit::No } else { Exit::Ok }
            }
            Outcome::Failed { .. } | Outcome::TooSoon { .. } | Outcome::Deleted | Outcome::Stalled(_) => {
                Exit::No
            }
            Outcome::TimedOut(_) => Exit::TimedOut,
        }
    }
}

/// The provider may not be asked yet. The operator's event says until when.
pub(super) fn too_soon(source: &ModelCatalogSource, note: Option<String>, now: Timestamp) -> Outcome {
    let freshness = Freshness::of(source, now);
    let effective = source.status.as_ref().and_then(|status| status.effective.as_ref());
    let guess = || {
        let interval = effective.map(|effective| format!(" of {}", effective.min_interval));
        format!(
            "the provider may not be asked yet: its minimum interval{} is not over, or a failure asks for a wait; \
             kubectl describe says from when on it may",
            interval.unwrap_or_default()
        )
    };
    let message = format!("{} (catalog: {})", note.unwrap_or_else(guess), freshness.told(now));
    Outcome::TooSoon { message, fresh: freshness.is_fresh() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::freshness::tests::source;

    const REQUEST: &str = "2026-01-01T00:00:00Z";

    /// A source with these members in its status beside the usual ones.
    fn with(members: &serde_json::Value) -> ModelCatalogSource {
        let mut value = serde_json::to_value(source("a", 312, Some(1000), 9000)).unwrap();
        for (key, member) in members.as_object().unwrap() {
            value["status"][key] = member.clone();
        }
        serde_json::from_value(value).unwrap()
    }

    fn condition(kind: &str, status: &str, reason: &str, message: &str) -> serde_json::Value {
        json!({ "type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": REQUEST })
    }

    fn attempt(outcome: &str, failures: i64) -> serde_json::Value {
        json!({ "time": "2026-01-01T00:00:09Z", "outcome": outcome, "failures": failures })
    }

    #[test]
    fn a_request_waits_until_the_operator_has_answered_it() {
        let status = json!({ "lastHandledRequest": "another", "lastAttempt": attempt("Published", 0) });
        assert!(matches!(look(&with(&status), REQUEST, None), Look::Waiting(_)));
    }

    #[test]
    fn while_waiting_the_status_says_what_for() {
        let away = condition("Ready", "False", "StoreUnavailable", "the database does not answer");
        let Look::Waiting(why) = look(&with(&json!({ "conditions": [away] })), REQUEST, None) else {
            panic!()
        };
        assert!(why.contains("the database does not answer"), "{why}");
    }

    #[test]
    fn an_attempt_from_before_the_request_is_no_answer() {
        let before = Some("2026-01-01T00:00:09Z".parse().unwrap());
        let status = json!({ "lastHandledRequest": REQUEST, "lastAttempt": attempt("Published", 0) });
        assert_eq!(look(&with(&status), REQUEST, before), Look::NoRun);
        assert_eq!(look(&with(&status), REQUEST, None), Look::Ended(Outcome::Published));
    }

    #[test]
    fn a_run_in_flight_is_waited_for() {
        let reconciling = condition("Reconciling", "True", "Discovering", "");
        let status = json!({ "lastHandledRequest": REQUEST, "conditions": [reconciling] });
        assert_eq!(look(&with(&status), REQUEST, None), Look::Running);
    }

    #[test]
    fn a_later_request_of_somebody_else_answers_ours_too() {
        let mut found =
            with(&json!({ "lastHandledRequest": "later", "lastAttempt": attempt("Published", 0) }));
        found.annotations_mut().insert(REQUESTED_AT.to_owned(), "later".to_owned());
        assert_eq!(look(&found, REQUEST, None), Look::Ended(Outcome::Published));
    }

    #[test]
    fn a_failed_attempt_comes_with_the_operators_words() {
        let ready = condition("Ready", "False", "Unauthorized", "it answered 401; check the key");
        let status = json!({ "lastHandledRequest": REQUEST, "lastAttempt": attempt("Unauthorized", 1), "conditions": [ready] });
        let found = with(&status);
        let Look::Ended(outcome) = look(&found, REQUEST, None) else { panic!() };
        let row = Row::new(&found, outcome);
        assert_eq!(row.told(), "shop/a: failed: Unauthorized: it answered 401; check the key");
        assert_eq!(row.exit(false), Exit::No);
    }

    #[test]
    fn a_published_catalog_is_told_with_its_changes() {
        let row = Row::new(&with(&json!({})), Outcome::Published);
        assert_eq!(row.told(), "shop/a: 312 models, 2 added, 1 removed, 0 repriced (revision 3)");
        let mut other = with(&json!({}));
        if let Some(catalog) = other.status.as_mut().and_then(|status| status.catalog.as_mut()) {
            (catalog.added, catalog.removed) = (0, 0);
        }
        assert_eq!(
            Row::new(&other, Outcome::Published).told(),
            "shop/a: 312 models, none added, removed or repriced; vox catalog diff --source shop/a says what else changed (revision 3)"
        );
        let row = Row::new(&with(&json!({})), Outcome::Unchanged);
        assert_eq!(row.told(), "shop/a: 312 models, nothing changed (revision 3)");
    }

    #[test]
    fn too_soon_is_well_while_the_catalog_is_fresh() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let found = with(&json!({}));
        let exit = |now| Row::new(&found, too_soon(&found, None, at(now))).exit(true);
        assert_eq!(exit(2000), Exit::Ok);
        assert_eq!(exit(9001), Exit::No);
    }

    #[test]
    fn a_named_source_that_cannot_be_asked_is_a_failure_and_a_fresh_one_is_not() {
        let exit = |reason: &str, named| {
            Row::new(&with(&json!({})), Outcome::Skipped(reason.to_owned())).exit(named)
        };
        assert_eq!(exit("suspended; …", true), Exit::No);
        assert_eq!(exit("suspended; …", false), Exit::Ok);
        assert_eq!(exit("fresh, refreshed 41s ago", true), Exit::Ok);
    }
}
