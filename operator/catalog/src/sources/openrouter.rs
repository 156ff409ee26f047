//! OpenRouter: `GET /models`, and per model `GET /models/{author}/{slug}/endpoints` for its uptime.
//! Format: <https://openrouter.ai/docs/api/api-reference/models/get-models>.

use std::borrow::Cow;

use async_trait::async_trait;
use futures::StreamExt;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::value::RawValue;
use url::Url;
use vox_contracts::ModelCatalogEntry;
use vox_contracts::ProviderType;
use vox_contracts::discovery::{FailureClass, FetchFailure, FetchTarget};
use vox_contracts::entry::Availability;
use vox_contracts::price::Unit;

use super::flags::Flags;
use super::prices::Prices;
use crate::filter;
use crate::http::{Http, Reply, shown};
use crate::listing::{BodyError, Listing, read_body, read_row, refusal};
use crate::object::Object;
use crate::read::{
    blank, date_or_time, display_name, input_modalities, output_modalities, price_text, rfc3339, tokens,
    unix_seconds, warn_once,
};
use crate::registry::{Answer, ModelCatalog, list_url};

/// How many models' endpoints are asked for at a time.
const CONCURRENT_DETAILS: usize = 8;
/// A list that goes on after so many pages does not end.
const MAX_PAGES: usize = 200;
/// A list of more rows than this is no list of models, whatever the limit of the source.
const MAX_ROWS: usize = 200_000;

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
        let parse = |body: &[u8]| parse_models(body, &target.provider);
        let (first, tag) = match http.get(&url, etag, parse).await? {
            Reply::NotModified => return Ok(Answer::NotModified),
            Reply::Fresh { value, etag } => (value, etag),
        };
        let mut listing = collect_pages(http, &url, target, first, tag).await?;
        if target.include_endpoints {
            listing.etag = None;
            ask_endpoints(http, &url, target, &mut listing.entries).await;
        }
        Ok(Answer::Listing(listing))
    }
}

/// One page of the list.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    /// Its rows.
    pub listing: Listing,
    /// How many rows it had, refused ones included.
    pub rows: usize,
    /// How many rows the whole list has, if the server says so.
    pub total: Option<u64>,
    /// Where the next page is, if the server says so.
    pub next: Option<String>,
}

async fn collect_pages(
    http: &Http,
    list: &Url,
    target: &FetchTarget,
    first: Page,
    etag: Option<String>,
) -> Result<Listing, FetchFailure> {
    let (limit, mut seen) = (first.rows, first.rows);
    let mut next = next_page(http, list, &first, seen, limit)?;
    let mut listing = first.listing;
    // The ETag of a first page says nothing about the others.
    listing.etag = etag.filter(|_| next.is_none());
    let mut pages = 1;
    while let Some(url) = next {
        pages += 1;
        if pages > MAX_PAGES || seen > MAX_ROWS {
            let what = format!("the list does not end after {seen} models");
            return Err(http.failure(FailureClass::BodyTooLarge, list, &what, "check endpoint"));
        }
        let page = match http.get(&url, None, |body| parse_models(body, &target.provider)).await? {
            Reply::Fresh { value, .. } => value,
            Reply::NotModified => break,
        };
        seen += page.rows;
        next = next_page(http, list, &page, seen, limit)?;
        listing.entries.extend(page.listing.entries);
        listing.refusals.extend(page.listing.refusals);
    }
    Ok(listing)
}

/// By the server's own link, or by counting when it says how many there are. Never to another host.
fn next_page(
    http: &Http,
    list: &Url,
    page: &Page,
    seen: usize,
    limit: usize,
) -> Result<Option<Url>, FetchFailure> {
    if page.rows == 0 {
        return Ok(None);
    }
    if let Some(next) = page.next.as_deref().filter(|next| !next.is_empty()) {
        let url = list.join(next).ok().filter(|url| url.origin() == list.origin());
        return match url {
            Some(url) => Ok(Some(url)),
            None => {
                let what = "the list's link to its next page leads to another host";
                Err(http.failure(FailureClass::BodyInvalid, list, what, "check endpoint"))
            }
        };
    }
    if page.total.is_none_or(|total| seen as u64 >= total) {
        return Ok(None);
    }
    let mut url = list.clone();
    url.query_pairs_mut().append_pair("offset", &seen.to_string()).append_pair("limit", &limit.to_string());
    Ok(Some(url))
}

