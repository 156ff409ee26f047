//! One row of an OpenAI-compatible list, with the fields that vendors have added to it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use vox_contracts::entry::Pricing;
use vox_contracts::price::Unit;
use vox_contracts::{ModelCatalogEntry, ProviderType};

use super::flags::Flags;
use super::ollama::free;
use super::prices::Prices;
use crate::contract::{self, Listed};
use crate::object::Object;
use crate::read::{
    blank, date_or_time, display_name, input_modalities, output_modalities, tokens, unix_seconds, warn_once,
};
use crate::text::clip;

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
    #[serde(borrow)]
    deprecation: Option<&'a RawValue>,
    #[serde(borrow)]
    shutdown_date: Option<&'a RawValue>,
}

/// llama.cpp's and GPUStack's facts about the loaded weights.
#[derive(Deserialize)]
struct Meta {
    n_ctx: Option<u64>,
    n_slot_ctx: Option<u64>,
    n_ctx_train: Option<u64>,
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
pub(super) struct Found<'a> {
    pub(super) entry: ModelCatalogEntry,
    /// Seconds since 1970; may be the server's clock.
    pub(super) created: Option<i64>,
    /// The model that an adapter sits on.
    pub(super) parent: Option<Cow<'a, str>>,
}

/// Makes an entry of a row; `None` when the row says that the model is not offered.
pub(super) fn found<'a>(
    row: Row<'a>,
    provider: &ProviderType,
    id_in: IdIn,
) -> Result<Option<Found<'a>>, String> {
    if row.active == Some(false) || row.archived == Some(true) {
        return Ok(None);
    }
    let id = row.id(id_in)?;
    let mut entry = blank(&id, provider)?;
    entry.display_name = display_name(row.display_name.as_deref().or(row.name.as_deref()), &id);
    entry.context_length_tokens = row.context();
    entry.max_output_tokens = row.max_output();
    entry.pricing = row.pricing(provider)?;
    let text = |raw: Option<&RawValue>| raw.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
    entry.expires_at = date_or_time(text(row.deprecation).or_else(|| text(row.shutdown_date)).as_deref());
    row.can_do(&mut entry);
    Ok(Some(Found { entry, created: unix_seconds(row.created), parent: row.parent }))
}

