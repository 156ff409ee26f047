use vox_crds::ModelCatalogSource;
use vox_store::catalog::AttemptState;

use super::super::changes::{Change, changes};
use super::*;
use crate::model_catalog_source::validate::validate;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn source() -> ValidatedSource {
    let spec = serde_json::json!({ "provider": { "openRouter": {} }, "freshness": { "maxAge": "2h" }, "jitter": "0s", "schedule": "0 * * * *" });
    validate(&ModelCatalogSource::new("s", serde_json::from_value(spec).unwrap())).unwrap()
}

fn published() -> SourceState {
    SourceState {
        catalog: Some(CatalogState {
            revision: 1,
            digest: "sha256:0".to_owned(),
            models: 312,
            added: 312,
            removed: 0,
            repriced: 0,
            suspect: 0,
            refused: 0,
            refusals: String::new(),
            published_at: at(1000),
            plan_digest: None,
        }),
        refreshed_at: Some(at(1000)),
        finished: Some(attempt("Published", "", 0)),
        last: None,
    }
}

fn attempt(outcome: &str, message: &str, failures: i64) -> AttemptState {
    AttemptState {
        run: "r".to_owned(),
        plan_digest: "p".to_owned(),
        finished_at: at(1000),
        outcome: outcome.to_owned(),
        message: message.to_owned(),
        failures,
    }
}

/// What is seen of generation 1 at a second, where nothing is under way.
fn seen<'a>(
    previous: &'a ModelCatalogSourceStatus,
    verdict: Result<&'a ValidatedSource, &'a Problem>,
    state: Option<&'a SourceState>,
    second: i64,
) -> Observation<'a> {
    Observation {
        name: "s".to_owned(),
        namespace: "shop".to_owned(),
        waits: false,
        generation: Some(1),
        previous,
        verdict,
        state,
        running: false,
        handled: None,
        refusal: None,
        overlaid: Some(&[]),
        now: at(second),
    }
}

fn status(
    previous: &ModelCatalogSourceStatus,
    state: Option<&SourceState>,
    now: i64,
) -> ModelCatalogSourceStatus {
    describe(&seen(previous, Ok(&source()), state, now))
}

fn said(status: &ModelCatalogSourceStatus, kind: &str) -> (String, String) {
    condition(status, kind).map(|found| (found.status.clone(), found.reason.clone())).unwrap()
}

#[test]
fn a_published_catalog_is_ready_and_fresh_until_its_limit() {
    let fresh = status(&Default::default(), Some(&published()), 1001);
    assert_eq!(said(&fresh, "Ready"), ("True".to_owned(), "Published".to_owned()));
    assert_eq!(said(&fresh, "Fresh"), ("True".to_owned(), "Refreshed".to_owned()));
    let stale = status(&fresh, Some(&published()), 1000 + 7200);
    assert_eq!(said(&stale, "Fresh"), ("False".to_owned(), "Stale".to_owned()));
    assert_eq!(changes(&fresh, &stale, &[]).len(), 1);
    assert!(changes(&fresh, &stale, &[])[0].warning);
}

#[test]
fn rows_that_were_not_taken_are_told_by_ready_and_once_by_an_event() {
    let good = status(&Default::default(), Some(&published()), 1001);
    let mut with = published();
    if let Some(catalog) = &mut with.catalog {
        (catalog.refused, catalog.refusals) = (4, "a: no id and 3 more".to_owned());
    }
    let told = status(&good, Some(&with), 1100);
    let ready = condition(&told, "Ready").unwrap();
    assert_eq!(
        ready.message,
        "revision 1 with 312 models; 4 rows of the list were not taken (a: no id and 3 more)"
    );
    assert_eq!(told.catalog.as_ref().unwrap().refused, 4);
    assert_eq!(
        changes(&good, &told, &[]),
        [Change { warning: true, reason: "RowsRefused".to_owned(), note: ready.message.clone() }]
    );
    assert_eq!(changes(&told, &status(&told, Some(&with), 1200), &[]), []);
    assert_eq!(changes(&told, &status(&told, Some(&published()), 1200), &[]), []);
}

