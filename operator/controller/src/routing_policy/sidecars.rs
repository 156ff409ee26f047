//! How many sidecars run which version of what a policy decides, in its status, and which keys they miss: counted for all
//! policies together and written when it changed, so that a thousand sidecars that change at once are one write for each
//! policy and look.

use std::sync::Arc;
use std::time::Duration;

use kube::api::{Patch, PatchParams};
use kube::{Api, Resource as _, ResourceExt as _};
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};
use vox_crds::RoutingPolicy;
use vox_crds::routing_policy::{SidecarVersion, SidecarsStatus};
use vox_store::routing::{SidecarCount, SnapshotHead};

use super::Context;
use super::siblings::wants_default;
use crate::context::filled;

/// Owner of the field that is written here; another one than of the rest, which is written at other times.
const FIELD_MANAGER: &str = "vox-routingpolicy-sidecars";
/// Between two looks, and so at least between two writes of one status.
const LOOK: Duration = Duration::from_secs(10);
/// How many versions a status tells of, newest first.
const VERSIONS: usize = 5;

/// Counts until it is aborted.
pub(crate) async fn count(context: Arc<Context>) {
    if !filled(&context.policies).await {
        return;
    }
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        if let Err(error) = look_once(&context).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "failed to count sidecars");
        }
    }
}

async fn look_once(context: &Context) -> vox_store::Result<()> {
    let store = &context.shared.store;
    for namespace in context.missing.replace(store.missing_keys().await?) {
        context.siblings.of(&namespace, None);
    }
    let (counts, heads) = (store.count_sidecars().await?, store.snapshot_heads().await?);
    let policies = context.policies.state();
    for guarded in &policies {
        let Ok(policy) = &guarded.0 else { continue };
        let of_namespace = || policies.iter().filter(|other| other.namespace() == guarded.namespace());
        let defaults = of_namespace().filter(|other| wants_default(other)).count();
        // Without a default, a lone policy serves those that name none.
        let serves_unnamed = match defaults {
            0 => of_namespace().count() == 1,
            1 => wants_default(guarded),
            _ => false,
        };
        let (Some(namespace), Some(name)) = (&policy.metadata.namespace, &policy.metadata.name) else {
            continue;
        };
        let status = sidecars(namespace, name, serves_unnamed, &counts, &heads);
        let before = policy.status.as_ref().and_then(|status| status.sidecars.as_ref());
        if before != Some(&status)
            && let Err(error) = write(context, namespace, name, &status).await
        {
            tracing::warn!(%error, namespace, policy = name, "failed to write the count of sidecars");
        }
    }
    Ok(())
}

async fn write(
    context: &Context,
    namespace: &str,
    name: &str,
    sidecars: &SidecarsStatus,
) -> Result<(), kube::Error> {
    let api: Api<RoutingPolicy> = Api::namespaced(context.shared.client.clone(), namespace);
    let patch = json!({
        "apiVersion": RoutingPolicy::api_version(&()),
        "kind": RoutingPolicy::kind(&()),
        "status": { "sidecars": sidecars },
    });
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    let written = api.patch_status(name, &parameters, &Patch::Apply(patch)).await;
    context.shared.metrics.status_patched(if written.is_ok() { "ok" } else { "error" });
    written.map(drop)
}

/// The sidecars of one policy. `serves_unnamed` says whether those that name no policy take this one. Pure.
fn sidecars(
    namespace: &str,
    policy: &str,
    serves_unnamed: bool,
    counts: &[SidecarCount],
    heads: &[SnapshotHead],
) -> SidecarsStatus {
    let newest = heads.iter().find(|head| head.namespace == namespace).map(|head| head.version);
    let mut versions: Vec<SidecarVersion> = Vec::new();
    for count in counts.iter().filter(|count| {
        count.namespace == namespace && count.policy.as_deref().map_or(serves_unnamed, |name| name == policy)
    }) {
        let (version, sidecars) = (signed(count.version), signed(count.sidecars));
        match versions.iter_mut().find(|known| known.version == version) {
            Some(known) => known.sidecars = known.sidecars.saturating_add(sidecars),
            None => versions.push(SidecarVersion { version, sidecars }),
        }
    }
    let sum = |of: &dyn Fn(&SidecarVersion) -> bool| -> i64 {
        versions.iter().filter(|version| of(version)).map(|version| version.sidecars).sum()
    };
    let connected = sum(&|_| true);
    let current = sum(&|version| newest.map(signed) == Some(version.version));
    versions.sort_unstable_by_key(|version| std::cmp::Reverse(version.version));
    versions.truncate(VERSIONS);
    SidecarsStatus { connected, current, summary: format!("{current}/{connected}"), versions }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(namespace: &str, policy: Option<&str>, version: u64, sidecars: u64) -> SidecarCount {
        SidecarCount {
            namespace: namespace.to_owned(),
            policy: policy.map(ToOwned::to_owned),
            version,
            sidecars,
        }
    }

    fn told(serves_unnamed: bool, counts: &[SidecarCount]) -> SidecarsStatus {
        let heads =
            [SnapshotHead { namespace: "shop".to_owned(), version: 7, digest: "sha256:7".to_owned() }];
        sidecars("shop", "main", serves_unnamed, counts, &heads)
    }

    #[test]
    fn sidecars_that_have_the_newest_version_are_current() {
        let status = told(false, &[count("shop", Some("main"), 7, 3), count("shop", Some("main"), 6, 1)]);
        assert_eq!((status.current, status.connected, status.summary.as_str()), (3, 4, "3/4"));
        let versions: Vec<_> = status.versions.iter().map(|one| (one.version, one.sidecars)).collect();
        assert_eq!(versions, [(7, 3), (6, 1)]);
    }

    #[test]
    fn sidecars_that_name_no_policy_are_the_defaults() {
        let counts = [count("shop", None, 7, 2), count("shop", Some("main"), 7, 1)];
        assert_eq!(told(true, &counts).summary, "3/3");
        assert_eq!(told(true, &counts).versions.len(), 1);
        assert_eq!(told(false, &counts).summary, "1/1");
    }

    #[test]
    fn sidecars_of_other_policies_and_namespaces_are_not_counted() {
        let counts = [count("shop", Some("other"), 7, 2), count("office", Some("main"), 7, 2)];
        assert_eq!(told(true, &counts).summary, "0/0");
    }

    #[test]
    fn a_status_tells_of_few_versions_and_counts_all() {
        let counts: Vec<_> = (1..=7).rev().map(|version| count("shop", Some("main"), version, 1)).collect();
        let status = told(false, &counts);
        assert_eq!((status.summary.as_str(), status.versions.len()), ("1/7", VERSIONS));
        assert_eq!(status.versions[0].version, 7);
    }
}
