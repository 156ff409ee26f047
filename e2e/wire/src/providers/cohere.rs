//! Cohere: `GET /models` by `page_size` and `page_token`.

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

const LIST: &str = "/cohere/v1/models";

pub(crate) fn routes() -> Router<Wire> {
    Router::new().route(LIST, get(models))
}

#[derive(Debug, Default, Deserialize)]
struct Paging {
    page_size: Option<usize>,
    page_token: Option<usize>,
}

async fn models(State(wire): State<Wire>, Query(paging): Query<Paging>, headers: HeaderMap) -> Response {
    let settings = wire.settings(Provider::Cohere);
    let offset = paging.page_token.unwrap_or(0);
    let list = List::page("models", offset, paging.page_size.unwrap_or(20), &settings);
    let page = format!("page_size={}&page_token={offset}", list.limit);
    let asked = Asked { wire, provider: Provider::Cohere, path: LIST.to_owned(), page, headers };
    let rest = |listed, settings: &Settings| {
        let next = list.next(listed, settings).map(|place| json!(place.to_string()));
        next.into_iter().map(|token| ("next_page_token".to_owned(), token)).collect::<Map<String, Value>>()
    };
    asked.list(list, |fact, _| fact.clone(), rest).await
}
