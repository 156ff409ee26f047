//! The providers: where each is, how its list and its errors look, and the way every request takes.

pub mod ollama;
pub mod openai;
pub mod openrouter;

use anyhow::Context;
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::fault::Fault;
use crate::reply;
use crate::settings::Settings;
use crate::state::Wire;

/// A wire format that this server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Provider {
    /// Prices and uptime, pages.
    OpenRouter,
    /// `tags` and `show`.
    Ollama,
    /// Only ids.
    OpenAi,
    /// Contexts, and models that are not active.
    Groq,
    /// Capabilities, aliases, ids that stand there twice.
    Mistral,
    /// A model and an adapter on it.
    Vllm,
}

impl Provider {
    /// Every provider.
    pub const ALL: [Self; 6] =
        [Self::OpenRouter, Self::Ollama, Self::OpenAi, Self::Groq, Self::Mistral, Self::Vllm];

    /// Its name in the control API, also the first part of its path.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenRouter => "openrouter",
            Self::Ollama => "ollama",
            Self::OpenAi => "openai",
            Self::Groq => "groq",
            Self::Mistral => "mistral",
            Self::Vllm => "vllm",
        }
    }

    /// The path of the base URL that a client is given.
    #[must_use]
    pub const fn base_path(self) -> &'static str {
        match self {
            Self::OpenRouter => "/openrouter/api/v1",
            Self::Ollama => "/ollama",
            Self::OpenAi => "/openai/v1",
            Self::Groq => "/groq/openai/v1",
            Self::Mistral => "/mistral/v1",
            Self::Vllm => "/vllm/v1",
        }
    }

    /// Which keys of a row hold what.
    const fn shape(self) -> Shape {
        let (id_keys, number_key, object_key): (&[&str], _, _) = match self {
            Self::OpenRouter => (&["id"], "context_length", "pricing"),
            Self::Ollama => (&["name", "model"], "size", "details"),
            Self::OpenAi | Self::Groq => (&["id"], "context_window", "pricing"),
            Self::Mistral => (&["id"], "max_context_length", "pricing"),
            Self::Vllm => (&["id"], "max_model_len", "pricing"),
        };
        Shape { id_keys, number_key, object_key }
    }

    /// An error as this provider words it.
    #[must_use]
    pub fn error_body(self, status: u16, message: &str) -> Value {
        match self {
            Self::OpenRouter => json!({"error": {"message": message, "code": status}}),
            Self::Ollama => json!({"error": message}),
            Self::OpenAi | Self::Groq => {
                json!({"error": {"message": message, "type": "error", "param": null, "code": null}})
            }
            Self::Mistral if status == 401 => json!({"detail": message}),
            Self::Mistral => json!({"object": "error", "message": message, "type": "error", "code": null}),
            Self::Vllm => {
                json!({"error": {"message": message, "type": "error", "param": null, "code": status}})
            }
        }
    }
}

/// Which keys of a provider's rows hold what; faults are put there.
pub(crate) struct Shape {
    pub(crate) id_keys: &'static [&'static str],
    pub(crate) number_key: &'static str,
    pub(crate) object_key: &'static str,
}

/// The facts that lists are made from: ids, prices, sizes, contexts, modalities and parameter names.
#[derive(Debug)]
pub struct Fixtures {
    openrouter: Vec<Value>,
    ollama: Vec<Value>,
    openai: Vec<Value>,
    groq: Vec<Value>,
    mistral: Vec<Value>,
    vllm: Vec<Value>,
}

impl Fixtures {
    /// Parses the files that are compiled in.
    ///
    /// # Errors
    /// When one of them is not a JSON array.
    pub fn load() -> anyhow::Result<Self> {
        let read = |name: &str, text: &str| {
            serde_json::from_str::<Vec<Value>>(text).with_context(|| format!("failed to read fixture {name}"))
        };
        Ok(Self {
            openrouter: read("openrouter", include_str!("../fixtures/openrouter.json"))?,
            ollama: read("ollama", include_str!("../fixtures/ollama.json"))?,
            openai: read("openai", include_str!("../fixtures/openai.json"))?,
            groq: read("groq", include_str!("../fixtures/groq.json"))?,
            mistral: read("mistral", include_str!("../fixtures/mistral.json"))?,
            vllm: read("vllm", include_str!("../fixtures/vllm.json"))?,
        })
    }

    /// One provider's facts, as many of them as the settings ask for; one at a time, because they may be very many.
    pub fn facts(&self, provider: Provider, settings: &Settings) -> impl Iterator<Item = Value> {
        let all = match provider {
            Provider::OpenRouter => &self.openrouter,
            Provider::Ollama => &self.ollama,
            Provider::OpenAi => &self.openai,
            Provider::Groq => &self.groq,
            Provider::Mistral => &self.mistral,
            Provider::Vllm => &self.vllm,
        };
        let wanted = settings.models.unwrap_or(all.len());
        let kept = wanted * usize::from(settings.keep_per_cent.unwrap_or(100)) / 100;
        all.iter().cycle().enumerate().take(kept).map(|(index, row)| numbered(row, index, all.len()))
    }
}

