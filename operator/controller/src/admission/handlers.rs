//! What the API server calls. It shows no credential, so these paths do nothing but answer, about an object that the
//! caller has itself.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use futures::StreamExt as _;
use http::StatusCode;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::clear_keys::{Verdict, judge};
use super::inject::{Injection, inject};
use super::policies::Policies;
use super::review::{Answer, Question, Request};

/// The API server takes objects of up to 3 MiB.
const LONGEST: usize = 4 << 20;
/// So many questions are read at the same time: whoever reaches the port must not fill the memory. A question is read when
/// all of it is here.
const AT_ONCE: usize = 8;
/// Bytes of questions that are here, or in part: eight of the longest.
const BYTES: usize = AT_ONCE * LONGEST;
/// The API server sends a question in one go; somebody who takes his time keeps nobody waiting for longer.
const COMING: Duration = Duration::from_secs(2);

#[derive(Clone)]
struct Calls {
    /// Nothing where no image of the sidecar was named.
    injection: Option<Arc<Injection>>,
    policies: Arc<Policies>,
    reading: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

impl Calls {
    fn new(injection: Option<Injection>, policies: Arc<Policies>) -> Self {
        let [reading, bytes] = [AT_ONCE, BYTES].map(|permits| Arc::new(Semaphore::new(permits)));
        Self { injection: injection.map(Arc::new), policies, reading, bytes }
    }

