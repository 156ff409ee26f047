//! Admission: a labelled pod gets its sidecar, and a provider's key in clear is refused. `inject` with what it is made of,
//! and `clear_keys`, are pure; `handlers` speaks to the API server; `bundle` keeps the API server's trust.

pub(crate) mod bundle;
mod clear_keys;
mod environment;
mod handlers;
mod inject;
mod policies;
mod review;
mod sidecar;

use std::sync::Arc;

use axum::Router;
use tokio_util::sync::CancellationToken;

use crate::control_plane::Shared;
use inject::Injection;
use policies::Policies;

/// What the API server calls. Every replica answers, from policies that it watches until told to end.
pub(crate) fn routes(shared: &Shared, end: CancellationToken) -> Router {
    let policies = Arc::new(Policies::default());
    let (watched, client) = (Arc::clone(&policies), shared.client.clone());
    tokio::spawn(async move { end.run_until_cancelled(watched.watch(client)).await });
    handlers::routes(injection(shared), policies)
}

fn injection(shared: &Shared) -> Option<Injection> {
    let settings = &shared.settings;
    Some(Injection {
        image: settings.injection.sidecar_image.clone()?,
        image_pull_policy: settings.injection.sidecar_image_pull_policy.clone(),
        image_pull_secrets: settings.image_pull_secrets.clone(),
        operator_url: shared.url(),
        resources: settings.injection.sidecar_resources.clone(),
        strict_sessions: settings.injection.sidecar_strict_sessions,
    })
}
