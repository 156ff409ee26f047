//! Money as vendors write it. A price is one of three things: known, zero (free) or unknown; unknown is never zero.
//!
//! In memory and on every wire of ours a known price is a decimal in **USD per million tokens** ([`UsdPerMTok`]);
//! unknown is the absence of it (`None`, a missing key). Vendors write the same price as `"0.000002"`, `2`, `2e-06` or
//! `20000`; the conversions here are exact, because a price that went through a float no longer equals itself.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// A known price in USD per million tokens, exact to 28 decimal places. Zero means free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UsdPerMTok(Decimal);

/// A plain amount of money in USD (a charge per request or per image).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Usd(#[serde(with = "rust_decimal::serde::str")] Decimal);

impl Usd {
    /// The decimal, in USD.
    #[must_use]
    pub const fn as_decimal(self) -> Decimal {
        self.0
    }

    /// An amount in pico-USD (10⁻¹² USD), which may be below zero; `None` beyond what a decimal holds.
    #[must_use]
    pub fn of_pico_usd(pico: i128) -> Option<Self> {
        Decimal::try_from_i128_with_scale(pico, 12).ok().map(|value| Self(value.normalize()))
    }

    /// The amount in whole pico-USD, rounded; `None` where it is too large for that.
    #[must_use]
    pub fn pico_usd(self) -> Option<i128> {
        Some(self.0.checked_mul(Decimal::from(1_000_000_000_000_i64))?.round().mantissa())
    }

    /// Reads an amount that a vendor writes as text. `None` for `-1` ("depends") and for what is no amount.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        parse(text)
            .filter(|value| value.is_zero() || value.is_sign_positive())
            .map(|value| Self(value.normalize()))
    }
}

/// Why a vendor's text is not a price.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// Not a decimal number, or one with more digits than 96 bits hold.
    #[error("failed to read price {text:?}: not a decimal number of at most 28 digits")]
    NotDecimal {
        /// What the vendor wrote, at most 40 characters of it.
        text: String,
    },
    /// A negative number that does not have the meaning "priced by the request" (`-1`).
    #[error("failed to read price {text:?}: a price is never negative")]
    Negative {
        /// What the vendor wrote.
        text: String,
    },
}

/// One price as a vendor states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stated {
    /// A fixed price; zero is free.
    Fixed(UsdPerMTok),
    /// The vendor writes `-1`: the price depends on which model a router picks. Neither free nor a price.
    Dynamic,
}

/// How a vendor scales a price (`pricing_unit` of the providers contract).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// USD per single token, as OpenRouter and SambaNova write it.
    PerToken,
    /// USD per million tokens, as Hugging Face and Perplexity write it.
    PerMTok,
    /// Hundredths of a USD per hundred million tokens, as xAI writes it.
    CentPer100MTok,
}

impl UsdPerMTok {
    /// Free of charge, which is something a vendor said, not something nobody knows.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// The decimal, in USD per million tokens.
    #[must_use]
    pub const fn as_decimal(self) -> Decimal {
        self.0
    }

    /// Whether the vendor states a price of zero.
    #[must_use]
    pub fn is_free(self) -> bool {
        self.0.is_zero()
    }

    /// Reads what a vendor wrote, as text (a JSON number's own digits also come as text). `-1` is [`Stated::Dynamic`].
    ///
    /// # Errors
    /// [`PriceError`] when the text is no decimal, has too many digits, or is a negative number other than `-1`.
    pub fn read(text: &str, unit: Unit) -> Result<Stated, PriceError> {
        let shown = || text.chars().take(40).collect::<String>();
        let value = parse(text).ok_or_else(|| PriceError::NotDecimal { text: shown() })?;
        if value == Decimal::NEGATIVE_ONE {
            return Ok(Stated::Dynamic);
        }
        if value.is_sign_negative() && !value.is_zero() {
            return Err(PriceError::Negative { text: shown() });
        }
        let per_mtok = match unit {
            Unit::PerMTok => Some(value),
            Unit::PerToken => value.checked_mul(Decimal::from(1_000_000)),
            Unit::CentPer100MTok => value.checked_mul(Decimal::new(1, 4)),
        };
        per_mtok
            .map(|price| Stated::Fixed(Self(price.normalize())))
            .ok_or_else(|| PriceError::NotDecimal { text: shown() })
    }
}

/// Plain (`0.000002`) or scientific (`2e-06`) notation; the scientific form is bounded, so that `1e999999` is refused.
fn parse(text: &str) -> Option<Decimal> {
    let text = text.trim();
    if text.len() > 64 {
        return None;
    }
    if text.contains(['e', 'E']) {
        Decimal::from_scientific(text).ok()
    } else {
        Decimal::from_str_exact(text).ok()
    }
}

impl fmt::Display for UsdPerMTok {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for UsdPerMTok {
    type Err = PriceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match Self::read(text, Unit::PerMTok)? {
            Stated::Fixed(price) => Ok(price),
            Stated::Dynamic => Err(PriceError::Negative { text: text.to_owned() }),
        }
    }
}

impl TryFrom<String> for UsdPerMTok {
    type Error = PriceError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<UsdPerMTok> for String {
    fn from(price: UsdPerMTok) -> Self {
        price.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fixed(text: &str, unit: Unit) -> String {
        match UsdPerMTok::read(text, unit).unwrap() {
            Stated::Fixed(price) => price.to_string(),
            Stated::Dynamic => "dynamic".to_owned(),
        }
    }

    #[test]
    fn the_same_price_in_every_vendors_writing_is_equal() {
        assert_eq!(fixed("0.000002", Unit::PerToken), "2");
        assert_eq!(fixed("2e-06", Unit::PerToken), "2");
        assert_eq!(fixed("2.0", Unit::PerMTok), "2");
        assert_eq!(fixed("20000", Unit::CentPer100MTok), "2");
        assert_eq!(fixed("750", Unit::CentPer100MTok), "0.075");
    }

    #[test]
    fn sixteen_digits_survive() {
        assert_eq!(fixed("0.00000001703012", Unit::PerToken), "0.01703012");
    }

    #[test]
    fn zero_is_free_and_minus_one_is_dynamic() {
        assert_eq!(UsdPerMTok::read("0", Unit::PerToken), Ok(Stated::Fixed(UsdPerMTok::ZERO)));
        assert_eq!(UsdPerMTok::read("-1", Unit::PerToken), Ok(Stated::Dynamic));
        assert!(matches!(UsdPerMTok::read("-0.5", Unit::PerToken), Err(PriceError::Negative { .. })));
    }

    #[test]
    fn what_is_no_decimal_is_refused_with_its_text() {
        for text in ["", "free", "1e999999", "NaN", "0x10", "1,5", &"9".repeat(80)] {
            assert!(
                matches!(UsdPerMTok::read(text, Unit::PerToken), Err(PriceError::NotDecimal { .. })),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_price_survives_its_own_text(digits in 0u64..1_000_000_000_000, scale in 0u32..16) {
            let text = Decimal::new(digits as i64, scale).to_string();
            let once: UsdPerMTok = text.parse().unwrap();
            let twice: UsdPerMTok = once.to_string().parse().unwrap();
            prop_assert_eq!(once, twice);
        }

        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in "\\PC*") {
            let _ = UsdPerMTok::read(&text, Unit::PerToken);
        }
    }
}
