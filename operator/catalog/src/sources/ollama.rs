//! Ollama: `GET /api/tags`, then `POST /api/show` per model for its context.
//! Format: <https://docs.ollama.com/api/tags>, <https://docs.ollama.com/api/show>.

use std::borrow::Cow;
use std::collections::HashMap;

use async_trait::async_trait;
use futures::StreamExt;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use vox_contracts::discovery::{FailureClass, FetchFailure, FetchTarget};
use vox_contracts::entry::{LocalWeights, Pricing};
use vox_contracts::{ModelCatalogEntry, ProviderType, UsdPerMTok};

use super::flags::Flags;
use crate::filter;
use crate::http::{Http, Reply, join};
use crate::listing::{BodyError, Listing, read_body};
use crate::object::Object;
use crate::read::{blank, fact, tokens};
use crate::registry::{Answer, ModelCatalog, bad_endpoint, list_url};

/// How many models are shown at a time; a home server reads them from one disk.
const CONCURRENT_DETAILS: usize = 4;

/// The source.
#[derive(Debug)]
pub struct Ollama;

#[async_trait]
impl ModelCatalog for Ollama {
    async fn fetch(
        &self,
        http: &Http,
        target: &FetchTarget,
        etag: Option<&str>,
    ) -> Result<Answer, FetchFailure> {
        let url = list_url(target, "/api/tags")?;
        let mut listing = match http.get(&url, etag, |body| parse_tags(body, &target.provider)).await? {
            Reply::NotModified => return Ok(Answer::NotModified),
            Reply::Fresh { mut value, etag, .. } => {
                value.etag = etag;
                value
            }
        };
        show_all(http, target, &mut listing.entries).await?;
        Ok(Answer::Listing(listing))
    }
}

/// Adds what `/api/show` knows. A model that cannot be shown stays, with an unknown context.
async fn show_all(
    http: &Http,
    target: &FetchTarget,
    entries: &mut [ModelCatalogEntry],
) -> Result<(), FetchFailure> {
    let url = join(&target.endpoint, "/api/show").map_err(|reason| bad_endpoint(&reason))?;
    let wanted: Vec<(usize, serde_json::Value)> = entries
        .iter()
        .enumerate()
        .filter(|(_, entry)| filter::keeps_id(&target.filter, &entry.model_id))
        .map(|(index, entry)| (index, json!({ "model": entry.model_id })))
        .collect();
    let url = &url;
    let mut answers = futures::stream::iter(wanted)
        .map(|(index, question)| async move { (index, http.post_detail(url, &question, parse_show).await) })
        .buffer_unordered(CONCURRENT_DETAILS);
    while let Some((index, answer)) = answers.next().await {
        let entry = &mut entries[index];
        match answer {
            Ok(shown) => shown.apply(entry),
            // A model of the list that is gone by now, or one model's bad file, is no reason to lose the others.
            Err(failure) => tracing::warn!(
                model = entry.model_id,
                class = failure.class.as_str(),
                message = failure.message,
                "a model's context is unknown: it could not be shown"
            ),
        }
    }
    Ok(())
}

#[derive(Deserialize)]
struct Tags<'a> {
    #[serde(borrow)]
    models: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Tag<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
    #[serde(borrow)]
    remote_host: Option<Cow<'a, str>>,
    #[serde(borrow)]
    remote_model: Option<Cow<'a, str>>,
    size: Option<u64>,
    details: Option<Object<Details>>,
    #[serde(borrow)]
    capabilities: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
struct Details {
    parameter_size: Option<String>,
    quantization_level: Option<String>,
}

/// Reads `/api/tags`.
///
/// # Errors
/// When it is not such a list. A wrong row is refused, not the list.
pub fn parse_tags(body: &[u8], provider: &ProviderType) -> Result<Listing, BodyError> {
    let Object(Tags { models }) = read_body(body)?;
    Ok(Listing::of_rows(&models, |tag| entry(tag, provider).map(Some)))
}