/// The same facts under another id, once the fixture has been used up.
fn numbered(row: &Value, index: usize, len: usize) -> Value {
    let mut row = row.clone();
    if index >= len {
        for key in ["id", "name"] {
            if let Some(id) = row[key].as_str() {
                row[key] = json!(format!("{id}-g{index:06}"));
            }
        }
    }
    row
}

/// An envelope with its rows, which `json!` would copy.
pub(crate) fn with_rows(mut envelope: Value, key: &str, rows: Vec<Value>) -> Value {
    envelope[key] = Value::Array(rows);
    envelope
}

/// A price in decimal text, changed by so many per cent; `-1` and what is no decimal stay as they are.
pub(crate) fn repriced(text: &str, per_cent: i32) -> String {
    match Decimal::from_str_exact(text) {
        Ok(price) if !price.is_sign_negative() => {
            let factor = Decimal::new(i64::from(100 + per_cent), 2);
            price.checked_mul(factor).map_or_else(|| text.to_owned(), |new| new.normalize().to_string())
        }
        _ => text.to_owned(),
    }
}

pub(crate) fn routes() -> Router<Wire> {
    openrouter::routes().merge(ollama::routes()).merge(openai::routes())
}

/// One request to a provider, on its way through counting, key, fault and rendering.
pub(crate) struct Asked {
    pub(crate) wire: Wire,
    pub(crate) provider: Provider,
    /// The path as it is counted.
    pub(crate) path: String,
    /// Tells apart lists of the same path (pages).
    pub(crate) page: String,
    pub(crate) headers: HeaderMap,
}

impl Asked {
    /// Answers with what `make` makes of the provider's facts (already cut, repriced and numbered).
    pub(crate) async fn list(
        self,
        rows: impl Fn(&Value, &Settings) -> Value,
        envelope: impl FnOnce(Vec<Value>, &Settings) -> Value,
    ) -> Response {
        let fault = match self.admit() {
            Ok(fault) => fault,
            Err(refusal) => return *refusal,
        };
        let settings = self.wire.settings(self.provider);
        let key = format!("{}?{} {fault:?}", self.path, self.page);
        let body = self.wire.rendered(self.provider, key, || {
            let facts = self.wire.fixtures().facts(self.provider, &settings);
            let mut made: Vec<Value> = facts.map(|fact| rows(&fact, &settings)).collect();
            if let Some(fault) = &fault {
                fault.change(&self.provider.shape(), &mut made);
            }
            Bytes::from(envelope(made, &settings).to_string())
        });
        self.finish(fault, body).await
    }

    /// Answers with a body about one model, or 404 when there is none.
    pub(crate) async fn one(self, make: impl FnOnce(&Wire, &Settings) -> Option<Value>) -> Response {
        let fault = match self.admit() {
            Ok(fault) => fault,
            Err(refusal) => return *refusal,
        };
        let settings = self.wire.settings(self.provider);
        match make(&self.wire, &settings) {
            Some(value) => self.finish(fault, Bytes::from(value.to_string())).await,
            None => self.error(StatusCode::NOT_FOUND, "model not found"),
        }
    }

    fn admit(&self) -> Result<Option<Fault>, Box<Response>> {
        self.wire.count(self.provider, &self.path);
        let settings = self.wire.settings(self.provider);
        if let Some(key) = &settings.key {
            let shown = self.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
            if shown.and_then(|text| text.strip_prefix("Bearer ")) != Some(key) {
                // Some providers do repeat the key that they were shown; a client must cope with that.
                let message = match shown {
                    Some(text) => {
                        format!("Incorrect API key provided: {}", text.trim_start_matches("Bearer "))
                    }
                    None => "Missing Authentication header".to_owned(),
                };
                return Err(Box::new(self.error(StatusCode::UNAUTHORIZED, &message)));
            }
        }
        Ok(self.wire.take_fault(self.provider, &self.path))
    }

    async fn finish(self, fault: Option<Fault>, body: Bytes) -> Response {
        if let Some(fault) = fault
            && let Some(response) = fault.replaces(self.provider, &body).await
        {
            return response;
        }
        reply::conditional(&self.headers, body)
    }

    fn error(&self, status: StatusCode, message: &str) -> Response {
        (status, axum::Json(self.provider.error_body(status.as_u16(), message))).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fixtures_have_the_promised_sizes() {
        let fixtures = Fixtures::load().unwrap();
        let count = |provider| fixtures.facts(provider, &Settings::default()).count();
        assert_eq!(count(Provider::OpenRouter), 312);
        assert_eq!(count(Provider::Ollama), 8);
    }

    #[test]
    fn made_up_models_have_ids_of_their_own() {
        let fixtures = Fixtures::load().unwrap();
        let settings = Settings { models: Some(1000), ..Settings::default() };
        let rows = fixtures.facts(Provider::OpenRouter, &settings);
        let ids: std::collections::BTreeSet<_> = rows.map(|row| row["id"].to_string()).collect();
        assert_eq!(ids.len(), 1000);
    }

    #[test]
    fn prices_change_exactly() {
        assert_eq!(repriced("0.00000001703012", 10), "0.000000018733132");
        assert_eq!(repriced("0.000002", 0), "0.000002");
        assert_eq!(repriced("-1", 10), "-1");
    }
}
