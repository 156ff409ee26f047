//! Everybody who lists models more or less as OpenAI does: `GET /models` with `data`, or with another envelope.
//! Formats: <https://platform.openai.com/docs/api-reference/models>, and those of Groq, Mistral, Cerebras, SambaNova,
//! Hugging Face's router, Perplexity, Together, vLLM, llama.cpp, LM Studio, GPUStack.

use std::borrow::Cow;
use std::collections::HashMap;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::value::RawValue;
use vox_contracts::ProviderType;
use vox_contracts::discovery::{FetchFailure, FetchTarget};

use super::row::{Found, IdIn, Row, found};
use crate::http::{Http, Reply};
use crate::listing::{BodyError, Listing, read_body, read_row, refusal, said};
use crate::object::Object;
use crate::read::{rfc3339, tokens};
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
        Ok(match http.get(&url, etag, |body| parse(body, &target.provider)).await? {
            Reply::NotModified => Answer::NotModified,
            Reply::Fresh { mut value, etag } => {
                value.etag = etag;
                Answer::Listing(value)
            }
        })
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
}

/// Cuts the rows out of whichever envelope they are in.
fn rows(body: &[u8]) -> Result<(Vec<&RawValue>, IdIn), BodyError> {
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        return Ok((read_body(body)?, IdIn::Id));
    }
    let Object(Envelope { data, models, items }) = read_body(body)?;
    let Some(rows) = data.or(models).or(items) else {
        return Err(BodyError::invalid(format!("the answer has no data, models or items{}", said(body))));
    };
    // GPUStack's own API: the name is what requests call the model by.
    let id_in = if data.or(models).is_some() { IdIn::Id } else { IdIn::Name };
    let name = if data.is_some() { "data" } else { "models or items" };
    let rows = serde_json::from_str(rows.get())
        .map_err(|_| BodyError::invalid(format!("at {name}: not a list of models")))?;
    Ok((rows, id_in))
}

/// Reads a list of models.
///
/// # Errors
/// When it is no list. A wrong row is refused, not the list.
pub fn parse(body: &[u8], provider: &ProviderType) -> Result<Listing, BodyError> {
    let (rows, id_in) = rows(body)?;
    let mut listing = Listing { entries: Vec::with_capacity(rows.len()), ..Listing::default() };
    let mut extras = Vec::with_capacity(rows.len());
    for (index, raw) in rows.iter().enumerate() {
        let result = read_row::<Row<'_>>(index, raw)
            .and_then(|row| found(row, provider, id_in).map_err(|reason| refusal(index, raw, &reason)));
        match result {
            Ok(Some(Found { entry, created, parent })) => {
                listing.entries.push(entry);
                extras.push((created, parent));
            }
            // Not offered any more: no model, and nothing wrong with the row either.
            Ok(None) => {}
            Err(refused) => listing.refusals.push(refused),
        }
    }
    stamp(&mut listing, &extras);
    inherit_contexts(&mut listing, &extras);
    Ok(listing)
}

type Extra<'a> = (Option<i64>, Option<Cow<'a, str>>);

/// Writes the rows' times, unless they are the server's own clock: vLLM and Mistral stamp every row with the time of
/// the request, which would make each fetch a new catalog.
fn stamp(listing: &mut Listing, extras: &[Extra<'_>]) {
    let times = || extras.iter().filter_map(|(created, _)| *created);
    let spread = times().max().unwrap_or(0).saturating_sub(times().min().unwrap_or(0));
    if spread <= SERVER_CLOCK_SPREAD_S {
        return;
    }
    for (entry, (created, _)) in listing.entries.iter_mut().zip(extras) {
        entry.created_at = created.and_then(rfc3339);
    }
}

/// An adapter (LoRA) is served with the context of the model that it sits on.
fn inherit_contexts(listing: &mut Listing, extras: &[Extra<'_>]) {
    if extras.iter().all(|(_, parent)| parent.is_none()) {
        return;
    }
    let known: HashMap<String, u64> = listing
        .entries
        .iter()
        .filter_map(|entry| Some((entry.model_id.clone(), entry.context_length_tokens?)))
        .collect();
    for (entry, (_, parent)) in listing.entries.iter_mut().zip(extras) {
        let inherited = parent.as_deref().and_then(|parent| known.get(parent).copied());
        entry.context_length_tokens = entry.context_length_tokens.or(tokens(inherited));
    }
}
