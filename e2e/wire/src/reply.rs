//! A body as an HTTP answer: `ETag` and `If-None-Match`, gzip where accepted.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;

/// Answers with the body, or with 304 when the client has it already.
pub(crate) fn conditional(asked: &HeaderMap, body: Bytes) -> Response {
    let etag = etag(&body);
    let known = asked.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let tags = known.split(',').map(str::trim);
    let mut response = if tags.into_iter().any(|tag| tag == etag || tag == "*") && !known.is_empty() {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        json(asked, body)
    };
    if let Ok(value) = HeaderValue::from_str(&etag) {
        response.headers_mut().insert(header::ETAG, value);
    }
    response
}

/// A weak tag: the same list is sent compressed and plain.
fn etag(body: &Bytes) -> String {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    format!("W/\"{:016x}\"", hasher.finish())
}

fn json(asked: &HeaderMap, body: Bytes) -> Response {
    let accepts =
        asked.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let packed = if accepts.contains("gzip") { pack(&body).ok() } else { None };
    let gzip = packed.is_some();
    let mut response = Response::new(Body::from(packed.map_or(body, Bytes::from)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

fn pack(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut packer = GzEncoder::new(Vec::with_capacity(body.len() / 8), Compression::fast());
    packer.write_all(body)?;
    packer.finish()
}
