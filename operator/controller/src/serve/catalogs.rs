//! The control API for discovery Jobs: plan, upload, report. See [`vox_contracts::discovery`] for the messages.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, FromRequest as _, FromRequestParts, Path, Query, Request, State};
use axum::routing::{post, put};
use axum::{Json, Router};
use http::StatusCode;
use http::request::Parts;
use jiff::Timestamp;
use kube::{Api, ResourceExt as _};
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use vox_contracts::discovery::{CatalogUpload, DiscoveryPlan, FetchOutcome, FetchReport, UploadReceipt};
use vox_contracts::entry::CatalogSourceRef;
use vox_contracts::text::{is_shown, one_line};
use vox_crds::ModelCatalogSource;
use vox_store::catalog::{PublishLimits, RunIdentity, SourceIdentity};

use super::auth::{Authenticator, Shown};
use super::problem::Problem;
use crate::control_plane::Shared;
use crate::model_catalog_source::validate::{ValidatedSource, validate};
use crate::names::{ACCEPT_ANNOTATION, is_object_name, service_account_user};

/// The largest upload: several times ten thousand models.
const LARGEST_UPLOAD: usize = 32 << 20;
/// Uploads that are read and published at the same time; each may take several times its size in memory.
const UPLOADS_AT_ONCE: usize = 2;
/// For a catalog to come, which its run has ready: who is slower must not keep the others out.
const SLOWEST_BODY: Duration = Duration::from_secs(15);
/// The longest reason of a failure that is kept, in characters.
const LONGEST_REASON: usize = 2_000;

#[derive(Clone)]
struct Calls {
    shared: Shared,
    authenticator: Authenticator,
    uploads: Arc<Semaphore>,
}

pub(super) fn routes(shared: Shared, authenticator: Authenticator) -> Router {
    Router::new()
        .route("/v1/catalogs/{namespace}/{name}/plan", post(plan))
        .route("/v1/catalogs/{namespace}/{name}", put(upload))
        .route("/v1/catalogs/{namespace}/{name}/attempts", post(report))
        .layer(DefaultBodyLimit::max(LARGEST_UPLOAD))
        .with_state(Calls { shared, authenticator, uploads: Arc::new(Semaphore::new(UPLOADS_AT_ONCE)) })
}

#[derive(Deserialize)]
struct RunQuery {
    run: String,
}

/// A caller that may speak for a source: the source's own ServiceAccount, and the source exists.
struct Caller {
    object: ModelCatalogSource,
    source: CatalogSourceRef,
    run: String,
}

impl FromRequestParts<Calls> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, calls: &Calls) -> Result<Self, Problem> {
        let bad = |error: &dyn std::fmt::Display| {
            Problem::new(StatusCode::BAD_REQUEST, "BadRequest", error.to_string())
        };
        let Path(source) =
            Path::<CatalogSourceRef>::from_request_parts(parts, calls).await.map_err(|error| bad(&error))?;
        let Query(RunQuery { run }) =
            Query::<RunQuery>::from_request_parts(parts, calls).await.map_err(|error| bad(&error))?;
        for (what, name) in
            [("the namespace", &source.namespace), ("the source", &source.name), ("run", &run)]
        {
            if !is_object_name(name) {
                return Err(bad(&format!("{what} is no name of a Kubernetes object")));
            }
        }
        let user = calls.authenticator.user(&Shown::of(parts)).await.inspect_err(|_| {
            calls.shared.metrics.call_refused("token");
            tracing::warn!(target: "audit", namespace = source.namespace, source = source.name, path = parts.uri.path(), "call refused: no valid token");
        })?;
        let user = &user.name;
        if *user != service_account_user(&source.namespace, &source.name) {
            calls.shared.metrics.call_refused("identity");
            tracing::warn!(target: "audit", user, namespace = source.namespace, source = source.name, path = parts.uri.path(), "call refused: not the source's ServiceAccount");
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "NotTheSource",
                format!("{user} may not speak for source {}/{}", source.namespace, source.name),
            ));
        }
        let api: Api<ModelCatalogSource> = Api::namespaced(calls.shared.client.clone(), &source.namespace);
        let object = api.get_opt(&source.name).await.map_err(|error| {
            tracing::warn!(%error, "failed to read a source");
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "SourceUnavailable",
                "the API server does not answer; try again",
            )
        })?;
        let object =
            object.filter(|object| object.metadata.deletion_timestamp.is_none()).ok_or_else(|| {
                Problem::new(
                    StatusCode::NOT_FOUND,
                    "NoSuchSource",
                    format!("there is no source {}/{}", source.namespace, source.name),
                )
            })?;
        Ok(Self { object, source, run })
    }
}

