//! Prices as they were billed: they decide before what a catalog lists (FIX-75).

use rust_decimal::Decimal;
use vox_contracts::UsdPerMTok;
use vox_contracts::entry::Pricing;
use vox_contracts::inference::{blended_price, infer_tier};

use crate::snapshot::{Deployment, Layer};

/// Digits that a billed price keeps: what is behind them changes with every call.
const DIGITS: u32 = 3;

/// A price that was billed is taken for the listed one up to this difference, per mille: amounts are rounded.
const EQUAL_PER_MILLE: u32 = 20;

/// A difference that is told, per mille.
const DRIFT_PER_MILLE: u32 = 200;

/// What calls of one model were billed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Billed {
    /// Input, USD per million tokens, where it can be told from the output's.
    pub input_usd_per_mtok: Option<UsdPerMTok>,
    /// Output, likewise.
    pub output_usd_per_mtok: Option<UsdPerMTok>,
    /// Both together, as the calls mixed them.
    pub blended_usd_per_mtok: UsdPerMTok,
    /// What the catalog listed for the same mix, if anything.
    pub listed_usd_per_mtok: Option<UsdPerMTok>,
}

/// A listed price that is not what is billed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// The deployment's id.
    pub deployment: String,
    /// What its catalog lists: input and output together, by the contract's parts.
    pub listed: UsdPerMTok,
    /// What was billed, likewise.
    pub billed: UsdPerMTok,
}

/// Sets the prices of an entry to what was billed, and its tier to what they make of it.
pub(crate) fn apply(deployment: &mut Deployment, billed: &Billed) {
    let listed = &deployment.entry.pricing;
    let Some((input, output)) = prices(listed, billed) else { return };
    if same(listed.input_usd_per_mtok, input) && same(listed.output_usd_per_mtok, output) {
        return;
    }
    deployment.listed = listed.input_usd_per_mtok.is_some().then(|| listed.clone());
    let entry = &mut deployment.entry;
    entry.pricing.input_usd_per_mtok = Some(input);
    entry.pricing.output_usd_per_mtok = Some(output);
    entry.pricing.dynamic = false;
    entry.tier = infer_tier(Some(input), Some(output));
    for field in ["inputPrice", "outputPrice"] {
        deployment.layers.insert(field.to_owned(), Layer::Observed);
    }
}

/// Input and output as billed; where only both together are known, in the relation that the catalog lists.
fn prices(listed: &Pricing, billed: &Billed) -> Option<(UsdPerMTok, UsdPerMTok)> {
    if let (Some(input), Some(output)) = (billed.input_usd_per_mtok, billed.output_usd_per_mtok) {
        return Some((rounded(input)?, rounded(output)?));
    }
    let known = (listed.input_usd_per_mtok, listed.output_usd_per_mtok, billed.listed_usd_per_mtok);
    if let (Some(input), Some(output), Some(mix)) = known {
        let factor = billed.blended_usd_per_mtok.as_decimal().checked_div(mix.as_decimal())?;
        let scaled = |price: UsdPerMTok| usd(price.as_decimal().checked_mul(factor)?);
        return Some((scaled(input)?, scaled(output)?));
    }
    let blended = rounded(billed.blended_usd_per_mtok)?;
    listed.input_usd_per_mtok.is_none().then_some((blended, blended))
}

fn rounded(price: UsdPerMTok) -> Option<UsdPerMTok> {
    usd(price.as_decimal())
}

fn usd(price: Decimal) -> Option<UsdPerMTok> {
    price.round_sf(DIGITS)?.normalize().to_string().parse().ok()
}

fn same(listed: Option<UsdPerMTok>, billed: UsdPerMTok) -> bool {
    listed.is_some_and(|listed| within(listed.as_decimal(), billed.as_decimal(), EQUAL_PER_MILLE))
}

/// Whether two differ by no more than a share of the first.
fn within(listed: Decimal, billed: Decimal, per_mille: u32) -> bool {
    let limit = listed.checked_mul(Decimal::new(i64::from(per_mille), 3));
    limit.is_some_and(|limit| (billed - listed).abs() <= limit)
}

impl Deployment {
    /// What it was billed at, where that decides.
    #[must_use]
    pub fn billed(&self) -> Option<Billed> {
        let pricing = &self.entry.pricing;
        let observed = self.layers.get("inputPrice") == Some(&Layer::Observed);
        let (input, output) =
            (pricing.input_usd_per_mtok.filter(|_| observed)?, pricing.output_usd_per_mtok?);
        Some(Billed {
            input_usd_per_mtok: Some(input),
            output_usd_per_mtok: Some(output),
            blended_usd_per_mtok: usd(blended_price(input, output)?)?,
            listed_usd_per_mtok: None,
        })
    }

    /// Set where what was billed decides, and is more than a fifth away from what the catalog lists.
    #[must_use]
    pub fn drift(&self) -> Option<Drift> {
        let listed = self.listed.as_ref()?;
        if self.layers.get("inputPrice") != Some(&Layer::Observed) {
            return None;
        }
        let blended =
            |pricing: &Pricing| blended_price(pricing.input_usd_per_mtok?, pricing.output_usd_per_mtok?);
        let (listed, billed) = (blended(listed)?, blended(&self.entry.pricing)?);
        if within(listed, billed, DRIFT_PER_MILLE) {
            return None;
        }
        Some(Drift { deployment: self.id.clone(), listed: usd(listed)?, billed: usd(billed)? })
    }
}
