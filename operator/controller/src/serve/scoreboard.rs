//! The admin API's part on what happened: the scoreboard, prices, turns, and a roll-up now.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use jiff::Timestamp;
use tokio::sync::Mutex;
use uuid::Uuid;
use vox_contracts::scoreboard::{ObservedPrice, Scoreboard, ScoreboardQuery, Trace};
use vox_contracts::traffic::{MOST_HOURS, Traffic, TrafficQuery};
use vox_store::scoreboard::{Pass, Rules};

use super::problem::Problem;
use crate::control_plane::Shared;
use crate::{names::is_object_name, scoreboard};

/// How long a caller waits for a roll-up at most; less than the command line does.
const WAIT: Duration = Duration::from_secs(25);
/// A year, and a leap day.
const LONGEST_DAYS: u32 = 366;

#[derive(Clone)]
struct Calls {
    shared: Shared,
    /// Held while a roll-up that somebody asked for is under way: each would hold a connection to the database.
    asked: Arc<Mutex<()>>,
}

pub(super) fn routes(shared: Shared) -> Router {
    Router::new()
        .route("/v1/scoreboard", get(board))
        .route("/v1/scoreboard/roll-up", post(roll_up))
        .route("/v1/prices", get(prices))
        .route("/v1/namespaces/{namespace}/traffic", get(traffic))
        .route("/v1/traces/{id}", get(trace))
        .with_state(Calls { shared, asked: Arc::default() })
}

fn bad(message: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "BadRequest", message)
}

async fn board(
    State(calls): State<Calls>,
    query: Result<Query<ScoreboardQuery>, QueryRejection>,
) -> Result<Json<Scoreboard>, Problem> {
    let Query(query) = query.map_err(|error| bad(error.to_string()))?;
    if !(1..=LONGEST_DAYS).contains(&query.window_days) {
        return Err(bad(format!("a window has 1 to {LONGEST_DAYS} days")));
    }
    if query.namespace.as_deref().is_some_and(|name| !is_object_name(name)) {
        return Err(bad("the namespace is no name of a Kubernetes object".to_owned()));
    }
    Ok(Json(calls.shared.store.scoreboard(&query, &Rules::default(), Timestamp::now()).await?))
}

async fn prices(State(calls): State<Calls>) -> Result<Json<Vec<ObservedPrice>>, Problem> {
    Ok(Json(calls.shared.store.observed_prices().await?))
}

/// The calls that a policy of a namespace decided.
async fn traffic(
    State(calls): State<Calls>,
    Path(namespace): Path<String>,
    query: Result<Query<TrafficQuery>, QueryRejection>,
) -> Result<Json<Traffic>, Problem> {
    let Query(query) = query.map_err(|error| bad(error.to_string()))?;
    if !(1..=MOST_HOURS).contains(&query.hours) {
        return Err(bad(format!("1 to {MOST_HOURS} hours can be looked at")));
    }
    if !is_object_name(&namespace) || !is_object_name(&query.policy) {
        return Err(bad("namespace or policy is no name of a Kubernetes object".to_owned()));
    }
    Ok(Json(calls.shared.store.traffic(&namespace, &query, Timestamp::now()).await?))
}

async fn trace(
    State(calls): State<Calls>,
    path: Result<Path<Uuid>, PathRejection>,
) -> Result<Json<Trace>, Problem> {
    let Path(id) = path.map_err(|error| bad(error.to_string()))?;
    calls.shared.store.trace(id).await?.map(Json).ok_or_else(|| {
        let message = format!("no call {id} and no turn of that id is known");
        Problem::new(StatusCode::NOT_FOUND, "NoCall", message)
    })
}

/// Rolls everything up. Answers 202 when it takes longer than the caller may wait; it goes on all the same.
async fn roll_up(State(calls): State<Calls>) -> Result<Response, Problem> {
    let Ok(asked) = Arc::clone(&calls.asked).try_lock_owned() else {
        let message = "a roll-up that somebody asked for is under way";
        return Err(Problem::new(StatusCode::CONFLICT, "UnderWay", message));
    };
    let pass = tokio::spawn(async move {
        let done = scoreboard::pass(&calls.shared, Pass::Full).await;
        drop(asked);
        done
    });
    match tokio::time::timeout(WAIT, pass).await {
        Ok(Ok(done)) => Ok(Json(done?).into_response()),
        Ok(Err(_)) => {
            Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal", "the roll-up broke off"))
        }
        Err(_) => Ok((StatusCode::ACCEPTED, Json(serde_json::json!({ "underWay": true }))).into_response()),
    }
}

#[cfg(test)]
mod tests {
    use axum::extract::Query;
    use vox_contracts::scoreboard::{GroupBy, ScoreboardQuery};
    use vox_contracts::traffic::TrafficQuery;

    #[test]
    fn a_query_is_read_as_the_command_line_writes_it() {
        let uri = "/v1/scoreboard?windowDays=7&namespace=shop&groupBy=provider".parse().unwrap();
        let Query(query) = Query::<ScoreboardQuery>::try_from_uri(&uri).unwrap();
        let expected = ScoreboardQuery {
            window_days: 7,
            namespace: Some("shop".to_owned()),
            group_by: Some(GroupBy::Provider),
        };
        assert_eq!(query, expected);
    }

    #[test]
    fn a_policys_traffic_is_asked_for_as_the_command_line_writes_it() {
        let uri = "/v1/namespaces/shop/traffic?policy=shop&hours=168".parse().unwrap();
        let Query(query) = Query::<TrafficQuery>::try_from_uri(&uri).unwrap();
        assert_eq!(query, TrafficQuery { policy: "shop".to_owned(), hours: 168 });
    }
}
