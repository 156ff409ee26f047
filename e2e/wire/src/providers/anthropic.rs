//! Anthropic: `GET /models` by `limit` and `after_id`.

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

const LIST: &str = "/anthropic/v1/models";

pub(crate) fn routes() -> Router<Wire> {
    Router::new().route(LIST, get(models))
}

#[derive(Debug, Default, Deserialize)]
struct Paging {
    limit: Option<usize>,
    after_id: Option<String>,
}

async fn models(State(wire): State<Wire>, Query(paging): Query<Paging>, headers: HeaderMap) -> Response {
    let settings = wire.settings(Provider::Anthropic);
    let ids: Vec<Value> =
        wire.fixtures().facts(Provider::Anthropic, &settings).map(|fact| fact["id"].clone()).collect();
    let after = paging.after_id.as_deref().and_then(|id| ids.iter().position(|known| known == id));
    let list = List::page("data", after.map_or(0, |place| place + 1), paging.limit.unwrap_or(20), &settings);
    let page = format!("limit={}&after_id={}", list.limit, paging.after_id.unwrap_or_default());
    let asked = Asked { wire, provider: Provider::Anthropic, path: LIST.to_owned(), page, headers };
    let rest = |listed, settings: &Settings| {
        let next = list.next(listed, settings);
        let last = next.and_then(|next| ids.get(next.checked_sub(1)?));
        Map::from_iter([
            ("has_more".to_owned(), json!(next.is_some())),
            ("first_id".to_owned(), json!(ids.get(list.offset))),
            ("last_id".to_owned(), json!(last)),
        ])
    };
    asked.list(list, row, rest).await
}

fn row(fact: &Value, _: &Settings) -> Value {
    let mut row = fact.clone();
    row["type"] = json!("model");
    row
}