    /// A body that has come to its end, and its share of the bytes that may be here. Only what has come is counted.
    async fn whole(&self, body: Body) -> Result<(Vec<u8>, Option<OwnedSemaphorePermit>), String> {
        let (mut all, mut held) = (Vec::new(), None::<OwnedSemaphorePermit>);
        let mut pieces = body.into_data_stream();
        while let Some(data) = pieces.next().await {
            let data = data.map_err(|error| error.to_string())?;
            if all.len().saturating_add(data.len()) > LONGEST {
                return Err(format!("it is longer than {LONGEST} bytes"));
            }
            let share = u32::try_from(data.len()).unwrap_or(u32::MAX);
            let share = Arc::clone(&self.bytes).acquire_many_owned(share).await;
            let share = share.map_err(|error| error.to_string())?;
            match &mut held {
                Some(held) => held.merge(share),
                None => held = Some(share),
            }
            all.extend_from_slice(&data);
        }
        Ok((all, held))
    }
}

/// `POST /admission/inject` and `POST /admission/validate`.
pub(crate) fn routes(injection: Option<Injection>, policies: Arc<Policies>) -> Router {
    let calls = Calls::new(injection, policies);
    Router::new()
        .route("/admission/inject", post(injected))
        .route("/admission/validate", post(validated))
        .with_state(calls)
}

/// An answer that is none: the `failurePolicy` of the webhook then rules.
type Failed = (StatusCode, String);

async fn injected(State(calls): State<Calls>, body: Body) -> Response {
    match answer(&calls, body, |request| sidecar(&calls, request)).await {
        Ok(answer) => Json(answer).into_response(),
        Err(failed) => failed.into_response(),
    }
}

async fn validated(State(calls): State<Calls>, body: Body) -> Response {
    match answer(&calls, body, |request| Ok(clear_keys(request))).await {
        Ok(answer) => Json(answer).into_response(),
        Err(failed) => failed.into_response(),
    }
}

async fn answer(
    calls: &Calls,
    body: Body,
    decide: impl Fn(Request) -> Result<Answer, Failed>,
) -> Result<Answer, Failed> {
    let bad =
        |error: String| (StatusCode::BAD_REQUEST, format!("failed to read the AdmissionReview: {error}"));
    let coming = tokio::time::timeout(COMING, calls.whole(body)).await;
    let late = |_| (StatusCode::REQUEST_TIMEOUT, "the AdmissionReview did not come in time".to_owned());
    let (body, _held) = coming.map_err(late)?.map_err(bad)?;
    let _reading = calls.reading.acquire().await;
    let question: Question = serde_json::from_slice(&body).map_err(|error| bad(error.to_string()))?;
    decide(question.request)
}

fn sidecar(calls: &Calls, request: Request) -> Result<Answer, Failed> {
    let Request { uid, namespace, object, .. } = request;
    let Some(settings) = &calls.injection else {
        return Err((
            StatusCode::SERVICE_UNAVAILABLE,
            "no image of the sidecar is set: --sidecar-image".to_owned(),
        ));
    };
    let Some(policies) = calls.policies.of(&namespace) else {
        let message = "this replica has not read the policies yet; try again in a moment";
        return Err((StatusCode::SERVICE_UNAVAILABLE, message.to_owned()));
    };
    let pod = name(&object);
    match inject(&object, &policies, settings) {
        Ok(injected) => {
            tracing::debug!(namespace, pod, operations = injected.patch.len(), "answered about a pod");
            Answer::patch(uid, &injected.patch, injected.warnings)
                .map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
        }
        Err(refusal) => {
            tracing::info!(namespace, pod, %refusal, "a pod was refused");
            Ok(Answer::deny(uid, refusal.to_string()))
        }
    }
}

fn clear_keys(request: Request) -> Answer {
    let Request { uid, namespace, object, old_object, user_info } = request;
    match judge(&object, &old_object, &user_info.username) {
        Verdict::Clean => Answer::allow(uid, Vec::new()),
        Verdict::Tolerated(message) => Answer::allow(uid, vec![message]),
        Verdict::Refused(message) => {
            tracing::info!(namespace, object = name(&object), "an object with a key in clear was refused");
            Answer::deny(uid, message)
        }
    }
}

/// A pod of a ReplicaSet has no name yet.
fn name(object: &Value) -> &str {
    let text = |path| object.pointer(path).and_then(Value::as_str);
    text("/metadata/name").or_else(|| text("/metadata/generateName")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn calls() -> Calls {
        Calls::new(None, Arc::default())
    }

    #[tokio::test]
    async fn a_replica_that_cannot_know_gives_no_answer_so_that_the_failure_policy_rules() {
        let mut calls = calls();
        let review = || {
            Body::from(json!({ "request": { "uid": "1", "namespace": "shop", "object": {} } }).to_string())
        };
        assert_eq!(injected(State(calls.clone()), review()).await.status(), 503, "no image");
        calls.injection = Some(Arc::new(Injection {
            image: "i".to_owned(),
            image_pull_policy: "Always".to_owned(),
            image_pull_secrets: Vec::new(),
            operator_url: String::new(),
            resources: json!({}),
            strict_sessions: false,
        }));
        let unsynced = injected(State(calls), review()).await;
        assert_eq!(unsynced.status(), 503, "no policies");
    }

    #[tokio::test]
    async fn what_is_no_review_or_too_long_is_refused() {
        for body in [Body::from("{}"), Body::from(vec![b' '; LONGEST + 1])] {
            assert_eq!(injected(State(calls()), body).await.status(), 400);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn questions_that_do_not_come_keep_nobody_else_waiting() {
        let calls = calls();
        let never = || {
            let begun = futures::stream::iter([Ok::<_, std::io::Error>("{")]);
            Body::from_stream(begun.chain(futures::stream::pending()))
        };
        let waiting: Vec<_> =
            (0..100).map(|_| tokio::spawn(validated(State(calls.clone()), never()))).collect();
        tokio::task::yield_now().await;
        let review = json!({ "request": { "uid": "1", "namespace": "shop", "object": {} } }).to_string();
        let begun = tokio::time::Instant::now();
        assert_eq!(validated(State(calls), Body::from(review)).await.status(), 200);
        assert_eq!(begun.elapsed(), Duration::ZERO);
        for late in waiting {
            assert_eq!(late.await.unwrap().status(), 408);
        }
        assert_eq!(begun.elapsed(), COMING);
    }

    #[test]
    fn an_answer_is_what_the_api_server_reads() {
        let allowed = Answer::patch("1".to_owned(), &[json!({ "op": "add" })], vec!["w".to_owned()]).unwrap();
        assert_eq!(
            serde_json::to_value(allowed).unwrap(),
            json!({
                "apiVersion": "admission.k8s.io/v1",
                "kind": "AdmissionReview",
                "response": {
                    "uid": "1", "allowed": true, "patchType": "JSONPatch", "patch": "W3sib3AiOiJhZGQifV0=", "warnings": ["w"],
                },
            })
        );
        let denied = serde_json::to_value(Answer::deny("2".to_owned(), "do this".to_owned())).unwrap();
        assert_eq!(denied["response"]["status"]["message"], "do this");
        assert_eq!(denied["response"]["allowed"], false);
    }
}
