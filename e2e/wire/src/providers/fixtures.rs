//! The facts that lists are made from.

use std::collections::HashMap;

use anyhow::Context;
use serde_json::{Value, json};

use super::Provider;
use crate::settings::Settings;

/// The facts that lists are made from: ids, prices, sizes, contexts, modalities and parameter names.
#[derive(Debug)]
pub struct Fixtures {
    providers: HashMap<Provider, Vec<Value>>,
    hub: Vec<Value>,
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
        let of = |provider: Provider| Ok((provider, read(provider.as_str(), provider.fixture())?));
        let providers = Provider::ALL.into_iter().map(of).collect::<anyhow::Result<_>>()?;
        Ok(Self {
            providers,
            hub: read("huggingface-hub", include_str!("../../fixtures/huggingface-hub.json"))?,
        })
    }

    /// One provider's facts, as many of them as the settings ask for, made one after the other.
    pub fn facts(&self, provider: Provider, settings: &Settings) -> impl Iterator<Item = Value> {
        as_many(self.providers.get(&provider).map(Vec::as_slice).unwrap_or_default(), settings)
    }

    /// The repositories of Hugging Face's hub.
    pub fn hub(&self, settings: &Settings) -> impl Iterator<Item = Value> {
        as_many(&self.hub, settings)
    }

    /// Whether a provider lists a model. Anthropic and Google also have what OpenRouter lists under their names.
    #[must_use]
    pub fn lists(&self, provider: Provider, model: &str, settings: &Settings) -> bool {
        let listed = self.facts(provider, settings).any(|fact| id(&fact) == Some(model));
        let gateway = || {
            let wanted = format!("{}/{model}", provider.as_str());
            self.facts(Provider::OpenRouter, &Settings::default()).any(|fact| fact["id"] == wanted.as_str())
        };
        listed || matches!(provider, Provider::Anthropic | Provider::Google) && gateway()
    }
}

fn as_many(all: &[Value], settings: &Settings) -> impl Iterator<Item = Value> {
    let wanted = settings.models.unwrap_or(all.len());
    let kept = wanted * usize::from(settings.keep_per_cent.unwrap_or(100)) / 100;
    let rows = all.iter().cycle().enumerate().take(kept).map(|(index, row)| numbered(row, index, all.len()));
    rows.filter_map(|row| still_there(row, settings))
}

fn id(fact: &Value) -> Option<&str> {
    let id = fact["id"].as_str().or(fact["key"].as_str()).or(fact["name"].as_str());
    id.map(|id| id.trim_start_matches("models/"))
}

/// The fact, unless it is dropped, with what is said of its end: OpenRouter's list has `expiration_date`, those like OpenAI's
/// have Mistral's names.
fn still_there(mut row: Value, settings: &Settings) -> Option<Value> {
    let (ends, instead) = match id(&row) {
        Some(id) if settings.drop.iter().any(|dropped| dropped == id) => return None,
        Some(id) => (settings.deprecate.get(id), settings.replace.get(id)),
        None => (None, None),
    };
    for (key, said) in
        [("expiration_date", ends), ("deprecation", ends), ("deprecation_replacement_model", instead)]
    {
        if let Some(said) = said {
            row[key] = json!(said);
        }
    }
    Some(row)
}

/// The same facts under another id, once the fixture has been used up.
fn numbered(row: &Value, index: usize, len: usize) -> Value {
    let mut row = row.clone();
    if index >= len {
        for key in ["id", "key", "name"] {
            if let Some(id) = row[key].as_str() {
                row[key] = json!(format!("{id}-g{index:06}"));
            }
        }
    }
    row
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
    fn a_model_can_be_dropped_and_another_one_be_deprecated() {
        let fixtures = Fixtures::load().unwrap();
        let rows = |settings: &Settings| fixtures.facts(Provider::OpenRouter, settings).collect::<Vec<_>>();
        let all = rows(&Settings::default());
        let (first, second) = (id(&all[0]).unwrap().to_owned(), id(&all[1]).unwrap().to_owned());
        let settings = Settings {
            drop: vec![first],
            deprecate: [(second.clone(), "2026-12-31".to_owned())].into(),
            replace: [(second.clone(), "maker/next".to_owned())].into(),
            ..Settings::default()
        };
        let told = rows(&settings);
        assert_eq!((told.len(), id(&told[0])), (311, Some(second.as_str())));
        assert_eq!(told[0]["expiration_date"], "2026-12-31");
        assert_eq!(told[0]["deprecation_replacement_model"], "maker/next");
        assert_eq!(told[1], all[2]);
    }

    #[test]
    fn made_up_models_have_ids_of_their_own() {
        let fixtures = Fixtures::load().unwrap();
        let settings = Settings { models: Some(1000), ..Settings::default() };
        let rows = fixtures.facts(Provider::OpenRouter, &settings);
        let ids: std::collections::BTreeSet<_> = rows.map(|row| row["id"].to_string()).collect();
        assert_eq!(ids.len(), 1000);
    }
}