#[test]
fn a_failed_fetch_keeps_the_last_good_catalog_and_says_why() {
    let good = status(&Default::default(), Some(&published()), 1001);
    let failed =
        SourceState { finished: Some(attempt("ProviderError", "it answered 500", 1)), ..published() };
    let bad = status(&good, Some(&failed), 1100);
    assert_eq!(said(&bad, "Ready"), ("False".to_owned(), "ProviderError".to_owned()));
    assert_eq!(bad.catalog, good.catalog);
    assert_eq!(said(&bad, "Fresh").0, "True");
    let back = status(&bad, Some(&published()), 1200);
    assert_eq!(
        changes(&bad, &back, &[]),
        vec![Change {
            warning: false,
            reason: "Published".to_owned(),
            note: "revision 1 with 312 models".to_owned()
        }]
    );
}

#[test]
fn the_same_observation_gives_the_same_status_also_after_it_was_stored_and_no_event() {
    let odd =
        SourceState { refreshed_at: Some(Timestamp::from_millisecond(1_000_623).unwrap()), ..published() };
    let once = status(&Default::default(), Some(&odd), 1001);
    let stored: ModelCatalogSourceStatus =
        serde_json::from_str(&serde_json::to_string(&once).unwrap()).unwrap();
    let later = status(&stored, Some(&odd), 1060);
    assert_eq!(once, later);
    assert_eq!(stored, later);
    assert_eq!(changes(&once, &later, &[]), vec![]);
}

#[test]
fn while_the_database_is_away_the_catalog_stays_and_still_ages() {
    let good = status(&Default::default(), Some(&published()), 1001);
    let away = status(&good, None, 1000 + 7200);
    assert_eq!(said(&away, "Ready").1, "StoreUnavailable");
    assert_eq!(said(&away, "Fresh").1, "Stale");
    assert_eq!(away.catalog, good.catalog);
}

#[test]
fn a_new_source_is_unknown_and_not_yet_fresh_without_any_alarm() {
    let new = status(&Default::default(), Some(&SourceState::default()), 10);
    assert_eq!(said(&new, "Ready").0, "Unknown");
    assert_eq!(said(&new, "Fresh").1, "NeverFetched");
    assert_eq!(changes(&Default::default(), &new, &[]), vec![]);
}

#[test]
fn an_invalid_spec_stalls_the_source_and_is_told_once() {
    let (before, nothing) = Default::default();
    let status = describe(&seen(&before, Err(&Problem::Provider), Some(&nothing), 10));
    assert_eq!(said(&status, "Stalled").1, "InvalidSpec");
    assert_eq!(changes(&Default::default(), &status, &[]).len(), 1);
}

#[test]
fn while_nobody_knows_whose_prices_they_are_what_was_said_of_them_stays() {
    let outdated = json_condition("PricesOutdated");
    let before = ModelCatalogSourceStatus { conditions: vec![outdated.clone()], ..Default::default() };
    let of = |overlaid| {
        let status = describe(&Observation { overlaid, ..seen(&before, Ok(&source()), None, 10) });
        condition(&status, "PricesOutdated").cloned()
    };
    assert_eq!(of(None), Some(outdated));
    assert_eq!(of(Some(&[])), None);
}

fn json_condition(kind: &str) -> Condition {
    serde_json::from_value(serde_json::json!({
        "type": kind, "status": "True", "reason": kind, "message": "old",
        "lastTransitionTime": "1970-01-01T00:00:00Z",
    }))
    .unwrap()
}

#[test]
fn a_source_without_a_place_says_that_it_waits() {
    let (before, nothing) = Default::default();
    let status = describe(&Observation { waits: true, ..seen(&before, Ok(&source()), Some(&nothing), 10) });
    for kind in ["Ready", "Reconciling"] {
        assert!(condition(&status, kind).unwrap().message.contains("waits for a place"), "{kind}");
    }
}

#[test]
fn a_failed_source_says_when_it_is_tried_again_and_goes_on_saying_so() {
    let mut failed =
        SourceState { finished: Some(attempt("ProviderError", "it answered 500", 1)), ..published() };
    let before = status(&Default::default(), Some(&failed), 1100);
    let message = |status: &ModelCatalogSourceStatus| condition(status, "Ready").unwrap().message.clone();
    assert!(message(&before).contains("; next try at 1970-01-01 01:00 UTC; `kubectl annotate mcat s "));
    assert_eq!(status(&before, Some(&failed), 1160), before);
    failed.finished = Some(attempt("Published", "", 0));
    assert!(!message(&status(&before, Some(&failed), 1200)).contains("next try"));
}
