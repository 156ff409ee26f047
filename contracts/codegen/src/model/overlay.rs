//! `provider-pricing-overlay.v1.yaml`.

use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(crate) struct OverlayLongContext {
    pub(crate) above_input_tokens: u64,
    pub(crate) input_usd_per_mtok: String,
    pub(crate) output_usd_per_mtok: String,
    pub(crate) cache_read_usd_per_mtok: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct OverlayBatch {
    pub(crate) input_usd_per_mtok: String,
    pub(crate) output_usd_per_mtok: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct OverlayHours {
    pub(crate) utc_start: String,
    pub(crate) utc_end: String,
    pub(crate) input_usd_per_mtok: String,
    pub(crate) output_usd_per_mtok: String,
    pub(crate) cache_read_usd_per_mtok: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct OverlayPrice {
    pub(crate) provider: String,
    pub(crate) pattern: String,
    pub(crate) input_usd_per_mtok: String,
    pub(crate) output_usd_per_mtok: String,
    pub(crate) cache_read_usd_per_mtok: Option<String>,
    pub(crate) cache_write_usd_per_mtok: Option<String>,
    pub(crate) long_context: Option<OverlayLongContext>,
    pub(crate) batch: Option<OverlayBatch>,
    #[serde(default)]
    pub(crate) hours: Vec<OverlayHours>,
    pub(crate) vendor_page: String,
    pub(crate) source: String,
    pub(crate) as_of: String,
}

/// `provider-pricing-overlay.v1.yaml`.
#[derive(Debug, Deserialize)]
pub(crate) struct Overlay {
    pub(crate) max_age_days: u32,
    pub(crate) prices: Vec<OverlayPrice>,
}