/// Asks for the endpoints of every model that the filter may keep. What fails leaves the model without an
/// availability: a list without uptimes is better than none.
async fn ask_endpoints(http: &Http, list: &Url, target: &FetchTarget, entries: &mut [ModelCatalogEntry]) {
    let wanted: Vec<(usize, Url)> = entries
        .iter()
        .enumerate()
        .filter(|(_, entry)| filter::keeps_id(&target.filter, &entry.model_id))
        .map(|(index, entry)| (index, endpoints_url(list, &entry.model_id)))
        .collect();
    let asked = wanted.len();
    let mut answers = futures::stream::iter(wanted)
        .map(|(index, url)| async move { (index, http.get_detail(&url, parse_endpoints).await, url) })
        .buffer_unordered(CONCURRENT_DETAILS);
    let mut missing = 0_usize;
    while let Some((index, answer, url)) = answers.next().await {
        match answer {
            Ok(availability) => entries[index].availability = availability,
            Err(failure) => {
                missing += 1;
                tracing::debug!(class = failure.class.as_str(), message = failure.message, url = shown(&url));
            }
        }
    }
    if missing > 0 {
        tracing::warn!(
            missing,
            asked,
            "the uptime of some models is unknown: their endpoints could not be listed"
        );
    }
}

fn endpoints_url(list: &Url, id: &str) -> Url {
    let mut url = list.clone();
    url.set_query(None);
    if let Ok(mut path) = url.path_segments_mut() {
        path.extend(id.split('/')).push("endpoints");
    }
    url
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
pub fn parse_models(body: &[u8], provider: &ProviderType) -> Result<Page, BodyError> {
    let Object(Envelope { data, total_count, links }) = read_body(body)?;
    let mut listing = Listing { entries: Vec::with_capacity(data.len()), ..Listing::default() };
    for (index, raw) in data.iter().enumerate() {
        let entry = read_row(index, raw)
            .and_then(|row| entry(&row, provider).map_err(|reason| refusal(index, raw, &reason)));
        match entry {
            Ok(entry) => listing.entries.push(entry),
            Err(refused) => listing.refusals.push(refused),
        }
    }
    let next = links.and_then(|links| links.0.next).map(Cow::into_owned);
    Ok(Page { listing, rows: data.len(), total: total_count, next })
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

#[derive(Deserialize)]
struct EndpointsEnvelope<'a> {
    #[serde(borrow)]
    data: Object<EndpointsOf<'a>>,
}

#[derive(Deserialize)]
struct EndpointsOf<'a> {
    #[serde(borrow)]
    endpoints: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Endpoint<'a> {
    status: Option<i64>,
    #[serde(borrow)]
    uptime_last_1d: Option<&'a RawValue>,
}

/// Reads `/models/{id}/endpoints`: the best uptime and the number of the endpoints that work.
///
/// # Errors
/// When it is not such an answer.
pub fn parse_endpoints(body: &[u8]) -> Result<Option<Availability>, BodyError> {
    let Object(EndpointsEnvelope { data }) = read_body(body)?;
    let mut best: Option<Decimal> = None;
    let mut count = 0_u32;
    for raw in &data.endpoints {
        let Ok(endpoint) = serde_json::from_str::<Object<Endpoint<'_>>>(raw.get()) else {
            warn_once("endpoint", "an endpoint of another form");
            continue;
        };
        // 0 works; what each negative status means is not documented, only that it does not count.
        if endpoint.status.is_some_and(|status| status < 0) {
            continue;
        }
        count = count.saturating_add(1);
        best = best.max(endpoint.uptime_last_1d.and_then(percent));
    }
    let uptime_percent = best.map(|percent| percent.normalize().to_string());
    Ok(Some(Availability { uptime_percent, endpoints: Some(count) }))
}

/// Percent, 0 to 100; anything else is unknown. Rounded to a thousandth, so that noise makes no new revision.
fn percent(raw: &RawValue) -> Option<Decimal> {
    let text = price_text(raw).ok()?;
    let value: Decimal = text.parse().or_else(|_| Decimal::from_scientific(&text)).ok()?;
    (value >= Decimal::ZERO && value <= Decimal::ONE_HUNDRED).then(|| value.round_dp(3))
}
