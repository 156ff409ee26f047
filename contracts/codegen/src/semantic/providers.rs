//! `providers.v1.yaml` and `provider-pricing-overlay.v1.yaml`.

use std::collections::BTreeSet;

use url::Url;

use super::Findings;
use crate::load::Contracts;
use crate::model::{Named, OverlayPrice};

fn names(values: &[Named]) -> BTreeSet<&str> {
    values.iter().map(|value| value.name.as_str()).collect()
}

pub(crate) fn check(contracts: &Contracts) -> Findings {
    let document = &contracts.providers;
    let mut findings = Findings::new("providers.v1.yaml");
    findings.unique("/route_kinds", "name", document.route_kinds.iter().map(|kind| kind.name.as_str()));
    findings.unique("/auth_styles", "name", document.auth_styles.iter().map(|style| style.name.as_str()));
    findings.unique("/pricing_units", "name", document.pricing_units.iter().map(|unit| unit.name.as_str()));
    findings.unique("/providers", "name", document.providers.iter().map(|provider| provider.name.as_str()));
    findings.unique(
        "/providers",
        "variant",
        document.providers.iter().map(|provider| provider.variant.as_str()),
    );
    let (routes, units) = (names(&document.route_kinds), names(&document.pricing_units));
    let current: BTreeSet<&str> =
        document.providers.iter().filter_map(|provider| provider.credential.as_deref()).collect();
    let styles = document.auth_styles.iter().map(|style| style.name.as_str()).collect();
    let sources = &contracts.routing.discovery.sources;
    let catalogs = sources.iter().map(|source| source.catalog.as_str()).collect::<BTreeSet<_>>();
    for (index, provider) in document.providers.iter().enumerate() {
        let at = format!("/providers/{index}");
        findings.known(format_args!("{at}/route_kind"), &provider.route_kind, &routes, "route kind");
        findings.known(format_args!("{at}/auth_style"), &provider.auth_style, &styles, "auth style");
        findings.known(format_args!("{at}/pricing_unit"), &provider.pricing_unit, &units, "pricing unit");
        let by_name =
            |catalog: &str| sources.iter().any(|source| source.is_by_name() && source.catalog == catalog);
        if provider.catalog.as_deref().is_some_and(by_name) && !provider.openai_compatible {
            findings.add(
                format_args!("{at}/catalog"),
                "is chosen by name beside openAICompatible, but the provider does not take chat completions",
            );
        }
        if let Some(catalog) = &provider.catalog {
            findings.known(
                format_args!("{at}/catalog"),
                catalog,
                &catalogs,
                "source of the routing contract",
            );
            if provider.list_endpoint.is_none() {
                findings.add(format_args!("{at}/list_endpoint"), "is null, but a source is to read the list");
            }
        }
        for (field, url) in [("base_url", &provider.base_url), ("list_base_url", &provider.list_base_url)] {
            base_url(&mut findings, format_args!("{at}/{field}"), url.as_deref());
        }
        if let Some(kind) = &provider.fallback_kind {
            let resolvable = document.providers.iter().any(|other| {
                other.name != provider.name && other.route_kind == *kind && other.base_url.is_some()
            });
            if !resolvable {
                let reason = format!("no other provider with a base_url is called as {kind:?}");
                findings.add(format_args!("{at}/fallback_kind"), reason);
            }
        }
        if provider.variant == "Custom" {
            findings.add(format_args!("{at}/variant"), "\"Custom\" is generated and cannot be defined");
        }
        if provider.auth_style == "none" && provider.credential.is_some() {
            findings.add(format_args!("{at}/credential"), "is given, but the auth style sends none");
        }
        if let Some(name) =
            provider.deprecated_credentials.iter().find(|name| current.contains(name.as_str()))
        {
            findings.add(
                format_args!("{at}/deprecated_credentials"),
                format!("{name:?} is the current name of a provider's credential"),
            );
        }
        if provider.credential.is_none() && !provider.deprecated_credentials.is_empty() {
            findings.add(format_args!("{at}/deprecated_credentials"), "is given, but there is no credential");
        }
        if provider.list_requires_credential && provider.credential.is_none() {
            findings
                .add(format_args!("{at}/list_requires_credential"), "is true, but there is no credential");
        }
    }
    findings
}

