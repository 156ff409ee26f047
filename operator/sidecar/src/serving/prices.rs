//! What a finished call cost, from the tokens that the upstream counted.

use vox_contracts::entry::Pricing;
use vox_routing::Cost;

use crate::record::Tokens;

/// Prices of one deployment, per token.
#[derive(Debug, Clone, Default)]
pub struct Prices {
    base: Rates,
    cache_read: Option<Cost>,
    cache_write: Option<Cost>,
    request: Cost,
    image: Cost,
    /// Rates above a prompt length, ascending.
    long: Vec<(u64, Rates)>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Rates {
    input: Option<Cost>,
    output: Option<Cost>,
}

impl Prices {
    /// From the catalog.
    #[must_use]
    pub fn new(pricing: &Pricing) -> Self {
        let rate = |price: Option<vox_contracts::UsdPerMTok>| price.map(Cost::per_token);
        let base =
            Rates { input: rate(pricing.input_usd_per_mtok), output: rate(pricing.output_usd_per_mtok) };
        let long = pricing.long_context.iter().map(|price| {
            let rates = Rates {
                input: rate(price.input_usd_per_mtok).or(base.input),
                output: rate(price.output_usd_per_mtok).or(base.output),
            };
            (price.above_input_tokens, rates)
        });
        Self {
            base,
            cache_read: rate(pricing.cache_read_usd_per_mtok),
            cache_write: rate(pricing.cache_write_usd_per_mtok),
            request: pricing.request_usd.map(Cost::of).unwrap_or_default(),
            image: pricing.image_usd.map(Cost::of).unwrap_or_default(),
            long: long.collect(),
        }
    }

    /// What it cost; nothing when a count or price that is needed is unknown. Cached input without a price of its own
    /// costs what other input costs.
    #[must_use]
    pub fn cost(&self, tokens: &Tokens, images: u64) -> Option<Cost> {
        let input = tokens.input?;
        let output = tokens.output.unwrap_or(0);
        let rates = self.rates(input);
        let rate = rates.input?;
        let read = tokens.cache_read.unwrap_or(0).min(input);
        let written = tokens.cache_write.unwrap_or(0).min(input - read);
        let of_output = if output == 0 { Cost::ZERO } else { rates.output?.times(output) };
        let total = rate
            .times(input - read - written)
            .plus(self.cache_read.unwrap_or(rate).times(read))
            .plus(self.cache_write.unwrap_or(rate).times(written))
            .plus(of_output)
            .plus(self.request)
            .plus(self.image.times(images));
        Some(total)
    }

    /// What less cached input cost than other input would have; nothing where none was cached, or a price is unknown.
    #[must_use]
    pub fn savings(&self, tokens: &Tokens) -> Option<Cost> {
        let input = tokens.input?;
        let read = tokens.cache_read.filter(|read| *read > 0)?;
        Some(self.rates(input).input?.minus(self.cache_read?).times(read.min(input)))
    }

    fn rates(&self, input: u64) -> Rates {
        let long = self.long.iter().rev().find(|(above, _)| input > *above);
        long.map_or(self.base, |(_, rates)| *rates)
    }
}

#[cfg(test)]
mod tests {
    use vox_contracts::entry::LongContextPrice;

    use super::*;

    fn usd(text: &str) -> Cost {
        text.parse().unwrap()
    }

    fn pricing() -> Pricing {
        Pricing {
            input_usd_per_mtok: Some("2".parse().unwrap()),
            output_usd_per_mtok: Some("10".parse().unwrap()),
            cache_read_usd_per_mtok: Some("0.5".parse().unwrap()),
            ..Pricing::default()
        }
    }

    #[test]
    fn cached_input_has_its_own_price() {
        let tokens = Tokens {
            input: Some(1_000_000),
            output: Some(100_000),
            cache_read: Some(400_000),
            ..Tokens::default()
        };
        assert_eq!(Prices::new(&pricing()).cost(&tokens, 0), Some(usd("2.4")));
        assert_eq!(Prices::new(&pricing()).savings(&tokens), Some(usd("0.6")));
        assert_eq!(Prices::new(&pricing()).savings(&Tokens { cache_read: None, ..tokens }), None);
    }

    #[test]
    fn a_price_that_is_unknown_is_not_zero() {
        let tokens = Tokens { input: Some(10), output: Some(10), ..Tokens::default() };
        let unknown = Pricing { output_usd_per_mtok: None, ..pricing() };
        assert_eq!(Prices::new(&unknown).cost(&tokens, 0), None);
        assert_eq!(Prices::new(&pricing()).cost(&Tokens::default(), 0), None);
    }

    #[test]
    fn a_long_prompt_is_dearer_strictly_above_its_bound() {
        let long = LongContextPrice {
            above_input_tokens: 1_000_000,
            input_usd_per_mtok: Some("4".parse().unwrap()),
            output_usd_per_mtok: None,
            cache_read_usd_per_mtok: None,
        };
        let prices = Prices::new(&Pricing { long_context: vec![long], ..pricing() });
        let cost = |input| prices.cost(&Tokens { input: Some(input), ..Tokens::default() }, 0);
        assert_eq!(cost(1_000_000), Some(usd("2")));
        assert_eq!(cost(2_000_000), Some(usd("8")));
    }
}
