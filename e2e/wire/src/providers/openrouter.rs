//! OpenRouter: `GET /models` (whole, or by offset and limit) and `GET /models/{author}/{slug}/endpoints`.

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Asked, List, Listed, Provider, repriced};
use crate::settings::Settings;
use crate::state::Wire;

const LIST: &str = "/openrouter/api/v1/models";

pub(crate) fn routes() -> Router<Wire> {
    Router::new()
        .route(LIST, get(models))
        .route(&format!("{LIST}/{{author}}/{{slug}}/endpoints"), get(endpoints))
        .route("/openrouter/api/v1/endpoints/zdr", get(zero_retention))
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
struct Paging {
    offset: Option<usize>,
    limit: Option<usize>,
}

async fn models(State(wire): State<Wire>, Query(paging): Query<Paging>, headers: HeaderMap) -> Response {
    let page = format!("{:?}", (paging.offset, paging.limit));
    let list = page_of(paging, &wire.settings(Provider::OpenRouter));
    let asked = Asked { wire, provider: Provider::OpenRouter, path: LIST.to_owned(), page, headers };
    asked.list(list, row, |listed, settings| rest(list, listed, settings)).await
}

/// The whole list when neither offset nor limit is given, as OpenRouter does, unless the settings force pages.
fn page_of(paging: Paging, settings: &Settings) -> List {
    let asked_for_pages = paging.offset.is_some() || paging.limit.is_some();
    let default_limit = if asked_for_pages { 500 } else { usize::MAX };
    let limit = paging.limit.unwrap_or(default_limit).min(settings.page_size.unwrap_or(usize::MAX));
    List { key: "data", offset: paging.offset.unwrap_or(0), limit }
}

/// What stands beside the rows.
fn rest(list: List, listed: Listed, settings: &Settings) -> Map<String, Value> {
    let next = list
        .next(listed, settings)
        .filter(|_| !settings.no_page_links)
        .map(|offset| format!("{LIST}?offset={offset}&limit={}", list.limit));
    Map::from_iter([
        ("total_count".to_owned(), json!(listed.total)),
        ("links".to_owned(), json!({ "next": next })),
    ])
}

fn row(fact: &Value, settings: &Settings) -> Value {
    json!({
        "id": fact["id"], "canonical_slug": fact["id"], "hugging_face_id": "", "name": fact["id"],
        "created": fact["created"], "context_length": fact["context_length"],
        "architecture": {
            "modality": null, "input_modalities": fact["input"], "output_modalities": fact["output"],
            "tokenizer": "Other", "instruct_type": null,
        },
        "pricing": prices(fact, settings),
        "top_provider": {
            "context_length": fact["top_context_length"],
            "max_completion_tokens": fact["max_completion_tokens"], "is_moderated": false,
        },
        "per_request_limits": null, "supported_parameters": fact["supported_parameters"],
        "default_parameters": null, "supported_voices": null,
        "expiration_date": fact["expiration_date"],
        "links": {"details": format!("/api/v1/models/{}/endpoints", fact["id"].as_str().unwrap_or_default())},
    })
}

fn prices(fact: &Value, settings: &Settings) -> Value {
    let change = settings.reprice_per_cent.unwrap_or(0);
    let listed = fact["pricing"].as_object().into_iter().flatten();
    let prices: Map<String, Value> = listed
        .map(|(key, price)| (key.clone(), json!(repriced(price.as_str().unwrap_or_default(), change))))
        .collect();
    Value::Object(prices)
}

async fn endpoints(
    State(wire): State<Wire>,
    Path((author, slug)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let id = format!("{author}/{slug}");
    let path = format!("{LIST}/{id}/endpoints");
    let asked = Asked { wire, provider: Provider::OpenRouter, path, page: String::new(), headers };
    asked
        .one(|wire, settings| {
            let mut facts = wire.fixtures().facts(Provider::OpenRouter, settings);
            facts.find(|fact| fact["id"] == json!(id)).map(|fact| of_model(&fact, settings))
        })
        .await
}

/// Of every model, the endpoint in the north keeps nothing.
async fn zero_retention(State(wire): State<Wire>, headers: HeaderMap) -> Response {
    let path = "/openrouter/api/v1/endpoints/zdr".to_owned();
    let asked = Asked { wire, provider: Provider::OpenRouter, path, page: String::new(), headers };
    let row = |fact: &Value, _: &Settings| json!({"model_id": fact["id"], "tag": "north", "provider_name": "north"});
    asked.list(List::whole("data"), row, |_, _| Map::new()).await
}

/// Two endpoints that work and one that does not, with an uptime made from the id.
fn of_model(fact: &Value, settings: &Settings) -> Value {
    let id = fact["id"].as_str().unwrap_or_default();
    let spread = id.bytes().map(u64::from).sum::<u64>() % 300;
    let endpoint = |tag: &str, status: i32, uptime: f64| {
        json!({
            "name": format!("{tag} | {id}"), "model_id": id, "context_length": fact["context_length"],
            "pricing": prices(fact, settings), "provider_name": tag, "tag": tag, "quantization": "fp8",
            "max_completion_tokens": fact["max_completion_tokens"], "max_prompt_tokens": null,
            "supported_parameters": fact["supported_parameters"], "status": status,
            "uptime_last_30m": null, "uptime_last_1d": uptime,
        })
    };
    let uptime = 100.0 - f64::from(u32::try_from(spread).unwrap_or(0)) / 100.0;
    json!({"data": {
        "id": id, "name": id, "created": fact["created"],
        "endpoints": [endpoint("north", 0, uptime), endpoint("south", 0, uptime - 1.5), endpoint("west", -2, 100.0)],
    }})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(offset: Option<usize>, limit: Option<usize>, settings: &Settings) -> Value {
        let list = page_of(Paging { offset, limit }, settings);
        let rows = (0..10).map(|n| json!({ "id": n }));
        serde_json::from_slice(&list.render(rows, |listed| rest(list, listed, settings))).unwrap()
    }

    #[test]
    fn without_offset_and_limit_the_whole_list_comes() {
        let whole = page(None, None, &Settings::default());
        assert_eq!(whole["data"].as_array().unwrap().len(), 10);
        assert_eq!(whole["links"]["next"], Value::Null);
    }

    #[test]
    fn pages_lead_to_each_other_and_end() {
        let settings = Settings { page_size: Some(4), ..Settings::default() };
        let first = page(None, None, &settings);
        assert_eq!(first["links"]["next"], "/openrouter/api/v1/models?offset=4&limit=4");
        let last = page(Some(8), Some(4), &settings);
        assert_eq!(last["data"].as_array().unwrap().len(), 2);
        assert_eq!(last["links"]["next"], Value::Null);
        assert_eq!(page(Some(99), None, &settings)["data"], json!([]));
    }
}
