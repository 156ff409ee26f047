//! Strengths, tier, family and overlay price of a model, by the rules of the contracts. Each decision has one place
//! here and its data in `contracts/orchestration/`.

use std::sync::LazyLock;

use regex::{RegexSet, RegexSetBuilder};
use rust_decimal::Decimal;

use crate::entry::{BatchPrice, HourPrice, LongContextPrice, Pricing};
use crate::generated::fnv1a;
use crate::generated::overlay::{OverlayPrice, PRICES};
use crate::generated::providers::ProviderType;
use crate::generated::routing::{
    BLEND_INPUT_PARTS, BLEND_OUTPUT_PARTS, FAMILIES, InferenceCondition, ModelTier, STRENGTH_INFERENCE,
    StrengthTag, TIER_WHEN_PRICE_UNKNOWN, TIERS,
};
use crate::price::UsdPerMTok;

/// What an entry is derived with, besides the provider's answer: the contracts of routing, providers and overlay prices, and
/// this program's version. The same list read with another value may be another catalog, so an ETag of before says nothing.
pub const INFERRED_WITH: i64 = {
    let parts = [
        fnv1a(include_bytes!("../orchestration/model-routing.v1.yaml")),
        fnv1a(include_bytes!("../orchestration/providers.v1.yaml")),
        fnv1a(include_bytes!("../orchestration/provider-pricing-overlay.v1.yaml")),
        fnv1a(env!("CARGO_PKG_VERSION").as_bytes()),
    ];
    let mut all = 0_u64;
    let mut index = 0;
    while index < parts.len() {
        // Rotated, so that parts that change places are another value.
        all = all.rotate_left(7) ^ parts[index];
        index += 1;
    }
    all.cast_signed()
};

/// What is known about a model when its strengths are inferred. Unknown is empty or `None`.
#[derive(Debug, Clone, Copy, Default)]
pub struct ModelFacts<'a> {
    /// Its id.
    pub name: &'a str,
    /// Who made it, from [`infer_family`].
    pub family: Option<&'a str>,
    /// Supported parameters and capabilities, in the provider's words.
    pub parameters: &'a [String],
    /// What it reads.
    pub input_modalities: &'a [String],
    /// What it writes.
    pub output_modalities: &'a [String],
    /// Its context, in tokens.
    pub context_length_tokens: Option<u64>,
}

/// Patterns of one table, matched in one pass over a name; `rows` says which row of the table a pattern is of.
struct Patterns {
    set: RegexSet,
    rows: Vec<usize>,
}

