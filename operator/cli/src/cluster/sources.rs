//! The sources, and asking one for a run.

use std::fmt::{self, Debug};
use std::str::FromStr;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{ListParams, Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::{Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use serde_json::json;
use vox_contracts::entry::CatalogSourceRef;
use vox_crds::model_catalog_source::REQUESTED_AT;
use vox_crds::{ModelCatalogSource, RoutingPolicy};

use super::client::{Call, Cluster, Place};
use crate::error::Error;

const RESOURCE: &str = "modelcatalogsources.vox.dev";
const POLICIES: &str = "routingpolicies.vox.dev";
/// How many objects one answer of the API server holds.
const PAGE: u32 = 500;

/// A source as the user names it: `NAME`, or `NAMESPACE/NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceName {
    namespace: Option<String>,
    name: String,
}

impl SourceName {
    /// The source that is meant where no namespace was named.
    pub(crate) fn resolve(&self, place: &Place) -> Result<CatalogSourceRef, Error> {
        let namespace = match (&self.namespace, place) {
            (Some(namespace), _) | (None, Place::Namespace(namespace)) => namespace.clone(),
            (None, Place::All) => {
                return Err(Error::Usage(format!(
                    "which namespace is {} in? write NAMESPACE/{}",
                    self.name, self.name
                )));
            }
        };
        Ok(CatalogSourceRef { namespace, name: self.name.clone() })
    }
}

impl FromStr for SourceName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (namespace, name) =
            text.split_once('/').map_or((None, text), |(namespace, name)| (Some(namespace), name));
        let plain = |part: &str| {
            let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
            !part.is_empty() && part.len() <= 253 && part.chars().all(known) && !part.starts_with('.')
        };
        if !plain(name) || namespace.is_some_and(|namespace| !plain(namespace)) {
            return Err("write it like openrouter or shop/openrouter".to_owned());
        }
        Ok(Self { namespace: namespace.map(str::to_owned), name: name.to_owned() })
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{namespace}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// The sources of a place, by namespace and name.
pub(crate) async fn list(cluster: &Cluster, place: &Place) -> Result<Vec<ModelCatalogSource>, Error> {
    listed(cluster, place, RESOURCE).await
}

/// The policies of a place, by namespace and name.
pub(crate) async fn policies(cluster: &Cluster, place: &Place) -> Result<Vec<RoutingPolicy>, Error> {
    listed(cluster, place, POLICIES).await
}

async fn listed<K>(cluster: &Cluster, place: &Place, resource: &'static str) -> Result<Vec<K>, Error>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let api = cluster.api::<K>(place);
    let mut found = Vec::new();
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let list = api
            .list(&page)
            .await
            .map_err(|error| Call::new("list", resource, place.told()).failed(cluster, &error))?;
        found.extend(list.items);
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => break,
        }
    }
    found.sort_by_key(|object: &K| (object.namespace(), object.name_any()));
    Ok(found)
}

/// One source.
pub(crate) async fn get(cluster: &Cluster, source: &CatalogSourceRef) -> Result<ModelCatalogSource, Error> {
    let place = Place::Namespace(source.namespace.clone());
    match cluster.api::<ModelCatalogSource>(&place).get(&source.name).await {
        Ok(found) => Ok(found),
        Err(kube::Error::Api(status))
            if status.code == 404
                && status.details.as_ref().is_some_and(|details| !details.name.is_empty()) =>
        {
            Err(Error::NotFound(format!(
                "there is no source {} {}; vox catalog list -A shows all",
                source.name,
                place.told()
            )))
        }
        Err(error) => Err(Call::new("get", RESOURCE, place.told()).failed(cluster, &error)),
    }
}

/// Asks a source for a run now.
pub(crate) async fn request_run(
    cluster: &Cluster,
    source: &CatalogSourceRef,
    request: &str,
) -> Result<(), Error> {
    let place = Place::Namespace(source.namespace.clone());
    let patch = json!({ "metadata": { "annotations": { REQUESTED_AT: request } } });
    let parameters = PatchParams { field_manager: Some("vox-cli".to_owned()), ..PatchParams::default() };
    let api = cluster.api::<ModelCatalogSource>(&place);
    let patched = api.patch_metadata(&source.name, &parameters, &Patch::Merge(patch)).await;
    patched.map(drop).map_err(|error| Call::new("patch", RESOURCE, place.told()).failed(cluster, &error))
}

/// The condition of a type.
pub(crate) fn condition<'a>(source: &'a ModelCatalogSource, kind: &str) -> Option<&'a Condition> {
    source.status.as_ref()?.conditions.iter().find(|condition| condition.type_ == kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_named_with_or_without_its_namespace() {
        let there = Place::Namespace("shop".to_owned());
        let name = |text: &str| text.parse::<SourceName>().unwrap().resolve(&there).unwrap();
        assert_eq!(name("lab/a").namespace, "lab");
        assert_eq!(name("a").namespace, "shop");
        assert!("a".parse::<SourceName>().unwrap().resolve(&Place::All).is_err());
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["", "/", "a/", "/a", "a/b/c", "A", "../x", "a b", "a?x"] {
            assert!(text.parse::<SourceName>().is_err(), "{text}");
        }
    }
}
