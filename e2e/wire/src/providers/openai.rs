//! OpenAI and those who answer like it, in one page.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use serde_json::{Map, Value, json};

use super::{Asked, List, Provider};
use crate::settings::Settings;
use crate::state::Wire;

/// Who they are, where each list is, and under which key.
const LISTS: [(Provider, &str, &str); 10] = [
    (Provider::OpenAi, "/models", "data"),
    (Provider::Groq, "/models", "data"),
    (Provider::Mistral, "/models", "data"),
    (Provider::Vllm, "/models", "data"),
    (Provider::Xai, "/language-models", "models"),
    (Provider::Cerebras, "/models", "data"),
    (Provider::SambaNova, "/models", "data"),
    (Provider::DeepSeek, "/models", "data"),
    (Provider::Together, "/models", ""),
    (Provider::Perplexity, "/v1/models", "data"),
];

pub(crate) fn routes() -> Router<Wire> {
    LISTS.into_iter().fold(Router::new(), |router, (provider, path, key)| {
        let path = format!("{}{path}", provider.base_path());
        let listed = path.clone();
        router
            .route(&path, get(async move |wire, headers| models(provider, listed, key, wire, headers).await))
    })
}

async fn models(
    provider: Provider,
    path: String,
    key: &'static str,
    State(wire): State<Wire>,
    headers: HeaderMap,
) -> Response {
    let asked = Asked { wire, provider, path, page: String::new(), headers };
    let object = |_, _: &Settings| Map::from_iter([("object".to_owned(), json!("list"))]);
    asked.list(List::whole(key), |fact, _| row(provider, fact), object).await
}

fn row(provider: Provider, fact: &Value) -> Value {
    let mut row = fact.clone();
    row["object"] = json!("model");
    match provider {
        Provider::Mistral => {
            // Mistral writes the same time, the server's own, into every row.
            row["created"] = json!(now());
            row["owned_by"] = json!("mistralai");
            row["type"] = json!("base");
            row["name"] = fact["id"].clone();
        }
        Provider::Vllm => {
            row["created"] = json!(now());
            row["owned_by"] = json!("vllm");
            row["permission"] = json!([]);
        }
        _ => {}
    }
    row
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