fn entry(tag: Tag<'_>, provider: &ProviderType) -> Result<ModelCatalogEntry, String> {
    let Tag { name, model, remote_host, remote_model, size, details, capabilities } = tag;
    let id = model.or(name).ok_or("the row has neither model nor name")?;
    let mut entry = blank(&id, provider)?;
    let is_filled = |text: Option<Cow<'_, str>>| text.is_some_and(|text| !text.is_empty());
    // A model that runs elsewhere (Ollama's cloud) is billed there, at a price that nobody states.
    if !(is_filled(remote_host) || is_filled(remote_model)) {
        entry.pricing = free();
        entry.local = weights(size, &details.unwrap_or_default());
    }
    can_do(&mut entry, capabilities);
    Ok(entry)
}

/// Models on one's own hardware: free, which is something known.
pub(super) fn free() -> Pricing {
    Pricing {
        input_usd_per_mtok: Some(UsdPerMTok::ZERO),
        output_usd_per_mtok: Some(UsdPerMTok::ZERO),
        ..Pricing::default()
    }
}

fn weights(size: Option<u64>, details: &Details) -> Option<LocalWeights> {
    let weights = LocalWeights {
        size_bytes: tokens(size),
        parameters: fact(&details.parameter_size),
        quantization: fact(&details.quantization_level),
    };
    (weights != LocalWeights::default()).then_some(weights)
}

/// Old servers list no capabilities; then nothing is known.
fn can_do(entry: &mut ModelCatalogEntry, capabilities: Option<&RawValue>) {
    let mut flags = Flags::default();
    flags.add(capabilities);
    let said = flags.supports();
    entry.supports.tools = said.tools.or(entry.supports.tools);
    entry.supports.reasoning = said.reasoning.or(entry.supports.reasoning);
    let kinds = |pairs: &[(&str, &str)]| -> Vec<String> {
        pairs.iter().filter(|(word, _)| flags.has(&[word])).map(|(_, kind)| (*kind).to_owned()).collect()
    };
    let output = kinds(&[("completion", "text"), ("embedding", "embedding"), ("image", "image")]);
    if !output.is_empty() {
        entry.output_modalities = output;
        let input = kinds(&[("vision", "image"), ("audio", "audio")]);
        entry.input_modalities = std::iter::once("text".to_owned()).chain(input).collect();
    }
}

/// What `/api/show` adds to a model.
#[derive(Debug, Default)]
pub struct Shown {
    /// The longest context that the server serves by default, in tokens.
    pub context_length_tokens: Option<u64>,
    capabilities: Option<Box<RawValue>>,
}

impl Shown {
    /// Adds it to an entry.
    pub fn apply(&self, entry: &mut ModelCatalogEntry) {
        entry.context_length_tokens = self.context_length_tokens;
        can_do(entry, self.capabilities.as_deref());
    }
}

#[derive(Deserialize)]
struct Show<'a> {
    #[serde(borrow)]
    model_info: Option<HashMap<Cow<'a, str>, &'a RawValue>>,
    #[serde(borrow)]
    parameters: Option<&'a RawValue>,
    #[serde(borrow)]
    capabilities: Option<&'a RawValue>,
}

/// Reads `/api/show`.
///
/// # Errors
/// When it is not such an answer.
pub fn parse_show(body: &[u8]) -> Result<Shown, BodyError> {
    let Object(Show { model_info, parameters, capabilities }) = read_body(body)?;
    let trained = model_info.as_ref().and_then(context_length);
    let served = parameters
        .and_then(|raw| serde_json::from_str::<String>(raw.get()).ok())
        .and_then(|text| num_ctx(&text));
    if model_info.is_none() && capabilities.is_none() && served.is_none() {
        return Err(BodyError {
            class: FailureClass::BodyInvalid,
            what: "the answer shows no model".to_owned(),
        });
    }
    Ok(Shown {
        context_length_tokens: [trained, served].into_iter().flatten().min(),
        capabilities: capabilities.map(ToOwned::to_owned),
    })
}

/// The key's first part is the architecture's own name, which `general.architecture` gives.
fn context_length(info: &HashMap<Cow<'_, str>, &RawValue>) -> Option<u64> {
    let architecture: String = serde_json::from_str(info.get("general.architecture")?.get()).ok()?;
    let key = format!("{architecture}.context_length");
    tokens(info.get(key.as_str())?.get().parse().ok())
}

/// The Modelfile's own context, which the server uses unless a request says otherwise: lines `num_ctx 8192`.
fn num_ctx(parameters: &str) -> Option<u64> {
    parameters.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("num_ctx")).then(|| tokens(words.next()?.parse().ok())).flatten()
    })
}
