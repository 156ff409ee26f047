//! The controller of `RoutingPolicy`: dereference → build and test → program → publish → status.

pub(crate) mod authority;
mod budget;
mod build;
mod built;
mod dereference;
mod describe;
mod evidence;
mod forget;
mod leaving;
mod missing;
mod picks;
mod publish;
mod resolve;
mod siblings;
mod sidecars;
mod status;
mod watch;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::core::DeserializeGuard;
use kube::runtime::controller::Action;
use kube::runtime::reflector::{ObjectRef, Store as Cache};
use kube::{Resource as _, ResourceExt as _};
use tokio::sync::Notify;
use vox_crds::RoutingPolicy;
use vox_routing::policy::Demands;
use vox_routing::{PolicySnapshot, Router, run_tests};
use vox_store::routing::ProgrammedPolicy;

use crate::context::Backoff;
use crate::control_plane::Shared;
use crate::events::Teller;
use describe::{Observation, Serving};
use evidence::Observations;
use resolve::Catalogs;
use siblings::{Siblings, wants_default};

pub(crate) use watch::run;

/// What the replay bench builds policies with: the same as a reconcile.
#[cfg(test)]
pub(crate) mod replayed {
    pub(crate) use super::build::policy_snapshot;
    pub(crate) use super::evidence::Known;
    pub(crate) use super::resolve::{Catalogs, Models, Resolved};
}

/// Owner of the fields that this controller sets.
const FIELD_MANAGER: &str = "vox-routingpolicy";
/// Name of this controller in metrics.
const CONTROLLER: &str = "routingpolicy";
/// Bound on one reconcile.
const RECONCILE: Duration = Duration::from_secs(60);
/// How soon to look again though nothing was seen to change.
const LOOK_AGAIN: Duration = Duration::from_secs(600);
/// After the end of a penalty, before it is told who leads now.
const A_MOMENT: Duration = Duration::from_millis(100);
/// How soon to look again while something that the policy names is not there: events of the API server come sooner, but
/// a catalog is published a moment before its source's status says so.
const UNRESOLVED: Duration = Duration::from_secs(15);

type Guarded = DeserializeGuard<RoutingPolicy>;

