//! Why a request went where it went: the decision is made again, from the same snapshot and the same live state.

use http::{Response, StatusCode};
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{Body, json};
use crate::app::App;
use crate::line::Line;
use crate::problem::Problem;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    decision: Uuid,
    decided_unix_ms: u64,
    /// Absent while the request is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<&'a RawValue>,
    /// Absent when the snapshot is no longer held.
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<Box<RawValue>>,
}

/// `GET /vox/v1/explain/{decision}`.
pub(super) fn answer(app: &App, id: &str) -> Result<Response<Body>, Problem> {
    let id = Uuid::try_parse(id).map_err(|_| Problem::malformed("a decision's id is a UUID".to_owned()))?;
    let remembered = app.remembered(id).ok_or_else(Problem::unknown_decision)?;
    let explanation = remembered
        .served
        .upgrade()
        .map(|served| raw(&served.router.explain(&remembered.request, &remembered.live, remembered.at_ms)));
    let line =
        remembered.record.get().map(|record| Line { record, request: Some(&remembered.request) }.json());
    let answer = Answer {
        decision: id,
        decided_unix_ms: remembered.at_ms,
        record: line.as_deref().and_then(|line| serde_json::from_slice(line).ok()),
        explanation,
    };
    Ok(json(StatusCode::OK, &answer))
}

/// As JSON, once and for all: explanations borrow from the router.
pub(super) fn raw<T: Serialize>(explanation: &T) -> Box<RawValue> {
    serde_json::value::to_raw_value(explanation).unwrap_or_default()
}
