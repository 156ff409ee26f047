//! Writes a source's children. What is already as it should be is not written.

use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use serde::Serialize;
use serde_json::Value;

use super::FIELD_MANAGER;
use super::build::CAUSE;
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
    let wanted = serde_json::to_value(&service_account).map_err(json("a ServiceAccount"))?;
    let found = live.service_account.as_deref().map(serde_json::to_value).transpose();
    let found = found.map_err(json("a ServiceAccount"))?;
    if !found.is_some_and(|found| holds(&wanted, &found)) {
        let api: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
        write(&api, uid, &service_account, "ServiceAccount").await?;
    }
    let digest = sha256(serde_json::to_string(&cron_job).map_err(json("a CronJob"))?.as_bytes());
    cron_job.annotations_mut().insert(APPLIED_ANNOTATION.to_owned(), digest);
    let wanted = serde_json::to_value(&cron_job).map_err(json("a CronJob"))?;
    let found = live.cron_job.as_deref().map(serde_json::to_value).transpose().map_err(json("a CronJob"))?;
    if !found.is_some_and(|found| holds(&wanted, &found)) {
        let api: Api<CronJob> = Api::namespaced(client.clone(), namespace);
        write(&api, uid, &cron_job, "CronJob").await?;
    }
    if let Some(job) = job {
        create(&Api::namespaced(client.clone(), namespace), &job).await?;
    }
    Ok(())
}

fn json(what: &'static str) -> impl Fn(serde_json::Error) -> Error {
    move |source| Error::Json { what, source }
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
        Ok(_) => tracing::info!(name, cause = job.annotations().get(CAUSE), "started a run"),
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
        // Others add elements (a sidecar, a variable) that applying cannot take away: they are no difference.
        (Value::Array(wanted), Value::Array(found)) if !wanted.is_empty() && wanted.iter().all(is_keyed) => {
            wanted
                .iter()
                .all(|wanted| found.iter().any(|found| key(wanted) == key(found) && holds(wanted, found)))
        }
        (Value::Array(wanted), Value::Array(found)) => {
            wanted.len() == found.len()
                && wanted.iter().zip(found).all(|(wanted, found)| holds(wanted, found))
        }
        (wanted, found) => wanted == found,
    }
}

/// What an element of a list is merged by in the lists that we write, in the order in which it is looked for: a volume
/// mount has a name as well, and an owner too.
const KEYS: [&str; 3] = ["mountPath", "uid", "name"];

fn key(element: &Value) -> Option<(&'static str, &Value)> {
    KEYS.into_iter().find_map(|key| element.get(key).map(|value| (key, value)))
}

fn is_keyed(element: &Value) -> bool {
    key(element).is_some()
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

    #[test]
    fn what_others_add_to_a_list_is_no_difference_and_a_change_of_ours_is() {
        let wanted = json!({ "containers": [{ "name": "discover", "image": "a", "env": [{ "name": "X", "value": "1" }] }] });
        let sidecar = json!({ "name": "proxy", "image": "b" });
        let found = |image, value| {
            let env = [json!({ "name": "INJECTED", "value": "2" }), json!({ "name": "X", "value": value })];
            json!({ "containers": [sidecar, { "name": "discover", "image": image, "env": env }] })
        };
        assert!(holds(&wanted, &found("a", "1")));
        assert!(!holds(&wanted, &found("other", "1")));
        assert!(!holds(&wanted, &found("a", "other")));
        assert!(!holds(&wanted, &json!({ "containers": [sidecar] })), "ours is gone");
    }

    #[test]
    fn mounts_are_known_by_their_path_and_owners_by_their_uid() {
        let wanted = json!([{ "name": "token", "mountPath": "/a", "readOnly": true }]);
        let other = json!({ "name": "token", "mountPath": "/b" });
        assert!(holds(&wanted, &json!([other, { "name": "token", "mountPath": "/a", "readOnly": true }])));
        assert!(!holds(&wanted, &json!([other, { "name": "token", "mountPath": "/a" }])));
        assert!(!holds(&json!([{ "uid": "1", "name": "s" }]), &json!([{ "uid": "2", "name": "s" }])));
    }

    #[test]
    fn an_edit_of_the_service_account_shows_and_a_pull_secret_of_others_does_not() {
        let wanted = json!({ "metadata": { "labels": { "a": "b" } }, "automountServiceAccountToken": false });
        let edited = json!({ "metadata": { "labels": { "a": "b" } }, "automountServiceAccountToken": true });
        let added = json!({ "metadata": { "labels": { "a": "b", "c": "d" } }, "automountServiceAccountToken": false,
            "imagePullSecrets": [{ "name": "registry" }] });
        assert!(!holds(&wanted, &edited));
        assert!(holds(&wanted, &added));
    }
}
