//! What the data port answers.

mod chat;
mod decide;
mod explain;
mod feedback;
mod health;
mod intake;
mod models;

use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::{Frame, Incoming, SizeHint};
use serde::Serialize;
use vox_dialects::Dialect;

pub(crate) use health::house;

use crate::app::App;
use crate::attempt::Relay;
use crate::problem::Problem;
use crate::upstream::Pool;

/// Between two pieces of a request's body.
const BODY_IDLE: Duration = Duration::from_secs(30);

/// What one worker serves with.
pub struct Worker {
    /// What all workers share.
    pub app: Arc<App>,
    /// Its own connections.
    pub pool: Rc<Pool>,
}

/// An answer's body.
pub enum Body {
    /// All of it, at once.
    Whole(Option<Bytes>),
    /// A stream.
    Relay(Box<Relay>),
}

impl Body {
    /// All of it, at once.
    #[must_use]
    pub fn whole(bytes: Bytes) -> Self {
        Self::Whole((!bytes.is_empty()).then_some(bytes))
    }

    /// Nothing.
    #[must_use]
    pub const fn empty() -> Self {
        Self::Whole(None)
    }

    /// A stream.
    #[must_use]
    pub fn relay(relay: Relay) -> Self {
        Self::Relay(Box::new(relay))
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Relay(relay) => Pin::new(&mut **relay).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(
                bytes.as_ref().map_or(0, |bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
            ),
            Self::Relay(_) => SizeHint::default(),
        }
    }
}

impl Worker {
    /// Answers one request.
    pub async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let method = request.method().clone();
        let post = |dialect| {
            if method == Method::POST { Ok(dialect) } else { Err((dialect, Problem::method("POST"))) }
        };
        let chat = match path.as_str() {
            "/v1/chat/completions" => Some((post(Dialect::OpenAiChat), "chat")),
            "/v1/embeddings" => Some((post(Dialect::OpenAiEmbeddings), "embeddings")),
            "/v1/messages" => Some((post(Dialect::AnthropicMessages), "messages")),
            _ => None,
        };
        match chat {
            // Large, and moved by all that wait for it: it stays where it is.
            Some((Ok(dialect), endpoint)) => Box::pin(chat::answer(self, dialect, endpoint, request)).await,
            Some((Err((dialect, problem)), _)) => not_allowed(problem, dialect, "POST"),
            None => match self.other(&path, &method, request).await {
                Ok(response) => response,
                Err((problem, dialect)) if problem.status == 405 => {
                    let allowed = if method == Method::GET { "POST" } else { "GET" };
                    not_allowed(problem, dialect, allowed)
                }
                Err((problem, dialect)) => problem.response(dialect, None),
            },
        }
    }

    async fn other(
        &self,
        path: &str,
        method: &Method,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, (Problem, Dialect)> {
        let openai = |problem| (problem, Dialect::OpenAiChat);
        let anthropic = |problem| (problem, Dialect::AnthropicMessages);
        let only = |wanted: Method, name: &'static str| {
            if *method == wanted { Ok(()) } else { Err(openai(Problem::method(name))) }
        };
        match path {
            "/v1/messages/count_tokens" => {
                only(Method::POST, "POST").map_err(|(problem, _)| anthropic(problem))?;
                chat::count_tokens(self, request).await.map_err(anthropic)
            }
            "/vox/v1/decide" => {
                only(Method::POST, "POST")?;
                decide::answer(self, request).await.map_err(openai)
            }
            "/vox/v1/feedback" => {
                only(Method::POST, "POST")?;
                feedback::answer(self, request).await.map_err(openai)
            }
            _ => {
                let found = self.read_only(path, request.headers());
                let response = found.unwrap_or_else(|| Err(Problem::not_found(path)));
                if response.as_ref().is_ok_and(|_| *method != Method::GET && *method != Method::HEAD) {
                    only(Method::GET, "GET")?;
                }
                response.map_err(openai)
            }
        }
    }

    /// What only tells.
    fn read_only(&self, path: &str, headers: &HeaderMap) -> Option<Result<Response<Body>, Problem>> {
        if let Some(decision) = path.strip_prefix("/vox/v1/explain/") {
            return Some(explain::answer(&self.app, decision));
        }
        if path == "/v1/models" {
            return Some(models::list(&self.app, headers));
        }
        if let Some(model) = path.strip_prefix("/v1/models/") {
            return Some(models::one(&self.app, model, headers));
        }
        house(&self.app, path).map(Ok)
    }

    /// A request's body, as far as it may be long.
    async fn body(&self, head: &HeaderMap, body: Incoming) -> Result<Bytes, Problem> {
        let limit = self.app.settings.max_body;
        let length = head.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        read(body, limit, length.unwrap_or(0)).await
    }
}

async fn read(mut body: Incoming, limit: usize, announced: usize) -> Result<Bytes, Problem> {
    let mut all = BytesMut::new();
    let mut length = 0_usize;
    loop {
        let frame = tokio::time::timeout(BODY_IDLE, body.frame()).await;
        let broken = || Problem::malformed("the request's body did not come to its end".to_owned());
        let Some(frame) = frame.map_err(|_| broken())? else { break };
        let Ok(data) = frame.map_err(|_| broken())?.into_data() else { continue };
        length = length.saturating_add(data.len());
        if length == announced && length == data.len() && length <= limit {
            // All of it came at once: nothing has to be put together.
            return Ok(data);
        }
        if length <= limit {
            if all.is_empty() {
                all.reserve(announced.min(limit));
            }
            all.extend_from_slice(&data);
        } else if length > limit.saturating_mul(4) {
            // A client that is still sending does not read: up to here it is listened to, so that it sees the answer.
            break;
        } else {
            all.clear();
        }
    }
    if length > limit { Err(Problem::too_large(limit)) } else { Ok(all.freeze()) }
}

fn not_allowed(problem: Problem, dialect: Dialect, allowed: &'static str) -> Response<Body> {
    let mut response = problem.response(dialect, None);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

/// A JSON answer.
fn json<T: Serialize>(status: StatusCode, value: &T) -> Response<Body> {
    // None of the types that are answered can fail to be written.
    let body = serde_json::to_vec(value).unwrap_or_default();
    let mut response = Response::new(Body::whole(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
