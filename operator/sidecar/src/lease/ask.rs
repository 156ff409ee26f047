//! One call of the operator for a lease.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, header};
use http_body_util::{BodyExt as _, Full, Limited};
use vox_contracts::budget::{LeaseAnswer, LeaseRequest};

use crate::config::Settings;
use crate::operator::{CallError, Connection};

/// A whole call.
const PATIENCE: Duration = Duration::from_secs(2);
const LARGEST: usize = 64 << 10;

/// Reports, and asks for more.
pub(super) async fn ask(
    settings: &Settings,
    policy: &str,
    request: &LeaseRequest,
) -> Result<LeaseAnswer, CallError> {
    tokio::time::timeout(PATIENCE, call(settings, policy, request)).await.unwrap_or(Err(CallError::Late))
}

async fn call(settings: &Settings, policy: &str, request: &LeaseRequest) -> Result<LeaseAnswer, CallError> {
    let unreadable = |error: &dyn std::fmt::Display| CallError::Unreadable(error.to_string());
    let body = serde_json::to_vec(request).map_err(|error| unreadable(&error))?;
    let mut connection = Connection::open(settings).await?;
    let path = format!("/v1/namespaces/{}/policies/{policy}/leases", settings.namespace);
    let request = connection
        .request(Method::POST, &path)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))?;
    let answer = connection.send(request).await?;
    let body = Limited::new(answer.into_body(), LARGEST).collect().await;
    let body = body.map_err(|error| unreadable(&error))?.to_bytes();
    serde_json::from_slice(&body).map_err(|error| unreadable(&error))
}