impl Caller {
    fn validated(&self) -> Result<ValidatedSource, Problem> {
        validate(&self.object)
            .map_err(|problem| Problem::new(StatusCode::CONFLICT, "InvalidSpec", problem.to_string()))
    }

    fn identity(&self, validated: &ValidatedSource) -> SourceIdentity {
        SourceIdentity {
            uid: self.object.uid().unwrap_or_default(),
            source: self.source.clone(),
            provider: validated.target.provider.clone(),
        }
    }

    fn run(&self, plan_digest: &str) -> RunIdentity {
        RunIdentity { run: self.run.clone(), plan_digest: plan_digest.to_owned() }
    }
}

async fn plan(State(calls): State<Calls>, caller: Caller) -> Result<Json<DiscoveryPlan>, Problem> {
    let validated = caller.validated()?;
    let run = caller.run(&validated.plan_digest);
    let store = &calls.shared.store;
    let permission =
        store.begin_attempt(&caller.identity(&validated), &run, &validated.pace, Timestamp::now()).await?;
    Ok(Json(DiscoveryPlan {
        source: caller.source,
        plan_digest: validated.plan_digest,
        permission,
        target: validated.target,
    }))
}

async fn upload(
    State(calls): State<Calls>,
    caller: Caller,
    body: Request,
) -> Result<Json<UploadReceipt>, Problem> {
    // Before the body is read: what waits here waits in the network and not in memory.
    let _turn = calls.uploads.acquire().await;
    let body = timeout(SLOWEST_BODY, Bytes::from_request(body, &calls)).await.map_err(|_| {
        Problem::new(StatusCode::REQUEST_TIMEOUT, "TooSlow", "the catalog did not come in time")
            .retry_after(Duration::from_secs(1))
    })?;
    let mut upload = readable(&body.map_err(|error| unreadable(error.status(), error.body_text()))?)?;
    let validated = caller.validated()?;
    current(&validated, &upload.plan_digest)?;
    check(&upload, &validated)?;
    // Who is suspected is told by what the last list had, and not by who sends this one.
    upload.entries.iter_mut().for_each(|entry| entry.suspect = None);
    upload.entries.sort_unstable_by(|a, b| a.model_id.cmp(&b.model_id));
    let limits = PublishLimits {
        shrink_limit_per_mille: validated.shrink_limit_per_mille,
        missed_fetches_until_removed: validated.missed_fetches_until_removed,
        accepted_digest: caller.object.annotations().get(ACCEPT_ANNOTATION).cloned(),
    };
    let (identity, run) = (caller.identity(&validated), caller.run(&validated.plan_digest));
    let published = calls.shared.store.publish(&identity, &run, &upload, &limits, Timestamp::now()).await;
    let published = published.inspect_err(|error| count_end(&calls.shared, error))?;
    calls.shared.metrics.attempt_ended("Published");
    calls.shared.metrics.models_changed(&caller.source.namespace, &caller.source.name, &published.changes);
    let receipt = published.receipt;
    tracing::info!(
        namespace = caller.source.namespace,
        source = caller.source.name,
        run = caller.run,
        revision = receipt.revision,
        models = receipt.models,
        added = receipt.added,
        removed = receipt.removed,
        repriced = receipt.repriced,
        refused = upload.refused,
        "catalog uploaded"
    );
    Ok(Json(receipt))
}

