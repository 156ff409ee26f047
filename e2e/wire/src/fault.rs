//! What can go wrong on demand: some faults replace the whole answer, some change the rows in it.

use std::io::Write;
use std::sync::OnceLock;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::stream;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::providers::{Provider, Shape};

/// How far a gzip bomb unpacks, in bytes: far above any sensible limit, and still made in about a second.
const BOMB_BYTES: usize = 128 << 20;
/// The longest delay; a request that hangs longer only wastes the tester's time.
const MAX_DELAY_MS: u64 = 600_000;
/// The largest oversized answer, in bytes.
pub(crate) const MAX_OVERSIZED_BYTES: u64 = 1 << 32;

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// An error status, with the provider's kind of body.
    Status {
        /// 400 to 599.
        status: u16,
        /// Sent as `Retry-After`, as it stands: seconds or an HTTP date.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<String>,
    },
    /// The right length is announced, then the connection ends early.
    Cut {
        /// After this many bytes of the body.
        after_bytes: usize,
    },
    /// The right answer, late.
    Slow {
        /// So late, in milliseconds.
        delay_ms: u64,
    },
    /// A valid beginning and then very many spaces.
    Oversized {
        /// So many bytes.
        bytes: u64,
    },
    /// A small compressed answer that unpacks to 128 MiB.
    GzipBomb,
    /// A web page with status 200, as a captive portal or a wrong path gives.
    Html,
    /// A list without models.
    Empty,
    /// Some rows have numbers, texts and lists where others belong.
    WrongTypes,
    /// One row stands there twice, and one stands there again with another context length.
    Duplicates,
    /// Modalities, parameters and capabilities that nobody has heard of.
    UnknownStrings,
    /// A field of every row has another name.
    Renamed {
        /// Its name until now.
        from: String,
        /// Its name from now on.
        to: String,
    },
    /// Status 307 to another place.
    Redirect {
        /// The place.
        location: String,
    },
}

impl Fault {
    /// Checks the ranges.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn validate(&self) -> Result<(), String> {
        match self {
            Self::Status { status, .. } if !(400..600).contains(status) => {
                Err(format!("status must be 400 to 599, not {status}"))
            }
            Self::Status { retry_after: Some(text), .. } | Self::Redirect { location: text }
                if HeaderValue::from_str(text).is_err() =>
            {
                Err("retry_after and location must be valid header values".to_owned())
            }
            Self::Slow { delay_ms } if *delay_ms > MAX_DELAY_MS => {
                Err(format!("delay_ms must be at most {MAX_DELAY_MS}"))
            }
            Self::Oversized { bytes } if *bytes > MAX_OVERSIZED_BYTES => {
                Err(format!("bytes must be at most {MAX_OVERSIZED_BYTES}"))
            }
            _ => Ok(()),
        }
    }

    /// The answer that this fault gives instead of the provider's; `None` when it only changes rows.
    pub(crate) async fn replaces(&self, provider: Provider, body: &Bytes) -> Option<Response> {
        match self {
            Self::Status { status, retry_after } => {
                Some(error_status(provider, *status, retry_after.as_deref()))
            }
            Self::Cut { after_bytes } => Some(cut(body, *after_bytes)),
            Self::Oversized { bytes } => Some(oversized(*bytes)),
            Self::GzipBomb => Some(gzip_bomb()),
            Self::Html => Some(html()),
            Self::Redirect { location } => Some(redirect(location)),
            Self::Slow { delay_ms } => {
                tokio::time::sleep(Duration::from_millis(*delay_ms)).await;
                None
            }
            Self::Empty
            | Self::WrongTypes
            | Self::Duplicates
            | Self::UnknownStrings
            | Self::Renamed { .. } => None,
        }
    }

    /// The rows as this fault changes them, one after the other: a long list is never in memory at once.
    pub(crate) fn changed<'a>(
        &'a self,
        shape: Shape,
        mut rows: impl Iterator<Item = Value> + 'a,
    ) -> Box<dyn Iterator<Item = Value> + 'a> {
        match self {
            Self::Empty => Box::new(std::iter::empty()),
            Self::WrongTypes => {
                Box::new(rows.enumerate().map(move |(index, row)| wrong_types(&shape, index, row)))
            }
            Self::Duplicates => {
                let first: Vec<Value> = rows.by_ref().take(2).collect();
                let again = duplicates(&shape, &first);
                Box::new(first.into_iter().chain(rows).chain(again))
            }
            Self::UnknownStrings => Box::new(rows.map(unknown_strings)),
            Self::Renamed { from, to } => Box::new(rows.map(|row| renamed(row, from, to))),
            _ => Box::new(rows),
        }
    }
}

