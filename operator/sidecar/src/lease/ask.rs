//! One call of the operator for a lease.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use serde::Deserialize;
use vox_contracts::budget::{LeaseAnswer, LeaseRequest};

use crate::config::Settings;
use crate::upstream::{ConnectError, Connector, Origin, TlsError, client_tls};

/// A whole call.
const PATIENCE: Duration = Duration::from_secs(2);
const LARGEST: usize = 64 << 10;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    #[error("the operator's URL {0:?} is none")]
    Url(String),
    #[error("failed to read the token from {file}: {why}")]
    Token { file: String, why: String },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the operator did not answer in time")]
    Late,
    #[error("the connection to the operator broke: {0}")]
    Broken(#[from] hyper::Error),
    #[error("failed to build the request: {0}")]
    Request(#[from] http::Error),
    #[error("failed to read the operator's answer: {0}")]
    Unreadable(String),
    #[error("the operator answered {status} {code}: {message}")]
    Refused { status: StatusCode, code: String, message: String },
}

impl AskError {
    /// The operator's code, where it answered with one.
    pub(super) fn code(&self) -> &str {
        if let Self::Refused { code, .. } = self { code } else { "" }
    }
}

#[derive(Deserialize)]
struct Refusal {
    error: Said,
}

#[derive(Deserialize)]
struct Said {
    code: String,
    message: String,
}

/// Reports, and asks for more.
pub(super) async fn ask(
    settings: &Settings,
    policy: &str,
    request: &LeaseRequest,
) -> Result<LeaseAnswer, AskError> {
    tokio::time::timeout(PATIENCE, call(settings, policy, request)).await.unwrap_or(Err(AskError::Late))
}

async fn call(settings: &Settings, policy: &str, request: &LeaseRequest) -> Result<LeaseAnswer, AskError> {
    let url = || AskError::Url(settings.operator.clone());
    let (origin, path) = Origin::of_url(&settings.operator).ok_or_else(url)?;
    let authorities = settings.operator_ca.as_ref().unwrap_or(&settings.ca_bundle);
    let tls = if origin.tls { Some(client_tls(authorities)?) } else { None };
    let mut connection = Connector::new(tls).connect(&origin).await?;
    let unreadable = |error: &dyn std::fmt::Display| AskError::Unreadable(error.to_string());
    let body = serde_json::to_vec(request).map_err(|error| unreadable(&error))?;
    let request =
        Request::post(format!("{path}/v1/namespaces/{}/policies/{policy}/leases", settings.namespace))
            .header(header::HOST, &origin.authority)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, token(settings)?)
            .body(Full::new(Bytes::from(body)))?;
    let response = connection.send_request(request).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), LARGEST).collect().await;
    let body = body.map_err(|error| unreadable(&error))?.to_bytes();
    if status.is_success() {
        return serde_json::from_slice(&body).map_err(|error| unreadable(&error));
    }
    let said = serde_json::from_slice::<Refusal>(&body).map(|refusal| refusal.error);
    let said = said.unwrap_or(Said { code: String::new(), message: String::new() });
    Err(AskError::Refused { status, code: said.code, message: said.message })
}

fn token(settings: &Settings) -> Result<HeaderValue, AskError> {
    let file = &settings.token_file;
    let wrong = |why: String| AskError::Token { file: file.display().to_string(), why };
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    let mut value = HeaderValue::try_from(format!("Bearer {}", text.trim()))
        .map_err(|_| wrong("it is no token".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}
