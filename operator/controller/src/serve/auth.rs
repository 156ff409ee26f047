//! Who calls. A caller shows a ServiceAccount token of audience `vox`; the API server says whose it is. Answers are kept
//! for a short while, by the token's hash, so that a busy sidecar costs the API server one review a minute.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, FromRequestParts};
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use kube::api::PostParams;
use kube::{Api, Client};
use moka::future::Cache;
use vox_contracts::discovery::AUDIENCE;

use super::problem::Problem;
use super::reviews::{Busy, Reviews};
use crate::metrics::Metrics;
use crate::names::sha256;

/// How long an answer is believed. A deleted ServiceAccount can call for so long.
const BELIEVED: Duration = Duration::from_secs(60);
/// How many answers are kept: several thousand sidecars.
const KEPT: u64 = 10_000;
/// When to try again after the API server did not answer.
const RETRY: Duration = Duration::from_secs(5);
/// A token longer than this is none; those of Kubernetes have about a thousand characters.
const LONGEST: usize = 8192;

/// The extra field in which the API server names the pod that a token is bound to.
const POD: &str = "authentication.kubernetes.io/pod-name";

/// Who a token belongs to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct User {
    /// The user's name.
    pub(crate) name: String,
    /// The pod that the token is bound to.
    pub(crate) pod: Option<String>,
}

impl User {
    /// Namespace and name, where it is a `ServiceAccount`.
    pub(crate) fn service_account(&self) -> Option<(&str, &str)> {
        self.name.strip_prefix("system:serviceaccount:")?.split_once(':')
    }

    fn of(info: UserInfo) -> Option<Self> {
        let pod = info.extra.and_then(|mut extra| extra.remove(POD)?.into_iter().next());
        Some(Self { name: info.username?, pod })
    }
}

/// What a call says of its caller.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) headers: HeaderMap,
    /// Where the connection comes from.
    from: Option<IpAddr>,
}

impl Shown {
    pub(crate) fn of(parts: &Parts) -> Self {
        let from = parts.extensions.get().map(|ConnectInfo(from): &ConnectInfo<SocketAddr>| from.ip());
        Self { headers: parts.headers.clone(), from }
    }
}

impl<S: Sync> FromRequestParts<S> for Shown {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}

/// Asks the API server who a token belongs to.
#[derive(Clone)]
pub(crate) struct Authenticator {
    api: Api<TokenReview>,
    known: Cache<String, Option<Arc<User>>>,
    reviews: Reviews,
}

/// Why a token was not reviewed.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error("failed to have a token reviewed")]
    Api(#[from] kube::Error),
}

impl Authenticator {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            api: Api::all(client),
            reviews: Reviews::new(),
            known: Cache::builder().max_capacity(KEPT).time_to_live(BELIEVED).build(),
        }
    }

    /// The user behind the request's token.
    pub(crate) async fn user(&self, shown: &Shown) -> Result<Arc<User>, Problem> {
        let token = bearer(&shown.headers).ok_or_else(|| {
            Problem::new(
                StatusCode::UNAUTHORIZED,
                "TokenMissing",
                "show a ServiceAccount token: Authorization: Bearer …",
            )
        })?;
        // Two calls with one new token ask the API server once.
        let reviewing = self.review(token, shown.from);
        let user = self.known.try_get_with(sha256(token.as_bytes()), reviewing).await.map_err(|error| {
            tracing::warn!(error = &*error as &dyn std::error::Error, from = ?shown.from, "no token was reviewed");
            problem(&error)
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
        shown: &Shown,
    ) -> Result<Arc<User>, Problem> {
        let user = self.user(shown).await.inspect_err(|_| {
            metrics.call_refused("token");
            tracing::warn!(target: "audit", namespace, "call refused: no valid token");
        })?;
        if user.service_account().is_some_and(|(of, _)| of == namespace) {
            return Ok(user);
        }
        metrics.call_refused("identity");
        let user = &user.name;
        tracing::warn!(target: "audit", user, namespace, "call refused: not of this namespace");
        Err(Problem::new(
            StatusCode::FORBIDDEN,
            "NotOfTheNamespace",
            format!("{user} may not speak for namespace {namespace}"),
        ))
    }

    async fn review(&self, token: &str, from: Option<IpAddr>) -> Result<Option<Arc<User>>, Error> {
        let _permit = self.reviews.permit(from).await?;
        let spec =
            TokenReviewSpec { token: Some(token.to_owned()), audiences: Some(vec![AUDIENCE.to_owned()]) };
        let review = TokenReview { spec, ..TokenReview::default() };
        let status = self.api.create(&PostParams::default(), &review).await?.status.unwrap_or_default();
        // An API server that does not know audiences answers for its own; then the list does not hold ours.
        let ours = status.audiences.unwrap_or_default().iter().any(|audience| audience == AUDIENCE);
        let authenticated = status.authenticated.unwrap_or_default() && ours;
        Ok(status.user.filter(|_| authenticated).and_then(User::of).map(Arc::new))
    }
}

/// What a caller hears whose token was not reviewed.
fn problem(error: &Error) -> Problem {
    match error {
        Error::Busy(Busy(after)) => Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "TooManyReviews",
            "too many callers show tokens that are not known yet; try again",
        )
        .retry_after(*after),
        Error::Api(_) => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "ReviewUnavailable",
            "the API server cannot review the token now; try again",
        )
        .retry_after(RETRY),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.len() <= LONGEST).then_some(token)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_token_tells_its_service_account_and_the_pod_that_it_is_bound_to() {
        let name = "system:serviceaccount:shop:gateway";
        let mut info = UserInfo { username: Some(name.to_owned()), ..UserInfo::default() };
        let unbound = User::of(info.clone()).unwrap();
        assert_eq!(unbound.service_account(), Some(("shop", "gateway")));
        assert_eq!(unbound.pod, None);
        info.extra = Some(BTreeMap::from([(POD.to_owned(), vec!["gateway-0".to_owned()])]));
        assert_eq!(User::of(info).unwrap().pod.as_deref(), Some("gateway-0"));
    }

    #[test]
    fn a_person_is_no_service_account() {
        let person = User { name: "system:admin".to_owned(), pod: None };
        assert_eq!(person.service_account(), None);
    }
}
