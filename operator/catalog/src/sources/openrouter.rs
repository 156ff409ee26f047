//! OpenRouter: `GET /models`, and in [`endpoints`] who serves each model.
//! Format: <https://openrouter.ai/docs/api/api-reference/models/get-models>.

pub mod endpoints;

use std::borrow::Cow;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::value::RawValue;
use vox_contracts::ModelCatalogEntry;
use vox_contracts::ProviderType;
use vox_contracts::discovery::{FetchFailure, FetchTarget};
use vox_contracts::price::Unit;

use super::flags::Flags;
use super::prices::Prices;
use crate::http::Http;
use crate::listing::{BodyError, Listing, read_body};
use crate::object::Object;
use crate::pages::{self, Next, Page};
use crate::read::{
    blank, date_or_time, display_name, input_modalities, output_modalities, rfc3339, tokens, unix_seconds,
};
use crate::registry::{Answer, ModelCatalog, list_url};

/// The source.
#[derive(Debug)]
pub struct OpenRouter;

#[async_trait]
impl ModelCatalog for OpenRouter {
    async fn fetch(
        &self,
        http: &Http,
        target: &FetchTarget,
        etag: Option<&str>,
    ) -> Result<Answer, FetchFailure> {
        let url = list_url(target, "/models")?;
        // Uptimes move while the list stays the same, so a 304 must not stand for them.
        let etag = etag.filter(|_| !target.include_endpoints);
        let answer =
            pages::fetch(http, &url, target, etag, |body| parse_models(body, &target.provider)).await?;
        Ok(match answer {
            Answer::Listing(mut listing) if target.include_endpoints => {
                listing.etag = None;
                endpoints::ask(http, &url, target, &mut listing.entries).await;
                Answer::Listing(listing)
            }
            answer => answer,
        })
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
    #[serde(default)]
    total_count: Option<u64>,
    #[serde(borrow, default)]
    links: Option<Object<Links<'a>>>,
}

#[derive(Deserialize)]
struct Links<'a> {
    #[serde(borrow, default)]
    next: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Row<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    created: Option<&'a RawValue>,
    context_length: Option<u64>,
    #[serde(borrow)]
    architecture: Option<Object<Architecture<'a>>>,
    #[serde(borrow)]
    pricing: Option<Object<Prices<'a>>>,
    top_provider: Option<Object<TopProvider>>,
    #[serde(borrow)]
    supported_parameters: Option<&'a RawValue>,
    #[serde(borrow)]
    expiration_date: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Architecture<'a> {
    #[serde(borrow)]
    input_modalities: Option<Vec<Cow<'a, str>>>,
    #[serde(borrow)]
    output_modalities: Option<Vec<Cow<'a, str>>>,
}

#[derive(Deserialize)]
struct TopProvider {
    context_length: Option<u64>,
    max_completion_tokens: Option<u64>,
}

/// Reads one page of `/models`.
///
/// # Errors
/// When it is not such a page. A wrong row is refused, not the page.
pub fn parse_models(body: &[u8], provider: &ProviderType) -> Result<Page<Listing>, BodyError> {
    let Object(Envelope { data, total_count, links }) = read_body(body)?;
    let listing = Listing::of_rows(&data, |row| entry(&row, provider).map(Some));
    let next = links.and_then(|links| links.0.next).map(|link| Next::Link(link.into_owned()));
    Ok(Page { value: listing, rows: data.len(), total: total_count, next })
}

fn entry(row: &Row<'_>, provider: &ProviderType) -> Result<ModelCatalogEntry, String> {
    let Row { id, name, created, context_length, architecture, pricing, top_provider, .. } = row;
    let mut entry = blank(id, provider)?;
    entry.display_name = display_name(name.as_deref(), id);
    entry.created_at = unix_seconds(*created).and_then(rfc3339);
    entry.expires_at = date_or_time(row.expiration_date.as_deref());
    let top = top_provider.as_ref();
    // The provider that serves by default may serve less than the model can.
    let lengths = [tokens(*context_length), tokens(top.and_then(|top| top.context_length))];
    entry.context_length_tokens = lengths.into_iter().flatten().min();
    entry.max_output_tokens = tokens(top.and_then(|top| top.max_completion_tokens));
    if let Some(architecture) = architecture {
        fn words<'r>(list: &'r Option<Vec<Cow<'_, str>>>) -> impl Iterator<Item = &'r str> {
            list.iter().flatten().map(AsRef::as_ref)
        }
        entry.input_modalities = input_modalities(words(&architecture.input_modalities));
        entry.output_modalities = output_modalities(words(&architecture.output_modalities));
    }
    if let Some(pricing) = pricing {
        entry.pricing = pricing.read(Unit::PerToken)?;
    }
    let mut flags = Flags::default();
    flags.add(row.supported_parameters);
    entry.supports = flags.supports();
    Ok(entry)
}
