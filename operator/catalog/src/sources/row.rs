//! One row of an OpenAI-compatible list, with the fields that vendors have added to it.

mod abilities;
mod cost;

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use vox_contracts::entry::{Deprecation, LocalWeights};
use vox_contracts::{ModelCatalogEntry, ProviderType};

use super::prices::Prices;
use crate::object::Object;
use crate::read::{
    aliases, blank, check_id, date_or_time, display_name, fact, parameters, rfc3339, tokens, unix_seconds,
};

/// A row. What is read as a number or a price must be one; what only describes may be anything.
#[derive(Deserialize)]
pub(super) struct Row<'a> {
    /// A text, but GPUStack's own number.
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    /// LM Studio's id.
    #[serde(borrow)]
    key: Option<Cow<'a, str>>,
    /// Cohere's and GPUStack's id, elsewhere a name for people.
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    display_name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    created: Option<&'a RawValue>,
    active: Option<bool>,
    archived: Option<bool>,
    #[serde(borrow)]
    parent: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    /// What a GPUStack model is for.
    #[serde(borrow)]
    categories: Option<&'a RawValue>,
    context_length: Option<u64>,
    context_window: Option<u64>,
    max_context_length: Option<u64>,
    max_model_len: Option<u64>,
    loaded_context_length: Option<u64>,
    /// LM Studio's copies of the model in memory.
    #[serde(borrow)]
    loaded_instances: Option<&'a RawValue>,
    max_completion_tokens: Option<u64>,
    max_output_tokens: Option<u64>,
    max_output_length: Option<u64>,
    meta: Option<Object<Meta>>,
    limits: Option<Object<Limits>>,
    top_provider: Option<Object<Limits>>,
    #[serde(borrow)]
    providers: Option<Vec<Object<Server<'a>>>>,
    #[serde(borrow)]
    pricing: Option<Object<Prices<'a>>>,
    #[serde(borrow)]
    architecture: Option<&'a RawValue>,
    #[serde(borrow)]
    input_modalities: Option<&'a RawValue>,
    #[serde(borrow)]
    output_modalities: Option<&'a RawValue>,
    #[serde(borrow)]
    capabilities: Option<&'a RawValue>,
    #[serde(borrow)]
    supported_parameters: Option<&'a RawValue>,
    #[serde(borrow)]
    supported_features: Option<&'a RawValue>,
    /// What Cohere's model can be asked for.
    #[serde(borrow)]
    endpoints: Option<&'a RawValue>,
    #[serde(borrow)]
    supports_vision: Option<&'a RawValue>,
    #[serde(borrow)]
    aliases: Option<&'a RawValue>,
    #[serde(borrow)]
    quantization: Option<&'a RawValue>,
    size_bytes: Option<u64>,
    #[serde(borrow)]
    params_string: Option<&'a RawValue>,
    /// xAI's prices.
    #[serde(borrow)]
    prompt_text_token_price: Option<&'a RawValue>,
    #[serde(borrow)]
    cached_prompt_text_token_price: Option<&'a RawValue>,
    #[serde(borrow)]
    completion_text_token_price: Option<&'a RawValue>,
    /// The day of the end (Mistral), or the ends of uses (Azure).
    #[serde(borrow)]
    deprecation: Option<&'a RawValue>,
    #[serde(borrow)]
    deprecation_replacement_model: Option<&'a RawValue>,
    #[serde(borrow)]
    lifecycle_status: Option<&'a RawValue>,
    #[serde(borrow)]
    deprecated: Option<&'a RawValue>,
    #[serde(borrow)]
    shutdown_date: Option<&'a RawValue>,
}

/// llama.cpp's and GPUStack's facts about the loaded weights.
#[derive(Deserialize)]
struct Meta {
    n_ctx: Option<u64>,
    n_slot_ctx: Option<u64>,
    n_ctx_train: Option<u64>,
    n_params: Option<u64>,
    size: Option<u64>,
    support_tool_calls: Option<bool>,
    support_vision: Option<bool>,
    support_reasoning: Option<bool>,
}

/// Cerebras's limits, and a gateway's default provider.
#[derive(Deserialize)]
struct Limits {
    max_context_length: Option<u64>,
    context_length: Option<u64>,
    max_completion_tokens: Option<u64>,
}

/// One of the servers behind a row of Hugging Face's router.
#[derive(Deserialize)]
struct Server<'a> {
    #[serde(borrow)]
    provider: Option<Cow<'a, str>>,
    #[serde(borrow)]
    status: Option<Cow<'a, str>>,
    context_length: Option<u64>,
    #[serde(borrow)]
    pricing: Option<Object<Prices<'a>>>,
    is_free: Option<bool>,
    supports_tools: Option<bool>,
    supports_structured_output: Option<bool>,
}

/// Where a row's id is, which goes with the envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IdIn {
    /// `id`, and where there is none `key` or `name`.
    Id,
    /// `name`: next to it, `id` is a number of the server's database.
    Name,
}

/// A model of the list.
pub(super) struct Found {
    pub(super) entry: ModelCatalogEntry,
    /// Seconds since 1970; may be the server's clock.
    pub(super) created: Option<i64>,
}

