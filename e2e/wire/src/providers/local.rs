//! Servers of one's own that have more to say than OpenAI's list: llama.cpp and LM Studio.

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use serde_json::{Map, Value, json};

use super::{Asked, List, Provider};
use crate::state::Wire;

/// The context of one slot of the llama.cpp server, in tokens.
const SLOT_CONTEXT: u64 = 8192;

pub(crate) fn routes() -> Router<Wire> {
    Router::new()
        .route("/llama-cpp/v1/models", get(llama_cpp))
        .route("/llama-cpp/props", get(props))
        .route("/lm-studio/api/v1/models", get(lm_studio))
        .route("/lm-studio/v1/models", get(lm_studio_compatible))
}

fn asked(wire: Wire, provider: Provider, path: &str, headers: HeaderMap) -> Asked {
    Asked { wire, provider, path: path.to_owned(), page: String::new(), headers }
}

async fn llama_cpp(State(wire): State<Wire>, headers: HeaderMap) -> Response {
    let object = |_, _: &_| Map::from_iter([("object".to_owned(), json!("list"))]);
    let asked = asked(wire, Provider::LlamaCpp, "/llama-cpp/v1/models", headers);
    asked.list(List::whole("data"), |fact, _| fact.clone(), object).await
}

async fn props(State(wire): State<Wire>, headers: HeaderMap) -> Response {
    let props = json!({
        "default_generation_settings": {"n_ctx": SLOT_CONTEXT}, "total_slots": 4,
        "modalities": {"vision": false, "audio": false}, "model_path": "/models/model.gguf",
    });
    asked(wire, Provider::LlamaCpp, "/llama-cpp/props", headers).one(|_, _| Some(props)).await
}

async fn lm_studio(State(wire): State<Wire>, headers: HeaderMap) -> Response {
    let asked = asked(wire, Provider::LmStudio, "/lm-studio/api/v1/models", headers);
    asked.list(List::whole("models"), |fact, _| fact.clone(), |_, _| Map::new()).await
}

async fn lm_studio_compatible(State(wire): State<Wire>, headers: HeaderMap) -> Response {
    let asked = asked(wire, Provider::LmStudio, "/lm-studio/v1/models", headers);
    let row =
        |fact: &Value, _: &_| json!({"id": fact["key"], "object": "model", "owned_by": "organization_owner"});
    asked.list(List::whole("data"), row, |_, _| Map::new()).await
}
