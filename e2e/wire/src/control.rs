//! The control API: `PUT`, `GET`, `DELETE /_wire/{provider}` and `/_wire/{provider}/chat`, `GET`, `DELETE
//! /_wire/requests` and `/_wire/inference`.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use crate::inference::settings::Chat;
use crate::providers::Provider;
use crate::settings::Settings;
use crate::state::Wire;

pub(crate) fn routes() -> Router<Wire> {
    Router::new()
        .route("/_wire/requests", get(counts).delete(forget_counts))
        .route("/_wire/inference", get(arrivals).delete(forget_arrivals))
        .route("/_wire/{provider}", get(show).put(set).delete(reset))
        .route("/_wire/{provider}/chat", get(show_chat).put(set_chat).delete(reset_chat))
}

async fn counts(State(wire): State<Wire>) -> Response {
    Json(wire.counts()).into_response()
}

async fn forget_counts(State(wire): State<Wire>) -> Response {
    wire.forget_counts();
    Json(json!({})).into_response()
}

async fn arrivals(State(wire): State<Wire>) -> Response {
    Json(wire.all_arrivals()).into_response()
}

async fn forget_arrivals(State(wire): State<Wire>) -> Response {
    wire.forget_arrivals();
    Json(json!({})).into_response()
}

async fn show(State(wire): State<Wire>, Path(name): Path<String>) -> Response {
    with_provider(&name, |provider| Json(wire.settings(provider)).into_response())
}

async fn set(State(wire): State<Wire>, Path(name): Path<String>, body: Bytes) -> Response {
    with_provider(&name, |provider| match Settings::read(&body) {
        Ok(settings) => {
            wire.set(provider, settings.clone());
            Json(settings).into_response()
        }
        Err(reason) => refused(StatusCode::BAD_REQUEST, &reason),
    })
}

async fn reset(State(wire): State<Wire>, Path(name): Path<String>) -> Response {
    with_provider(&name, |provider| {
        wire.reset(provider);
        Json(wire.settings(provider)).into_response()
    })
}

async fn show_chat(State(wire): State<Wire>, Path(name): Path<String>) -> Response {
    with_provider(&name, |provider| Json(wire.settings(provider).chat).into_response())
}

async fn set_chat(State(wire): State<Wire>, Path(name): Path<String>, body: Bytes) -> Response {
    with_provider(&name, |provider| match Chat::read(&body) {
        Ok(chat) => {
            wire.set_chat(provider, chat.clone());
            Json(chat).into_response()
        }
        Err(reason) => refused(StatusCode::BAD_REQUEST, &reason),
    })
}

async fn reset_chat(State(wire): State<Wire>, Path(name): Path<String>) -> Response {
    with_provider(&name, |provider| {
        wire.set_chat(provider, Chat::default());
        Json(Chat::default()).into_response()
    })
}

fn with_provider(name: &str, then: impl FnOnce(Provider) -> Response) -> Response {
    match Provider::ALL.iter().find(|provider| provider.as_str() == name) {
        Some(provider) => then(*provider),
        None => {
            let known: Vec<&str> = Provider::ALL.iter().map(|provider| provider.as_str()).collect();
            refused(StatusCode::NOT_FOUND, &format!("no provider {name:?}; there are {}", known.join(", ")))
        }
    }
}

fn refused(status: StatusCode, reason: &str) -> Response {
    (status, Json(json!({ "error": reason }))).into_response()
}