async fn report(
    State(calls): State<Calls>,
    caller: Caller,
    body: Result<Json<FetchReport>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Json(mut report) = body.map_err(|error| unreadable(error.status(), error.body_text()))?;
    if let FetchOutcome::Failed(failure) = &mut report.outcome {
        failure.message = one_line(&failure.message, LONGEST_REASON);
    }
    let validated = caller.validated()?;
    current(&validated, &report.plan_digest)?;
    let (identity, run) = (caller.identity(&validated), caller.run(&validated.plan_digest));
    let finished =
        calls.shared.store.finish_attempt(&identity, &run, &report.outcome, Timestamp::now()).await;
    finished.inspect_err(|error| count_end(&calls.shared, error))?;
    let outcome = match &report.outcome {
        FetchOutcome::NotModified => "NotModified",
        FetchOutcome::Failed(failure) => failure.class.as_str(),
    };
    calls.shared.metrics.attempt_ended(outcome);
    tracing::info!(
        namespace = caller.source.namespace,
        source = caller.source.name,
        run = caller.run,
        outcome,
        "run ended"
    );
    Ok(StatusCode::NO_CONTENT)
}

/// Counts the end of an attempt that is recorded although its call is refused.
fn count_end(shared: &Shared, error: &vox_store::Error) {
    match error {
        vox_store::Error::Refused { class, .. } => shared.metrics.attempt_ended(class.as_str()),
        vox_store::Error::Outdated { .. } => shared.metrics.attempt_ended("Outdated"),
        _ => {}
    }
}

fn unreadable(status: StatusCode, text: String) -> Problem {
    Problem::new(status, "BadRequest", text)
}

/// Reads an upload. A NUL is JSON, but no text that Postgres takes; no Job of ours sends one.
fn readable(body: &[u8]) -> Result<CatalogUpload, Problem> {
    const NUL: &[u8] = br"\u0000";
    let escaped = |at: usize| body[..at].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1;
    if body.windows(NUL.len()).enumerate().any(|(at, window)| window == NUL && !escaped(at)) {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "BadCatalog", "a catalog holds no NUL characters"));
    }
    serde_json::from_slice(body).map_err(|error| {
        unreadable(StatusCode::UNPROCESSABLE_ENTITY, format!("failed to read the upload: {error}"))
    })
}

/// A run that works on an older plan has nothing to say about the newer one.
fn current(validated: &ValidatedSource, plan_digest: &str) -> Result<(), Problem> {
    if validated.plan_digest == plan_digest {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::CONFLICT,
        "Superseded",
        "the source's spec has changed since this run began; the next run uses the new one",
    ))
}

/// What a Job of ours never sends, and somebody who holds its token might.
fn check(upload: &CatalogUpload, validated: &ValidatedSource) -> Result<(), Problem> {
    let refuse = |message: String| Err(Problem::new(StatusCode::BAD_REQUEST, "BadCatalog", message));
    if upload.entries.is_empty() {
        return refuse("a catalog has at least one model".to_owned());
    }
    if upload.entries.len() > validated.target.max_models as usize {
        return refuse(format!("a catalog has at most {} models", validated.target.max_models));
    }
    let mut seen = HashSet::with_capacity(upload.entries.len());
    for entry in &upload.entries {
        let id = entry.model_id.as_str();
        if id.is_empty() || id.len() > 512 || !id.chars().all(is_shown) {
            return refuse(format!(
                "model id {:?} is empty, too long or has control characters",
                entry.model_id
            ));
        }
        if entry.provider != validated.target.provider {
            return refuse(format!(
                "model {id} is listed under {} and not under {}",
                entry.provider, validated.target.provider
            ));
        }
        if !seen.insert(id) {
            return refuse(format!("model {:?} is listed twice", entry.model_id));
        }
    }
    Ok(())
}
