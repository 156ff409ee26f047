//! Reads everything that a reconcile decides from: the store, and what the cache has of the source's children.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::ResourceExt as _;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{ObjectRef, Store as Cache};
use vox_crds::ModelCatalogSource;
use vox_store::catalog::SourceState;

use crate::names;

/// Caches of the children of all sources, filled by watches.
#[derive(Clone)]
pub(crate) struct Children {
    pub(crate) service_accounts: Cache<PartialObjectMeta<ServiceAccount>>,
    pub(crate) cron_jobs: Cache<CronJob>,
    pub(crate) jobs: Cache<Job>,
}

/// What was read.
pub(crate) struct Dereferenced {
    /// What the store knows; an error while it is away.
    pub(crate) state: Result<SourceState, vox_store::Error>,
    pub(crate) has_service_account: bool,
    pub(crate) cron_job: Option<Arc<CronJob>>,
    pub(crate) jobs: Vec<JobState>,
    /// Jobs of all sources that have not ended.
    pub(crate) runs_in_flight: usize,
}

/// A Job of a source, as far as it matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JobState {
    pub(crate) name: String,
    pub(crate) created: Timestamp,
    pub(crate) end: Option<JobEnd>,
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
    let all_jobs = children.jobs.state();
    Dereferenced {
        state: store.source_state(&source.uid().unwrap_or_default()).await,
        has_service_account: children
            .service_accounts
            .get(&ObjectRef::new(&child).within(&namespace))
            .is_some(),
        cron_job: children.cron_jobs.get(&ObjectRef::new(&child).within(&namespace)),
        runs_in_flight: all_jobs.iter().filter(|job| job_end(job).is_none()).count(),
        jobs: all_jobs
            .iter()
            .filter(|job| job.namespace().as_deref() == Some(&namespace))
            .filter(|job| job.labels().get(names::SOURCE_LABEL) == Some(&name))
            .map(|job| job_state(job))
            .collect(),
    }
}

fn job_state(job: &Job) -> JobState {
    JobState {
        name: job.name_any(),
        created: job.metadata.creation_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0),
        end: job_end(job),
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
