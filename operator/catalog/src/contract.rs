//! Everything that the contracts say about a provider's list and its models, asked in one place.

use vox_contracts::entry::Supports;
use vox_contracts::generated::providers::PricingUnit;
use vox_contracts::generated::routing::{CatalogKind, discovery_defaults};
use vox_contracts::identity;
use vox_contracts::inference::{ModelFacts, infer_family, infer_strengths, infer_tier, overlay_pricing};
use vox_contracts::price::Unit;
use vox_contracts::{ModelCatalogEntry, ProviderType};

use crate::http::{AuthHeader, Patience};

/// What a provider's list says about prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listed {
    /// Prices in this unit.
    In(Unit),
    /// Nothing that is a price.
    Nothing,
}

/// How the provider is shown a credential; hosts that no contract knows get it as nearly everybody wants it.
pub(crate) fn auth_header(provider: &ProviderType) -> Option<AuthHeader> {
    let (name, prefix) = match provider.info() {
        Some(info) => info.auth_style.header()?,
        None => ("authorization", "Bearer "),
    };
    Some(AuthHeader { name: name.to_owned(), prefix: prefix.to_owned() })
}

/// How patiently this kind of source is asked.
pub(crate) const fn patience(kind: CatalogKind) -> Patience {
    let defaults = discovery_defaults(kind);
    Patience { attempts: defaults.retry_attempts, initial: defaults.retry_initial, max: defaults.retry_max }
}

/// Headers that go with every request to the provider.
pub(crate) fn extra_headers(provider: &ProviderType) -> &'static [(&'static str, &'static str)] {
    provider.info().map_or(&[], |info| info.headers)
}

/// The path of the list after the base URL, if the contract states it.
pub(crate) fn list_endpoint(provider: &ProviderType) -> Option<&'static str> {
    provider.info()?.list_endpoint
}

/// What the contract says about the prices in the list; nothing for hosts that it does not know.
pub(crate) fn listed(provider: &ProviderType) -> Option<Listed> {
    Some(match provider.info()?.pricing_unit {
        PricingUnit::UsdPerTokenString | PricingUnit::UsdPerToken => Listed::In(Unit::PerToken),
        PricingUnit::UsdPerMtok => Listed::In(Unit::PerMTok),
        PricingUnit::UsdCentPer100Mtok => Listed::In(Unit::CentPer100MTok),
        PricingUnit::None => Listed::Nothing,
    })
}

/// Whether the provider is a server of one's own.
pub(crate) fn is_local(provider: &ProviderType) -> bool {
    provider.info().is_some_and(|info| info.local)
}

/// Fills in what follows from the list by the contracts: the overlay's facts, then family,
/// identity, strengths and tier.
pub(crate) fn infer(entry: &mut ModelCatalogEntry) {
    let stated = &entry.pricing;
    // A price that is listed, free or dynamic stays: the vendor knows better.
    if !stated.dynamic && stated.input_usd_per_mtok.is_none() && stated.output_usd_per_mtok.is_none() {
        let overlay = overlay_pricing(&entry.provider, &entry.model_id);
        entry.pricing = overlay.unwrap_or_else(|| std::mem::take(&mut entry.pricing));
    }
    let family = infer_family(&entry.model_id);
    let parameters = parameters(&entry.supports);
    entry.strengths = infer_strengths(&ModelFacts {
        name: &entry.model_id,
        family,
        parameters: &parameters,
        input_modalities: &entry.input_modalities,
        output_modalities: &entry.output_modalities,
        context_length_tokens: entry.context_length_tokens,
    });
    entry.family = family.map(str::to_owned);
    entry.identity = identity::of_entry(entry);
    entry.tier = infer_tier(entry.pricing.input_usd_per_mtok, entry.pricing.output_usd_per_mtok);
}

/// What the model supports, in one word each of those that the contract's rules know.
fn parameters(supports: &Supports) -> Vec<String> {
    let Supports { tools, json_mode, json_schema, streaming: _, reasoning } = supports;
    let words =
        [("tools", tools), ("json_mode", json_mode), ("json_schema", json_schema), ("reasoning", reasoning)];
    words.into_iter().filter(|(_, yes)| **yes == Some(true)).map(|(word, _)| word.to_owned()).collect()
}
