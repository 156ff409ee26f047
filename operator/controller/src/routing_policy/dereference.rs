//! Reads what a policy refers to: the sources of its namespace, and their catalogs.

use std::collections::BTreeMap;

use kube::{Api, Client};
use vox_contracts::entry::{CatalogSourceRef, ModelCatalog};
use vox_crds::ModelCatalogSource;
use vox_store::Store;

/// Why something could not be read; the next pass tries again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("failed to read source {0}")]
    Source(String, #[source] kube::Error),
    #[error("failed to read a catalog")]
    Store(#[from] vox_store::Error),
}

/// A source that a policy names.
#[derive(Debug)]
pub(crate) enum Resolved {
    /// There is no such object.
    Missing,
    /// No fetch has worked yet.
    NeverFetched,
    /// It has a catalog.
    Found { source: Box<ModelCatalogSource>, catalog: ModelCatalog },
}

/// Sources by name; each is read once, however many policies name it.
pub(crate) type Catalogs = BTreeMap<String, Resolved>;

/// Reads the sources that `names` holds and `known` does not.
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
        let resolved = match source.filter(|source| source.metadata.deletion_timestamp.is_none()) {
            None => Resolved::Missing,
            Some(source) => {
                let reference = CatalogSourceRef { namespace: namespace.to_owned(), name: name.clone() };
                store.catalog(&reference).await?.map_or(Resolved::NeverFetched, |catalog| Resolved::Found {
                    source: Box::new(source),
                    catalog,
                })
            }
        };
        known.insert(name, resolved);
    }
    Ok(())
}
