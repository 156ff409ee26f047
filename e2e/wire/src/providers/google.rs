//! Google AI: `GET /models` by `pageSize` and `pageToken`.

use axum::Router;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Asked, List, Provider};
use crate::settings::Settings;
use crate::state::Wire;

const LIST: &str = "/google/v1beta/models";

pub(crate) fn routes() -> Router<Wire> {
    Router::new().route(LIST, get(models))
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Paging {
    page_size: Option<usize>,
    page_token: Option<String>,
}

/// A token is opaque to clients: here it is a word and the place in the list.
const TOKEN: &str = "Ch-";

async fn models(State(wire): State<Wire>, Query(paging): Query<Paging>, headers: HeaderMap) -> Response {
    let settings = wire.settings(Provider::Google);
    let token = paging.page_token.unwrap_or_default();
    let offset = token.strip_prefix(TOKEN).and_then(|place| place.parse().ok()).unwrap_or(0);
    let list = List::page("models", offset, paging.page_size.unwrap_or(50), &settings);
    let page = format!("pageSize={}&pageToken={token}", list.limit);
    let asked = Asked { wire, provider: Provider::Google, path: LIST.to_owned(), page, headers };
    let rest = |listed, settings: &Settings| {
        // Absent at the end, not null.
        let next = list.next(listed, settings).map(|place| json!(format!("{TOKEN}{place}")));
        next.into_iter().map(|token| ("nextPageToken".to_owned(), token)).collect::<Map<String, Value>>()
    };
    asked.list(list, |fact, _| fact.clone(), rest).await
}
