//! What is spent and leased of each policy's day, in its status. On its own clock, because money moves when no object
//! does; and by a field manager of its own, so that a pass over the policy leaves it alone.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource as _, ResourceExt as _};
use serde_json::json;
use vox_crds::RoutingPolicy;
use vox_crds::routing_policy::BudgetStatus;
use vox_routing::Cost;
use vox_store::budget::{BudgetDay, worst_overspend};

use super::Context;

/// Owner of `status.budget`.
const FIELD_MANAGER: &str = "vox-routingpolicy-budget";
/// How often it is written at most.
const EVERY: Duration = Duration::from_secs(30);

/// Writes what changed, again and again. A failure is a line in the log and tried again.
pub(super) async fn keep(context: &Context) {
    loop {
        tokio::time::sleep(EVERY).await;
        if let Err(error) = pass(context, Timestamp::now()).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "failed to read what was spent");
        }
    }
}

async fn pass(context: &Context, now: Timestamp) -> vox_store::Result<()> {
    let today = now.to_zoned(TimeZone::UTC).date();
    let days = context.shared.store.budgets(today, now).await?;
    let by_policy: HashMap<(&str, &str), &BudgetDay> =
        days.iter().map(|day| ((day.namespace.as_str(), day.policy.as_str()), day)).collect();
    for guarded in context.policies.state() {
        let Ok(policy) = &guarded.0 else { continue };
        let (namespace, name) = (policy.namespace().unwrap_or_default(), policy.name_any());
        let day = by_policy.get(&(namespace.as_str(), name.as_str()));
        let next = day.and_then(|day| describe(day, &today.to_string()));
        let before = policy.status.as_ref().and_then(|status| status.budget.as_ref());
        if before == next.as_ref() || policy.metadata.deletion_timestamp.is_some() {
            continue;
        }
        let written = write(context, policy, next.as_ref()).await;
        context.shared.metrics.status_patched(if written.is_ok() { "ok" } else { "error" });
        if let Err(error) = written {
            tracing::warn!(%error, namespace, policy = name, "failed to write what was spent");
        }
    }
    Ok(())
}

/// Pure: the same figures give the same status. Nothing where the limit is no amount, which the schema keeps away.
fn describe(day: &BudgetDay, today: &str) -> Option<BudgetStatus> {
    let limit: Cost = day.per_day_usd.parse().ok()?;
    let usd = |pico_usd| Cost::from_pico_usd(pico_usd).to_string();
    let (spent, leased) = (day.spent_pico_usd, day.leased_pico_usd);
    Some(BudgetStatus {
        day: today.to_owned(),
        limit_usd: limit.to_string(),
        spent_usd: usd(spent),
        leased_usd: usd(leased),
        worst_overspend_usd: usd(worst_overspend(limit.pico_usd(), spent, leased)),
    })
}

async fn write(
    context: &Context,
    policy: &RoutingPolicy,
    next: Option<&BudgetStatus>,
) -> Result<(), kube::Error> {
    let namespace = policy.namespace().unwrap_or_default();
    let api: Api<RoutingPolicy> = Api::namespaced(context.shared.client.clone(), &namespace);
    let status = next.map_or_else(|| json!({}), |budget| json!({ "budget": budget }));
    let patch = json!({
        "apiVersion": RoutingPolicy::api_version(&()),
        "kind": RoutingPolicy::kind(&()),
        "status": status,
    });
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    api.patch_status(&policy.name_any(), &parameters, &Patch::Apply(patch)).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(per_day_usd: &str, spent: u64, leased: u64) -> BudgetDay {
        let [namespace, policy] = ["shop", "p"].map(str::to_owned);
        let per_day_usd = per_day_usd.to_owned();
        BudgetDay { namespace, policy, per_day_usd, spent_pico_usd: spent, leased_pico_usd: leased }
    }

    #[test]
    fn money_is_told_in_usd_and_leases_alone_overspend_nothing() {
        let status = describe(&day("25", 1_500_000_000_000, 500_000_000_000), "2027-01-15").unwrap();
        assert_eq!((status.limit_usd.as_str(), status.spent_usd.as_str()), ("25", "1.5"));
        assert_eq!((status.leased_usd.as_str(), status.worst_overspend_usd.as_str()), ("0.5", "0"));
    }

    #[test]
    fn a_limit_that_was_lowered_below_what_is_granted_shows_the_overspend() {
        let status = describe(&day("1", 900_000_000_000, 350_000_000_000), "2027-01-15").unwrap();
        assert_eq!(status.worst_overspend_usd, "0.25");
    }
}
