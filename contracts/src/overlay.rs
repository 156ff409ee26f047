//! Which of the overlay's prices a catalog has, and how old they are. The day is an argument.

use std::collections::BTreeMap;

use jiff::civil::Date;

use crate::entry::ModelCatalogEntry;
use crate::generated::overlay::{MAX_AGE_DAYS, OverlayPrice, PRICES};
use crate::generated::providers::ProviderType;
use crate::inference::{overlay_price, overlay_pricing};

/// An entry of the overlay, and how many models of a catalog have their price from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverlayUse {
    /// Which.
    pub price: &'static OverlayPrice,
    /// How many.
    pub models: u32,
}

impl OverlayUse {
    /// Days from the day on which its figures held; none before that.
    #[must_use]
    pub fn age_days(&self, today: Date) -> u32 {
        // The checks of the contracts have read every day.
        let days = self.price.as_of.parse::<Date>().map_or(0, |day| (today - day).get_days());
        u32::try_from(days).unwrap_or_default()
    }

    /// Whether that is longer ago than the contract allows.
    #[must_use]
    pub fn is_outdated(&self, today: Date) -> bool {
        self.age_days(today) > MAX_AGE_DAYS
    }
}

/// Whether the overlay has prices of a provider's models at all.
#[must_use]
pub fn has_prices(provider: &ProviderType) -> bool {
    PRICES.iter().any(|price| price.provider == *provider)
}

/// The entries of the overlay that these models have their prices from, in the contract's order. A model whose price is
/// another than the overlay's has it from elsewhere.
#[must_use]
pub fn in_use(entries: &[ModelCatalogEntry]) -> Vec<OverlayUse> {
    let mut models: BTreeMap<&str, (&'static OverlayPrice, u32)> = BTreeMap::new();
    for entry in entries {
        let overlaid = overlay_pricing(&entry.provider, &entry.model_id);
        let Some(price) = overlay_price(&entry.provider, &entry.model_id) else { continue };
        if overlaid.as_ref() == Some(&entry.pricing) {
            models.entry(price.pattern).or_insert((price, 0)).1 += 1;
        }
    }
    let used = |price: &'static OverlayPrice| {
        let (known, models) = models.get(price.pattern).copied()?;
        (known == price).then_some(OverlayUse { price, models })
    };
    PRICES.iter().filter_map(used).collect()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn entry(name: &str) -> ModelCatalogEntry {
        let mut entry = ModelCatalogEntry::bare(name.to_owned(), ProviderType::Anthropic);
        entry.pricing = overlay_pricing(&entry.provider, name).unwrap();
        entry
    }

    #[test]
    fn the_entries_that_a_catalog_uses_are_told_with_how_many_models_each() {
        let mut priced = entry("claude-3-haiku-of-another-price");
        priced.pricing.output_usd_per_mtok = None;
        let used = in_use(&[
            entry("claude-haiku-4-5"),
            entry("claude-3-5-haiku-latest"),
            entry("claude-haiku-4-1"),
            priced,
        ]);
        let told: Vec<(&str, u32)> = used.iter().map(|used| (used.price.pattern, used.models)).collect();
        assert_eq!(told, [("^claude-haiku-4", 2), ("^claude-3-5-haiku", 1)]);
    }

    #[test]
    fn an_entry_is_outdated_from_the_day_after_its_limit_on() {
        let [used] = in_use(&[entry("claude-haiku-4-5")])[..] else { panic!("one entry") };
        let held: Date = used.price.as_of.parse().unwrap();
        let limit = held + jiff::Span::new().days(MAX_AGE_DAYS);
        assert!(!used.is_outdated(limit));
        assert!(used.is_outdated(limit.tomorrow().unwrap()));
        assert_eq!(used.age_days(date(1999, 1, 1)), 0, "a clock that is behind makes nothing old");
    }

    #[test]
    fn every_entry_says_on_which_day_it_held() {
        for price in &PRICES {
            assert!(price.as_of.parse::<Date>().is_ok(), "{price:?}");
        }
    }
}