/// What a reconcile works with.
struct Context {
    shared: Shared,
    teller: Teller,
    backoff: Backoff<ObjectRef<Guarded>>,
    policies: Cache<Guarded>,
    /// Told when a policy is gone.
    gone: Arc<Notify>,
    /// Told when something changed that the other policies of a namespace tell of.
    siblings: Siblings,
    /// Held to program a policy, and alone to forget those that are gone: which ones are there must not change between
    /// looking and writing.
    programming: tokio::sync::RwLock<()>,
    /// Policies that were built a moment ago.
    built: built::Built,
    /// What happened.
    evidence: evidence::Known,
    /// Keys that sidecars miss.
    missing: missing::Missing,
    namespaces: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl Context {
    /// Whether the policy is still there, as far as the watch has told.
    fn exists(&self, policy: &RoutingPolicy) -> bool {
        let known = self
            .policies
            .get(&ObjectRef::new(&policy.name_any()).within(&policy.namespace().unwrap_or_default()));
        known.is_some_and(|known| known.uid() == policy.uid() && known.meta().deletion_timestamp.is_none())
    }

    /// One publication of a namespace at a time.
    fn gate(&self, namespace: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut namespaces = self.namespaces.lock().unwrap_or_else(PoisonError::into_inner);
        namespaces.retain(|_, gate| Arc::strong_count(gate) > 1);
        Arc::clone(namespaces.entry(namespace.to_owned()).or_default())
    }
}

/// Why a reconcile failed.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Dereference(#[from] dereference::Error),
    #[error(transparent)]
    Publish(#[from] publish::Error),
    #[error("failed to remember a policy")]
    Store(#[from] vox_store::Error),
    #[error("failed to write a policy as JSON")]
    Json(#[from] serde_json::Error),
    #[error("failed to apply ConfigMap {}", authority::NAME)]
    Authority(#[source] kube::Error),
    #[error("failed to write the status")]
    Status(#[source] kube::Error),
    #[error("failed to end within {RECONCILE:?}")]
    TimedOut,
}

impl Error {
    /// From a closed set: a metric label.
    fn category(&self) -> &'static str {
        match self {
            Self::Dereference(_) => "dereference",
            Self::Publish(_) => "publish",
            Self::Store(_) => "store",
            Self::Json(_) => "json",
            Self::Authority(_) => "authority",
            Self::Status(_) => "status",
            Self::TimedOut => "timeout",
        }
    }
}

/// One pass over one policy.
async fn reconcile(guarded: Arc<Guarded>, context: Arc<Context>) -> Result<Action, Error> {
    let policy = match &guarded.0 {
        Ok(policy) => policy,
        // The schema lets nothing through that this type cannot read, unless an older CRD is installed.
        Err(error) => {
            tracing::error!(%error, "failed to read a policy; is the installed CRD older than the operator?");
            return Ok(Action::await_change());
        }
    };
    if policy.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let begun = Instant::now();
    let result = tokio::time::timeout(RECONCILE, Box::pin(pass(policy, &context)))
        .await
        .unwrap_or(Err(Error::TimedOut));
    let label = result.as_ref().map_or_else(Error::category, |_| "ok");
    context.shared.metrics.reconciled(CONTROLLER, label, begun.elapsed().as_secs_f64());
    if result.is_ok() {
        context.backoff.succeeded(&ObjectRef::from_obj(&*guarded));
    }
    result
}

/// Called after a failed reconcile: when to try again.
fn failed(guarded: Arc<Guarded>, error: &Error, context: Arc<Context>) -> Action {
    let (wait, _) = context.backoff.failed(&ObjectRef::from_obj(&*guarded));
    tracing::warn!(policy = %guarded.name_any(), namespace = guarded.namespace(), error = error as &dyn std::error::Error, ?wait, "failed to reconcile");
    Action::requeue(wait)
}

async fn pass(policy: &RoutingPolicy, context: &Context) -> Result<Action, Error> {
    let shared = &context.shared;
    let (namespace, name) = (policy.namespace().unwrap_or_default(), policy.name_any());
    let generation = policy.metadata.generation.unwrap_or_default();
    let mut stage = Instant::now();
    let mut done = |name| {
        shared.metrics.policy_stage(name, stage);
        stage = Instant::now();
    };
    let mut catalogs = Catalogs::new();
    let names = policy.spec.catalogs.iter().map(|catalog| catalog.name.clone()).collect();
    dereference::read(&shared.client, &shared.store, &namespace, names, &mut catalogs).await?;
    let demands = dereference::demands(&shared.client, &namespace).await?;
    let observations = context.evidence.now(&shared.store).await?;
    done("dereference");
    let unresolved = resolve::unresolved(&policy.spec, &namespace, &catalogs);
    let built = build::policy_snapshot(&policy.spec, &name, generation, &catalogs, &demands, &observations);
    let invalid = built.as_ref().err().map(ToString::to_string);
    let router = built.ok().map(Router::new);
    let failing: Vec<String> = router
        .iter()
        .flat_map(run_tests)
        .map(|failure| format!("test {} fails: {}", failure.test, failure.sentence))
        .collect();
    done("build");
    let now = Timestamp::now();
    let serves = router.as_ref().is_some_and(|router| picks::serves(router, now));
    let nobody = router.as_ref().filter(|_| !serves).and_then(|router| picks::nobody(router, now));
    if serves && unresolved.is_empty() && failing.is_empty() {
        let _held = context.programming.read().await;
        // One that was deleted while this pass ran must not come back.
        if context.exists(policy) {
            shared.store.program(&programmed(policy, generation)?).await?;
        }
    }
    done("program");
    let snapshot = publish::publish(context, &namespace, &mut catalogs).await?;
    done("publish");
    if !snapshot.unchanged {
        context.siblings.of(&namespace, Some(&name));
    }
    // Behind what decides: sidecars that are there have it, and one that comes too early comes again.
    authority::apply(&shared.client, &namespace, &shared.authority.load(), owners(&namespace, context))
        .await
        .map_err(Error::Authority)?;
    done("authority");
    let uid = policy.uid();
    if !context.exists(policy) {
        context.gone.notify_one();
        return Ok(Action::await_change());
    }
    let serving =
        shared.store.programmed(&namespace).await?.into_iter().find(|other| Some(&other.uid) == uid.as_ref());
    let router = match &serving {
        Some(serving) if serving.generation == generation => router,
        Some(serving) => last_good(serving, &catalogs, &demands, &observations),
        None => None,
    };
    let resolved = unresolved.is_empty();
    let before = policy.status.clone().unwrap_or_default();
    let after = describe::describe(&Observation {
        generation: policy.metadata.generation,
        previous: &before,
        invalid,
        other_defaults: other_defaults(policy, context),
        unresolved,
        missing_keys: context.missing.of(&namespace, &name, &policy.spec),
        failing,
        nobody,
        leaving: leaving::leaving(&policy.spec, &catalogs),
        serving: serving.zip(router.as_ref()).map(|(serving, router)| Serving {
            generation: serving.generation,
            router,
            snapshot,
        }),
        now: Timestamp::now(),
    });
    status::write(&shared.client, &shared.metrics, policy, &after).await.map_err(Error::Status)?;
    status::tell(&context.teller, policy, &after).await;
    // One that was deleted meanwhile is not to be measured for ever.
    if context.exists(policy) {
        shared.metrics.policy(&namespace, &name, status::is_programmed(&after));
    }
    let mut again = if resolved { LOOK_AGAIN } else { UNRESOLVED };
    if let Some(router) = &router {
        let changes = picks::leader_changes(&before, &after, router, now);
        status::tell_evidence(&context.teller, policy, &after, &changes).await;
        let ends = picks::next_end(router, now).map(Duration::from_millis);
        again = ends.map_or(again, |ends| again.min(ends + A_MOMENT));
    }
    Ok(Action::requeue(again))
}

fn programmed(policy: &RoutingPolicy, generation: i64) -> Result<ProgrammedPolicy, Error> {
    Ok(ProgrammedPolicy {
        uid: policy.uid().unwrap_or_default(),
        namespace: policy.namespace().unwrap_or_default(),
        name: policy.name_any(),
        generation,
        spec: serde_json::to_value(&policy.spec)?,
    })
}

/// The generation that serves while the newest one cannot.
fn last_good(
    serving: &ProgrammedPolicy,
    catalogs: &Catalogs,
    demands: &Demands,
    observations: &Observations,
) -> Option<Router> {
    let spec = serde_json::from_value(serving.spec.clone()).ok()?;
    let (name, generation) = (&serving.name, serving.generation);
    let built: PolicySnapshot =
        build::policy_snapshot(&spec, name, generation, catalogs, demands, observations).ok()?;
    Some(Router::new(built))
}

/// The namespace's policies, as owners of what they share.
fn owners(namespace: &str, context: &Context) -> Vec<OwnerReference> {
    let policies = context.policies.state();
    let here = policies.iter().filter(|policy| {
        policy.namespace().as_deref() == Some(namespace) && policy.meta().deletion_timestamp.is_none()
    });
    here.filter_map(|policy| policy.0.as_ref().ok()?.owner_ref(&())).collect()
}

/// Other policies of the namespace that want to be the default as well.
fn other_defaults(policy: &RoutingPolicy, context: &Context) -> Vec<String> {
    if !policy.spec.is_default {
        return Vec::new();
    }
    let (namespace, uid) = (policy.namespace(), policy.uid());
    let policies = context.policies.state();
    let rivals = policies
        .iter()
        .filter(|other| other.namespace() == namespace && other.uid() != uid && wants_default(other));
    let mut names: Vec<String> = rivals.map(|rival| rival.name_any()).collect();
    names.sort_unstable();
    names
}
