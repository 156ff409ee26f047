//! The attempts of one request: candidate after candidate, until one answers.

mod conclude;
mod failed;
mod relay;
mod send;
mod stream;
mod time;
mod wait;
mod whole;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use vox_dialects::{Dialect, RequestShape};
use vox_routing::Decision;
use vox_routing::decision::Pick;

use conclude::conclude;
use failed::{Failed, Verdict};
pub use relay::Relay;
use time::Time;
use wait::Wait;

use crate::call::Call;
use crate::ids::{Moment, millis};
use crate::live::{Permits, Reservation};
use crate::problem::Problem;
use crate::record::{Attempt, Name, Outcome};
use crate::serve::Body;
use crate::serving::{self, Place, Served, Target};
use crate::upstream::Pool;

/// What the client asked for.
pub struct Asked<'a> {
    /// The client's dialect.
    pub dialect: Dialect,
    /// The request's headers.
    pub headers: &'a HeaderMap,
    /// The request's body.
    pub body: &'a Bytes,
    /// What was seen in it.
    pub shape: &'a RequestShape<'a>,
}

/// One attempt under way.
struct Try {
    number: usize,
    target: Arc<Served>,
    place: usize,
    started: Moment,
    permit: Permits,
    /// Whether the route waits for those that are busy.
    waits: bool,
    /// Settled when the attempt ends; nothing afterwards.
    reservation: Option<Reservation>,
    worst_case: Option<vox_routing::Cost>,
    record: Attempt,
}

impl Try {
    /// What is called.
    fn target(&self) -> Option<&Target> {
        self.target.targets.get(self.place)
    }

    /// The attempt has ended: its cost, or what is assumed in its place, is spent.
    fn settle(&mut self) {
        if let Some(reservation) = self.reservation.take() {
            reservation.settle(self.record.cost_usd.or(self.record.assumed_usd).unwrap_or_default());
        }
    }
}

/// Tries the candidates of a decision in their order.
///
/// # Errors
/// The client's own mistake, or the last failure when none answered.
pub async fn run(
    pool: &Rc<Pool>,
    mut call: Call,
    served: &Arc<Served>,
    asked: &Asked<'_>,
    decision: &Decision,
    decided: Moment,
) -> Result<Response<Body>, (Call, Problem)> {
    let patience = Duration::from_millis(decision.total_timeout_ms).min(time::clients(asked.headers));
    let deadline = decided.at + patience;
    let mut failures: Vec<(Name, Failed)> = Vec::new();
    let mut unpaid = None;
    let mut unreached = None;
    let mut order = decision.picks.iter();
    let mut wait = Wait::new(decision, deadline);
    loop {
        let rest = order.as_slice();
        let pick = match order.next() {
            Some(pick) => pick,
            // Before somebody is asked again, everybody has been asked.
            None => match Box::pin(wait.next(served)).await {
                Some(pick) => pick,
                None => break,
            },
        };
        let again = rest.is_empty();
        let now = if rest.len() == decision.picks.len() { decided } else { decided.later() };
        if now.at >= deadline {
            break;
        }
        if passed_over(served, rest, unreached.as_ref()) {
            continue;
        }
        // Where what is held suffices, nothing is waited for.
        let reservation = match served.budget.reserve(pick.worst_case.unwrap_or_default(), now.unix_ms).await
        {
            Ok(reservation) => reservation,
            Err(no_money) => {
                unpaid = Some(no_money);
                continue;
            }
        };
        let now = decided.later();
        let Some(mut attempt) = begin(served, pick, &call, reservation, now) else {
            wait.note_if_busy(served, pick);
            continue;
        };
        attempt.waits = wait.is_declared();
        // Counted where one is made: nothing has been sent yet, and what was set aside comes back. Who waits has a bound
        // of its own.
        let counted = !again && !failures.is_empty();
        if counted && !call.app.retries.allow(now.unix_ms) {
            call.app.metrics.retries_withheld.inc();
            break;
        }
        let retry_of = counted.then(|| Arc::clone(&call.app));
        let id = attempt.record.deployment.clone();
        let other = order.clone().any(|pick| served.unavailable(pick.deployment, now.unix_ms).is_none());
        let last = !other || !call.app.retries.any_left(now.unix_ms);
        let time = Time::new(&call.app.settings.timeouts, asked.shape.stream, deadline, last, now.at);
        match one(pool, call, asked, attempt, &time).await {
            Ok(response) => {
                if let Some(app) = retry_of {
                    app.retries.succeeded(decided.later().unix_ms);
                }
                return Ok(response);
            }
            Err((returned, failed)) => {
                call = returned;
                let clients = failed.verdict == Verdict::Clients;
                if failed.is_unreached() {
                    unreached = served.targets.get(pick.deployment).map(|target| Arc::clone(&target.place));
                }
                if failed.is_busy() {
                    wait.note(pick);
                }
                // Of one that was asked again and again, the last word is told.
                failures.retain(|(one, _)| !again || *one != id);
                failures.push((id, failed));
                if clients {
                    break;
                }
            }
        }
    }
    let problem = match unpaid {
        Some(no_money) if failures.is_empty() => Problem::unpaid(no_money, &served.policy),
        _ => conclude(asked.dialect, served, decision, failures, call.record.attempts.len()),
    };
    Err((call, problem))
}

/// Whether the first of these candidates is of the upstream that could not be reached a moment ago, while a later one is
/// of another: a second model there would cost the client a second wait for the same.
fn passed_over(served: &Served, rest: &[Pick], unreached: Option<&Arc<Place>>) -> bool {
    let is_away = |pick: &Pick| {
        let place = served.targets.get(pick.deployment).map(|target| &target.place);
        place.zip(unreached).is_some_and(|(place, unreached)| Arc::ptr_eq(place, unreached))
    };
    rest.first().is_some_and(is_away) && !rest.iter().all(is_away)
}

