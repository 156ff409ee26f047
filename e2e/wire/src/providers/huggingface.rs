//! Hugging Face: the hub's `GET /api/models`, whose `Link` header leads to the next page, and the router's `GET /models`.

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Map, json};

use super::{Asked, List, Listed, Provider};
use crate::state::Wire;

const HUB: &str = "/huggingface/api/models";
const ROUTER: &str = "/huggingface/v1/models";
/// The hub's own page size.
const PAGE: usize = 1000;

pub(crate) fn routes() -> Router<Wire> {
    Router::new().route(HUB, get(hub)).route(ROUTER, get(router))
}

async fn router(State(wire): State<Wire>, headers: HeaderMap) -> Response {
    let asked = Asked {
        wire,
        provider: Provider::HuggingFace,
        path: ROUTER.to_owned(),
        page: String::new(),
        headers,
    };
    let object = |_, _: &_| Map::from_iter([("object".to_owned(), json!("list"))]);
    asked.list(List::whole("data"), |fact, _| fact.clone(), object).await
}

#[derive(Debug, Default, Deserialize)]
struct Asking {
    author: Option<String>,
    search: Option<String>,
    cursor: Option<usize>,
}

async fn hub(State(wire): State<Wire>, Query(asking): Query<Asking>, headers: HeaderMap) -> Response {
    let settings = wire.settings(Provider::HuggingFace);
    let offset = asking.cursor.unwrap_or(0);
    let list = List::page("", offset, PAGE, &settings);
    let page = asking.cursor.map_or_else(String::new, |cursor| format!("cursor={cursor}"));
    let rows: Vec<_> = wire
        .fixtures()
        .hub(&settings)
        .filter(|row| {
            let id = row["id"].as_str().unwrap_or_default();
            let by = |author: &str| id.split('/').next() == Some(author);
            asking.author.as_deref().is_none_or(by)
                && asking.search.as_deref().is_none_or(|text| id.contains(text))
        })
        .collect();
    let shown = rows.len().saturating_sub(offset).min(list.limit);
    let next = list.next(Listed { total: rows.len(), shown }, &settings);
    let asked = Asked { wire, provider: Provider::HuggingFace, path: HUB.to_owned(), page, headers };
    let mut response = asked.rows(list, rows).await;
    let link = next.map(|cursor| format!("<{HUB}?cursor={cursor}>; rel=\"next\""));
    if let Some(value) = link.and_then(|link| HeaderValue::from_str(&link).ok()) {
        response.headers_mut().insert(header::LINK, value);
    }
    response
}
