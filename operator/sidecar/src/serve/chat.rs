//! Requests that a model answers: chat completions, messages, embeddings.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use serde::Serialize;
use vox_dialects::{Dialect, shape};
use vox_routing::request::Live as _;
use vox_routing::{Cost, Decision, Refusal};

use super::{Body, Worker, intake, json};
use crate::app::App;
use crate::attempt::{self, Asked};
use crate::call::Call;
use crate::ids::{Moment, millis};
use crate::live::{NoMoney, Recorded, View};
use crate::problem::Problem;
use crate::record::Outcome;
use crate::serving::Served;
use crate::trace::Span;

/// Answers, or says why not.
pub(super) async fn answer(
    worker: &Worker,
    dialect: Dialect,
    endpoint: &'static str,
    request: Request<Incoming>,
) -> Response<Body> {
    let app = &worker.app;
    let Some(in_flight) = app.arrive() else {
        app.metrics.request(Outcome::Refused);
        return Problem::overloaded(app.settings.max_in_flight).response(dialect, None);
    };
    let (now, (head, body)) = (Moment::now(), request.into_parts());
    let span = Span::of_request(&head.headers, now.unix_ms);
    let mut call = Call::new(Arc::clone(app), in_flight, span, endpoint, now);
    let body = match worker.body(&head.headers, body, &mut call.in_flight).await {
        Ok(body) => body,
        Err(problem) => return fail(call, problem, dialect),
    };
    call.begin();
    match decided(worker, call, dialect, &head.headers, &body).await {
        Ok(response) => response,
        Err((call, problem)) => fail(call, problem, dialect),
    }
}

async fn decided(
    worker: &Worker,
    mut call: Call,
    dialect: Dialect,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Response<Body>, (Call, Problem)> {
    let app = &worker.app;
    let seen = match look(app, &mut call, dialect, headers, body) {
        Ok(seen) => seen,
        Err(problem) => return Err((call, problem)),
    };
    let (served, shape, mut request) = seen;
    request.lot = Some(call.lot());
    let now = call.started().unix_ms;
    app.retries.request(now);
    let begun = Instant::now();
    let (decision, live) = decide(&served, &request, now);
    let decided = call.started().later();
    let took = decided.at.saturating_duration_since(begun);
    app.metrics.decided(took);
    call.record.decided_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let left = live.day_budget_left();
    call.decided(&served, request, live, decision.as_ref().ok());
    match decision {
        Err(refusal) => {
            let problem = match unpaid(&served, &refusal, left) {
                Some(no_money) => Problem::unpaid(no_money, &served.policy),
                None => Problem::refused(&refusal),
            };
            Err((call, problem))
        }
        Ok(decision) => {
            let asked = Asked { dialect, headers, body, shape: &shape };
            attempt::run(&worker.pool, call, &served, &asked, &decision, decided).await
        }
    }
}

/// Whether the day's money is what stops it. What is too dear for the request's own limit, or for a whole day, stays so
/// when the operator is back and when the next day begins.
fn unpaid(served: &Served, refusal: &Refusal, left: Option<Cost>) -> Option<NoMoney> {
    let of_the_day = match refusal {
        Refusal::BudgetSpent { .. } => true,
        Refusal::TooDear { limit, cheapest } => left == Some(*limit) && *cheapest <= served.budget.limit(),
        _ => false,
    };
    if !of_the_day {
        return None;
    }
    if served.budget.is_away() {
        return Some(NoMoney::Away);
    }
    served.budget.fell_short();
    Some(NoMoney::Spent)
}

/// Who serves it. Where nobody is left, those that are only busy may be waited for.
fn decide(
    served: &Served,
    request: &vox_routing::Request,
    now: u64,
) -> (Result<Decision, Refusal>, Recorded) {
    let view = View::new(served, now);
    let decision = served.router.decide(request, &view, now);
    if let Err(Refusal::NoCandidate { category, .. }) = &decision {
        let wait_ms = served.router.wait_when_busy_ms(*category);
        if wait_ms > 0 {
            let waiting = View::waiting(served, now, wait_ms);
            let later = served.router.decide(request, &waiting, now);
            if later.is_ok() {
                return (later, waiting.recorded());
            }
        }
    }
    (decision, view.recorded())
}

type Seen<'a> = (Arc<Served>, vox_dialects::RequestShape<'a>, vox_routing::Request);

fn look<'a>(
    app: &App,
    call: &mut Call,
    dialect: Dialect,
    headers: &HeaderMap,
    body: &'a Bytes,
) -> Result<Seen<'a>, Problem> {
    if let Some(interaction) = intake::interaction(headers)? {
        call.of_turn(interaction);
    }
    let shape = shape::scan(dialect, body).map_err(|error| Problem::malformed(error.to_string()))?;
    call.record.stream = shape.stream;
    call.record.json = shape.json;
    call.record.temperature = temperature(shape.temperature);
    match intake::session(&shape, headers) {
        Ok(session) => call.record.session = session,
        Err(problem) => {
            app.metrics.sessions_unregistered.inc();
            if app.settings.strict_sessions {
                return Err(problem);
            }
        }
    }
    if dialect != Dialect::OpenAiEmbeddings && shape.messages_range.is_none() {
        return Err(Problem::malformed("failed to read the request: `messages` is missing".to_owned()));
    }
    let request = intake::request(dialect, &shape, headers, body)?;
    Ok((serving(app)?, shape, request))
}

/// As a number; what is none is for the upstream to refuse.
fn temperature(text: Option<&str>) -> Option<f64> {
    text?.parse().ok().filter(|number: &f64| number.is_finite())
}

/// What serves now.
pub(super) fn serving(app: &App) -> Result<Arc<Served>, Problem> {
    app.serving.load_full().ok_or_else(|| app.problem())
}

fn fail(mut call: Call, problem: Problem, dialect: Dialect) -> Response<Body> {
    let now = Instant::now();
    call.failed(&problem);
    call.first_byte(now);
    let attempts = call.record.attempts.len();
    let policy = call.policy();
    tracing::debug!(
        decision = %call.id(), code = problem.code, status = problem.status, ms = millis(call.started().until(now)),
        "no answer"
    );
    let mut response = problem.response(dialect, Some(call.id()));
    response.headers_mut().insert("x-vox-attempts", HeaderValue::from(attempts));
    if let Some(policy) = policy {
        response.headers_mut().insert("x-vox-policy", policy);
    }
    response
}

#[derive(Serialize)]
struct Counted {
    input_tokens: u64,
}

/// Anthropic's count of tokens, estimated from the bytes as decisions do: no upstream is asked.
pub(super) async fn count_tokens(
    worker: &Worker,
    request: Request<Incoming>,
) -> Result<Response<Body>, Problem> {
    let mut place = worker.enter()?;
    let (head, body) = request.into_parts();
    let body = worker.body(&head.headers, body, &mut place).await?;
    let shape = shape::scan(Dialect::AnthropicMessages, &body)
        .map_err(|error| Problem::malformed(error.to_string()))?;
    Ok(json(StatusCode::OK, &Counted { input_tokens: shape.input_tokens }))
}
