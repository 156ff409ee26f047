//! What the operator serves: the control API over TLS, probes and metrics in clear, and the admin API on loopback.

mod admin;
mod auth;
mod catalogs;
mod checkup;
mod health;
mod leases;
mod outcomes;
mod problem;
mod reviews;
mod scoreboard;
mod snapshots;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use tokio_util::sync::CancellationToken;
use tower_http::timeout::TimeoutLayer;

use crate::control_plane::Shared;

/// Bound on one call of the control API; a publication of ten thousand models takes a second.
const CALL: Duration = Duration::from_secs(60);
/// Bound on one question of the API server, which waits as long.
const QUESTION: Duration = Duration::from_secs(5);
/// How long calls in flight may go on after the process is told to end.
const DRAIN: Duration = Duration::from_secs(10);

/// Serves the control API until told to end.
pub(crate) async fn control(shared: Shared, tls: RustlsConfig, end: CancellationToken) -> anyhow::Result<()> {
    let listen = shared.settings.listen;
    let authenticator = auth::Authenticator::new(shared.client.clone());
    let routes = catalogs::routes(Arc::clone(&shared), authenticator.clone());
    let routes = routes.merge(leases::routes(Arc::clone(&shared), authenticator.clone()));
    let routes = routes.merge(outcomes::routes(Arc::clone(&shared), authenticator.clone()));
    let app = bounded(routes.merge(snapshots::routes(shared, authenticator, end.clone())));
    secured(listen, tls, app, end)
        .await
        .with_context(|| format!("failed to serve the control API on {listen}"))
}

/// Serves the API server's questions about pods until told to end: on a port of its own, because no NetworkPolicy can name
/// the API server, and the control API's is not for everybody.
pub(crate) async fn admission(
    shared: Shared,
    tls: RustlsConfig,
    end: CancellationToken,
) -> anyhow::Result<()> {
    let listen = shared.settings.injection.listen_admission;
    let app = crate::admission::routes(&shared, end.clone())
        .layer(TimeoutLayer::with_status_code(http::StatusCode::SERVICE_UNAVAILABLE, QUESTION));
    secured(listen, tls, app, end).await.with_context(|| format!("failed to serve admission on {listen}"))
}

async fn secured(
    listen: SocketAddr,
    tls: RustlsConfig,
    app: Router,
    end: CancellationToken,
) -> std::io::Result<()> {
    let handle = Handle::new();
    drain(handle.clone(), end);
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    axum_server::bind_rustls(listen, tls).handle(handle).serve(app).await
}

/// Serves probes and metrics until told to end.
pub(crate) async fn health(shared: Shared, end: CancellationToken) -> anyhow::Result<()> {
    let listen = shared.settings.listen_health;
    plain(listen, bounded(health::routes(shared)), end).await
}

/// Serves the admin API until told to end.
pub(crate) async fn admin(shared: Shared, end: CancellationToken) -> anyhow::Result<()> {
    let listen = shared.settings.listen_admin;
    plain(listen, bounded(admin::routes(shared)), end).await
}

async fn plain(listen: SocketAddr, app: Router, end: CancellationToken) -> anyhow::Result<()> {
    let handle = Handle::new();
    drain(handle.clone(), end);
    axum_server::bind(listen)
        .handle(handle)
        .serve(app.into_make_service())
        .await
        .with_context(|| format!("failed to serve on {listen}"))
}

fn drain(handle: Handle<SocketAddr>, end: CancellationToken) {
    tokio::spawn(async move {
        end.cancelled().await;
        handle.graceful_shutdown(Some(DRAIN));
    });
}

fn bounded(routes: Router) -> Router {
    routes.layer(TimeoutLayer::with_status_code(http::StatusCode::SERVICE_UNAVAILABLE, CALL))
}

#[cfg(test)]
pub(crate) mod tests;
