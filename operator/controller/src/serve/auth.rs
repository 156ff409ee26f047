//! Who calls. A caller shows a ServiceAccount token of audience `vox`; the API server says whose it is. Answers are kept
//! for a short while, by the token's hash, so that a busy sidecar costs the API server one review a minute.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use kube::api::PostParams;
use kube::{Api, Client};
use moka::future::Cache;
use vox_contracts::discovery::AUDIENCE;

use super::problem::Problem;
use crate::metrics::Metrics;
use crate::names::sha256;

/// How long an answer is believed. A deleted ServiceAccount can call for so long.
const BELIEVED: Duration = Duration::from_secs(60);
/// How many answers are kept: several thousand sidecars.
const KEPT: u64 = 10_000;
/// A token longer than this is none; those of Kubernetes have about a thousand characters.
const LONGEST: usize = 8192;

/// Asks the API server who a token belongs to.
#[derive(Clone)]
pub(crate) struct Authenticator {
    api: Api<TokenReview>,
    known: Cache<String, Option<Arc<str>>>,
}

impl Authenticator {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            api: Api::all(client),
            known: Cache::builder().max_capacity(KEPT).time_to_live(BELIEVED).build(),
        }
    }

    /// The user name behind the request's token.
    pub(crate) async fn user(&self, headers: &HeaderMap) -> Result<Arc<str>, Problem> {
        let token = bearer(headers).ok_or_else(|| {
            Problem::new(
                StatusCode::UNAUTHORIZED,
                "TokenMissing",
                "show a ServiceAccount token: Authorization: Bearer …",
            )
        })?;
        // Two calls with one new token ask the API server once.
        let user =
            self.known.try_get_with(sha256(token.as_bytes()), self.review(token)).await.map_err(|error| {
                tracing::warn!(%error, "failed to have a token reviewed");
                Problem::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "ReviewUnavailable",
                    "the API server cannot review the token now; try again",
                )
            })?;
        user.ok_or_else(|| {
            Problem::new(
                StatusCode::UNAUTHORIZED,
                "TokenRefused",
                format!("the API server does not know this token for audience {AUDIENCE:?}: it expired, or was made for another audience"),
            )
        })
    }

    /// A pod speaks for its own namespace and for no other.
    pub(crate) async fn of_namespace(
        &self,
        metrics: &Metrics,
        namespace: &str,
        headers: &HeaderMap,
    ) -> Result<(), Problem> {
        let user = self.user(headers).await.inspect_err(|_| {
            metrics.call_refused("token");
            tracing::warn!(target: "audit", namespace, "call refused: no valid token");
        })?;
        let of = user.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
        if of.is_some_and(|(of, _)| of == namespace) {
            return Ok(());
        }
        metrics.call_refused("identity");
        tracing::warn!(target: "audit", user = &*user, namespace, "call refused: not of this namespace");
        Err(Problem::new(
            StatusCode::FORBIDDEN,
            "NotOfTheNamespace",
            format!("{user} may not speak for namespace {namespace}"),
        ))
    }

    async fn review(&self, token: &str) -> Result<Option<Arc<str>>, kube::Error> {
        let spec =
            TokenReviewSpec { token: Some(token.to_owned()), audiences: Some(vec![AUDIENCE.to_owned()]) };
        let review = TokenReview { spec, ..TokenReview::default() };
        let status = self.api.create(&PostParams::default(), &review).await?.status.unwrap_or_default();
        // An API server that does not know audiences answers for its own; then the list does not hold ours.
        let ours = status.audiences.unwrap_or_default().iter().any(|audience| audience == AUDIENCE);
        let authenticated = status.authenticated.unwrap_or_default() && ours;
        Ok(status.user.and_then(|user| user.username).filter(|_| authenticated).map(Arc::from))
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.len() <= LONGEST).then_some(token)
}
