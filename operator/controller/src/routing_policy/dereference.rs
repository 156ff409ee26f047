//! Reads what a policy refers to: its namespace, the sources in it, and their catalogs.

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use vox_contracts::entry::CatalogSourceRef;
use vox_crds::ModelCatalogSource;
use vox_routing::policy::Demands;
use vox_store::Store;

use super::resolve::{Catalogs, resolve};

/// Why something could not be read; the next pass tries again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("failed to read source {0}")]
    Source(String, #[source] kube::Error),
    #[error("failed to read namespace {0}")]
    Namespace(String, #[source] kube::Error),
    #[error("failed to read a catalog")]
    Store(#[from] vox_store::Error),
}

/// Reads what a namespace demands. One that is gone demands nothing of anybody.
pub(crate) async fn demands(client: &Client, namespace: &str) -> Result<Demands, Error> {
    let api: Api<Namespace> = Api::all(client.clone());
    let found = api.get_metadata_opt(namespace).await;
    let found = found.map_err(|error| Error::Namespace(namespace.to_owned(), error))?;
    Ok(found.map(|found| vox_crds::demands::of(&found.metadata)).unwrap_or_default())
}

/// Reads the sources that `names` holds and `known` does not, and remembers where those that work are called.
pub(crate) async fn read(
    client: &Client,
    store: &Store,
    namespace: &str,
    names: Vec<String>,
    known: &mut Catalogs,
) -> Result<(), Error> {
    let api: Api<ModelCatalogSource> = Api::namespaced(client.clone(), namespace);
    for name in names {
        if known.contains_key(&name) {
            continue;
        }
        let source = api.get_opt(&name).await.map_err(|error| Error::Source(name.clone(), error))?;
        let source = source.filter(|source| source.metadata.deletion_timestamp.is_none());
        let reference = CatalogSourceRef { namespace: namespace.to_owned(), name: name.clone() };
        let resolved = resolve(source.as_ref(), store.known_source(&reference).await?);
        if let Some(models) = &resolved.models
            && let Some(uid) = &models.remember
        {
            store.remember_upstream(uid, &models.upstream).await?;
        }
        known.insert(name, resolved);
    }
    Ok(())
}