/// An address that calls can begin with.
fn base_url(findings: &mut Findings, at: impl std::fmt::Display, url: Option<&str>) {
    let Some(text) = url else { return };
    match Url::parse(text) {
        Ok(url) if url.host_str().is_none() || !url.username().is_empty() || url.password().is_some() => {
            findings.add(at, "must have a host and no credentials");
        }
        Ok(_) => {}
        Err(error) => findings.add(at, format!("{text:?} is no URL: {error}")),
    }
}

/// Those of long prompts, of calls that may wait, and of hours of the day; the last may not be dearer than the plain ones,
/// which budgets reckon with.
fn other_prices(findings: &mut Findings, at: &str, price: &OverlayPrice) {
    let long = price.long_context.iter().flat_map(|long| {
        [
            ("long_context/input_usd_per_mtok".to_owned(), &long.input_usd_per_mtok),
            ("long_context/output_usd_per_mtok".to_owned(), &long.output_usd_per_mtok),
        ]
    });
    let batch = price.batch.iter().flat_map(|batch| {
        [
            ("batch/input_usd_per_mtok".to_owned(), &batch.input_usd_per_mtok),
            ("batch/output_usd_per_mtok".to_owned(), &batch.output_usd_per_mtok),
        ]
    });
    let hours = price.hours.iter().enumerate().flat_map(|(index, hours)| {
        [
            (format!("hours/{index}/input_usd_per_mtok"), &hours.input_usd_per_mtok),
            (format!("hours/{index}/output_usd_per_mtok"), &hours.output_usd_per_mtok),
        ]
    });
    for (field, text) in long.chain(batch).chain(hours) {
        findings.decimal(format_args!("{at}/{field}"), text);
    }
    let number = |text: &str| text.parse::<f64>().unwrap_or_default();
    for (index, hours) in price.hours.iter().enumerate() {
        if number(&hours.input_usd_per_mtok) > number(&price.input_usd_per_mtok)
            || number(&hours.output_usd_per_mtok) > number(&price.output_usd_per_mtok)
        {
            findings.add(
                format_args!("{at}/hours/{index}"),
                "dearer than the plain price, which must be that of the dearest hours".to_owned(),
            );
        }
    }
}

pub(crate) fn check_overlay(contracts: &Contracts) -> Findings {
    let mut findings = Findings::new("provider-pricing-overlay.v1.yaml");
    let providers = &contracts.providers.providers;
    let known: BTreeSet<_> = providers.iter().map(|provider| provider.name.as_str()).collect();
    for (index, price) in contracts.overlay.prices.iter().enumerate() {
        let at = format!("/prices/{index}");
        findings.known(format_args!("{at}/provider"), &price.provider, &known, "provider");
        if providers.iter().any(|provider| provider.name == price.provider && provider.pricing_unit != "none")
        {
            findings.add(
                format_args!("{at}/provider"),
                format!("{:?} publishes prices in its list", price.provider),
            );
        }
        findings.regex(format_args!("{at}/pattern"), &price.pattern);
        let fields = [
            ("input_usd_per_mtok", Some(&price.input_usd_per_mtok)),
            ("output_usd_per_mtok", Some(&price.output_usd_per_mtok)),
            ("cache_read_usd_per_mtok", price.cache_read_usd_per_mtok.as_ref()),
            ("cache_write_usd_per_mtok", price.cache_write_usd_per_mtok.as_ref()),
        ];
        for (field, text) in fields {
            if let Some(text) = text {
                findings.decimal(format_args!("{at}/{field}"), text);
            }
        }
        other_prices(&mut findings, &at, price);
        for (field, url) in [("vendor_page", &price.vendor_page), ("source", &price.source)] {
            if let Err(error) = Url::parse(url) {
                findings.add(format_args!("{at}/{field}"), format!("{url:?} is no URL: {error}"));
            }
        }
    }
    findings
}
