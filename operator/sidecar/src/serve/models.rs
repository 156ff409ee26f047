//! The models that a workload may name.

use http::{HeaderMap, Response, StatusCode};
use serde::Serialize;
use vox_routing::ServedName;

use super::chat::serving;
use super::{Body, json};
use crate::app::App;
use crate::problem::Problem;

/// One model, as OpenAI's and Anthropic's clients both read it.
#[derive(Serialize)]
struct Model<'a> {
    id: &'a str,
    /// OpenAI's.
    object: &'static str,
    created: u64,
    owned_by: &'a str,
    /// What several gateways add.
    #[serde(skip_serializing_if = "Option::is_none")]
    context_length: Option<u64>,
    /// Anthropic's.
    r#type: &'static str,
    display_name: &'a str,
    created_at: &'static str,
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Model<'a>>,
    has_more: bool,
    first_id: Option<&'a str>,
    last_id: Option<&'a str>,
}

/// `GET /v1/models`.
pub(super) fn list(app: &App, _: &HeaderMap) -> Result<Response<Body>, Problem> {
    let served = serving(app)?;
    let names = served.router.models();
    let data: Vec<_> = names.iter().map(model).collect();
    let (first_id, last_id) = (data.first().map(|model| model.id), data.last().map(|model| model.id));
    Ok(json(StatusCode::OK, &List { object: "list", has_more: false, first_id, last_id, data }))
}

/// `GET /v1/models/{id}`; ids have slashes.
pub(super) fn one(app: &App, id: &str, _: &HeaderMap) -> Result<Response<Body>, Problem> {
    let served = serving(app)?;
    let found = served.router.models().into_iter().find(|name| name.name == id);
    found
        .map(|name| json(StatusCode::OK, &model(&name)))
        .ok_or_else(|| Problem::unknown_model(super::intake::beginning(id)))
}

fn model(name: &ServedName) -> Model<'_> {
    Model {
        id: &name.name,
        object: "model",
        created: 0,
        owned_by: &name.owned_by,
        context_length: name.context_length_tokens,
        r#type: "model",
        display_name: &name.name,
        // Nobody needs it, and Anthropic's clients refuse a model without it.
        created_at: "1970-01-01T00:00:00Z",
    }
}
