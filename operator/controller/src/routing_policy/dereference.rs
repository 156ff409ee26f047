//! Reads what a policy refers to: the sources of its namespace, and their catalogs.

use kube::{Api, Client};
use vox_contracts::entry::CatalogSourceRef;
use vox_crds::ModelCatalogSource;
use vox_store::Store;

use super::resolve::{Catalogs, resolve};

/// Why something could not be read; the next pass tries again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("failed to read source {0}")]
    Source(String, #[source] kube::Error),
    #[error("failed to read a catalog")]
    Store(#[from] vox_store::Error),
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
