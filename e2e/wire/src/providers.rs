//! The providers: where each is, how its list and its errors look, and the way every request takes.

pub mod anthropic;
pub mod cohere;
mod errors;
mod fixtures;
pub mod google;
pub mod huggingface;
mod list;
pub mod local;
pub mod ollama;
pub mod openai;
pub mod openrouter;
mod provider;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use rust_decimal::Decimal;
use serde_json::{Map, Value};

pub use self::fixtures::Fixtures;
pub(crate) use self::list::{List, Listed};
pub use self::provider::Provider;
use crate::fault::Fault;
use crate::reply;
use crate::settings::Settings;
use crate::state::Wire;

/// Which keys of a provider's rows hold what; faults are put there.
pub(crate) struct Shape {
    pub(crate) id_keys: &'static [&'static str],
    pub(crate) number_key: &'static str,
    pub(crate) object_key: &'static str,
}

/// A price in decimal text, changed by so many per cent; `-1` and what is no decimal stay as they are.
pub(crate) fn repriced(text: &str, per_cent: i32) -> String {
    match Decimal::from_str_exact(text) {
        Ok(price) if !price.is_sign_negative() => {
            let factor = Decimal::new(i64::from(100 + per_cent), 2);
            price.checked_mul(factor).map_or_else(|| text.to_owned(), |new| new.normalize().to_string())
        }
        _ => text.to_owned(),
    }
}

pub(crate) fn routes() -> Router<Wire> {
    openrouter::routes()
        .merge(ollama::routes())
        .merge(openai::routes())
        .merge(anthropic::routes())
        .merge(google::routes())
        .merge(huggingface::routes())
        .merge(cohere::routes())
        .merge(local::routes())
}

/// Why an `Authorization` header does not do, if a key is wanted.
pub(crate) fn refusal_of(wanted: Option<&str>, shown: Option<&str>) -> Option<String> {
    match (wanted, shown) {
        (None, _) => None,
        (Some(key), Some(text)) if text.strip_prefix("Bearer ") == Some(key) => None,
        // Some providers do repeat the key that they were shown; a client must cope with that.
        (_, Some(text)) => {
            Some(format!("Incorrect API key provided: {}", text.trim_start_matches("Bearer ")))
        }
        _ => Some("Missing Authentication header".to_owned()),
    }
}

/// One request to a provider, on its way through counting, key, fault and rendering.
pub(crate) struct Asked {
    pub(crate) wire: Wire,
    pub(crate) provider: Provider,
    /// The path as it is counted.
    pub(crate) path: String,
    /// Tells apart lists of the same path (pages).
    pub(crate) page: String,
    pub(crate) headers: HeaderMap,
}

impl Asked {
    /// Answers with one page of the provider's facts (already cut, repriced and numbered), as rows.
    pub(crate) async fn list(
        self,
        list: List,
        row: impl Fn(&Value, &Settings) -> Value,
        rest: impl FnOnce(Listed, &Settings) -> Map<String, Value>,
    ) -> Response {
        let fault = match self.admit() {
            Ok(fault) => fault,
            Err(refusal) => return *refusal,
        };
        let settings = self.wire.settings(self.provider);
        let key = format!("{}?{} {fault:?}", self.path, self.page);
        let body = self.wire.rendered(self.provider, key, || {
            let facts = self.wire.fixtures().facts(self.provider, &settings);
            let rows = facts.map(|fact| row(&fact, &settings));
            match &fault {
                Some(fault) => {
                    list.render(fault.changed(self.provider.shape(), rows), |page| rest(page, &settings))
                }
                None => list.render(rows, |page| rest(page, &settings)),
            }
        });
        self.finish(fault, body).await
    }

    /// Answers with one page of rows that are at hand.
    pub(crate) async fn rows(self, list: List, rows: Vec<Value>) -> Response {
        let fault = match self.admit() {
            Ok(fault) => fault,
            Err(refusal) => return *refusal,
        };
        let rows = rows.into_iter();
        let body = match &fault {
            Some(fault) => list.render(fault.changed(self.provider.shape(), rows), |_| Map::new()),
            None => list.render(rows, |_| Map::new()),
        };
        self.finish(fault, body).await
    }

    /// Answers with a body about one model, or 404 when there is none.
    pub(crate) async fn one(self, make: impl FnOnce(&Wire, &Settings) -> Option<Value>) -> Response {
        let fault = match self.admit() {
            Ok(fault) => fault,
            Err(refusal) => return *refusal,
        };
        let settings = self.wire.settings(self.provider);
        match make(&self.wire, &settings) {
            Some(value) => self.finish(fault, Bytes::from(value.to_string())).await,
            None => self.error(StatusCode::NOT_FOUND, "model not found"),
        }
    }

    fn admit(&self) -> Result<Option<Fault>, Box<Response>> {
        self.wire.count(self.provider, &self.path);
        let settings = self.wire.settings(self.provider);
        let (header, prefix) = self.provider.key_header();
        let shown = self.headers.get(header).and_then(|value| value.to_str().ok());
        let bearer = shown.map(|shown| format!("Bearer {}", shown.trim_start_matches(prefix)));
        if let Some(message) = refusal_of(settings.key.as_deref(), bearer.as_deref()) {
            return Err(Box::new(self.error(self.provider.wrong_key_status(), &message)));
        }
        Ok(self.wire.take_fault(self.provider, &format!("{}?{}", self.path, self.page)))
    }

    async fn finish(self, fault: Option<Fault>, body: Bytes) -> Response {
        if let Some(fault) = fault
            && let Some(response) = fault.replaces(self.provider, &body).await
        {
            return response;
        }
        reply::conditional(&self.headers, body)
    }

    fn error(&self, status: StatusCode, message: &str) -> Response {
        (status, axum::Json(self.provider.error_body(status.as_u16(), message))).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_change_exactly() {
        assert_eq!(repriced("0.00000001703012", 10), "0.000000018733132");
        assert_eq!(repriced("0.000002", 0), "0.000002");
        assert_eq!(repriced("-1", 10), "-1");
    }
}