/// Makes an entry of a row; `None` when the row says that the model is not offered.
pub(super) fn found(row: &Row<'_>, provider: &ProviderType, id_in: IdIn) -> Result<Option<Found>, String> {
    if row.active == Some(false) || row.archived == Some(true) {
        return Ok(None);
    }
    let id = row.id(id_in)?;
    let mut entry = blank(&id, provider)?;
    entry.display_name = display_name(row.display_name.as_deref().or(row.name.as_deref()), &id);
    entry.context_length_tokens = row.context();
    entry.max_output_tokens = row.max_output();
    entry.pricing = row.pricing(provider)?;
    entry.availability = row.served_by(provider);
    entry.aliases = aliases(row.aliases, &id);
    entry.parent =
        row.parent.as_deref().filter(|parent| *parent != id && check_id(parent).is_ok()).map(str::to_owned);
    entry.local = row.weights();
    entry.expires_at = row.end();
    entry.deprecation = row.deprecation(entry.expires_at.is_some());
    row.can_do(&mut entry);
    Ok(Some(Found { entry, created: unix_seconds(row.created) }))
}

impl Row<'_> {
    fn id(&self, id_in: IdIn) -> Result<String, String> {
        let other = || self.key.as_deref().or(self.name.as_deref()).map(str::to_owned);
        match self.id.filter(|_| id_in == IdIn::Id) {
            Some(raw) => serde_json::from_str(raw.get()).map_err(|_| "id: expected a text".to_owned()),
            None => other().ok_or_else(|| "the row has no id".to_owned()),
        }
    }

    /// The day on which it is no longer served.
    fn end(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Ends {
            inference: Option<i64>,
        }
        let of_azure =
            || serde_json::from_str::<Ends>(self.deprecation?.get()).ok()?.inference.and_then(rfc3339);
        let stated = text(self.deprecation).or_else(|| text(self.shutdown_date));
        date_or_time(stated.as_deref()).or_else(of_azure)
    }

    /// Azure gives every model an end on its first day; an end alone is elsewhere the announcement of one.
    fn deprecation(&self, has_end: bool) -> Option<Deprecation> {
        let lifecycle = text(self.lifecycle_status);
        let said = yes(self.deprecated).or_else(|| lifecycle.map(|status| status == "deprecated"));
        let replaced_by = text(self.deprecation_replacement_model).filter(|id| check_id(id).is_ok());
        said.unwrap_or(has_end || replaced_by.is_some()).then_some(Deprecation { since: None, replaced_by })
    }

    /// What a server of one's own says of its weights. LM Studio's quantisation is an object, Cerebras's a text.
    fn weights(&self) -> Option<LocalWeights> {
        #[derive(Deserialize)]
        struct Named {
            name: Option<String>,
        }
        let meta = self.meta.as_ref();
        let named = || serde_json::from_str::<Named>(self.quantization?.get()).ok()?.name;
        let weights = LocalWeights {
            size_bytes: tokens(self.size_bytes.or_else(|| meta?.size)),
            parameters: fact(&text(self.params_string).or_else(|| parameters(meta?.n_params?))),
            quantization: fact(&text(self.quantization).or_else(named)),
        };
        (weights != LocalWeights::default()).then_some(weights)
    }

    /// What is served goes before what is stated, and that before what was trained.
    fn context(&self) -> Option<u64> {
        let meta = self.meta.as_ref();
        let served = [
            self.max_model_len,
            self.loaded_context_length,
            self.loaded_instances.and_then(least_loaded),
            meta.and_then(|meta| meta.n_slot_ctx),
            meta.and_then(|meta| meta.n_ctx),
            self.top_provider.as_ref().and_then(|top| top.context_length),
        ];
        let stated = [
            self.context_length,
            self.context_window,
            self.limits.as_ref().and_then(|limits| limits.max_context_length),
            self.max_context_length,
        ];
        let stated = stated.into_iter().find_map(tokens);
        let least = served.into_iter().filter_map(tokens).chain(stated).min();
        // A router picks the server, so only what all of them can take is certain.
        let behind = || self.live().filter_map(|server| tokens(server.context_length)).min();
        least.or_else(behind).or_else(|| tokens(meta.and_then(|meta| meta.n_ctx_train)))
    }

    fn max_output(&self) -> Option<u64> {
        let limits = [self.limits.as_ref(), self.top_provider.as_ref()];
        let nested = limits.into_iter().flatten().map(|limits| limits.max_completion_tokens);
        [self.max_completion_tokens, self.max_output_tokens, self.max_output_length]
            .into_iter()
            .chain(nested)
            .find_map(tokens)
    }

    fn live(&self) -> impl Iterator<Item = &Object<Server<'_>>> {
        let servers = self.providers.iter().flatten();
        servers.filter(|server| server.status.as_deref().is_none_or(|status| status == "live"))
    }
}

/// The context of the smallest of the loaded copies: which of them answers is the server's choice.
fn least_loaded(raw: &RawValue) -> Option<u64> {
    #[derive(Deserialize)]
    struct Instance {
        config: Config,
    }
    #[derive(Deserialize)]
    struct Config {
        context_length: Option<u64>,
    }
    let instances: Vec<Instance> = serde_json::from_str(raw.get()).ok()?;
    instances.iter().filter_map(|instance| tokens(instance.config.context_length)).min()
}

fn text(raw: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(raw?.get()).ok()
}

fn yes(raw: Option<&RawValue>) -> Option<bool> {
    serde_json::from_str(raw?.get()).ok()
}

fn words(raw: &RawValue) -> Option<Vec<String>> {
    serde_json::from_str(raw.get()).ok()
}
