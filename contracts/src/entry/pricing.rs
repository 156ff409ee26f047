//! What a model costs: its plain prices, and those that hold for long prompts, for calls that may wait, at hours of the day.

use serde::{Deserialize, Serialize};

use super::at_most;
use crate::price::{Usd, UsdPerMTok};

/// Prices of one model. Absent is unknown, `"0"` is free.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pricing {
    /// Input, USD per million tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_usd_per_mtok: Option<UsdPerMTok>,
    /// Output, USD per million tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_usd_per_mtok: Option<UsdPerMTok>,
    /// Input read from the provider's cache, USD per million tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read_usd_per_mtok: Option<UsdPerMTok>,
    /// Input written to the provider's cache (its shortest life), USD per million tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_usd_per_mtok: Option<UsdPerMTok>,
    /// Charged once per request, in USD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_usd: Option<Usd>,
    /// Charged per input image, in USD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_usd: Option<Usd>,
    /// The price depends on which model a router picks; the fields above are then unknown.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dynamic: bool,
    /// Dearer prices above a prompt length, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "at_most::<16, _, _>")]
    pub long_context: Vec<LongContextPrice>,
    /// What a call costs that may wait for hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchPrice>,
    /// Other prices at hours of the day; where two hold, the later one in the list does.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "at_most::<16, _, _>")]
    pub hours: Vec<HourPrice>,
}

impl Pricing {
    /// Whether both directions have a known price, so that a cost can be computed.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.input_usd_per_mtok.is_some() && self.output_usd_per_mtok.is_some()
    }
}

/// Prices that hold above a prompt length.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LongContextPrice {
    /// Holds for prompts strictly longer than this many tokens.
    pub above_input_tokens: u64,
    /// Input, USD per million tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_usd_per_mtok: Option<UsdPerMTok>,
    /// Output, USD per million tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_usd_per_mtok: Option<UsdPerMTok>,
    /// Input read from the provider's cache, USD per million tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read_usd_per_mtok: Option<UsdPerMTok>,
}

/// Prices of the provider's batch API.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchPrice {
    /// Input, USD per million tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_usd_per_mtok: Option<UsdPerMTok>,
    /// Output, USD per million tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_usd_per_mtok: Option<UsdPerMTok>,
}

/// Prices that hold between two times of the day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HourPrice {
    /// From this time on, `HH:MM` UTC.
    pub utc_start: String,
    /// Until before this time, `HH:MM` UTC; earlier than the start, it is of the next day.
    pub utc_end: String,
    /// Only for prompts strictly longer than this many tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above_input_tokens: Option<u64>,
    /// Input, USD per million tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_usd_per_mtok: Option<UsdPerMTok>,
    /// Output, USD per million tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_usd_per_mtok: Option<UsdPerMTok>,
    /// Input read from the provider's cache, USD per million tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read_usd_per_mtok: Option<UsdPerMTok>,
}
