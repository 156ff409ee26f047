//! Leases of a day's budget: what a sidecar may spend without asking again.

use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::{HeaderValue, StatusCode, header};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use vox_contracts::budget::{LeaseAnswer, LeaseRequest, codes};
use vox_crds::RoutingPolicySpec;
use vox_store::Store;
use vox_store::budget::Leased;

use super::auth::{Authenticator, Shown};
use super::problem::Problem;
use crate::control_plane::Shared;
use crate::names::is_object_name;

/// Clocks of nodes may differ by so much around midnight.
const SKEW: SignedDuration = SignedDuration::from_mins(5);
/// When a sidecar may come back while the database is away, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");
/// A lease request has a few hundred bytes.
const LARGEST: usize = 16 << 10;

#[derive(Clone)]
struct Calls {
    shared: Shared,
    authenticator: Authenticator,
}

pub(super) fn routes(shared: Shared, authenticator: Authenticator) -> Router {
    Router::new()
        .route("/v1/namespaces/{namespace}/policies/{policy}/leases", post(lease))
        .layer(DefaultBodyLimit::max(LARGEST))
        .with_state(Calls { shared, authenticator })
}

async fn lease(
    State(calls): State<Calls>,
    path: Result<Path<(String, String)>, PathRejection>,
    shown: Shown,
    body: Result<Json<LeaseRequest>, JsonRejection>,
) -> Response {
    let answered = async {
        let bad = |error: String| Problem::new(StatusCode::BAD_REQUEST, "BadRequest", error);
        let Path((namespace, policy)) = path.map_err(|error| bad(error.to_string()))?;
        for (what, name) in [("the namespace", &namespace), ("the policy", &policy)] {
            if !is_object_name(name) {
                return Err(bad(format!("{what} is no name of a Kubernetes object")));
            }
        }
        calls.authenticator.of_namespace(&calls.shared.metrics, &namespace, &shown).await?;
        let Json(request) =
            body.map_err(|error| Problem::new(error.status(), "BadRequest", error.body_text()))?;
        check(&request)?;
        answer(&calls.shared.store, &namespace, &policy, &request, Timestamp::now()).await
    };
    match answered.await {
        Ok(answer) => Json(answer).into_response(),
        Err(problem) => {
            let mut response = problem.into_response();
            if response.status() == StatusCode::SERVICE_UNAVAILABLE {
                response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
            }
            response
        }
    }
}

/// What no sidecar of ours sends: the holder is written into a table and shown to people.
fn check(request: &LeaseRequest) -> Result<(), Problem> {
    if request.holder.len() <= 253 && request.holder.chars().all(|letter| letter.is_ascii_graphic()) {
        return Ok(());
    }
    Err(Problem::new(StatusCode::BAD_REQUEST, "BadRequest", "the holder is no name of a pod"))
}

/// Takes the report down, and grants of the budget that the policy as it serves has today.
async fn answer(
    store: &Store,
    namespace: &str,
    policy: &str,
    request: &LeaseRequest,
    now: Timestamp,
) -> Result<LeaseAnswer, Problem> {
    if request.day > latest(now) {
        let message =
            format!("{} has not begun by the operator's clock: nothing of it can be spent", request.day);
        return Err(Problem::new(StatusCode::CONFLICT, codes::WRONG_DAY, message));
    }
    let limit = limit(store, namespace, policy).await?;
    // What was under way at midnight is reported afterwards; whoever only reports may do so for any day before.
    let asks = !request.settled && request.need_pico_usd.max(request.want_pico_usd) > 0;
    let today = is_today(request.day, now);
    if asks && !today {
        let message =
            format!("{} is not today: a lease is of one day (UTC), by the operator's clock", request.day);
        return Err(Problem::new(StatusCode::CONFLICT, codes::WRONG_DAY, message));
    }
    // A lease outlives the budget that it was granted of: what was spent of it is booked. Only grants need a budget.
    if limit.is_none() && (asks || !store.is_leased(namespace, policy, request).await?) {
        let message = format!("no policy {namespace}/{policy} with spec.budget.perDayUsd serves");
        return Err(Problem::new(StatusCode::NOT_FOUND, codes::NO_BUDGET, message));
    }
    let granting = limit.filter(|_| today);
    match store.lease(namespace, policy, request, granting, now).await? {
        Leased::Closed => Err(Problem::new(
            StatusCode::CONFLICT,
            codes::LEASE_CLOSED,
            "the lease is settled, or another policy's or day's: ask under a new id",
        )),
        Leased::Held(answer) => {
            let unspent = answer.granted_pico_usd.saturating_sub(request.spent_pico_usd);
            if asks && answer.remaining_pico_usd == 0 && unspent < request.need_pico_usd.max(1) {
                return Err(Problem::new(
                    StatusCode::CONFLICT,
                    codes::BUDGET_SPENT,
                    format!("the day's budget of policy {namespace}/{policy} is spent, or granted to others"),
                ));
            }
            Ok(answer)
        }
    }
}

/// The day's budget of the generation that serves, in pico-USD; nothing where it has none. Where two objects had the name,
/// the smaller one counts.
async fn limit(store: &Store, namespace: &str, policy: &str) -> Result<Option<u64>, Problem> {
    let programmed = store.programmed(namespace).await?;
    let named = programmed.iter().filter(|programmed| programmed.name == policy);
    let limits = named.filter_map(|programmed| {
        let spec: RoutingPolicySpec = serde_json::from_value(programmed.spec.clone()).ok()?;
        spec.to_policy(policy, programmed.generation).ok()?.budget.per_day
    });
    Ok(limits.min().map(vox_routing::Cost::pico_usd))
}

/// The last day that has begun, here or on a node whose clock is ahead a little.
fn latest(now: Timestamp) -> Date {
    now.checked_add(SKEW).unwrap_or(now).to_zoned(TimeZone::UTC).date()
}

/// Whether this is the day, here or on a node whose clock differs a little.
fn is_today(day: Date, now: Timestamp) -> bool {
    let of = |time: Timestamp| time.to_zoned(TimeZone::UTC).date();
    [now.checked_sub(SKEW), now.checked_add(SKEW)].into_iter().flatten().any(|time| of(time) == day)
}

#[cfg(test)]
mod tests;
