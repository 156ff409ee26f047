//! Money in a decision: whole numbers of pico-USD, so that comparing and adding is exact and cheap.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;
use serde::{Deserialize, Serialize};
use vox_contracts::price::{Usd, UsdPerMTok};

/// Pico-USD in one USD.
const PER_USD: u64 = 1_000_000_000_000;

/// An amount in pico-USD (10⁻¹² USD), at most about 18 million USD; what would exceed that stays there, so that an
/// overflow can never look cheap. USD 1 per million tokens is 1,000,000 pico-USD per token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cost(u64);

/// Why a text is no amount of money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "failed to read {text:?} as USD: write a decimal such as \"0.10\", not negative and below 18 million"
)]
pub struct CostError {
    text: String,
}

impl Cost {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// More than anything costs.
    pub const MAX: Self = Self(u64::MAX);

    /// From pico-USD.
    #[must_use]
    pub const fn from_pico_usd(pico_usd: u64) -> Self {
        Self(pico_usd)
    }

    /// In pico-USD.
    #[must_use]
    pub const fn pico_usd(self) -> u64 {
        self.0
    }

    /// Whole USD, and what is beyond them in pico-USD.
    #[must_use]
    pub const fn usd_and_rest(self) -> (u64, u64) {
        (self.0 / PER_USD, self.0 % PER_USD)
    }

    /// What one token costs at this price, rounded up.
    #[must_use]
    pub fn per_token(price: UsdPerMTok) -> Self {
        Self::from_decimal(price.as_decimal(), PER_USD / 1_000_000).unwrap_or(Self::MAX)
    }

    /// A plain amount, rounded up.
    #[must_use]
    pub fn of(amount: Usd) -> Self {
        Self::from_decimal(amount.as_decimal(), PER_USD).unwrap_or(Self::MAX)
    }

    /// So many of them.
    #[must_use]
    pub const fn times(self, count: u64) -> Self {
        Self(self.0.saturating_mul(count))
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// What remains; nothing when the other is more.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    fn from_decimal(amount: Decimal, scale: u64) -> Option<Self> {
        if amount.is_sign_negative() && !amount.is_zero() {
            return None;
        }
        amount.checked_mul(Decimal::from(scale))?.ceil().to_u64().map(Self)
    }
}

impl fmt::Display for Cost {
    /// USD as a decimal, without trailing zeros.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Decimal::from_i128_with_scale(i128::from(self.0), 12).normalize().fmt(f)
    }
}

impl FromStr for Cost {
    type Err = CostError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Decimal::from_str_exact(text)
            .ok()
            .and_then(|amount| Self::from_decimal(amount, PER_USD))
            .ok_or_else(|| CostError { text: text.chars().take(40).collect() })
    }
}

impl Serialize for Cost {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cost {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
