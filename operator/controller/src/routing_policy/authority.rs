//! The ConfigMap with the operator's authority, in each namespace that has a policy: what a sidecar trusts. A file that
//! the kubelet keeps up to date outlives a renewal, which a certificate in a pod's environment would not.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};

use super::FIELD_MANAGER;

/// Its name in every namespace.
pub(crate) const NAME: &str = "vox-authority";
/// Its one key.
pub(crate) const KEY: &str = "ca.crt";

/// Applies it unless it is there already. `owners` are the namespace's policies: the last one takes it along.
pub(crate) async fn apply(
    client: &Client,
    namespace: &str,
    certificates: &str,
    mut owners: Vec<OwnerReference>,
) -> Result<(), kube::Error> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    owners.sort_unstable_by(|a, b| a.uid.cmp(&b.uid));
    let desired = ConfigMap {
        metadata: ObjectMeta {
            name: Some(NAME.to_owned()),
            labels: Some(BTreeMap::from([("app.kubernetes.io/managed-by".to_owned(), "vox".to_owned())])),
            owner_references: Some(owners),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([(KEY.to_owned(), certificates.to_owned())])),
        ..ConfigMap::default()
    };
    if api.get_opt(NAME).await?.is_some_and(|found| holds(&found, &desired)) {
        return Ok(());
    }
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    api.patch(NAME, &parameters, &Patch::Apply(&desired)).await.map(drop)
}

fn holds(found: &ConfigMap, desired: &ConfigMap) -> bool {
    let mut owners = found.metadata.owner_references.clone().unwrap_or_default();
    owners.sort_unstable_by(|a, b| a.uid.cmp(&b.uid));
    found.data == desired.data && Some(owners) == desired.metadata.owner_references
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_in_another_order_are_the_same_and_another_certificate_is_not() {
        let owner = |uid: &str| OwnerReference { uid: uid.to_owned(), ..OwnerReference::default() };
        let map = |owners: Vec<OwnerReference>, pem: &str| ConfigMap {
            metadata: ObjectMeta { owner_references: Some(owners), ..ObjectMeta::default() },
            data: Some(BTreeMap::from([(KEY.to_owned(), pem.to_owned())])),
            ..ConfigMap::default()
        };
        let desired = map(vec![owner("a"), owner("b")], "pem");
        assert!(holds(&map(vec![owner("b"), owner("a")], "pem"), &desired));
        assert!(!holds(&map(vec![owner("a")], "pem"), &desired));
        assert!(!holds(&map(vec![owner("a"), owner("b")], "other"), &desired));
    }
}
