//! What the tests of this crate share.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

use vox_catalog::{Fetched, FetchedCatalog};
use vox_contracts::ProviderType;
use vox_contracts::discovery::{FetchFailure, FetchTarget, ModelFilter};
use vox_contracts::generated::routing::CatalogKind;
use vox_wire::{Provider, Running, Settings};

/// A target on a server of this process: the provider of the same name, read as the contract says.
pub(crate) fn target(server: &Running, provider: Provider) -> FetchTarget {
    let kind: ProviderType = provider.as_str().parse().unwrap();
    let catalog = kind.info().and_then(|info| info.catalog).unwrap();
    FetchTarget {
        catalog,
        provider: kind,
        endpoint: server.base_url(provider),
        list_base: None,
        include_endpoints: false,
        hub: None,
        volume: None,
        ca_bundle: None,
        filter: ModelFilter::default(),
        timeout_ms: 10_000,
        max_body_bytes: 8 << 20,
        max_models: 20_000,
    }
}

/// A target on the hub of a server of this process.
pub(crate) fn hub(server: &Running) -> FetchTarget {
    let base = server.base_url(Provider::HuggingFace);
    FetchTarget {
        catalog: CatalogKind::Huggingface,
        list_base: Some(base.trim_end_matches("/v1").to_owned()),
        ..target(server, Provider::HuggingFace)
    }
}

/// Sets a provider's behaviour from the control API's JSON.
pub(crate) fn set(server: &Running, provider: Provider, settings: &str) {
    server.wire.set(provider, Settings::read(settings.as_bytes()).unwrap());
}

/// The catalog of a fetch that must succeed.
pub(crate) async fn catalog(target: &FetchTarget) -> FetchedCatalog {
    match vox_catalog::discover(target, None, None).await.unwrap() {
        Fetched::Catalog(catalog) => catalog,
        Fetched::NotModified => panic!("not modified"),
    }
}

/// The failure of a fetch that must fail.
pub(crate) async fn failure(target: &FetchTarget) -> FetchFailure {
    vox_catalog::discover(target, None, None).await.unwrap_err()
}
