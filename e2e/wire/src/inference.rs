//! Inference: chat and embeddings in the providers' formats, made from the request alone, with faults of their own.

pub mod arrivals;
pub mod fault;
pub mod settings;

mod answer;
mod anthropic;
mod dialect;
mod embeddings;
mod gemini;
mod ollama;
mod openai;
mod question;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::Deserialize;
use serde_json::Value;

use self::answer::Answer;
use self::arrivals::Arrival;
use self::dialect::Dialect;
use self::fault::Fault;
use self::question::Question;
use self::settings::Chat;
use self::stream::{Frame, Steps};
use crate::fault::{cut, html, oversized, with_headers};
use crate::providers::Provider;
use crate::state::Wire;

/// The longest request, in bytes: a long context, and not much memory.
const MAX_REQUEST_BYTES: usize = 8 << 20;
/// What stands where JSON belongs.
const MALFORMED: &str = "{\"id\": \"broken\", \"choices\": [";

pub(crate) fn routes() -> Router<Wire> {
    let mut router = Router::new()
        .route("/ollama/api/chat", at(Provider::Ollama, Dialect::Ollama, "/ollama/api/chat".to_owned()))
        .route("/anthropic/v1/messages", {
            at(Provider::Anthropic, Dialect::Anthropic, "/anthropic/v1/messages".to_owned())
        })
        .route("/google/v1beta/models/{call}", post(gemini));
    for provider in Provider::ALL {
        let Some(base) = provider.openai_path() else { continue };
        for (name, dialect) in [("chat/completions", Dialect::OpenAi), ("embeddings", Dialect::Embeddings)] {
            let path = format!("{base}/{name}");
            router = router.route(&path, at(provider, dialect, path.clone()));
        }
    }
    router.layer(DefaultBodyLimit::max(MAX_REQUEST_BYTES))
}

/// A route whose path is always the same.
fn at(provider: Provider, dialect: Dialect, path: String) -> axum::routing::MethodRouter<Wire> {
    post(async move |State(wire): State<Wire>, headers: HeaderMap, body: Bytes| {
        Call { wire, provider, dialect, path, headers, body, query_key: None }.answer().await
    })
}

#[derive(Deserialize)]
struct GeminiQuery {
    alt: Option<String>,
    key: Option<String>,
}

async fn gemini(
    State(wire): State<Wire>,
    Path(name): Path<String>,
    Query(query): Query<GeminiQuery>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = format!("/google/v1beta/models/{name}");
    let (model, action) = name.rsplit_once(':').unwrap_or((&name, ""));
    let sse = query.alt.as_deref() == Some("sse");
    let stream = action == "streamGenerateContent";
    let dialect = Dialect::Gemini { model: model.to_owned(), stream };
    let call = Call { wire, provider: Provider::Google, dialect, path, headers, body, query_key: query.key };
    match action {
        "generateContent" => call.answer().await,
        "streamGenerateContent" if sse => call.answer().await,
        "streamGenerateContent" => {
            call.error(StatusCode::BAD_REQUEST, "only streams with alt=sse are spoken here")
        }
        _ => call.error(StatusCode::NOT_FOUND, "no such method of a model"),
    }
}

/// One inference request, on its way through counting, key, fault and answer.
struct Call {
    wire: Wire,
    provider: Provider,
    dialect: Dialect,
    path: String,
    headers: HeaderMap,
    body: Bytes,
    /// A key in the query (Gemini).
    query_key: Option<String>,
}

impl Call {
    async fn answer(self) -> Response {
        let body = serde_json::from_slice::<Value>(&self.body);
        self.count(body.as_ref().ok());
        let settings = self.wire.settings(self.provider);
        if let Err((status, message)) =
            self.dialect.admit(&self.headers, self.query_key.as_deref(), &settings)
        {
            return self.error(status, &message);
        }
        let read = body.map_err(|error| format!("the body is not valid JSON: {error}"));
        let (question, ready) = match read.and_then(|body| self.dialect.read(&body)) {
            Ok(read) => read,
            Err(reason) => return self.error(StatusCode::BAD_REQUEST, &reason),
        };
        if settings.chat.listed_models_only && !self.lists(&question.model, &settings) {
            return self.error(StatusCode::NOT_FOUND, &format!("no model {:?}", question.model));
        }
        let fault = self.wire.take_chat_fault(self.provider, &question.model, question.stream);
        wait(settings.chat.latency_ms).await;
        if let Some(Fault::Slow { delay_ms }) = fault {
            wait(Some(delay_ms)).await;
        }
        if let Some(response) = fault.as_ref().and_then(|fault| self.replaced(fault, question.stream)) {
            return response;
        }
        match ready {
            Some(value) => whole(fault.as_ref(), &value),
            None => self.said(&question, &settings.chat, fault).await,
        }
    }

