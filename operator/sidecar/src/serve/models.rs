//! The models that a workload may name.

use http::{HeaderMap, Response, StatusCode};
use serde::Serialize;

use super::chat::serving;
use super::{Body, json};
use crate::app::App;
use crate::problem::Problem;
use crate::serving::Served;

/// One model, as OpenAI's and Anthropic's clients both read it.
#[derive(Serialize)]
struct Model<'a> {
    id: &'a str,
    /// OpenAI's.
    object: &'static str,
    created: u64,
    owned_by: &'a str,
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
    let data = models(&served);
    let (first_id, last_id) = (data.first().map(|model| model.id), data.last().map(|model| model.id));
    Ok(json(StatusCode::OK, &List { object: "list", has_more: false, first_id, last_id, data }))
}

/// `GET /v1/models/{id}`; ids have slashes.
pub(super) fn one(app: &App, id: &str, _: &HeaderMap) -> Result<Response<Body>, Problem> {
    let served = serving(app)?;
    let found = models(&served).into_iter().find(|model| model.id == id);
    found
        .map(|model| json(StatusCode::OK, &model))
        .ok_or_else(|| Problem::unknown_model(id.chars().take(200).collect()))
}

fn models(served: &Served) -> Vec<Model<'_>> {
    served
        .router
        .models()
        .into_iter()
        .map(|id| Model {
            id,
            object: "model",
            created: 0,
            owned_by: id.split_once('/').map_or("vox", |(upstream, _)| upstream),
            r#type: "model",
            display_name: id,
            // Nobody needs it, and Anthropic's clients refuse a model without it.
            created_at: "1970-01-01T00:00:00Z",
        })
        .collect()
}
