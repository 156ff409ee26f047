//! A dry run: what would be decided for this request, and why. No upstream is called and nothing is spent.

use std::sync::Arc;

use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;
use vox_dialects::{Dialect, shape};
use vox_routing::Cost;

use super::chat::serving;
use super::{Body, Worker, intake, json};
use crate::call::Call;
use crate::ids::Moment;
use crate::live::View;
use crate::problem::Problem;
use crate::record::Outcome;
use crate::serving::Served;
use crate::trace::Span;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    decision: Uuid,
    policy: &'a str,
    snapshot: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    decided: Option<Decided<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<Refused>,
    explanation: Box<RawValue>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Decided<'a> {
    category: &'static str,
    complexity: u8,
    picks: Vec<Picked<'a>>,
    total_timeout_ms: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Picked<'a> {
    deployment: &'a str,
    score: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    worst_case_usd: Option<Cost>,
}

#[derive(Serialize)]
struct Refused {
    code: &'static str,
    message: String,
}

/// `POST /vox/v1/decide`, with the body and headers of a chat completion.
pub(super) async fn answer(worker: &Worker, request: Request<Incoming>) -> Result<Response<Body>, Problem> {
    let app = &worker.app;
    let mut in_flight = worker.enter()?;
    let (head, body) = request.into_parts();
    let body = worker.body(&head.headers, body, &mut in_flight).await?;
    let moment = Moment::now();
    let span = Span::of_request(&head.headers, moment.unix_ms);
    let mut call = Call::new(Arc::clone(app), in_flight, span, "decide", moment);
    call.ended(Outcome::Dry, 200);
    let shape =
        shape::scan(Dialect::OpenAiChat, &body).map_err(|error| Problem::malformed(error.to_string()))?;
    let mut request = intake::request(Dialect::OpenAiChat, &shape, &head.headers, &body)?;
    request.lot = Some(call.lot());
    let served = serving(app)?;
    let now = moment.unix_ms;
    let view = View::new(&served, now);
    let decision = served.router.decide(&request, &view, now);
    let explanation = served.router.explain(&request, &view, now);
    let live = view.recorded();
    call.decided(&served, request, live, decision.as_ref().ok());
    let answer = Answer {
        decision: call.id(),
        policy: served.label.to_str().unwrap_or_default(),
        snapshot: served.version,
        decided: decision.as_ref().ok().map(|decision| decided(&served, decision)),
        refused: decision
            .as_ref()
            .err()
            .map(|refusal| Refused { code: refusal.code(), message: refusal.to_string() }),
        explanation: super::explain::raw(&explanation),
    };
    let mut response = json(StatusCode::OK, &answer);
    if let Ok(id) = HeaderValue::try_from(call.id().to_string()) {
        response.headers_mut().insert("x-vox-decision", id);
    }
    Ok(response)
}

fn decided<'a>(served: &'a Served, decision: &vox_routing::Decision) -> Decided<'a> {
    let picks = decision.picks.iter().filter_map(|pick| {
        let target = served.targets.get(pick.deployment)?;
        Some(Picked { deployment: &target.id, score: pick.score, worst_case_usd: pick.worst_case })
    });
    Decided {
        category: decision.category.as_str(),
        complexity: decision.complexity,
        picks: picks.collect(),
        total_timeout_ms: decision.total_timeout_ms,
    }
}
