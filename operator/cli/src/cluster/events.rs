//! Events about sources. They explain; nothing depends on them, so a user who may not list them only reads less.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::events::v1::Event;
use kube::api::ListParams;
use vox_contracts::entry::CatalogSourceRef;

use super::client::{Cluster, Place};

/// What the newest event of a reason says about a source, if there is one since then.
pub(crate) async fn note_since(
    cluster: &Cluster,
    source: &CatalogSourceRef,
    reason: &str,
    since: Timestamp,
) -> Option<String> {
    let place = Place::Namespace(source.namespace.clone());
    let events = about_sources(cluster, &place, reason).await;
    let ours = events.into_iter().filter(|event| name_of(event) == Some(source.name.as_str()));
    ours.filter(|event| newest(event).is_some_and(|time| time >= since))
        .max_by_key(newest)
        .and_then(|event| event.note)
}

/// When each source last had an event of this reason since then, by namespace and name.
pub(crate) async fn reasons_since(
    cluster: &Cluster,
    place: &Place,
    reason: &str,
    since: Timestamp,
) -> BTreeMap<(String, String), Timestamp> {
    let mut found = BTreeMap::new();
    for event in about_sources(cluster, place, reason).await {
        let Some(time) = newest(&event).filter(|time| *time >= since) else { continue };
        let regarding = event.regarding.unwrap_or_default();
        let key = (regarding.namespace.unwrap_or_default(), regarding.name.unwrap_or_default());
        let known = found.entry(key).or_insert(time);
        *known = (*known).max(time);
    }
    found
}

async fn about_sources(cluster: &Cluster, place: &Place, reason: &str) -> Vec<Event> {
    let parameters = ListParams::default().fields(&format!("reason={reason}")).limit(500);
    let listed = cluster.api::<Event>(place).list(&parameters).await;
    let events = listed.map(|list| list.items).unwrap_or_default();
    let ours = |event: &Event| {
        event
            .regarding
            .as_ref()
            .is_some_and(|regarding| regarding.kind.as_deref() == Some("ModelCatalogSource"))
    };
    events.into_iter().filter(ours).collect()
}

fn name_of(event: &Event) -> Option<&str> {
    event.regarding.as_ref()?.name.as_deref()
}

/// A repeated event keeps its first time and counts on in its series.
fn newest(event: &Event) -> Option<Timestamp> {
    let repeated = event.series.as_ref().map(|series| series.last_observed_time.0);
    repeated.or_else(|| event.event_time.as_ref().map(|time| time.0))
}
