//! Writes the snapshot of a namespace: the last good generation of each of its policies, over today's catalogs.

use std::sync::Arc;

use vox_crds::RoutingPolicySpec;
use vox_routing::{PolicySnapshot, Snapshot};
use vox_store::routing::{ProgrammedPolicy, PublishedSnapshot};

use super::resolve::Catalogs;
use super::{Context, dereference};
use crate::snapshots::Line;

/// Why a snapshot could not be published; the next pass tries again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Dereference(#[from] dereference::Error),
    #[error("failed to publish a snapshot")]
    Store(#[from] vox_store::Error),
    #[error("failed to write a snapshot")]
    Snapshot(#[from] vox_routing::SnapshotError),
}

/// Publishes a namespace's snapshot, unless nothing in it changed. `catalogs` are those that have been read already.
pub(crate) async fn publish(
    context: &Context,
    namespace: &str,
    catalogs: &mut Catalogs,
) -> Result<PublishedSnapshot, Error> {
    let store = &context.shared.store;
    // Without this, a pass that read earlier could publish later, and undo what the other one programmed.
    let gate = context.gate(namespace);
    let _held = gate.lock().await;
    let demands = dereference::demands(&context.shared.client, namespace).await?;
    let observations = context.evidence.now(store).await?;
    let mut policies = Vec::new();
    for programmed in store.programmed(namespace).await? {
        let Some(spec) = spec(&programmed) else { continue };
        let names = spec.catalogs.iter().map(|catalog| catalog.name.clone()).collect();
        dereference::read(&context.shared.client, store, namespace, names, catalogs).await?;
        match context.built.get(&programmed, &spec, catalogs, &demands, &observations).await {
            // Its models are shared and not copied.
            Ok(policy) => policies.push(PolicySnapshot::clone(&policy)),
            Err(error) => {
                tracing::error!(%error, namespace, policy = programmed.name, "failed to read a policy that served")
            }
        }
    }
    context.evidence.serves(namespace, &policies);
    let sealed = Snapshot::seal(namespace.to_owned(), 0, policies)?;
    let digest = sealed.digest.clone();
    let document = |version| Ok(Line::new(&Snapshot { version, ..sealed }.write()?).gzip().to_vec());
    let published = store.publish_snapshot(namespace, &digest, document).await?;
    // What was read meanwhile may concern this namespace, of which nobody knew yet what it serves.
    if !Arc::ptr_eq(&observations, &context.evidence.now(store).await?) {
        context.siblings.of(namespace, None);
    }
    Ok(published)
}

/// What was programmed was read once already; a newer operator may know other fields.
fn spec(programmed: &ProgrammedPolicy) -> Option<RoutingPolicySpec> {
    serde_json::from_value(programmed.spec.clone())
        .inspect_err(|error| tracing::error!(%error, namespace = programmed.namespace, policy = programmed.name, "failed to read a programmed policy"))
        .ok()
}
