//! Writes a source's status, when it changed, and tells of what changed.

use kube::api::{Patch, PatchParams};
use kube::runtime::events::{Event, EventType};
use kube::{Api, Client, Resource as _, ResourceExt as _};
use serde_json::json;
use vox_crds::conditions::types;
use vox_crds::{ModelCatalogSource, ModelCatalogSourceStatus};

use super::FIELD_MANAGER;
use super::changes::Change;
use super::describe::condition;
use crate::events::Teller;
use crate::metrics::Metrics;

/// Writes `next` if it differs from what the object says.
pub(crate) async fn write(
    client: &Client,
    metrics: &Metrics,
    source: &ModelCatalogSource,
    next: &ModelCatalogSourceStatus,
) -> Result<(), kube::Error> {
    measure(metrics, source, next);
    if source.status.as_ref() == Some(next) {
        return Ok(());
    }
    let api: Api<ModelCatalogSource> =
        Api::namespaced(client.clone(), &source.namespace().unwrap_or_default());
    let patch = json!({
        "apiVersion": ModelCatalogSource::api_version(&()),
        "kind": ModelCatalogSource::kind(&()),
        "status": next,
    });
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    let written = api.patch_status(&source.name_any(), &parameters, &Patch::Apply(patch)).await;
    metrics.status_patched(if written.is_ok() { "ok" } else { "error" });
    written.map(drop)
}

/// Tells of changes.
pub(crate) async fn tell(teller: &Teller, source: &ModelCatalogSource, changes: Vec<Change>) {
    for change in changes {
        let event = Event {
            type_: if change.warning { EventType::Warning } else { EventType::Normal },
            reason: change.reason,
            note: Some(change.note),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        teller.tell(event, &source.object_ref(&())).await;
    }
}

fn measure(metrics: &Metrics, source: &ModelCatalogSource, status: &ModelCatalogSourceStatus) {
    let models = status.catalog.as_ref().map_or((0, 0), |catalog| (catalog.models, catalog.suspect));
    let fresh = condition(status, types::FRESH).is_some_and(|condition| condition.status == "True");
    let refreshed = status.last_refresh_time.as_ref().map(|time| time.0.as_second());
    metrics.source(&source.namespace().unwrap_or_default(), &source.name_any(), models, fresh, refreshed);
}
