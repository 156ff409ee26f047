//! What people and programs think of an answer, joined to its decision.

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Body, Worker, json};
use crate::ids::{now_ms, uuid};
use crate::problem::Problem;
use crate::spool::Kind;
use crate::trace::is_turn;

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Feedback {
    /// The decision's id, from `x-vox-decision`.
    decision: Uuid,
    /// What a person pressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    thumb: Option<Thumb>,
    /// -1 (useless) to 1 (perfect).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    score: Option<f64>,
    /// The model declined to answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    abstain: Option<bool>,
    /// How sure the model was, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    confidence: Option<f64>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
enum Thumb {
    Up,
    Down,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    kind: &'static str,
    /// Its own, a `UUIDv7`: what comes twice counts once.
    id: Uuid,
    received_unix_ms: u64,
    #[serde(flatten)]
    feedback: &'a Feedback,
}

#[derive(Serialize)]
struct Accepted {
    accepted: bool,
}

/// `POST /vox/v1/feedback`.
pub(super) async fn answer(worker: &Worker, request: Request<Incoming>) -> Result<Response<Body>, Problem> {
    let mut place = worker.enter()?;
    let (head, body) = request.into_parts();
    let body = worker.body(&head.headers, body, &mut place).await?;
    let feedback: Feedback = serde_json::from_slice(&body)
        .map_err(|error| Problem::malformed(format!("failed to read the feedback: {error}")))?;
    check(&feedback).map_err(|why| Problem::malformed(format!("failed to read the feedback: {why}")))?;
    let now = now_ms();
    let line = Line { kind: "feedback", id: uuid(now), received_unix_ms: now, feedback: &feedback };
    // None of its fields can fail to be written.
    worker.app.records.put(Kind::Feedback, &serde_json::to_vec(&line).unwrap_or_default());
    Ok(json(StatusCode::ACCEPTED, &Accepted { accepted: true }))
}

fn check(feedback: &Feedback) -> Result<(), &'static str> {
    let within = |value: Option<f64>, least: f64| value.is_none_or(|value| (least..=1.0).contains(&value));
    if !is_turn(feedback.decision) {
        Err("`decision` is no id that an answer carried in x-vox-decision")
    } else if !within(feedback.score, -1.0) {
        Err("`score` is not between -1 and 1")
    } else if !within(feedback.confidence, 0.0) {
        Err("`confidence` is not between 0 and 1")
    } else if feedback.thumb.is_none() && feedback.score.is_none() && feedback.abstain.is_none() {
        Err("it says nothing: give `thumb`, `score` or `abstain`")
    } else {
        Ok(())
    }
}
