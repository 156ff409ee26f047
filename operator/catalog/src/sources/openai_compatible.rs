//! Everybody who lists models more or less as OpenAI does: `GET /models` with `data`, or with another envelope.
//! Formats: <https://platform.openai.com/docs/api-reference/models>, and those of Groq, Mistral, Cerebras, SambaNova,
//! xAI, Hugging Face's router, Perplexity, Together, Cohere, vLLM, llama.cpp, LM Studio, GPUStack.

use std::collections::HashMap;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::value::RawValue;
use vox_contracts::discovery::{FetchFailure, FetchTarget};
use vox_contracts::{ModelCatalogEntry, ProviderType};

use super::row::{Found, IdIn, Row, found};
use crate::http::Http;
use crate::listing::{BodyError, Listing, read_body, read_row, refusal, said};
use crate::object::Object;
use crate::pages::{self, Next, Page};
use crate::read::rfc3339;
use crate::registry::{Answer, ModelCatalog, list_url};

/// All rows stamped within so many seconds: the server writes its own time, not the models'.
const SERVER_CLOCK_SPREAD_S: i64 = 60;

/// The source.
#[derive(Debug)]
pub struct OpenAiCompatible;

#[async_trait]
impl ModelCatalog for OpenAiCompatible {
    async fn fetch(
        &self,
        http: &Http,
        target: &FetchTarget,
        etag: Option<&str>,
    ) -> Result<Answer, FetchFailure> {
        let url = list_url(target, "/models")?;
        let parse = |body: &[u8]| parse_page(body, &target.provider);
        let mut answer = pages::fetch(http, &url, target, etag, parse).await?;
        if let Answer::Listing(listing) = &mut answer {
            inherit_contexts(&mut listing.entries);
        }
        Ok(answer)
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    models: Option<&'a RawValue>,
    #[serde(borrow)]
    items: Option<&'a RawValue>,
    /// Cohere's cursor.
    #[serde(borrow)]
    next_page_token: Option<&'a RawValue>,
    /// GPUStack's pages.
    #[serde(borrow)]
    pagination: Option<&'a RawValue>,
    has_more: Option<bool>,
}

impl Envelope<'_> {
    /// Where the list goes on.
    fn next(&self) -> Result<Option<Next>, BodyError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Pagination {
            page: u64,
            total_page: u64,
        }
        let token = self.next_page_token.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
        if let Some(token) = token {
            return Ok(Some(Next::Cursor("page_token", token)));
        }
        let pages = self.pagination.and_then(|raw| serde_json::from_str::<Pagination>(raw.get()).ok());
        if let Some(Pagination { page, .. }) = pages.filter(|pages| pages.page < pages.total_page) {
            return Ok(Some(Next::Cursor("page", (page + 1).to_string())));
        }
        if self.has_more == Some(true) {
            let what = "has_more is true: the list has further pages, in a form that this kind of source does not read";
            return Err(BodyError::invalid(what));
        }
        Ok(None)
    }
}

/// Rows, where each one's id is, and where the list goes on.
type Cut<'a> = (Vec<&'a RawValue>, IdIn, Option<Next>);

/// Cuts the rows out of whichever envelope they are in.
fn rows(body: &[u8]) -> Result<Cut<'_>, BodyError> {
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        return Ok((read_body(body)?, IdIn::Id, None));
    }
    let Object(envelope) = read_body::<Object<Envelope<'_>>>(body)?;
    let Some(rows) = envelope.data.or(envelope.models).or(envelope.items) else {
        return Err(BodyError::invalid(format!("the answer has no data, models or items{}", said(body))));
    };
    // GPUStack's own API: the name is what requests call the model by.
    let id_in = if envelope.data.or(envelope.models).is_some() { IdIn::Id } else { IdIn::Name };
    let name = if envelope.data.is_some() { "data" } else { "models or items" };
    let rows = serde_json::from_str(rows.get())
        .map_err(|_| BodyError::invalid(format!("at {name}: not a list of models")))?;
    Ok((rows, id_in, envelope.next()?))
}

/// Reads a list of models.
///
/// # Errors
/// When it is no list. A wrong row is refused, not the list.
pub fn parse(body: &[u8], provider: &ProviderType) -> Result<Listing, BodyError> {
    let mut listing = parse_page(body, provider)?.value;
    inherit_contexts(&mut listing.entries);
    Ok(listing)
}

/// Reads one page of a list.
fn parse_page(body: &[u8], provider: &ProviderType) -> Result<Page<Listing>, BodyError> {
    let (rows, id_in, next) = rows(body)?;
    let mut times = Vec::with_capacity(rows.len());
    let mut listing = Listing { entries: Vec::with_capacity(rows.len()), ..Listing::default() };
    for (index, raw) in rows.iter().enumerate() {
        let result = read_row::<Row<'_>>(index, raw)
            .and_then(|row| found(&row, provider, id_in).map_err(|reason| refusal(index, raw, &reason)));
        match result {
            Ok(Some(Found { entry, created })) => {
                listing.entries.push(entry);
                times.push(created);
            }
            // Not offered any more: no model, and nothing wrong with the row either.
            Ok(None) => {}
            Err(refused) => listing.refusals.push(refused),
        }
    }
    stamp(&mut listing.entries, &times);
    Ok(Page { value: listing, rows: rows.len(), total: None, next })
}

/// Writes the rows' times, unless they are the server's own clock: vLLM and Mistral stamp every row with the time of
/// the request, which would make each fetch a new catalog.
fn stamp(entries: &mut [ModelCatalogEntry], times: &[Option<i64>]) {
    let known = || times.iter().filter_map(|created| *created);
    let spread = known().max().unwrap_or(0).saturating_sub(known().min().unwrap_or(0));
    if spread <= SERVER_CLOCK_SPREAD_S {
        return;
    }
    for (entry, created) in entries.iter_mut().zip(times) {
        entry.created_at = created.and_then(rfc3339);
    }
}

/// An adapter (LoRA) is served with the context of the model that it sits on.
fn inherit_contexts(entries: &mut [ModelCatalogEntry]) {
    if entries.iter().all(|entry| entry.parent.is_none()) {
        return;
    }
    let known: HashMap<String, u64> = entries
        .iter()
        .filter_map(|entry| Some((entry.model_id.clone(), entry.context_length_tokens?)))
        .collect();
    for entry in entries {
        let inherited = entry.parent.as_deref().and_then(|parent| known.get(parent).copied());
        entry.context_length_tokens = entry.context_length_tokens.or(inherited);
    }
}
