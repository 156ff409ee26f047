//! `generated/overlay.rs`.

use std::fmt::Write as _;

use super::{drift_guard, header, option_str};
use crate::model::{Overlay, OverlayBatch, OverlayHours, OverlayLongContext, Providers};

const CONTRACT: &str = "provider-pricing-overlay.v1.yaml";

const HEAD: &str = r#"//! Prices of vendors whose model lists have none.

use super::providers::ProviderType;

"#;

const TYPES: &str = r#"/// Prices of the models of one provider that a pattern matches. Decimals in USD per million tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverlayPrice {
    /// Whose model list the model stands in.
    pub provider: ProviderType,
    /// A pattern in the model's id; case does not matter.
    pub pattern: &'static str,
    /// Input.
    pub input_usd_per_mtok: &'static str,
    /// Output.
    pub output_usd_per_mtok: &'static str,
    /// Input read from the provider's cache.
    pub cache_read_usd_per_mtok: Option<&'static str>,
    /// Input written to the provider's cache, at its shortest life.
    pub cache_write_usd_per_mtok: Option<&'static str>,
    /// Dearer prices of long prompts.
    pub long_context: Option<OverlayLongContext>,
    /// Input and output of the provider's batch API.
    pub batch: Option<(&'static str, &'static str)>,
    /// Other prices at hours of the day; where two hold, the later one does.
    pub hours: &'static [OverlayHours],
    /// Where the vendor publishes its prices.
    pub vendor_page: &'static str,
    /// What the figures were read from.
    pub source: &'static str,
    /// The day on which they were read.
    pub as_of: &'static str,
}

/// Prices that hold above a prompt length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverlayLongContext {
    /// For prompts strictly longer than this.
    pub above_input_tokens: u64,
    /// Input.
    pub input_usd_per_mtok: &'static str,
    /// Output.
    pub output_usd_per_mtok: &'static str,
    /// Input read from the provider's cache.
    pub cache_read_usd_per_mtok: Option<&'static str>,
}

/// Prices that hold between two times of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverlayHours {
    /// From this time on, `HH:MM` UTC.
    pub utc_start: &'static str,
    /// Until before this time, `HH:MM` UTC; earlier than the start, it is of the next day.
    pub utc_end: &'static str,
    /// Input.
    pub input_usd_per_mtok: &'static str,
    /// Output.
    pub output_usd_per_mtok: &'static str,
    /// Input read from the provider's cache.
    pub cache_read_usd_per_mtok: Option<&'static str>,
}

"#;

/// Renders the file; `bytes` is the contract as it stands on disk.
pub(crate) fn render(contract: &Overlay, providers: &Providers, bytes: &[u8]) -> String {
    let mut out = header(CONTRACT);
    out.push_str(HEAD);
    out.push_str(&drift_guard(CONTRACT, bytes));
    out.push_str(TYPES);
    let mut rows = String::new();
    for price in &contract.prices {
        // The checks have found every name already; a custom host is what is left.
        let provider =
            providers.providers.iter().find(|p| p.name == price.provider).map_or("", |p| &p.variant);
        let _ = write!(
            rows,
            "OverlayPrice {{ provider: ProviderType::{provider}, pattern: {:?}, input_usd_per_mtok: {:?}, \
             output_usd_per_mtok: {:?}, cache_read_usd_per_mtok: {}, cache_write_usd_per_mtok: {}, \
             long_context: {}, batch: {}, hours: &[{}], vendor_page: {:?}, source: {:?}, as_of: {:?} }},",
            price.pattern,
            price.input_usd_per_mtok,
            price.output_usd_per_mtok,
            option_str(price.cache_read_usd_per_mtok.as_deref()),
            option_str(price.cache_write_usd_per_mtok.as_deref()),
            price.long_context.as_ref().map_or_else(|| "None".to_owned(), long_context),
            price.batch.as_ref().map_or_else(|| "None".to_owned(), batch),
            price.hours.iter().map(hours).collect::<String>(),
            price.vendor_page,
            price.source,
            price.as_of,
        );
    }
    let _ = write!(
        out,
        "/// Prices whose `as_of` is longer ago, in days, are outdated.\npub const MAX_AGE_DAYS: u32 = {};\n\n",
        contract.max_age_days
    );
    let _ = write!(
        out,
        "/// The prices, in order; the first that matches holds.\npub static PRICES: [OverlayPrice; {}] = [{rows}];\n",
        contract.prices.len()
    );
    out
}

fn long_context(price: &OverlayLongContext) -> String {
    format!(
        "Some(OverlayLongContext {{ above_input_tokens: {}, input_usd_per_mtok: {:?}, output_usd_per_mtok: {:?}, \
         cache_read_usd_per_mtok: {} }})",
        super::grouped(price.above_input_tokens),
        price.input_usd_per_mtok,
        price.output_usd_per_mtok,
        option_str(price.cache_read_usd_per_mtok.as_deref()),
    )
}

fn batch(price: &OverlayBatch) -> String {
    format!("Some(({:?}, {:?}))", price.input_usd_per_mtok, price.output_usd_per_mtok)
}

fn hours(price: &OverlayHours) -> String {
    format!(
        "OverlayHours {{ utc_start: {:?}, utc_end: {:?}, input_usd_per_mtok: {:?}, output_usd_per_mtok: {:?}, \
         cache_read_usd_per_mtok: {} }},",
        price.utc_start,
        price.utc_end,
        price.input_usd_per_mtok,
        price.output_usd_per_mtok,
        option_str(price.cache_read_usd_per_mtok.as_deref()),
    )
}