impl Patterns {
    /// The checks of the contracts have compiled every pattern, and a test here does; an empty set is unreachable.
    fn new(patterns: impl Iterator<Item = (usize, &'static str)>) -> Self {
        let (rows, patterns): (Vec<_>, Vec<_>) = patterns.unzip();
        let set = RegexSetBuilder::new(patterns)
            .case_insensitive(true)
            .build()
            .unwrap_or_else(|_| RegexSet::empty());
        Self { set, rows }
    }

    /// The rows whose patterns match, ascending.
    fn matches(&self, name: &str) -> impl Iterator<Item = usize> {
        self.set
            .matches(name)
            .into_iter()
            .filter_map(|index| self.rows.get(index).copied())
            .collect::<Vec<_>>()
            .into_iter()
    }
}

static NAME_RULES: LazyLock<Patterns> = LazyLock::new(|| {
    Patterns::new(STRENGTH_INFERENCE.iter().enumerate().filter_map(|(row, rule)| match rule.condition {
        InferenceCondition::NameRegex(pattern) => Some((row, pattern)),
        _ => None,
    }))
});

static FAMILY_RULES: LazyLock<Patterns> =
    LazyLock::new(|| Patterns::new(FAMILIES.iter().map(|rule| rule.pattern).enumerate()));

static OVERLAY_RULES: LazyLock<Patterns> =
    LazyLock::new(|| Patterns::new(PRICES.iter().map(|price| price.pattern).enumerate()));

/// Ceilings of the tiers, ascending; the last has none.
static CEILINGS: LazyLock<Vec<(ModelTier, Option<Decimal>)>> = LazyLock::new(|| {
    TIERS
        .iter()
        .map(|row| (row.tier, row.blended_price_ceiling_usd_per_mtok.and_then(|text| text.parse().ok())))
        .collect()
});

/// What a model is good at: the strengths of every matching rule, each once, in the order of the rules. Never empty.
#[must_use]
pub fn infer_strengths(facts: &ModelFacts<'_>) -> Vec<StrengthTag> {
    let named: Vec<usize> = NAME_RULES.matches(facts.name).collect();
    let mut strengths = Vec::new();
    for (row, rule) in STRENGTH_INFERENCE.iter().enumerate() {
        let holds = match rule.condition {
            InferenceCondition::ParameterGraph {
                parameters,
                input_modality,
                output_modality,
                context_at_least_tokens,
            } => {
                let has = |list: &[String], wanted: Option<&str>| {
                    wanted.is_none_or(|wanted| list.iter().any(|item| item == wanted))
                };
                (parameters.is_empty()
                    || facts.parameters.iter().any(|given| parameters.contains(&given.as_str())))
                    && has(facts.input_modalities, input_modality)
                    && has(facts.output_modalities, output_modality)
                    && context_at_least_tokens.is_none_or(|least| {
                        facts.context_length_tokens.is_some_and(|context| context >= least)
                    })
            }
            InferenceCondition::ProviderFamily(family) => facts.family == Some(family),
            InferenceCondition::NameRegex(_) => named.binary_search(&row).is_ok(),
            InferenceCondition::Default => strengths.is_empty(),
        };
        if holds {
            for strength in rule.strengths {
                if !strengths.contains(strength) {
                    strengths.push(*strength);
                }
            }
            if rule.last {
                break;
            }
        }
    }
    strengths
}

/// The price class of a model. A price that is not fully known tells nothing, so such a model gets the contract's
/// tier for unknown prices; a price of zero is known.
#[must_use]
pub fn infer_tier(input: Option<UsdPerMTok>, output: Option<UsdPerMTok>) -> ModelTier {
    let (Some(input), Some(output)) = (input, output) else { return TIER_WHEN_PRICE_UNKNOWN };
    // No room in 96 bits means dearer than any ceiling.
    let blended = blended_price(input, output).unwrap_or(Decimal::MAX);
    CEILINGS
        .iter()
        .find(|(_, ceiling)| ceiling.is_none_or(|ceiling| blended <= ceiling))
        .map_or(TIER_WHEN_PRICE_UNKNOWN, |(tier, _)| *tier)
}

/// One price for input and output together, in USD per million tokens: the mean, weighted by the contract's parts.
/// `None` only for prices so large that the sum has no room in 96 bits.
#[must_use]
pub fn blended_price(input: UsdPerMTok, output: UsdPerMTok) -> Option<Decimal> {
    let (input_parts, output_parts) = (Decimal::from(BLEND_INPUT_PARTS), Decimal::from(BLEND_OUTPUT_PARTS));
    let input = input.as_decimal().checked_mul(input_parts)?;
    let output = output.as_decimal().checked_mul(output_parts)?;
    input.checked_add(output)?.checked_div(input_parts + output_parts)
}

/// Who made a model, by its id.
#[must_use]
pub fn infer_family(name: &str) -> Option<&'static str> {
    FAMILY_RULES.matches(name).next().and_then(|row| FAMILIES.get(row)).map(|rule| rule.family)
}

/// The overlay's entry for a model of a vendor whose list has no prices.
#[must_use]
pub fn overlay_price(provider: &ProviderType, name: &str) -> Option<&'static OverlayPrice> {
    OVERLAY_RULES.matches(name).filter_map(|row| PRICES.get(row)).find(|row| row.provider == *provider)
}

/// The price that the overlay knows for a model of a vendor whose list has none.
#[must_use]
pub fn overlay_pricing(provider: &ProviderType, name: &str) -> Option<Pricing> {
    let row = overlay_price(provider, name)?;
    let read = |text: &str| text.parse::<UsdPerMTok>().ok();
    let long_context = row.long_context.map(|price| LongContextPrice {
        above_input_tokens: price.above_input_tokens,
        input_usd_per_mtok: read(price.input_usd_per_mtok),
        output_usd_per_mtok: read(price.output_usd_per_mtok),
        cache_read_usd_per_mtok: price.cache_read_usd_per_mtok.and_then(read),
    });
    let hours = row.hours.iter().map(|price| HourPrice {
        utc_start: price.utc_start.to_owned(),
        utc_end: price.utc_end.to_owned(),
        above_input_tokens: None,
        input_usd_per_mtok: read(price.input_usd_per_mtok),
        output_usd_per_mtok: read(price.output_usd_per_mtok),
        cache_read_usd_per_mtok: price.cache_read_usd_per_mtok.and_then(read),
    });
    Some(Pricing {
        input_usd_per_mtok: read(row.input_usd_per_mtok),
        output_usd_per_mtok: read(row.output_usd_per_mtok),
        cache_read_usd_per_mtok: row.cache_read_usd_per_mtok.and_then(read),
        cache_write_usd_per_mtok: row.cache_write_usd_per_mtok.and_then(read),
        long_context: long_context.into_iter().collect(),
        batch: row.batch.map(|(input, output)| BatchPrice {
            input_usd_per_mtok: read(input),
            output_usd_per_mtok: read(output),
        }),
        hours: hours.collect(),
        ..Pricing::default()
    })
}

#[cfg(test)]
mod tests;
