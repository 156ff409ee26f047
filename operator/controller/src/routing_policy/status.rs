//! Writes a policy's status, when it changed, and tells of what changed.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Patch, PatchParams};
use kube::runtime::events::{Event, EventType};
use kube::{Api, Client, Resource as _, ResourceExt as _};
use serde_json::json;
use vox_crds::conditions::{reasons, types};
use vox_crds::routing_policy::{LeavingModel, QuarantineStatus};
use vox_crds::{RoutingPolicy, RoutingPolicyStatus};

use super::FIELD_MANAGER;
use super::picks::{LeaderChange, percent};
use crate::events::Teller;
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

/// Tells when a condition has another status or reason than before.
pub(crate) async fn tell(teller: &Teller, policy: &RoutingPolicy, next: &RoutingPolicyStatus) {
    let before = policy.status.clone().unwrap_or_default();
    for condition in changed(&before, next) {
        let type_ = if condition.status == "True" { EventType::Normal } else { EventType::Warning };
        tell_one(teller, policy, type_, &condition.reason, "Reconcile", &condition.message).await;
    }
    tell_leaving(teller, policy, next).await;
}

/// Tells of what happened: who leads a category now, and whose price is not the listed one.
pub(crate) async fn tell_evidence(
    teller: &Teller,
    policy: &RoutingPolicy,
    next: &RoutingPolicyStatus,
    changes: &[LeaderChange],
) {
    for change in changes {
        let action = format!("Lead {} with {}", change.category, change.leader);
        tell_one(teller, policy, EventType::Normal, reasons::LEADER_CHANGED, &action, &change.message).await;
    }
    tell_quarantines(teller, policy, next).await;
    let known = policy.status.as_ref().map(|status| status.price_drifts.as_slice()).unwrap_or_default();
    for drift in next.price_drifts.iter().filter(|drift| !known.contains(drift)) {
        let (model, listed, billed) = (&drift.model, &drift.listed_usd_per_mtok, &drift.billed_usd_per_mtok);
        let message = format!(
            "{model} is listed at USD {listed} per million tokens and was billed at USD {billed}, which decides"
        );
        let action = format!("Charge {billed} for {model}");
        tell_one(teller, policy, EventType::Warning, reasons::PRICE_DRIFT, &action, &message).await;
    }
}

async fn tell_leaving(teller: &Teller, policy: &RoutingPolicy, next: &RoutingPolicyStatus) {
    let known = policy.status.as_ref().map(|status| status.leaving.as_slice()).unwrap_or_default();
    let is_known = |one: &&LeavingModel| {
        known.iter().any(|other| other.model == one.model && other.reason == one.reason)
    };
    for one in next.leaving.iter().filter(|one| !is_known(one)) {
        let action = format!("Tell of {}", one.model);
        tell_one(teller, policy, EventType::Warning, &one.reason, &action, &one.sentence(Timestamp::now()))
            .await;
    }
}

async fn tell_quarantines(teller: &Teller, policy: &RoutingPolicy, next: &RoutingPolicyStatus) {
    let before = policy.status.clone().unwrap_or_default();
    let among = |all: &[QuarantineStatus], one: &QuarantineStatus| {
        all.iter().any(|other| other.model == one.model && other.category == one.category)
    };
    for held in next.quarantines.iter().filter(|held| !among(&before.quarantines, held)) {
        let (model, category) = (&held.model, held.category);
        let (was, is) = (percent(held.was_per_mille), percent(held.is_per_mille));
        let message = format!(
            "{model} is kept from {category}: its success there fell from {was} % to {is} %; a few calls go to it until they succeed again"
        );
        let action = format!("Keep {model} from {category}");
        tell_one(teller, policy, EventType::Warning, reasons::QUARANTINED, &action, &message).await;
    }
    // With another spec a model may be gone for another reason.
    let ended = before.quarantines.iter().filter(|held| !among(&next.quarantines, held));
    for held in ended.filter(|_| before.programmed_generation == next.programmed_generation) {
        let (model, category) = (&held.model, held.category);
        let message = format!("{model} serves {category} again: calls since its fall succeeded");
        let action = format!("Let {model} serve {category}");
        tell_one(teller, policy, EventType::Normal, reasons::QUARANTINE_ENDED, &action, &message).await;
    }
}

async fn tell_one(
    teller: &Teller,
    policy: &RoutingPolicy,
    type_: EventType,
    reason: &str,
    action: &str,
    message: &str,
) {
    let event = Event {
        type_,
        reason: reason.to_owned(),
        note: Some(message.to_owned()),
        action: action.to_owned(),
        secondary: None,
    };
    teller.tell(event, &policy.object_ref(&())).await;
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
        // Each model in quarantine or on its way out has an event of its own, and that there is no evidence yet is nothing to
        // tell anybody.
        let told_elsewhere = [types::QUARANTINED, types::MODELS_LEAVING].contains(&condition.type_.as_str());
        !same
            && !told_elsewhere
            && (condition.type_ != types::EVIDENCE_SUFFICIENT || condition.status != "False")
    })
}
