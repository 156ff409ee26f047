//! Policies that are gone leave the snapshot of their namespace, whatever happened to the operator in between.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt as _;
use tokio_util::sync::CancellationToken;
use vox_routing::{Snapshot, SnapshotError};
use vox_store::routing::SnapshotHead;

use super::resolve::Catalogs;
use super::{Context, publish};
use crate::context::filled;

/// How often policies that are gone are looked for. A deletion that is seen is acted on at once.
const FORGET: Duration = Duration::from_secs(60);

/// Why nothing could be forgotten; the next look tries again.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("failed to forget policies")]
    Store(#[from] vox_store::Error),
    #[error("failed to write an empty snapshot")]
    Snapshot(#[from] SnapshotError),
}

/// Forgets policies until told to end.
pub(crate) async fn forget_missing(context: Arc<Context>, end: CancellationToken) {
    if !filled(&context.policies).await {
        return;
    }
    // Namespaces whose snapshot still holds a policy that is gone.
    let mut owed = BTreeSet::new();
    while !end.is_cancelled() {
        for found in [forget(&context).await, left_behind(&context).await] {
            match found {
                Ok(namespaces) => owed.extend(namespaces),
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "failed to look for policies that are gone"
                ),
            }
        }
        let mut failed = BTreeSet::new();
        for namespace in owed {
            match publish::publish(&context, &namespace, &mut Catalogs::new()).await {
                Ok(published) if published.unchanged => {}
                Ok(_) => context.siblings.of(&namespace, None),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, namespace, "failed to publish a snapshot");
                    failed.insert(namespace);
                }
            }
        }
        owed = failed;
        let _ = tokio::time::timeout(FORGET, context.gone.notified()).await;
    }
}

/// Forgets the policies that are gone; returns the namespaces that lost one.
async fn forget(context: &Context) -> Result<Vec<String>, Error> {
    let _alone = context.programming.write().await;
    let alive: Vec<String> = context.policies.state().iter().filter_map(|policy| policy.uid()).collect();
    Ok(context.shared.store.forget_missing_policies(&alive).await?)
}

/// Namespaces that have no policy and whose snapshot has one: an operator forgot it, and ended before it could publish.
/// Where a policy is left, its own pass publishes, also the first one after a start.
async fn left_behind(context: &Context) -> Result<Vec<String>, Error> {
    let stored = context.shared.store.snapshot_heads().await?;
    let policies = context.policies.state();
    let readable = policies.iter().filter(|policy| policy.0.is_ok());
    let with_policies = readable.filter_map(|policy| policy.namespace()).collect();
    Ok(orphans(stored, &with_policies)?)
}

/// Of these snapshots, those of namespaces without a policy that are not empty.
fn orphans(
    stored: Vec<SnapshotHead>,
    with_policies: &BTreeSet<String>,
) -> Result<Vec<String>, SnapshotError> {
    let mut orphans = Vec::new();
    for SnapshotHead { namespace, digest, .. } in stored {
        if !with_policies.contains(&namespace)
            && Snapshot::seal(namespace.clone(), 0, Vec::new())?.digest != digest
        {
            orphans.push(namespace);
        }
    }
    Ok(orphans)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_left_behind_where_it_has_policies_and_its_namespace_has_none() {
        let snapshot = |namespace: &str, digest: &str| SnapshotHead {
            namespace: namespace.to_owned(),
            version: 1,
            digest: digest.to_owned(),
        };
        let empty = Snapshot::seal("retired".to_owned(), 0, Vec::new()).unwrap().digest;
        let stored = vec![
            snapshot("gone", "sha256:of-a-policy"),
            snapshot("retired", &empty),
            snapshot("shop", "sha256:of-a-policy"),
        ];
        let with_policies = BTreeSet::from(["shop".to_owned()]);
        assert_eq!(orphans(stored, &with_policies).unwrap(), ["gone"]);
    }
}
