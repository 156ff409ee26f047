//! Reads everything that a reconcile decides from: the store, and what the cache has of the source's children.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::runtime::reflector::{ObjectRef, Store as Cache};
use kube::{Resource, ResourceExt as _};
use vox_crds::ModelCatalogSource;
use vox_store::catalog::SourceState;

use super::build::CAUSE;
use super::due::of_request;
use crate::context::filled;
use crate::names;

/// Caches of the children of all sources, filled by watches.
#[derive(Clone)]
pub(crate) struct Children {
    pub(crate) service_accounts: Cache<ServiceAccount>,
    pub(crate) cron_jobs: Cache<CronJob>,
    pub(crate) jobs: Cache<Job>,
}

impl Children {
    /// Waits until the caches have been filled once.
    pub(crate) async fn known(&self) {
        // An error says that the watch has ended, and with it the controller.
        filled(&self.service_accounts).await;
        filled(&self.cron_jobs).await;
        filled(&self.jobs).await;
    }
}

/// What was read.
pub(crate) struct Dereferenced {
    /// What the store knows; an error while it is away.
    pub(crate) state: Result<SourceState, vox_store::Error>,
    pub(crate) service_account: Option<Arc<ServiceAccount>>,
    pub(crate) cron_job: Option<Arc<CronJob>>,
    pub(crate) jobs: Vec<JobState>,
    /// Jobs of all sources that have a pod. One that a quota holds up, or that is suspended, takes nobody's place.
    pub(crate) runs_in_flight: usize,
    /// Those of them in this source's namespace.
    pub(crate) runs_of_namespace: usize,
}

/// A Job of a source, as far as it matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JobState {
    pub(crate) name: String,
    pub(crate) created: Timestamp,
    pub(crate) end: Option<JobEnd>,
    /// Why it was made; none where the schedule made it.
    pub(crate) cause: Option<String>,
}

impl JobState {
    /// Whether it works on this request. The status that says so may not be in the cache yet when its Job is.
    pub(crate) fn works_on(&self, request: &str) -> bool {
        self.end.is_none() && self.cause.as_ref().is_some_and(|cause| cause.starts_with(&of_request(request)))
    }
}

/// How a Job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JobEnd {
    Complete,
    /// With Kubernetes' own reason and message.
    Failed(String),
}

pub(crate) async fn dereference(
    source: &ModelCatalogSource,
    store: &vox_store::Store,
    children: &Children,
) -> Dereferenced {
    let (namespace, name) = (source.namespace().unwrap_or_default(), source.name_any());
    let child = names::child(&name);
    let uid = source.uid().unwrap_or_default();
    let all_jobs = children.jobs.state();
    Dereferenced {
        state: store.source_state(&uid).await,
        service_account: children.service_accounts.get(&ObjectRef::new(&child).within(&namespace)),
        cron_job: children.cron_jobs.get(&ObjectRef::new(&child).within(&namespace)),
        runs_in_flight: all_jobs.iter().filter(|job| has_pod(job)).count(),
        runs_of_namespace: all_jobs
            .iter()
            .filter(|job| has_pod(job) && job.namespace().as_deref() == Some(&namespace))
            .count(),
        jobs: all_jobs
            .iter()
            .filter(|job| job.namespace().as_deref() == Some(&namespace))
            .filter(|job| job.labels().get(names::SOURCE_LABEL) == Some(&name))
            .filter(|job| belongs_to(job, &uid, &child))
            .map(|job| job_state(job))
            .collect(),
    }
}

/// Whether the object's controller is the one with this uid.
pub(crate) fn is_controlled_by<K: Resource>(object: &K, uid: &str) -> bool {
    let owners = object.meta().owner_references.as_ref().into_iter().flatten();
    owners.filter(|owner| owner.controller == Some(true)).any(|owner| owner.uid == uid)
}

/// A Job belongs to a source by itself, or through the source's CronJob.
fn belongs_to(job: &Job, uid: &str, cron_job: &str) -> bool {
    let owners = job.metadata.owner_references.as_ref().into_iter().flatten();
    owners.into_iter().any(|owner| owner.uid == uid || (owner.kind == "CronJob" && owner.name == cron_job))
}

fn has_pod(job: &Job) -> bool {
    job_end(job).is_none() && job.status.as_ref().and_then(|status| status.active).unwrap_or_default() > 0
}

fn job_state(job: &Job) -> JobState {
    JobState {
        name: job.name_any(),
        created: job.metadata.creation_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0),
        end: job_end(job),
        cause: job.annotations().get(CAUSE).cloned(),
    }
}

fn job_end(job: &Job) -> Option<JobEnd> {
    let conditions = job.status.as_ref().and_then(|status| status.conditions.as_ref()).into_iter().flatten();
    conditions.filter(|condition| condition.status == "True").find_map(|condition| {
        match condition.type_.as_str() {
            "Complete" => Some(JobEnd::Complete),
            "Failed" => {
                let part = |text: &Option<String>| text.clone().unwrap_or_default();
                Some(JobEnd::Failed(format!("{}: {}", part(&condition.reason), part(&condition.message))))
            }
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(cause: &str, end: Option<JobEnd>) -> JobState {
        let created = Timestamp::UNIX_EPOCH;
        JobState { name: "a".to_owned(), created, end, cause: Some(cause.to_owned()) }
    }

    #[test]
    fn a_run_works_on_the_request_that_it_was_made_for_until_it_ends() {
        assert!(job("request 1 after nothing", None).works_on("1"));
        assert!(!job("request 12 after nothing", None).works_on("1"));
        assert!(!job("plan sha256:0 after nothing", None).works_on("1"));
        assert!(!job("request 1 after nothing", Some(JobEnd::Complete)).works_on("1"));
    }
}
