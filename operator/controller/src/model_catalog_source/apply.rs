//! Writes a source's children. What is already as it should be is not written.

use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use serde::Serialize;
use serde_json::Value;

use super::FIELD_MANAGER;
use super::dereference::{Dereferenced, is_controlled_by};
use crate::names::{APPLIED_ANNOTATION, sha256};

/// What a source shall have.
pub(crate) struct Desired {
    pub(crate) service_account: ServiceAccount,
    pub(crate) cron_job: CronJob,
    /// A run that is due now.
    pub(crate) job: Option<Job>,
}

/// Why something could not be applied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("failed to apply {what}: it exists and belongs to something else")]
    Foreign { what: String },
    #[error("failed to apply {what}")]
    Kubernetes { what: String, source: kube::Error },
    #[error("failed to write {what} as JSON")]
    Json { what: &'static str, source: serde_json::Error },
}

impl Error {
    /// The API server's own words when it refused what was asked (quota, admission), as opposed to being away.
    pub(crate) fn refusal(&self) -> Option<String> {
        match self {
            Self::Foreign { what } => Some(format!(
                "{what} exists in this namespace and belongs to something else; it is left alone: delete it or name the source differently"
            )),
            Self::Kubernetes { what, source: kube::Error::Api(status) }
                if (400..500).contains(&status.code) && !matches!(status.code, 408 | 409 | 429) =>
            {
                Some(format!("the API server refused {what}: {}", status.message))
            }
            _ => None,
        }
    }
}

/// Applies what differs, then starts the due run.
pub(crate) async fn apply(
    client: &Client,
    namespace: &str,
    uid: &str,
    desired: Desired,
    live: &Dereferenced,
) -> Result<(), Error> {
    let Desired { service_account, mut cron_job, job } = desired;
    if !live.has_service_account {
        let api: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
        write(&api, uid, &service_account, "ServiceAccount").await?;
    }
    let json = |source| Error::Json { what: "a CronJob", source };
    let digest = sha256(serde_json::to_string(&cron_job).map_err(json)?.as_bytes());
    cron_job.annotations_mut().insert(APPLIED_ANNOTATION.to_owned(), digest);
    let wanted = serde_json::to_value(&cron_job).map_err(json)?;
    let found = live.cron_job.as_deref().map(serde_json::to_value).transpose().map_err(json)?;
    if !found.is_some_and(|found| holds(&wanted, &found)) {
        let api: Api<CronJob> = Api::namespaced(client.clone(), namespace);
        write(&api, uid, &cron_job, "CronJob").await?;
    }
    if let Some(job) = job {
        create(&Api::namespaced(client.clone(), namespace), &job).await?;
    }
    Ok(())
}

/// Writes an object, unless there is one of its name that is not the source's own: applying would take it over, and
/// deleting the source would then delete it.
async fn write<K>(api: &Api<K>, uid: &str, object: &K, kind: &str) -> Result<(), Error>
where
    K: kube::Resource<DynamicType = ()> + Clone + std::fmt::Debug + Serialize + serde::de::DeserializeOwned,
{
    let name = object.name_any();
    let failed = |source| Error::Kubernetes { what: format!("{kind} {name}"), source };
    if api.get_opt(&name).await.map_err(failed)?.is_some_and(|found| !is_controlled_by(&found, uid)) {
        return Err(Error::Foreign { what: format!("{kind} {name}") });
    }
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    api.patch(&name, &parameters, &Patch::Apply(object)).await.map_err(failed)?;
    tracing::info!(kind, name, "applied");
    Ok(())
}

/// The Job's name says its cause, so one that exists is the one wanted.
async fn create(api: &Api<Job>, job: &Job) -> Result<(), Error> {
    let name = job.name_any();
    match api
        .create(&PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() }, job)
        .await
    {
        Ok(_) => tracing::info!(name, cause = job.annotations().get("vox.dev/cause"), "started a run"),
        Err(kube::Error::Api(status)) if status.code == 409 => {}
        Err(source) => return Err(Error::Kubernetes { what: format!("Job {name}"), source }),
    }
    Ok(())
}

/// Whether `found` has everything that `wanted` says. The API server adds defaults and others add fields of their own, so
/// equality would always fail; what we no longer want shows in the digest annotation instead.
fn holds(wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => {
            wanted.iter().all(|(key, value)| match found.get(key) {
                Some(found) => holds(value, found),
                // An empty object or list may be dropped on the way.
                None => {
                    value.is_null()
                        || value.as_object().is_some_and(serde_json::Map::is_empty)
                        || value.as_array().is_some_and(Vec::is_empty)
                }
            })
        }
        (Value::Array(wanted), Value::Array(found)) => {
            wanted.len() == found.len()
                && wanted.iter().zip(found).all(|(wanted, found)| holds(wanted, found))
        }
        (wanted, found) => wanted == found,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_and_fields_of_others_are_no_difference() {
        let wanted = json!({ "spec": { "schedule": "0 3 * * *", "list": [{ "a": 1 }] } });
        let found = json!({ "spec": { "schedule": "0 3 * * *", "list": [{ "a": 1, "default": true }], "x": 1 }, "status": {} });
        assert!(holds(&wanted, &found));
    }

    #[test]
    fn a_changed_value_and_a_missing_one_are_differences() {
        let wanted = json!({ "spec": { "schedule": "0 3 * * *", "suspend": false } });
        assert!(!holds(&wanted, &json!({ "spec": { "schedule": "0 4 * * *", "suspend": false } })));
        assert!(!holds(&wanted, &json!({ "spec": { "schedule": "0 3 * * *" } })));
        assert!(!holds(&json!({ "list": [1] }), &json!({ "list": [1, 2] })));
    }
}
