//! Snapshots for sidecars: one endless answer, a line a snapshot, empty lines between to show that both sides are there.

use std::convert::Infallible;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures::Stream;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::auth::{Authenticator, Shown, User};
use super::problem::Problem;
use crate::control_plane::Shared;
use crate::names::is_object_name;
use crate::presence::{Caller, Open};
use crate::snapshots::{Line, Sent};

/// How long nothing is sent at most. A sidecar that hears nothing for three times as long connects anew.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long one answer lasts at most: then the sidecar shows its token again, which may have been revoked meanwhile.
const LASTS: Duration = Duration::from_secs(1800);

/// Up to a quarter shorter: sidecars that came together, when a replica began, must not come together every half hour.
fn lasts() -> Duration {
    let per_mille = RandomState::new().hash_one(0_u8) % 1000;
    LASTS.saturating_sub((LASTS / 4000).saturating_mul(u32::try_from(per_mille).unwrap_or_default()))
}

#[derive(Clone)]
struct Calls {
    shared: Shared,
    authenticator: Authenticator,
    end: CancellationToken,
}

pub(super) fn routes(shared: Shared, authenticator: Authenticator, end: CancellationToken) -> Router {
    Router::new().route("/v1/namespaces/{namespace}/snapshot", get(follow)).with_state(Calls {
        shared,
        authenticator,
        end,
    })
}

#[derive(Deserialize)]
struct After {
    /// The version that the caller has; 0 when it has none.
    #[serde(default)]
    after: u64,
    /// The policy that the caller decides with; none when it takes the namespace's default.
    policy: Option<String>,
    /// The keys that the caller misses, as snapshots name them, separated by commas. It comes again when that changes.
    #[serde(default)]
    missing: String,
}

async fn follow(
    State(calls): State<Calls>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<After>, QueryRejection>,
    shown: Shown,
) -> Result<Response, Problem> {
    let bad = |error: String| Problem::new(StatusCode::BAD_REQUEST, "BadRequest", error);
    let Path(namespace) = path.map_err(|error| bad(error.to_string()))?;
    let Query(After { after, policy, missing }) = query.map_err(|error| bad(error.to_string()))?;
    if !is_object_name(&namespace) {
        return Err(bad("the namespace is no name of a Kubernetes object".to_owned()));
    }
    // It only counts; a name that no policy has is no reason to leave a sidecar without what decides.
    let policy = policy.filter(|policy| is_object_name(policy));
    let user = calls.authenticator.of_namespace(&calls.shared.metrics, &namespace, &shown).await?;
    let presence =
        calls.shared.presences.open(&namespace, caller(&user), policy, after, keys(&missing)).ok_or_else(
            || {
                calls.shared.metrics.call_refused("streams");
                Problem::new(
                    StatusCode::TOO_MANY_REQUESTS,
                    "TooManyStreams",
                    "this pod follows snapshots over too many connections already; close one",
                )
                .retry_after(HEARTBEAT)
            },
        )?;
    let newest = calls.shared.snapshots.follow(&calls.shared.store, &namespace).await?;
    let gzip = takes_gzip(&shown.headers);
    let lines = lines(newest, after, gzip, presence, calls.end.clone());
    let mut response =
        ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response();
    if gzip {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}

/// Whether a reader says so; quality values are for those who offer a choice of several, and a sidecar offers one.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|coding| coding.trim().eq_ignore_ascii_case("gzip"))
}

/// So many keys of one sidecar are noted, and no more.
const MOST_KEYS: usize = 32;