fn wrong_types(shape: &Shape, index: usize, mut row: Value) -> Value {
    match index {
        0 => shape.id_keys.iter().for_each(|key| row[*key] = json!(42)),
        1 => row[shape.number_key] = json!("many"),
        2 => row = json!("a row that is a text"),
        3 => row[shape.object_key] = json!(["a", "list"]),
        _ => {}
    }
    row
}

/// The first row again, and the second with another number.
fn duplicates(shape: &Shape, first: &[Value]) -> Vec<Value> {
    let same = first.first().cloned();
    let other = first.get(1).cloned().map(|mut row| {
        row[shape.number_key] = json!(1234);
        row
    });
    same.into_iter().chain(other).collect()
}

fn unknown_strings(mut row: Value) -> Value {
    for key in ["input_modalities", "output_modalities"] {
        if row["architecture"].is_object() {
            row["architecture"][key] = json!(["text", "smell"]);
        } else {
            row[key] = json!(["text", "smell"]);
        }
    }
    if row["supported_parameters"].is_array() {
        row["supported_parameters"] = json!(["tools", "telepathy"]);
    }
    row["something_new"] = json!({"nobody": ["knows"]});
    row
}

fn renamed(mut row: Value, from: &str, to: &str) -> Value {
    if let Some(fields) = row.as_object_mut()
        && let Some(value) = fields.remove(from)
    {
        fields.insert(to.to_owned(), value);
    }
    row
}

fn error_status(provider: Provider, status: u16, retry_after: Option<&str>) -> Response {
    let code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = provider.error_body(status, "a fault was asked for");
    let mut response = (code, axum::Json(body)).into_response();
    if let Some(value) = retry_after.and_then(|text| HeaderValue::from_str(text).ok()) {
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    response
}

pub(crate) fn with_headers<const N: usize>(body: Body, headers: [(HeaderName, HeaderValue); N]) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().extend(headers);
    response
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

pub(crate) fn cut(body: &Bytes, after_bytes: usize) -> Response {
    let kept = body.slice(..after_bytes.min(body.len().saturating_sub(1)));
    let chunks: [Result<Bytes, std::io::Error>; 2] = [Ok(kept), Err(std::io::Error::other("cut on demand"))];
    // The pause lets the first part leave, so that the client sees a cut answer and not a reset before it.
    let stream = stream::unfold(chunks.into_iter(), |mut rest| async {
        let chunk = rest.next()?;
        if chunk.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Some((chunk, rest))
    });
    let length = HeaderValue::from(body.len());
    with_headers(Body::from_stream(stream), [(header::CONTENT_TYPE, JSON), (header::CONTENT_LENGTH, length)])
}

pub(crate) fn oversized(bytes: u64) -> Response {
    let spaces = Bytes::from(vec![b' '; 64 << 10]);
    let stream = stream::unfold((bytes, true), move |(left, first)| {
        let spaces = spaces.clone();
        async move {
            if left == 0 {
                return None;
            }
            let chunk = if first { Bytes::from_static(b"{\"data\":[") } else { spaces };
            let take = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
            Some((Ok::<_, std::io::Error>(chunk.slice(..take)), (left - take as u64, false)))
        }
    });
    with_headers(Body::from_stream(stream), [(header::CONTENT_TYPE, JSON)])
}

fn gzip_bomb() -> Response {
    static BOMB: OnceLock<Bytes> = OnceLock::new();
    let bomb = BOMB.get_or_init(|| Bytes::from(packed_spaces().unwrap_or_default())).clone();
    let gzip = HeaderValue::from_static("gzip");
    with_headers(Body::from(bomb), [(header::CONTENT_TYPE, JSON), (header::CONTENT_ENCODING, gzip)])
}

fn packed_spaces() -> std::io::Result<Vec<u8>> {
    let spaces = vec![b' '; 1 << 20];
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(b"{\"data\":[")?;
    for _ in 0..BOMB_BYTES / spaces.len() {
        packer.write_all(&spaces)?;
    }
    packer.finish()
}

pub(crate) fn html() -> Response {
    let page = "<!doctype html><html><head><title>Sign in</title></head><body>Sign in</body></html>";
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    with_headers(Body::from(page), [(header::CONTENT_TYPE, kind)])
}

fn redirect(location: &str) -> Response {
    let mut response = StatusCode::TEMPORARY_REDIRECT.into_response();
    if let Ok(value) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    response
}
