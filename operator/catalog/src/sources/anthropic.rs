//! Anthropic: `GET /models`, page by page with `after_id`.
//! Format: <https://platform.claude.com/docs/en/api/models-list>.

use std::borrow::Cow;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::value::RawValue;
use vox_contracts::discovery::{FetchFailure, FetchTarget};
use vox_contracts::entry::Deprecation;
use vox_contracts::{ModelCatalogEntry, ProviderType};

use super::flags::Flags;
use crate::http::Http;
use crate::listing::{BodyError, Listing, read_body};
use crate::object::Object;
use crate::pages::{self, Next, Page};
use crate::read::{blank, date_or_time, display_name, model_time, tokens};
use crate::registry::{Answer, ModelCatalog, list_url};

/// The most that one page may hold, by the API's documentation.
const PAGE: &str = "limit=1000";

/// The source.
#[derive(Debug)]
pub struct Anthropic;

#[async_trait]
impl ModelCatalog for Anthropic {
    async fn fetch(
        &self,
        http: &Http,
        target: &FetchTarget,
        etag: Option<&str>,
    ) -> Result<Answer, FetchFailure> {
        let mut url = list_url(target, "/models")?;
        url.set_query(Some(PAGE));
        pages::fetch(http, &url, target, etag, |body| parse(body, &target.provider)).await
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
    #[serde(default)]
    has_more: Option<bool>,
    #[serde(borrow, default)]
    last_id: Option<Cow<'a, str>>,
}

/// Only the id is always there; until 2026 there was nothing beside name and time.
#[derive(Deserialize)]
struct Row<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    display_name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    created_at: Option<Cow<'a, str>>,
    max_input_tokens: Option<u64>,
    max_tokens: Option<u64>,
    #[serde(borrow)]
    capabilities: Option<&'a RawValue>,
    #[serde(borrow)]
    lifecycle: Option<Cow<'a, str>>,
    #[serde(borrow)]
    deprecated_at: Option<Cow<'a, str>>,
    #[serde(borrow)]
    retires_at: Option<Cow<'a, str>>,
}

/// Reads one page.
///
/// # Errors
/// When it is not such a page, or says that there are more without saying where. A wrong row is refused, not the page.
pub fn parse(body: &[u8], provider: &ProviderType) -> Result<Page<Listing>, BodyError> {
    let Object(Envelope { data, has_more, last_id }) = read_body(body)?;
    let next = match (has_more.unwrap_or(false), last_id) {
        (false, _) => None,
        (true, Some(last)) if !last.is_empty() => Some(Next::Cursor("after_id", last.into_owned())),
        (true, _) => {
            return Err(BodyError::invalid("has_more is true, but last_id does not say after which model"));
        }
    };
    let listing = Listing::of_rows(&data, |row| entry(&row, provider));
    Ok(Page { value: listing, rows: data.len(), total: None, next })
}

/// A model that is retired is no longer offered: no model, and no wrong row.
fn entry(row: &Row<'_>, provider: &ProviderType) -> Result<Option<ModelCatalogEntry>, String> {
    if row.lifecycle.as_deref() == Some("retired") {
        return Ok(None);
    }
    let mut entry = blank(&row.id, provider)?;
    entry.display_name = display_name(row.display_name.as_deref(), &row.id);
    entry.context_length_tokens = tokens(row.max_input_tokens);
    entry.max_output_tokens = tokens(row.max_tokens);
    entry.created_at = model_time(row.created_at.as_deref());
    entry.expires_at = date_or_time(row.retires_at.as_deref());
    if row.lifecycle.as_deref() == Some("deprecated") || row.deprecated_at.is_some() {
        let since = date_or_time(row.deprecated_at.as_deref());
        entry.deprecation = Some(Deprecation { since, replaced_by: None });
    }
    can_do(&mut entry, row.capabilities);
    Ok(Some(entry))
}

/// Every model of this API writes text, streams and takes tools; what the list says of it is the rest.
fn can_do(entry: &mut ModelCatalogEntry, capabilities: Option<&RawValue>) {
    let mut flags = Flags::default();
    flags.add(capabilities);
    entry.supports = flags.supports();
    entry.supports.tools = Some(true);
    entry.supports.streaming = Some(true);
    entry.output_modalities = vec!["text".to_owned()];
    let also = [("image", flags.has(&["image_input"])), ("file", flags.has(&["pdf_input"]))];
    let also = also.into_iter().filter(|(_, yes)| *yes).map(|(word, _)| word);
    entry.input_modalities = std::iter::once("text").chain(also).map(str::to_owned).collect();
}
