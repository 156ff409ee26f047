//! The API that the command line reads, on loopback only: whoever reaches it came through `pods/portforward`, so that
//! Kubernetes' own RBAC has already decided.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{StatusCode, header};
use jiff::Timestamp;
use vox_contracts::change::{CatalogChanges, ChangesQuery};
use vox_contracts::entry::{CatalogSourceRef, ModelCatalog};

use super::problem::Problem;
use super::{checkup, scoreboard};
use crate::control_plane::Shared;
use crate::names::is_object_name;
use crate::snapshots::Line;

pub(super) fn routes(shared: Shared) -> Router {
    Router::new()
        .route("/v1/health", get(health))
        .route("/v1/catalogs/{namespace}/{name}", get(catalog))
        .route("/v1/changes", get(changes))
        .route("/v1/namespaces/{namespace}/snapshot", get(snapshot))
        .route("/v1/telemetry/test", post(telemetry))
        .with_state(Arc::clone(&shared))
        .merge(checkup::routes(Arc::clone(&shared)))
        .merge(scoreboard::routes(shared))
}

async fn health(State(shared): State<Shared>) -> Json<serde_json::Value> {
    let store = if shared.store.ping().await.is_ok() { "ok" } else { "unavailable" };
    Json(serde_json::json!({
        "store": store,
        "leader": shared.metrics.leading(),
        "version": env!("CARGO_PKG_VERSION"),
        "pending": shared.readiness.pending(),
    }))
}

async fn catalog(
    State(shared): State<Shared>,
    Path(source): Path<CatalogSourceRef>,
) -> Result<Json<ModelCatalog>, Problem> {
    let found = shared.store.catalog(&source).await?;
    found.map(Json).ok_or_else(|| {
        let message = format!("no catalog of {}/{} has been published yet", source.namespace, source.name);
        Problem::new(StatusCode::NOT_FOUND, "NoCatalog", message)
    })
}

/// What changed in catalogs.
async fn changes(
    State(shared): State<Shared>,
    query: Result<Query<ChangesQuery>, QueryRejection>,
) -> Result<Json<CatalogChanges>, Problem> {
    let bad = |message: String| Problem::new(StatusCode::BAD_REQUEST, "BadRequest", message);
    let Query(query) = query.map_err(|error| bad(error.to_string()))?;
    let names = [&query.namespace, &query.source];
    if names.into_iter().flatten().any(|name| !is_object_name(name)) {
        return Err(bad("namespace or source is no name of a Kubernetes object".to_owned()));
    }
    if query.since > Timestamp::now() {
        return Err(bad(format!("since {} lies in the future", query.since)));
    }
    Ok(Json(shared.store.catalog_changes(&query).await?))
}

/// Whether the collector takes anything; nothing where none is named.
async fn telemetry(State(shared): State<Shared>) -> Json<Option<vox_otlp::Report>> {
    let Some(exporter) = &shared.exporter else { return Json(None) };
    Json(Some(vox_otlp::probe(exporter.client(), &shared.settings.pod_name).await))
}

/// What the sidecars of a namespace decide from.
async fn snapshot(State(shared): State<Shared>, Path(namespace): Path<String>) -> Result<Response, Problem> {
    let newest = shared.store.snapshot_after(&namespace, 0).await?;
    let newest = newest.ok_or_else(|| {
        let message = format!("no policy of namespace {namespace} has been programmed yet");
        Problem::new(StatusCode::NOT_FOUND, "NoSnapshot", message)
    })?;
    Ok(([(header::CONTENT_TYPE, "application/json")], Line::of_stored(newest.document).plain())
        .into_response())
}
