//! Ollama: `GET /api/tags`, `POST /api/show`, `GET /api/version`.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::{Map, Value, json};

use super::{Asked, List, Provider};
use crate::settings::Settings;
use crate::state::Wire;

pub(crate) fn routes() -> Router<Wire> {
    Router::new()
        .route("/ollama/api/tags", get(tags))
        .route("/ollama/api/show", post(show))
        .route("/ollama/api/version", get(version))
}

fn asked(wire: Wire, path: &str, headers: HeaderMap) -> Asked {
    Asked { wire, provider: Provider::Ollama, path: path.to_owned(), page: String::new(), headers }
}

async fn tags(State(wire): State<Wire>, headers: HeaderMap) -> Response {
    asked(wire, "/ollama/api/tags", headers).list(List::whole("models"), tag, |_, _| Map::new()).await
}

fn tag(fact: &Value, _: &Settings) -> Value {
    let mut row = json!({
        "name": fact["name"], "model": fact["name"], "modified_at": "2026-02-19T16:22:15.123456789+01:00",
        "size": fact["size"], "digest": digest(fact), "details": details(fact),
    });
    copy_remote(fact, &mut row);
    row
}

/// Only models that run elsewhere have these keys at all.
fn copy_remote(fact: &Value, row: &mut Value) {
    for key in ["remote_host", "remote_model"] {
        if fact[key].is_string() {
            row[key] = fact[key].clone();
        }
    }
}

/// 64 hexadecimal digits that follow from the name.
fn digest(fact: &Value) -> String {
    let name = fact["name"].as_str().unwrap_or_default();
    name.bytes().cycle().take(32).map(|byte| format!("{byte:02x}")).collect()
}

fn details(fact: &Value) -> Value {
    json!({
        "parent_model": "", "format": "gguf", "family": fact["family"], "families": [fact["family"]],
        "parameter_size": fact["parameter_size"], "quantization_level": fact["quantization_level"],
    })
}

async fn show(State(wire): State<Wire>, headers: HeaderMap, body: Bytes) -> Response {
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    asked(wire, "/ollama/api/show", headers)
        .one(|wire, settings| {
            let mut facts = wire.fixtures().facts(Provider::Ollama, settings);
            facts.find(|fact| fact["name"] == request["model"]).map(|fact| shown(&fact))
        })
        .await
}

fn shown(fact: &Value) -> Value {
    let architecture = fact["architecture"].as_str().unwrap_or_default();
    let mut info = Map::new();
    info.insert("general.architecture".to_owned(), json!(architecture));
    info.insert(format!("{architecture}.context_length"), fact["context_length"].clone());
    info.insert("tokenizer.ggml.tokens".to_owned(), Value::Null);
    let parameters = match fact["num_ctx"].as_u64() {
        Some(served) => {
            format!("num_ctx                        {served}\nstop                           \"<end>\"")
        }
        None => String::new(),
    };
    let mut answer = json!({
        "parameters": parameters, "details": details(fact), "model_info": info,
        "capabilities": fact["capabilities"], "modified_at": "2026-02-19T16:22:15.123456789+01:00",
    });
    copy_remote(fact, &mut answer);
    answer
}

async fn version(State(wire): State<Wire>, headers: HeaderMap) -> Response {
    asked(wire, "/ollama/api/version", headers).one(|_, _| Some(json!({"version": "0.15.0"}))).await
}