/// The right to call this candidate, if it still can be called: since the decision others may have failed there.
fn begin(
    served: &Arc<Served>,
    pick: &Pick,
    call: &Call,
    reservation: Reservation,
    now: Moment,
) -> Option<Try> {
    let target = served.targets.get(pick.deployment)?;
    if target.place.unavailable(now.unix_ms).is_some() {
        return None;
    }
    let permit = Permits::begin(&target.breaker, &target.place.breaker, now.unix_ms)?;
    Some(Try {
        number: call.record.attempts.len().saturating_add(1),
        target: Arc::clone(served),
        place: pick.deployment,
        started: now,
        permit,
        waits: false,
        worst_case: pick.worst_case,
        reservation: Some(reservation),
        record: Attempt {
            deployment: target.id.clone(),
            peer: Some(Arc::clone(&target.place.peer)),
            model_key: target.key.clone(),
            context_tokens: target.context_tokens,
            started_ms: millis(call.started().until(now.at)),
            ..Attempt::default()
        },
    })
}

/// An attempt that waits for its upstream. Dropped before that has answered, the client went away, and what the attempt
/// may have cost is written down.
struct Waiting<'a> {
    call: &'a mut Call,
    attempt: &'a mut Try,
    answered: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.answered {
            let attempt = &mut *self.attempt;
            attempt.record.class = "cancelled";
            let now = attempt.started.later();
            attempt.record.duration_ms = millis(attempt.started.until(now.at));
            attempt.record.assumed_usd = attempt.worst_case;
            attempt.settle();
            self.call.attempted(std::mem::take(&mut attempt.record), now.unix_ms);
        }
    }
}

/// One attempt to its answer, or to the first token of its stream.
async fn one(
    pool: &Rc<Pool>,
    mut call: Call,
    asked: &Asked<'_>,
    mut attempt: Try,
    time: &Time,
) -> Result<Response<Body>, (Call, Failed)> {
    let mut waiting = Waiting { call: &mut call, attempt: &mut attempt, answered: false };
    let answered = ask(pool, waiting.call, asked, waiting.attempt, time).await;
    waiting.answered = true;
    drop(waiting);
    let now = attempt.started.later();
    let took = attempt.started.until(now.at);
    call.waited(took);
    match answered {
        Err(failed) => {
            tracing::info!(
                decision = %call.id(), deployment = %attempt.record.deployment, class = failed.class,
                status = failed.status, "an attempt failed"
            );
            attempt.record.class = failed.class;
            attempt.record.status = failed.status;
            attempt.record.duration_ms = millis(took);
            if failed.may_have_cost() && attempt.record.usage.is_none() {
                attempt.record.assumed_usd = attempt.worst_case;
            }
            attempt.settle();
            failed.tell(attempt.permit, attempt.waits, now.unix_ms);
            call.attempted(attempt.record, now.unix_ms);
            Err((call, failed))
        }
        Ok(Answered::Whole(body)) => {
            let mut response = Response::new(Body::whole(body));
            dress(&mut response, &call, &attempt, "application/json");
            attempt.record.class = "ok";
            attempt.record.duration_ms = millis(took);
            attempt.settle();
            attempt.permit.succeeded(now.unix_ms);
            call.attempted(attempt.record, now.unix_ms);
            call.ended(Outcome::Answered, 200);
            call.first_byte(now.at);
            Ok(response)
        }
        Ok(Answered::Stream(held)) => {
            let mut response = Response::new(Body::empty());
            dress(&mut response, &call, &attempt, asked.dialect.stream_media_type());
            // Whoever sends a first token is alive: others need not wait for the end of a probe's stream.
            attempt.permit.began();
            // The request's body is not needed any more.
            call.in_flight.release();
            *response.body_mut() = Body::relay(Relay::new(call, attempt, *held));
            Ok(response)
        }
    }
}

/// Sends the request, and reads as much of the answer as is needed to know that it is one.
async fn ask(
    pool: &Rc<Pool>,
    call: &mut Call,
    asked: &Asked<'_>,
    attempt: &mut Try,
    time: &Time,
) -> Result<Answered, Failed> {
    let served = Arc::clone(&attempt.target);
    let target = served.targets.get(attempt.place).ok_or_else(Failed::no_url)?;
    if let Some(reservation) = &mut attempt.reservation {
        reservation.sent();
    }
    let timeouts = call.app.settings.timeouts;
    let span = call.span.child();
    attempt.record.span = span.span;
    let head = send::send(pool, &timeouts, asked, target, span, time).await?;
    attempt.record.status = head.response.status().as_u16();
    if asked.shape.stream {
        let held = Box::pin(stream::held(call, asked, attempt, head, time)).await?;
        Ok(Answered::Stream(Box::new(held)))
    } else {
        whole::read(call, asked, attempt, head, time).await.map(Answered::Whole)
    }
}

enum Answered {
    Whole(Bytes),
    Stream(Box<stream::Held>),
}

const DECISION: HeaderName = HeaderName::from_static("x-vox-decision");

/// The headers of every good answer.
fn dress(response: &mut Response<Body>, call: &Call, attempt: &Try, content_type: &'static str) {
    let headers = response.headers_mut();
    if let Some(target) = attempt.target() {
        headers.clone_from(&target.headers);
    }
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Ok(id) = HeaderValue::from_str(call.id().hyphenated().encode_lower(&mut [0; 36])) {
        headers.insert(DECISION, id);
    }
    if attempt.number > 1 {
        headers.insert(serving::ATTEMPTS, HeaderValue::from(attempt.number));
    }
}