impl Row<'_> {
    fn id(&self, id_in: IdIn) -> Result<String, String> {
        let other = || self.key.as_deref().or(self.name.as_deref()).map(str::to_owned);
        match self.id.filter(|_| id_in == IdIn::Id) {
            Some(raw) => serde_json::from_str(raw.get()).map_err(|_| "id: expected a text".to_owned()),
            None => other().ok_or_else(|| "the row has no id".to_owned()),
        }
    }

    /// What is served goes before what is stated, and that before what was trained.
    fn context(&self) -> Option<u64> {
        let meta = self.meta.as_ref();
        let served = [
            self.max_model_len,
            self.loaded_context_length,
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

    fn pricing(&self, provider: &ProviderType) -> Result<Pricing, String> {
        if let Some(prices) = &self.pricing {
            return unit(prices, provider).map_or_else(|| Ok(Pricing::default()), |unit| prices.read(unit));
        }
        if self.live().next().is_some() {
            return self.dearest(provider);
        }
        Ok(if contract::is_local(provider) { free() } else { Pricing::default() })
    }

    /// A router picks the server, so the dearest one is the price that is never exceeded; it is unknown as soon as
    /// one server's price is.
    fn dearest(&self, provider: &ProviderType) -> Result<Pricing, String> {
        let mut dearest: Option<Pricing> = None;
        for server in self.live() {
            let Some(prices) = &server.pricing else { return Ok(Pricing::default()) };
            let Some(unit) = unit(prices, provider) else { return Ok(Pricing::default()) };
            let own = prices.read(unit)?;
            let free = own.input_usd_per_mtok.is_some_and(|price| price.is_free())
                && own.output_usd_per_mtok.is_some_and(|price| price.is_free());
            // Zero next to `is_free: false` is a price that was not filled in.
            if !own.is_known() || (free && server.is_free == Some(false)) {
                return Ok(Pricing::default());
            }
            let most = dearest.take().unwrap_or_default();
            dearest = Some(Pricing {
                input_usd_per_mtok: own.input_usd_per_mtok.max(most.input_usd_per_mtok),
                output_usd_per_mtok: own.output_usd_per_mtok.max(most.output_usd_per_mtok),
                ..Pricing::default()
            });
        }
        Ok(dearest.unwrap_or_default())
    }

    fn can_do(&self, entry: &mut ModelCatalogEntry) {
        let mut flags = Flags::default();
        flags.add(self.capabilities);
        flags.add(self.supported_parameters);
        flags.add(self.supported_features);
        if let Some(meta) = &self.meta {
            let said = [
                ("tools", meta.support_tool_calls),
                ("vision", meta.support_vision),
                ("reasoning", meta.support_reasoning),
            ];
            said.into_iter().for_each(|(word, yes)| yes.into_iter().for_each(|yes| flags.say(word, yes)));
        }
        for server in self.live() {
            let said = [("tools", server.supports_tools), ("json_schema", server.supports_structured_output)];
            said.into_iter().for_each(|(word, yes)| yes.into_iter().for_each(|yes| flags.say(word, yes)));
        }
        entry.supports = flags.supports();
        let (input, output) = self.stated_modalities();
        let (implied_input, implied_output) = self.implied_modalities(&flags);
        entry.input_modalities = if input.is_empty() { implied_input } else { input };
        entry.output_modalities = if output.is_empty() { implied_output } else { output };
    }

    fn stated_modalities(&self) -> (Vec<String>, Vec<String>) {
        #[derive(Deserialize, Default)]
        struct Architecture {
            input_modalities: Option<Vec<String>>,
            output_modalities: Option<Vec<String>>,
        }
        // LM Studio's architecture is a text.
        let nested: Architecture =
            self.architecture.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
        let words = |raw: Option<&RawValue>, nested: Option<Vec<String>>| {
            let own = raw.and_then(|raw| serde_json::from_str::<Vec<String>>(raw.get()).ok());
            own.or(nested).unwrap_or_default()
        };
        let input = words(self.input_modalities, nested.input_modalities);
        let output = words(self.output_modalities, nested.output_modalities);
        (
            input_modalities(input.iter().map(String::as_str)),
            output_modalities(output.iter().map(String::as_str)),
        )
    }

    /// From what the model is said to be for. Nothing said is nothing known.
    fn implied_modalities(&self, flags: &Flags) -> (Vec<String>, Vec<String>) {
        let text = |raw: &RawValue| serde_json::from_str::<String>(raw.get()).ok();
        let first = |raw: &RawValue| serde_json::from_str::<Vec<String>>(raw.get()).ok()?.into_iter().next();
        let kind = self.kind.and_then(text).or_else(|| self.categories.and_then(first)).unwrap_or_default();
        let output = match kind.as_str() {
            "chat" | "llm" | "vlm" | "language" | "code" => "text",
            "embedding" | "embeddings" => "embedding",
            "image" => "image",
            "rerank" | "reranker" => "rerank",
            "text_to_speech" => "speech",
            "speech_to_text" => return one_each("audio", "text"),
            _ if flags.has(&["completion_chat", "chat_completion", "completion"]) => "text",
            _ if flags.has(&["embeddings", "embedding"]) => "embedding",
            _ if flags.has(&["audio_transcription"]) => return one_each("audio", "text"),
            _ => return (implied_input(flags), Vec::new()),
        };
        (implied_input(flags), vec![output.to_owned()])
    }
}

fn one_each(input: &str, output: &str) -> (Vec<String>, Vec<String>) {
    (vec![input.to_owned()], vec![output.to_owned()])
}

/// A model that is said to see or hear also reads.
fn implied_input(flags: &Flags) -> Vec<String> {
    let also = [("image", flags.has(&["vision", "image_input"])), ("audio", flags.has(&["audio"]))];
    let also: Vec<&str> = also.into_iter().filter(|(_, yes)| *yes).map(|(word, _)| word).collect();
    if also.is_empty() {
        Vec::new()
    } else {
        std::iter::once("text").chain(also).map(str::to_owned).collect()
    }
}

/// What the prices are per: what the row says, else what the contract says of the provider, else, for hosts that no
/// contract knows, what the keys' names mean everywhere they occur. `None`: nobody knows, so neither do we.
fn unit(prices: &Prices<'_>, provider: &ProviderType) -> Option<Unit> {
    match prices.unit.as_deref() {
        Some("usd_per_1m_tokens" | "usd_per_million_tokens") => return Some(Unit::PerMTok),
        Some("usd_per_token") => return Some(Unit::PerToken),
        Some(other) => {
            warn_once("price unit", &clip(other, 64));
            return None;
        }
        None => {}
    }
    match contract::listed(provider) {
        Some(Listed::In(unit)) => Some(unit),
        Some(Listed::Nothing) => None,
        None if prices.is_per_token() => Some(Unit::PerToken),
        None => Some(Unit::PerMTok),
    }
}
