//! The providers: where each is, how its list and its errors look, and the way every request takes.

mod errors;
mod list;
pub mod ollama;
pub mod openai;
pub mod openrouter;

use anyhow::Context;
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

pub(crate) use self::list::{List, Listed};
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
    /// Messages; lists nothing.
    Anthropic,
    /// The Gemini API; lists nothing.
    Google,
}

impl Provider {
    /// Every provider.
    pub const ALL: [Self; 8] = [
        Self::OpenRouter,
        Self::Ollama,
        Self::OpenAi,
        Self::Groq,
        Self::Mistral,
        Self::Vllm,
        Self::Anthropic,
        Self::Google,
    ];

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
            Self::Anthropic => "anthropic",
            Self::Google => "google",
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
            Self::Anthropic => "/anthropic/v1",
            Self::Google => "/google/v1beta",
        }
    }

    /// The path under which it speaks OpenAI's format, if it does.
    #[must_use]
    pub const fn openai_path(self) -> Option<&'static str> {
        match self {
            Self::Ollama => Some("/ollama/v1"),
            Self::Anthropic | Self::Google => None,
            other => Some(other.base_path()),
        }
    }

    /// Which keys of a row hold what.
    const fn shape(self) -> Shape {
        let (id_keys, number_key, object_key): (&[&str], _, _) = match self {
            Self::OpenRouter => (&["id"], "context_length", "pricing"),
            Self::Ollama => (&["name", "model"], "size", "details"),
            Self::OpenAi | Self::Groq | Self::Anthropic | Self::Google => {
                (&["id"], "context_window", "pricing")
            }
            Self::Mistral => (&["id"], "max_context_length", "pricing"),
            Self::Vllm => (&["id"], "max_model_len", "pricing"),
        };
        Shape { id_keys, number_key, object_key }
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

    /// One provider's facts, as many of them as the settings ask for, made one after the other.
    pub fn facts(&self, provider: Provider, settings: &Settings) -> impl Iterator<Item = Value> {
        let all: &[Value] = match provider {
            Provider::OpenRouter => &self.openrouter,
            Provider::Ollama => &self.ollama,
            Provider::OpenAi => &self.openai,
            Provider::Groq => &self.groq,
            Provider::Mistral => &self.mistral,
            Provider::Vllm => &self.vllm,
            Provider::Anthropic | Provider::Google => &[],
        };
        let wanted = settings.models.unwrap_or(all.len());
        let kept = wanted * usize::from(settings.keep_per_cent.unwrap_or(100)) / 100;
        all.iter().cycle().enumerate().take(kept).map(|(index, row)| numbered(row, index, all.len()))
    }

    /// Whether a provider lists a model. Anthropic and Google have what OpenRouter lists under their names.
    #[must_use]
    pub fn lists(&self, provider: Provider, model: &str, settings: &Settings) -> bool {
        let id = |fact: &Value| fact["id"].as_str().or(fact["name"].as_str()).map(str::to_owned);
        match provider {
            Provider::Anthropic | Provider::Google => {
                let wanted = format!("{}/{model}", provider.as_str());
                self.openrouter.iter().any(|fact| fact["id"] == wanted.as_str())
            }
            _ => self.facts(provider, settings).any(|fact| id(&fact).as_deref() == Some(model)),
        }
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

/// Why an `Authorization` header does not do, if a key is wanted.
pub(crate) fn refusal_of(wanted: Option<&str>, shown: Option<&str>) -> Option<String> {
    match (wanted, shown) {
        (None, _) => None,
        (Some(key), Some(text)) if text.strip_prefix("Bearer ") == Some(key) => None,
        // Some providers do repeat the key that they were shown; a client must cope with that.
        (_, Some(text)) => {
            Some(format!("Incorrect API key provided: {}", text.trim_start_matches("Bearer ")))
        }
        _ => Some("Missing Authentication header".to_owned()),
    }
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
    /// Answers with one page of the provider's facts (already cut, repriced and numbered), as rows.
    pub(crate) async fn list(
        self,
        list: List,
        row: impl Fn(&Value, &Settings) -> Value,
        rest: impl FnOnce(Listed, &Settings) -> Map<String, Value>,
    ) -> Response {
        let fault = match self.admit() {
            Ok(fault) => fault,
            Err(refusal) => return *refusal,
        };
        let settings = self.wire.settings(self.provider);
        let key = format!("{}?{} {fault:?}", self.path, self.page);
        let body = self.wire.rendered(self.provider, key, || {
            let facts = self.wire.fixtures().facts(self.provider, &settings);
            let rows = facts.map(|fact| row(&fact, &settings));
            match &fault {
                Some(fault) => {
                    list.render(fault.changed(self.provider.shape(), rows), |page| rest(page, &settings))
                }
                None => list.render(rows, |page| rest(page, &settings)),
            }
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
        let shown = self.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        if let Some(message) = refusal_of(settings.key.as_deref(), shown) {
            return Err(Box::new(self.error(StatusCode::UNAUTHORIZED, &message)));
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