    /// Counts the request, whatever becomes of it.
    fn count(&self, body: Option<&Value>) {
        self.wire.count(self.provider, &self.path);
        let model = self.dialect.model(body);
        self.wire.arrived(self.provider, Arrival::new(&self.path, model, &self.headers, &self.body));
    }

    fn lists(&self, model: &str, settings: &crate::Settings) -> bool {
        self.wire.fixtures().lists(self.provider, model, settings)
    }

    /// The answer that a fault gives instead of the provider's, where it needs nothing of it.
    fn replaced(&self, fault: &Fault, stream: bool) -> Option<Response> {
        let in_stream = |body: &'static str| {
            let kind = self.dialect.content_type(stream);
            with_headers(Body::from(body), [(header::CONTENT_TYPE, HeaderValue::from_static(kind))])
        };
        match fault {
            Fault::Status { status, retry_after, message, body } => {
                let words = message.as_deref().unwrap_or("a fault was asked for");
                Some(self.failed(*status, retry_after.as_deref(), words, body.as_deref()))
            }
            Fault::Empty => Some(in_stream("")),
            Fault::Malformed { .. } if !stream => Some(in_stream(MALFORMED)),
            Fault::ErrorInOk { status, message, .. } if !stream => {
                let words = message.as_deref().unwrap_or("a fault was asked for");
                Some(axum::Json(self.dialect.error_body(self.provider, *status, words)).into_response())
            }
            Fault::Oversized { bytes } => Some(oversized(*bytes)),
            Fault::Html => Some(html()),
            _ => None,
        }
    }

    async fn said(&self, question: &Question, chat: &Chat, fault: Option<Fault>) -> Response {
        let answer = Answer::new(question, chat);
        let token_delay = Duration::from_millis(chat.token_delay_ms.unwrap_or(0));
        if !question.stream {
            let tokens = u32::try_from(answer.length).unwrap_or(u32::MAX);
            tokio::time::sleep(token_delay.saturating_mul(tokens)).await;
            return whole(fault.as_ref(), &self.dialect.whole(&answer));
        }
        let intruder = match &fault {
            Some(Fault::ErrorInOk { status, message, .. }) => {
                let words = message.as_deref().unwrap_or("a fault was asked for");
                self.dialect.event(&self.dialect.error_body(self.provider, *status, words).to_string(), true)
            }
            _ => self.dialect.event(MALFORMED, false),
        };
        let frames = self.dialect.frames(&Arc::new(answer), question, self.provider);
        let steps = Steps::new(frames, token_delay, fault, intruder);
        let kind = HeaderValue::from_static(self.dialect.content_type(true));
        let headers =
            [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))];
        with_headers(stream::body(steps), headers)
    }

    fn error(&self, status: StatusCode, message: &str) -> Response {
        self.failed(status.as_u16(), None, message, None)
    }

    fn failed(&self, status: u16, retry_after: Option<&str>, message: &str, body: Option<&str>) -> Response {
        let code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = match body {
            Some(text) => (code, text.to_owned()).into_response(),
            None => {
                let mut body = self.dialect.error_body(self.provider, status, message);
                dialect::add_retry(self.provider, &mut body, retry_after);
                (code, axum::Json(body)).into_response()
            }
        };
        if let Some(value) = retry_after.and_then(|text| HeaderValue::from_str(text).ok()) {
            response.headers_mut().insert(header::RETRY_AFTER, value);
        }
        response
    }
}

/// An answer in one piece, which can still be cut or come late after its headers.
fn whole(fault: Option<&Fault>, value: &Value) -> Response {
    let body = value.to_string();
    match fault {
        Some(Fault::Cut { after_bytes }) => cut(&Bytes::from(body), *after_bytes),
        Some(Fault::Stall { delay_ms, .. }) => {
            let fault = Some(Fault::Stall { after_tokens: 0, delay_ms: *delay_ms });
            let frames = Box::new(std::iter::once(Frame::token(body)));
            let steps = Steps::new(frames, Duration::ZERO, fault, String::new());
            let json = HeaderValue::from_static("application/json");
            with_headers(stream::body(steps), [(header::CONTENT_TYPE, json)])
        }
        _ => {
            let json = HeaderValue::from_static("application/json");
            with_headers(Body::from(body), [(header::CONTENT_TYPE, json)])
        }
    }
}

async fn wait(ms: Option<u64>) {
    if let Some(ms) = ms {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}
