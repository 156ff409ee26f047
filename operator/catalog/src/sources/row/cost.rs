//! What the models of a row cost, and who is behind it.

use vox_contracts::ProviderType;
use vox_contracts::entry::{Availability, MAX_SERVED_BY, Pricing, ServedBy};
use vox_contracts::price::Unit;

use super::Row;
use crate::contract::{self, Listed};
use crate::read::{fixed, price, tokens, warn_once};
use crate::sources::ollama::free;
use crate::sources::prices::Prices;
use crate::text::clip;

/// The longest name of a server behind a router that is kept, in characters.
const MAX_SERVER_CHARS: usize = 120;

impl Row<'_> {
    pub(super) fn pricing(&self, provider: &ProviderType) -> Result<Pricing, String> {
        if let Some(prices) = &self.pricing {
            return unit(prices, provider).map_or_else(|| Ok(Pricing::default()), |unit| prices.read(unit));
        }
        if self.live().next().is_some() {
            return self.dearest(provider);
        }
        if let Some(pricing) = self.flat_prices(provider)? {
            return Ok(pricing);
        }
        Ok(if contract::is_local(provider) { free() } else { Pricing::default() })
    }

    /// xAI's prices stand in the row itself. A cache that costs nothing beside input that costs something is none.
    fn flat_prices(&self, provider: &ProviderType) -> Result<Option<Pricing>, String> {
        if self.prompt_text_token_price.is_none() && self.completion_text_token_price.is_none() {
            return Ok(None);
        }
        let Some(Listed::In(unit)) = contract::listed(provider) else { return Ok(None) };
        let read = |field: &str, raw| price(field, raw, unit).map(fixed);
        let cached = read("cached_prompt_text_token_price", self.cached_prompt_text_token_price)?;
        Ok(Some(Pricing {
            input_usd_per_mtok: read("prompt_text_token_price", self.prompt_text_token_price)?,
            output_usd_per_mtok: read("completion_text_token_price", self.completion_text_token_price)?,
            cache_read_usd_per_mtok: cached.filter(|price| !price.is_free()),
            ..Pricing::default()
        }))
    }

    /// Who is behind a row of a router.
    pub(super) fn served_by(&self, provider: &ProviderType) -> Option<Availability> {
        let servers: Vec<_> = self.live().collect();
        if servers.is_empty() {
            return None;
        }
        let mut served_by: Vec<ServedBy> = servers
            .iter()
            .filter_map(|server| {
                let prices = server.pricing.as_ref();
                let pricing =
                    prices.and_then(|prices| prices.read(unit(prices, provider)?).ok()).unwrap_or_default();
                Some(ServedBy {
                    name: clip(server.provider.as_deref()?, MAX_SERVER_CHARS),
                    context_length_tokens: tokens(server.context_length),
                    quantization: None,
                    pricing,
                    uptime_percent: None,
                    zero_data_retention: None,
                })
            })
            .take(MAX_SERVED_BY)
            .collect();
        served_by.sort_by(|a, b| a.name.cmp(&b.name));
        let endpoints = u32::try_from(servers.len()).ok();
        Some(Availability { uptime_percent: None, endpoints, served_by })
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
