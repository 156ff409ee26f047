//! One request to one upstream: said in its dialect, sent with its key, answered with a head.

use std::rc::Rc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use vox_dialects::request::{Target as To, rewrite_model, translate};
use vox_dialects::{Dialect, classify, retry_after};

use super::failed::{Failed, Verdict};
use super::{Asked, Time};
use crate::config::Timeouts;
use crate::ids::now_ms;
use crate::serving::Target;
use crate::trace::{Span, TRACEPARENT};
use crate::upstream::{Kept, Pool};

/// An upstream's good answer, as far as its head.
pub(super) struct Head {
    pub(super) response: Response<Incoming>,
    pub(super) kept: Kept,
    /// The dialect that it is in.
    pub(super) dialect: Dialect,
    /// Whether the client must not see the usage that was asked for in its place.
    pub(super) withhold_usage: bool,
}

const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// What of an upstream's error is read.
const ERROR_BYTES: usize = 256 << 10;
/// So long an error's body may take.
const ERROR_TIME: Duration = Duration::from_secs(5);

/// Sends the request there.
pub(super) async fn send(
    pool: &Rc<Pool>,
    timeouts: &Timeouts,
    asked: &Asked<'_>,
    target: &Target,
    span: Span,
    time: &Time,
) -> Result<Head, Failed> {
    let place = &target.place;
    let origin = place.origin.as_ref().ok_or_else(Failed::no_url)?;
    let (dialect, body, withhold_usage) = said(asked, target)?;
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = target.paths.of(dialect, asked.shape.stream).ok_or_else(Failed::no_url)?.clone();
    let (headers, generation) = headers(asked, dialect, span, target);
    *request.headers_mut() = headers;
    let sending = pool.send(origin, request, timeouts.connect);
    let sent = tokio::time::timeout_at(time.until.into(), sending).await;
    let answer = sent.map_err(|_| Failed::late(time.class))?;
    let (response, kept) = answer.map_err(|error| Failed::sending(&error))?.into_parts();
    if response.status().is_success() {
        return Ok(Head { response, kept, dialect, withhold_usage });
    }
    let mut failed = Box::pin(refused(response, kept)).await;
    // What an upstream says of a mistake goes on in its own words only to a client of its own dialect.
    failed.body.take_if(|_| dialect != asked.dialect);
    if failed.verdict == Verdict::Key {
        match generation {
            Some(generation) => place.refuse_key(generation, now_ms()),
            // It wants a key and the snapshot names none: that does not mend itself.
            None => failed.verdict = Verdict::Broken,
        }
    }
    Err(failed)
}

/// The body in the upstream's dialect: as it came but for the model's name where that is the client's own.
fn said(asked: &Asked<'_>, target: &Target) -> Result<(Dialect, Bytes, bool), Failed> {
    let place = &target.place;
    let dialect = match (asked.dialect, place.dialect) {
        // Ollama speaks it too: https://docs.ollama.com/api/openai-compatibility
        (Dialect::OpenAiEmbeddings, Dialect::OpenAiChat | Dialect::OllamaChat) => Dialect::OpenAiEmbeddings,
        (_, dialect) => dialect,
    };
    if dialect == asked.dialect {
        let rewritten = rewrite_model(dialect, asked.body, asked.shape, &target.model, place.knows_usage);
        return Ok((dialect, rewritten.body.into(), rewritten.withhold_usage));
    }
    let mut to = To::new(dialect, &target.model);
    to.max_completion_tokens = place.openai;
    if let Some(most) = target.max_output_tokens {
        to.default_max_tokens = most;
    }
    let body = translate(asked.dialect, asked.body, &to).map_err(|error| Failed::translating(&error))?;
    Ok((dialect, body.into(), false))
}

/// The headers, and which value of the key is among them; nothing of the client's travels on but the trace and
/// Anthropic's own switches.
fn headers(asked: &Asked<'_>, dialect: Dialect, span: Span, target: &Target) -> (HeaderMap, Option<u64>) {
    let (mut headers, generation) = target.place.headers();
    if asked.shape.stream {
        headers.insert(header::ACCEPT, HeaderValue::from_static(dialect.stream_media_type()));
    }
    if let Some(parent) = span.header() {
        headers.insert(TRACEPARENT, parent);
    }
    // What vendors note about a trace belongs to that trace.
    if span.caller {
        for state in asked.headers.get_all(TRACESTATE) {
            headers.append(TRACESTATE, state.clone());
        }
    }
    if dialect == Dialect::AnthropicMessages && asked.dialect == dialect {
        for name in ["anthropic-version", "anthropic-beta"] {
            if let Some(value) = asked.headers.get(name) {
                headers.insert(name, value.clone());
            }
        }
    }
    (headers, generation)
}

/// Reads an answer that is an error.
async fn refused(response: Response<Incoming>, kept: Kept) -> Failed {
    let status = response.status().as_u16();
    let now = i64::try_from(now_ms() / 1000).unwrap_or(i64::MAX);
    let wait = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let wait = wait.and_then(|value| retry_after(value, now));
    let reading = read(response.into_body(), ERROR_BYTES);
    let body = match tokio::time::timeout(ERROR_TIME, reading).await {
        Ok(Ok(body)) => {
            kept.give_back();
            body
        }
        // The status says enough.
        _ => Bytes::new(),
    };
    let failure = classify(status, wait, &body);
    Failed::said(failure, Some(body))
}

/// A whole body.
pub(super) async fn read(mut body: Incoming, limit: usize) -> Result<Bytes, Failed> {
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Failed::cut())?.into_data() else { continue };
        if first.is_empty() && all.is_empty() {
            first = data;
            continue;
        }
        if all.is_empty() {
            all.extend_from_slice(&first);
        }
        if all.len().saturating_add(data.len()) > limit {
            return Err(Failed::too_large());
        }
        all.extend_from_slice(&data);
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}
