//! What the data port answers.

mod body;
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

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::{Frame, Incoming, SizeHint};
use serde::Serialize;
use vox_dialects::Dialect;

use body::NoBody;
pub(crate) use health::house;

use crate::app::{App, InFlight};
use crate::attempt::Relay;
use crate::problem::Problem;
use crate::upstream::Pool;

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

    /// Counts as held until it is written.
    fn kept(self, app: &Arc<App>) -> Self {
        match self {
            Self::Whole(Some(bytes)) => Self::Whole(Some(app.keep(bytes))),
            other => other,
        }
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
        self.answered(request).await.map(|body| body.kept(&self.app))
    }

    async fn answered(&self, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path();
        // A base URL that ends in a slash must not make another path.
        let path = if path.len() > 1 { path.trim_end_matches('/') } else { path }.to_owned();
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
        // Whoever probes is answered all the same.
        if path.starts_with("/v") && self.app.holds_too_much() {
            return Some(Err(Problem::overloaded_bytes(self.app.settings.max_in_flight_bytes)));
        }
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

    /// One more request, if there is a place for it.
    fn enter(&self) -> Result<InFlight, Problem> {
        self.app.arrive().ok_or_else(|| Problem::overloaded(self.app.settings.max_in_flight))
    }

    /// A request's body, as far as it may be long, in the time that it may take; then the request takes its place.
    async fn body(&self, head: &HeaderMap, body: Incoming, place: &mut InFlight) -> Result<Bytes, Problem> {
        if let Some(encoding) = head.get(header::CONTENT_ENCODING).filter(|coding| *coding != "identity") {
            return Err(Problem::encoding(&String::from_utf8_lossy(encoding.as_bytes())));
        }
        let settings = &self.app.settings;
        let length = head.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let reading = body::read(body, settings.max_body, length.unwrap_or(0), place);
        let late = |_| Problem::body_late(settings.timeouts.body);
        match tokio::time::timeout(settings.timeouts.body, reading).await.map_err(late)? {
            Err(NoBody::TooMuch) => Err(Problem::overloaded_bytes(settings.max_in_flight_bytes)),
            Err(NoBody::TooLong) => Err(Problem::too_large(settings.max_body)),
            Err(NoBody::Broken) => {
                Err(Problem::malformed("the request's body did not come to its end".to_owned()))
            }
            Ok(_) if !place.enter() => Err(Problem::overloaded(settings.max_in_flight)),
            Ok(body) => Ok(body),
        }
    }
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
