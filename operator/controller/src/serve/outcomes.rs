//! What sidecars tell of finished calls: lines of their spools, taken in batches by every replica.

mod places;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use vox_contracts::outcome::{LARGEST_BODY, OutcomesReceipt, Refusal, TOLD};
use vox_otlp::Offered;
use vox_store::Store;
use vox_store::outcome::{Batch, untakable};

use self::places::Places;
use super::auth::{Authenticator, Shown};
use super::problem::Problem;
use crate::control_plane::Shared;
use crate::metrics::Metrics;
use crate::names::is_object_name;

/// When a sidecar may come back while the database is away, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");
/// Bodies that are held at once: 64 MiB.
const BODIES: usize = 16;
/// Of one namespace, so that none of them closes the door to the others, however slowly its bodies come.
const BODIES_OF_ONE: usize = BODIES / 2;
/// Batches that are read and written at once: half of the connections that a replica has unless told otherwise.
const WRITING: usize = 4;
/// For a body to come. A sidecar has it ready.
const SLOWEST_BODY: Duration = Duration::from_secs(10);
/// For its turn to be written.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Clone)]
struct Calls {
    shared: Shared,
    authenticator: Authenticator,
    intake: Intake,
}

/// Bounds on what is taken at once.
#[derive(Debug, Clone)]
pub(crate) struct Intake {
    bodies: Arc<Semaphore>,
    of_one: Places,
    writing: Arc<Semaphore>,
}

/// A body that was read and written.
#[derive(Debug)]
pub(crate) struct Took {
    /// What the sidecar hears.
    pub(crate) receipt: OutcomesReceipt,
    /// The calls that were not there before.
    pub(crate) new: Offered,
}

#[derive(Deserialize)]
struct Sender {
    /// The pod, where its token does not name it.
    sidecar: String,
}

pub(super) fn routes(shared: Shared, authenticator: Authenticator) -> Router {
    Router::new()
        .route("/v1/namespaces/{namespace}/outcomes", post(outcomes))
        .layer(DefaultBodyLimit::disable())
        .with_state(Calls { shared, authenticator, intake: Intake::new() })
}

async fn outcomes(
    State(calls): State<Calls>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<Sender>, QueryRejection>,
    shown: Shown,
    body: Body,
) -> Response {
    let answered = async {
        let bad = |error: String| Problem::new(StatusCode::BAD_REQUEST, "BadRequest", error);
        let Path(namespace) = path.map_err(|error| bad(error.to_string()))?;
        let Query(Sender { sidecar }) = query.map_err(|error| bad(error.to_string()))?;
        if !is_object_name(&namespace) {
            return Err(bad("the namespace is no name of a Kubernetes object".to_owned()));
        }
        let Calls { shared, authenticator, intake } = &calls;
        let user = authenticator.of_namespace(&shared.metrics, &namespace, &shown).await?;
        // A pod cannot speak in another one's name.
        let sidecar = user.pod.clone().unwrap_or(sidecar);
        if sidecar.len() > 253 || !sidecar.chars().all(|letter| letter.is_ascii_graphic()) {
            return Err(bad("the sidecar is no name of a pod".to_owned()));
        }
        let took = intake.take(&shared.store, &shared.metrics, &namespace, &sidecar, body).await?;
        if let Some(exporter) = &shared.exporter {
            exporter.offer(took.new);
        }
        Ok(took.receipt)
    };
    answer(answered.await)
}

/// A receipt, or why there is none and when to come again.
pub(crate) fn answer(taken: Result<OutcomesReceipt, Problem>) -> Response {
    match taken {
        Ok(receipt) => Json(receipt).into_response(),
        Err(problem) => {
            let mut response = problem.into_response();
            if response.status() == StatusCode::SERVICE_UNAVAILABLE {
                response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
            }
            response
        }
    }
}

impl Intake {
    pub(crate) fn new() -> Self {
        Self {
            bodies: Arc::new(Semaphore::new(BODIES)),
            of_one: Places::new(BODIES_OF_ONE),
            writing: Arc::new(Semaphore::new(WRITING)),
        }
    }

    /// Reads and writes one body. When this returns, what the receipt calls stored is durable.
    pub(crate) async fn take(
        &self,
        store: &Store,
        metrics: &Metrics,
        namespace: &str,
        sidecar: &str,
        body: Body,
    ) -> Result<Took, Problem> {
        let busy = || {
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "TooManyBatches", "too many batches come at once")
                .retry_after(Duration::from_secs(1))
        };
        let place = self.of_one.take(namespace).ok_or_else(busy)?;
        let held = (place, Arc::clone(&self.bodies).try_acquire_owned().map_err(|_| busy())?);
        let body = read(body).await?;
        // The semaphore is never closed.
        let turn = timeout(PATIENCE, Arc::clone(&self.writing).acquire_owned()).await;
        let turn = turn.ok().and_then(Result::ok).ok_or_else(busy)?;
        let begun = Instant::now();
        let (of, lines) = (namespace.to_owned(), body.clone());
        // Some thousand lines keep a thread for as long as they keep the database. A caller that goes away does not stop
        // it, so the places stay taken until it has ended.
        let read = tokio::task::spawn_blocking(move || (Batch::read(&of, &lines), held, turn)).await;
        let (mut batch, _held, _turn) =
            read.map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal", "failed"))?;
        let stored = store.store_outcomes(namespace, sidecar, &batch).await?;
        if !stored.untakable.is_empty() {
            batch.refused.extend(untakable(namespace, &body, &stored.untakable));
        }
        metrics.outcomes(&stored, batch.refused.iter().map(|(_, refused)| refused.reason()), begun);
        let told = batch.refused.iter().take(TOLD);
        let refusals: Vec<Refusal> =
            told.map(|(line, why)| Refusal { line: *line, message: why.to_string() }).collect();
        for Refusal { line, message } in &refusals {
            tracing::warn!(namespace, sidecar, line, message, "an outcome is not taken");
        }
        let lines = stored.places(&batch);
        Ok(Took {
            receipt: OutcomesReceipt {
                stored: stored.stored,
                repeated: stored.repeated,
                refused: u64::try_from(batch.refused.len()).unwrap_or(u64::MAX),
                refusals,
            },
            new: Offered { namespace: namespace.to_owned(), sidecar: sidecar.to_owned(), body, lines },
        })
    }
}

async fn read(body: Body) -> Result<Bytes, Problem> {
    let late = |_| {
        Problem::new(StatusCode::REQUEST_TIMEOUT, "TooSlow", "the body did not come in time")
            .retry_after(Duration::from_secs(1))
    };
    let read = timeout(SLOWEST_BODY, to_bytes(body, LARGEST_BODY)).await.map_err(late)?;
    read.map_err(|_| {
        let message = format!("the body is longer than {LARGEST_BODY} bytes, or did not come to its end");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "BadRequest", message)
    })
}

#[cfg(test)]
mod tests;
