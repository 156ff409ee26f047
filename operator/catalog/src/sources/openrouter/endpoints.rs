//! `GET /models/{author}/{slug}/endpoints`: who serves a model behind OpenRouter, at what price, how reliably, and with
//! `GET /endpoints/zdr` who of them keeps nothing of a request.
//! Format: <https://openrouter.ai/docs/api/api-reference/endpoints/list-endpoints>.

use std::borrow::Cow;
use std::collections::HashSet;

use futures::StreamExt;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::value::RawValue;
use url::Url;
use vox_contracts::ModelCatalogEntry;
use vox_contracts::discovery::{FetchFailure, FetchTarget};
use vox_contracts::entry::{Availability, MAX_SERVED_BY, Pricing, ServedBy};
use vox_contracts::price::Unit;

use crate::filter;
use crate::http::{Http, join, shown};
use crate::listing::{BodyError, read_body};
use crate::object::Object;
use crate::read::{fact, price_text, tokens, warn_once};
use crate::registry::bad_endpoint;
use crate::sources::prices::Prices;

/// How many models' endpoints are asked for at a time.
const CONCURRENT_DETAILS: usize = 8;
/// The longest name of a server that is kept, in characters.
const MAX_NAME_CHARS: usize = 120;

/// Which servers keep nothing, by model id and name of the server.
pub type ZeroRetention = HashSet<(String, String)>;

/// Asks for the endpoints of every model that the filter may keep. What fails leaves the model without an
/// availability: a list without uptimes is better than none.
pub(super) async fn ask(http: &Http, list: &Url, target: &FetchTarget, entries: &mut [ModelCatalogEntry]) {
    let zero_retention = match ask_zero_retention(http, target).await {
        Ok(known) => Some(known),
        Err(failure) => {
            tracing::warn!(
                class = failure.class.as_str(),
                message = failure.message,
                "nothing is known of what servers keep of a request"
            );
            None
        }
    };
    let wanted: Vec<(usize, Url)> = entries
        .iter()
        .enumerate()
        .filter(|(_, entry)| filter::keeps_id(&target.filter, &entry.model_id))
        .map(|(index, entry)| (index, url_of(list, &entry.model_id)))
        .collect();
    let asked = wanted.len();
    let mut answers = futures::stream::iter(wanted)
        .map(|(index, url)| async move { (index, http.get_detail(&url, parse_endpoints).await, url) })
        .buffer_unordered(CONCURRENT_DETAILS);
    let mut missing = 0_usize;
    while let Some((index, answer, url)) = answers.next().await {
        match answer {
            Ok(mut availability) => {
                if let Some(known) = &zero_retention {
                    note_retention(&mut availability, &entries[index].model_id, known);
                }
                entries[index].availability = Some(availability);
            }
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

async fn ask_zero_retention(http: &Http, target: &FetchTarget) -> Result<ZeroRetention, FetchFailure> {
    let url = join(&target.endpoint, "/endpoints/zdr").map_err(|reason| bad_endpoint(&reason))?;
    http.get_detail(&url, parse_zero_retention).await
}

fn note_retention(availability: &mut Availability, model_id: &str, known: &ZeroRetention) {
    for server in &mut availability.served_by {
        server.zero_data_retention = Some(known.contains(&(model_id.to_owned(), server.name.clone())));
    }
}

fn url_of(list: &Url, id: &str) -> Url {
    let mut url = list.clone();
    url.set_query(None);
    if let Ok(mut path) = url.path_segments_mut() {
        path.extend(id.split('/')).push("endpoints");
    }
    url
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
    #[serde(borrow)]
    tag: Option<Cow<'a, str>>,
    #[serde(borrow)]
    provider_name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    model_id: Option<Cow<'a, str>>,
    context_length: Option<u64>,
    quantization: Option<String>,
    #[serde(borrow)]
    pricing: Option<Object<Prices<'a>>>,
    status: Option<i64>,
    #[serde(borrow)]
    uptime_last_1d: Option<&'a RawValue>,
}

impl Endpoint<'_> {
    /// The gateway's own name for the server, by which requests can ask for it.
    fn name(&self) -> Option<String> {
        let name = self.tag.as_deref().or(self.provider_name.as_deref())?;
        Some(crate::text::clip(name, MAX_NAME_CHARS)).filter(|name| !name.is_empty())
    }

    /// Of prices that cannot be read nothing is known; the server serves all the same.
    fn pricing(&self) -> Pricing {
        let read = self.pricing.as_ref().map(|prices| prices.read(Unit::PerToken));
        match read {
            Some(Ok(pricing)) => pricing,
            Some(Err(reason)) => {
                warn_once("endpoint's price", &reason);
                Pricing::default()
            }
            None => Pricing::default(),
        }
    }
}

/// Reads `/models/{id}/endpoints`: the best uptime, and each of the endpoints that work.
///
/// # Errors
/// When it is not such an answer.
pub fn parse_endpoints(body: &[u8]) -> Result<Availability, BodyError> {
    let Object(EndpointsEnvelope { data }) = read_body(body)?;
    let mut best: Option<Decimal> = None;
    let mut count = 0_u32;
    let mut served_by: Vec<ServedBy> = Vec::new();
    for raw in &data.endpoints {
        let Ok(Object(endpoint)) = serde_json::from_str::<Object<Endpoint<'_>>>(raw.get()) else {
            warn_once("endpoint", "an endpoint of another form");
            continue;
        };
        // 0 works; what each negative status means is not documented, only that it does not count.
        if endpoint.status.is_some_and(|status| status < 0) {
            continue;
        }
        count = count.saturating_add(1);
        let uptime = endpoint.uptime_last_1d.and_then(percent);
        best = best.max(uptime);
        if let Some(name) = endpoint.name().filter(|_| served_by.len() < MAX_SERVED_BY) {
            served_by.push(ServedBy {
                name,
                context_length_tokens: tokens(endpoint.context_length),
                pricing: endpoint.pricing(),
                quantization: fact(&endpoint.quantization),
                uptime_percent: uptime.map(text),
                zero_data_retention: None,
            });
        }
    }
    served_by.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Availability { uptime_percent: best.map(text), endpoints: Some(count), served_by })
}

#[derive(Deserialize)]
struct ZeroRetentionEnvelope<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
}

/// Reads `/endpoints/zdr`.
///
/// # Errors
/// When it is not such an answer. A row of another form names nobody.
pub fn parse_zero_retention(body: &[u8]) -> Result<ZeroRetention, BodyError> {
    let Object(ZeroRetentionEnvelope { data }) = read_body(body)?;
    let named = |raw: &&RawValue| {
        let Object(endpoint) = serde_json::from_str::<Object<Endpoint<'_>>>(raw.get()).ok()?;
        Some((endpoint.model_id.as_deref()?.to_owned(), endpoint.name()?))
    };
    Ok(data.iter().filter_map(named).collect())
}

fn text(percent: Decimal) -> String {
    percent.normalize().to_string()
}

/// Percent, 0 to 100; anything else is unknown. Rounded to a thousandth, so that noise makes no new revision.
fn percent(raw: &RawValue) -> Option<Decimal> {
    let text = price_text(raw).ok()?;
    let value: Decimal = text.parse().or_else(|_| Decimal::from_scientific(&text)).ok()?;
    (value >= Decimal::ZERO && value <= Decimal::ONE_HUNDRED).then(|| value.round_dp(3))
}
