//! Writes a policy's status, when it changed, and tells of what changed.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Patch, PatchParams};
use kube::runtime::events::{Event, EventType, Recorder};
use kube::{Api, Client, Resource as _, ResourceExt as _};
use serde_json::json;
use vox_crds::conditions::types;
use vox_crds::{RoutingPolicy, RoutingPolicyStatus};

use super::FIELD_MANAGER;
use crate::metrics::Metrics;

/// Writes `next` if it differs from what the object says. Sidecars and the budget are written by themselves.
pub(crate) async fn write(
    client: &Client,
    metrics: &Metrics,
    policy: &RoutingPolicy,
    next: &RoutingPolicyStatus,
) -> Result<(), kube::Error> {
    let known = policy.status.clone();
    let known = known.map(|status| RoutingPolicyStatus { sidecars: None, budget: None, ..status });
    if known.as_ref() == Some(next) {
        return Ok(());
    }
    let api: Api<RoutingPolicy> = Api::namespaced(client.clone(), &policy.namespace().unwrap_or_default());
    let patch = json!({
        "apiVersion": RoutingPolicy::api_version(&()),
        "kind": RoutingPolicy::kind(&()),
        "status": next,
    });
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    let written = api.patch_status(&policy.name_any(), &parameters, &Patch::Apply(patch)).await;
    metrics.status_patched(if written.is_ok() { "ok" } else { "error" });
    written.map(drop)
}

/// Whether the newest generation serves as it should.
pub(crate) fn is_programmed(status: &RoutingPolicyStatus) -> bool {
    status.conditions.iter().any(|one| one.type_ == types::PROGRAMMED && one.status == "True")
}

/// Tells when a condition has another status or reason than before. An event that cannot be written is not worth failing
/// for: the status says the same.
pub(crate) async fn tell(recorder: &Recorder, policy: &RoutingPolicy, next: &RoutingPolicyStatus) {
    let before = policy.status.clone().unwrap_or_default();
    for condition in changed(&before, next) {
        let event = Event {
            type_: if condition.status == "True" { EventType::Normal } else { EventType::Warning },
            reason: condition.reason.clone(),
            note: Some(condition.message.chars().take(1000).collect()),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        if let Err(error) = recorder.publish(&event, &policy.object_ref(&())).await {
            tracing::info!(%error, reason = event.reason, "failed to write an event");
        }
    }
}

/// The conditions that are worth an event.
pub(crate) fn changed<'a>(
    before: &RoutingPolicyStatus,
    next: &'a RoutingPolicyStatus,
) -> impl Iterator<Item = &'a Condition> {
    next.conditions.iter().filter(|condition| {
        let known = before.conditions.iter().find(|known| known.type_ == condition.type_);
        let same =
            known.is_some_and(|known| known.status == condition.status && known.reason == condition.reason);
        // That there is no evidence yet is nothing to tell anybody.
        !same && (condition.type_ != types::EVIDENCE_SUFFICIENT || condition.status != "False")
    })
}
