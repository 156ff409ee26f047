//! Google AI (the Gemini API): `GET /models`, page by page with `pageToken`.
//! Format: <https://ai.google.dev/api/models>.

use std::borrow::Cow;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::value::RawValue;
use vox_contracts::discovery::{FetchFailure, FetchTarget};
use vox_contracts::{ModelCatalogEntry, ProviderType};

use crate::http::Http;
use crate::listing::{BodyError, Listing, read_body};
use crate::object::Object;
use crate::pages::{self, Next, Page};
use crate::read::{blank, display_name, tokens};
use crate::registry::{Answer, ModelCatalog, list_url};

/// The most that one page may hold, by the API's documentation.
const PAGE: &str = "pageSize=1000";
/// What stands before the id in a row's name, and not in the path of a request to the model.
const RESOURCE: &str = "models/";

/// The source.
#[derive(Debug)]
pub struct Google;

#[async_trait]
impl ModelCatalog for Google {
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
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    #[serde(borrow)]
    models: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    next_page_token: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    display_name: Option<Cow<'a, str>>,
    input_token_limit: Option<u64>,
    output_token_limit: Option<u64>,
    #[serde(borrow)]
    supported_generation_methods: Option<Vec<Cow<'a, str>>>,
    thinking: Option<bool>,
}

/// Reads one page.
///
/// # Errors
/// When it is not such a page. A wrong row is refused, not the page.
pub fn parse(body: &[u8], provider: &ProviderType) -> Result<Page<Listing>, BodyError> {
    let Object(Envelope { models, next_page_token }) = read_body(body)?;
    let listing = Listing::of_rows(&models, |row| entry(&row, provider));
    let next = next_page_token.map(|token| Next::Cursor("pageToken", token.into_owned()));
    Ok(Page { value: listing, rows: models.len(), total: None, next })
}

/// What can be asked for neither words nor vectors (images by `predict`, live audio) is no model that is routed to: no
/// entry, and no wrong row.
fn entry(row: &Row<'_>, provider: &ProviderType) -> Result<Option<ModelCatalogEntry>, String> {
    let methods = row.supported_generation_methods.as_deref().unwrap_or_default();
    let can = |method: &str| methods.iter().any(|given| given == method);
    let writes = match (can("generateContent"), can("embedContent")) {
        (true, _) => "text",
        (false, true) => "embedding",
        (false, false) => return Ok(None),
    };
    let id = row.name.strip_prefix(RESOURCE).unwrap_or(&row.name);
    let mut entry = blank(id, provider)?;
    entry.display_name = display_name(row.display_name.as_deref(), id);
    entry.context_length_tokens = tokens(row.input_token_limit);
    entry.output_modalities = vec![writes.to_owned()];
    if writes == "text" {
        entry.max_output_tokens = tokens(row.output_token_limit);
        entry.supports.reasoning = row.thinking;
        entry.supports.streaming = Some(true);
    }
    Ok(Some(entry))
}