/// Those that can be keys of a snapshot: a policy's name and a provider's. They are written into a table and told to people.
fn keys(missing: &str) -> Vec<String> {
    let is_key = |key: &&str| {
        key.split_once('/')
            .is_some_and(|(policy, provider)| is_object_name(policy) && is_object_name(provider))
    };
    let mut keys: Vec<String> =
        missing.split(',').filter(is_key).take(MOST_KEYS).map(str::to_owned).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// Who is counted: the pod, or the account of what runs in none.
fn caller(user: &User) -> Caller {
    let account = || user.service_account().map_or(user.name.as_str(), |(_, account)| account).to_owned();
    user.pod.clone().map_or_else(|| Caller::Account(account()), Caller::Pod)
}

type Piece = Result<Bytes, Infallible>;

/// An empty line, in both forms.
static EMPTY: LazyLock<Line> = LazyLock::new(|| Line::new(b""));

fn heartbeat(gzip: bool) -> Bytes {
    if gzip { EMPTY.gzip() } else { EMPTY.plain() }
}

/// The newest snapshot if it is newer than `after`, then each that follows.
fn lines(
    newest: watch::Receiver<Option<Arc<Sent>>>,
    after: u64,
    gzip: bool,
    presence: Open,
    end: CancellationToken,
) -> impl Stream<Item = Piece> + Send + 'static {
    let until = Instant::now() + lasts();
    futures::stream::unfold(
        (newest, after, presence, end),
        move |(mut newest, sent, presence, end)| async move {
            loop {
                let next = newest.borrow_and_update().clone().filter(|next| next.version > sent);
                if let Some(next) = next {
                    presence.sent(next.version);
                    return Some((Ok(next.line(gzip)), (newest, next.version, presence, end)));
                }
                tokio::select! {
                    changed = newest.changed() => if changed.is_err() { return None },
                    () = tokio::time::sleep(HEARTBEAT) => {
                        return Some((Ok(heartbeat(gzip)), (newest, sent, presence, end)));
                    }
                    () = tokio::time::sleep_until(until) => return None,
                    () = end.cancelled() => return None,
                }
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;

    use super::*;
    use crate::presence::Presences;

    fn presence() -> Open {
        let presences = Arc::new(Presences::default());
        presences.open("shop", Caller::Pod("a".to_owned()), None, 0, Vec::new()).unwrap()
    }

    fn version(version: u64) -> Option<Arc<Sent>> {
        Some(Arc::new(Sent::new(version, Line::new(version.to_string().as_bytes()))))
    }

    #[tokio::test(start_paused = true)]
    async fn a_sidecar_gets_what_is_newer_than_what_it_has_and_hears_a_heartbeat_otherwise() {
        let (sender, receiver) = watch::channel(version(7));
        let end = CancellationToken::new();
        let mut lines = Box::pin(lines(receiver, 7, false, presence(), end.clone()));
        assert_eq!(lines.next().await, Some(Ok(Bytes::from_static(b"\n"))), "it has 7 already");
        sender.send_replace(version(9));
        assert_eq!(lines.next().await, Some(Ok(Bytes::from_static(b"9\n"))));
        end.cancel();
        assert_eq!(lines.next().await, None);
    }

    #[test]
    fn of_what_a_caller_says_it_misses_only_names_of_keys_are_noted() {
        assert_eq!(keys("main/b,main/a,main/a"), ["main/a", "main/b"]);
        assert_eq!(keys(""), Vec::<String>::new());
        assert_eq!(keys("no-key,../up,a/b/c,Main/x,main/<b>"), Vec::<String>::new());
    }

    #[test]
    fn a_reader_gets_gzip_only_if_it_says_so() {
        let accepts = |value: &'static str| {
            takes_gzip(&HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(value))]))
        };
        assert!(accepts("gzip") && accepts("br, GZIP"));
        assert!(!accepts("identity") && !takes_gzip(&HeaderMap::new()));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_ends_so_that_a_revoked_token_does_not_read_on() {
        let (_sender, receiver) = watch::channel(version(1));
        let lines = lines(receiver, 0, true, presence(), CancellationToken::new());
        let said: Vec<Piece> = lines.collect().await;
        // The snapshot, and a heartbeat each fifteen seconds for 22 to 30 minutes; the last one may fall on its end.
        assert!((90..=121).contains(&said.len()), "{}", said.len());
    }
}
