//! What a source needs in Kubernetes: a ServiceAccount, a CronJob, and now and then a Job. Pure.

use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde_json::{Value, json};
use vox_contracts::discovery::AUDIENCE;
use vox_crds::model_catalog_source::{CaBundleKind, CaBundleRef, RunsVolume};

use super::validate::ValidatedSource;
use crate::names;

/// Where a volume with training runs is mounted.
pub(crate) const RUNS_MOUNT: &str = "/var/lib/vox/mens";

/// Where a source's own authorities are mounted.
pub(crate) const CA_FILE: &str = "/var/run/vox.dev/ca/ca.crt";
const CA_MOUNT: &str = "/var/run/vox.dev/ca";

/// Exit status of `discover` after a failure that it has reported: the Job ends, another try would repeat it.
pub(crate) const REPORTED: i32 = 3;

/// Exit status of a container that was killed, which is what happens to one that needs too much memory.
pub(crate) const KILLED: i32 = 137;

/// What the operator knows that a source does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Surroundings {
    pub(crate) image: String,
    pub(crate) image_pull_policy: String,
    pub(crate) image_pull_secrets: Vec<String>,
    pub(crate) operator_url: String,
    /// PEM.
    pub(crate) authority: String,
    pub(crate) log: String,
}

/// Identity of the source.
#[derive(Debug, Clone)]
pub(crate) struct Owner {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) reference: OwnerReference,
}

/// What cannot be built is a mistake of this file, which its tests find.
type Built<T> = Result<T, serde_json::Error>;

/// The ServiceAccount that a source's Jobs run as. It has no rights; it is an identity.
pub(crate) fn service_account(owner: &Owner) -> Built<ServiceAccount> {
    serde_json::from_value(json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(owner, &names::child(&owner.name)),
        "automountServiceAccountToken": false,
    }))
}

/// The CronJob of a source.
pub(crate) fn cron_job(owner: &Owner, source: &ValidatedSource, around: &Surroundings) -> Built<CronJob> {
    serde_json::from_value(json!({
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": metadata(owner, &names::child(&owner.name)),
        "spec": {
            "schedule": source.cron_line,
            "timeZone": source.time_zone,
            "suspend": source.suspend,
            // Two fetches at once would only wait for each other.
            "concurrencyPolicy": "Forbid",
            // A controller that was away starts a run that is up to this late, in seconds.
            "startingDeadlineSeconds": 200,
            "successfulJobsHistoryLimit": 1,
            "failedJobsHistoryLimit": 1,
            "jobTemplate": {
                "metadata": { "labels": names::labels(&owner.name) },
                "spec": job_spec(owner, source, around, source.schedule.delay.as_secs()),
            },
        },
    }))
}

/// Annotation of a Job: why it was made.
pub(crate) const CAUSE: &str = "vox.dev/cause";

/// A Job that the operator starts itself: a first discovery, a request, another try.
pub(crate) fn job(owner: &Owner, source: &ValidatedSource, around: &Surroundings, cause: &str) -> Built<Job> {
    let mut metadata = metadata(owner, &job_name(owner, cause));
    metadata["annotations"] = json!({ CAUSE: cause });
    serde_json::from_value(json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": job_spec(owner, source, around, 0),
    }))
}

/// Name of the Job for a cause. Of an object that was made again under the same name, it is another one.
pub(crate) fn job_name(owner: &Owner, cause: &str) -> String {
    names::job(&owner.name, &format!("{} {cause}", owner.reference.uid))
}

fn metadata(owner: &Owner, name: &str) -> Value {
    json!({
        "name": name,
        "namespace": owner.namespace,
        "labels": names::labels(&owner.name),
        "ownerReferences": [owner.reference],
    })
}

fn job_spec(owner: &Owner, source: &ValidatedSource, around: &Surroundings, delay_seconds: u64) -> Value {
    // Waiting, fetching, waiting for an operator or database that is away, and a minute to start.
    let seconds = delay_seconds + source.timeout.as_secs() + source.patience.as_secs() + 60;
    json!({
        "backoffLimit": 3,
        "activeDeadlineSeconds": seconds,
        // Long enough to read the log of a failed run, short enough not to pile up.
        "ttlSecondsAfterFinished": 3600,
        "podFailurePolicy": {
            "rules": [
                { "action": "FailJob", "onExitCodes": { "containerName": "discover", "operator": "In", "values": [REPORTED] } },
                // A drained node is not the run's fault.
                { "action": "Ignore", "onPodConditions": [{ "type": "DisruptionTarget", "status": "True" }] },
                // Another pod would need as much memory and ask the provider again. And a Job that fails by a rule says which exit
                // code it was, which saves the operator the right to read everybody's pods.
                { "action": "FailJob", "onExitCodes": { "containerName": "discover", "operator": "In", "values": [KILLED] } },
            ],
        },
        "template": {
            "metadata": { "labels": names::labels(&owner.name) },
            "spec": pod_spec(owner, source, around, delay_seconds),
        },
    })
}

fn pod_spec(owner: &Owner, source: &ValidatedSource, around: &Surroundings, delay_seconds: u64) -> Value {
    let mut environment = vec![
        json!({ "name": "VOX_SOURCE_NAMESPACE", "value": owner.namespace }),
        json!({ "name": "VOX_SOURCE_NAME", "value": owner.name }),
        json!({ "name": "VOX_RUN", "valueFrom": { "fieldRef": { "fieldPath": "metadata.labels['batch.kubernetes.io/job-name']" } } }),
        json!({ "name": "VOX_OPERATOR_URL", "value": around.operator_url }),
        json!({ "name": "VOX_OPERATOR_CA", "value": around.authority }),
        json!({ "name": "VOX_DELAY_SECONDS", "value": delay_seconds.to_string() }),
        json!({ "name": "VOX_PATIENCE_SECONDS", "value": source.patience.as_secs().to_string() }),
        json!({ "name": "VOX_LOG", "value": around.log }),
    ];
    let token =
        json!({ "serviceAccountToken": { "path": "token", "audience": AUDIENCE, "expirationSeconds": 600 } });
    let mut volumes = vec![json!({ "name": "token", "projected": { "sources": [token] } })];
    let mut mounts =
        vec![json!({ "name": "token", "mountPath": "/var/run/secrets/vox.dev/token", "readOnly": true })];
    if let Some(reference) = &source.credential {
        // Optional, so that a missing Secret or key is reported by the run in a condition, and not by a pod that never starts.
        volumes.push(json!({ "name": "credential", "secret": {
            "secretName": reference.name, "optional": true, "items": [{ "key": reference.key, "path": "credential" }],
        } }));
        mounts.push(json!({ "name": "credential", "mountPath": "/var/run/secrets/vox.dev/credential", "readOnly": true }));
        let name = format!("key {} of Secret {}/{}", reference.key, owner.namespace, reference.name);
        environment.push(json!({ "name": "VOX_CREDENTIAL_FILE", "value": "/var/run/secrets/vox.dev/credential/credential" }));
        environment.push(json!({ "name": "VOX_CREDENTIAL_NAME", "value": name }));
    }
    if let Some(bundle) = &source.ca_bundle {
        volumes.push(ca_volume(bundle));
        mounts.push(json!({ "name": "ca", "mountPath": CA_MOUNT, "readOnly": true }));
    }
    if let Some(volume) = &source.volume {
        volumes.push(runs_volume(volume));
        mounts.push(json!({ "name": "runs", "mountPath": RUNS_MOUNT, "readOnly": true }));
    }
    let pull_secrets: Vec<Value> =
        around.image_pull_secrets.iter().map(|name| json!({ "name": name })).collect();
    let mut spec = json!({
        "serviceAccountName": names::child(&owner.name),
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "restartPolicy": "Never",
        "securityContext": {
            "runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532,
            "seccompProfile": { "type": "RuntimeDefault" },
        },
        "containers": [{
            "name": "discover",
            "image": around.image,
            "imagePullPolicy": around.image_pull_policy,
            "args": ["discover"],
            "env": environment,
            "volumeMounts": mounts,
            "resources": { "requests": { "cpu": "10m", "memory": "32Mi" }, "limits": { "memory": "128Mi" } },
            "securityContext": {
                "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] },
            },
        }],
        "volumes": volumes,
    });
    if let Some(volume) = &source.volume {
        // With a group of its own, the kubelet would change whom the volume's files belong to.
        if let Some(context) = spec["securityContext"].as_object_mut() {
            context.remove("fsGroup");
        }
        if let Some(folder) = volume.host_path.as_ref().filter(|folder| !folder.node_selector.is_empty()) {
            spec["nodeSelector"] = json!(folder.node_selector);
        }
    }
    if !pull_secrets.is_empty() {
        spec["imagePullSecrets"] = Value::Array(pull_secrets);
    }
    spec
}

/// The source's own authorities. Optional, as the credential is: the run says what is missing.
fn ca_volume(bundle: &CaBundleRef) -> Value {
    let items = json!([{ "key": bundle.key, "path": "ca.crt" }]);
    match bundle.kind {
        CaBundleKind::ConfigMap => json!({
            "name": "ca", "configMap": { "name": bundle.name, "optional": true, "items": items },
        }),
        CaBundleKind::Secret => json!({
            "name": "ca", "secret": { "secretName": bundle.name, "optional": true, "items": items },
        }),
    }
}

/// The volume with training runs, which nothing here may write to.
fn runs_volume(volume: &RunsVolume) -> Value {
    match (&volume.persistent_volume_claim, &volume.host_path) {
        (Some(claim), _) => json!({
            "name": "runs", "persistentVolumeClaim": { "claimName": claim.claim_name, "readOnly": true },
        }),
        (None, folder) => json!({
            "name": "runs",
            "hostPath": { "path": folder.as_ref().map_or("", |folder| &folder.path), "type": "Directory" },
        }),
    }
}

#[cfg(test)]
mod tests {
    use kube::Resource as _;
    use vox_crds::ModelCatalogSource;

    use super::*;
    use crate::model_catalog_source::validate::validate;

    fn surroundings() -> Surroundings {
        Surroundings {
            image: "vox-operator:test".to_owned(),
            image_pull_policy: "IfNotPresent".to_owned(),
            image_pull_secrets: vec![],
            operator_url: "https://vox-operator.vox.svc:8443".to_owned(),
            authority: "PEM".to_owned(),
            log: "info".to_owned(),
        }
    }

    fn source() -> (Owner, ValidatedSource) {
        let spec = json!({ "provider": { "openRouter": {} }, "credentialsRef": { "name": "keys", "key": "openrouter" } });
        let mut source = ModelCatalogSource::new("openrouter", serde_json::from_value(spec).unwrap());
        source.metadata.uid = Some("uid".to_owned());
        source.metadata.namespace = Some("shop".to_owned());
        let reference = source.controller_owner_ref(&()).unwrap();
        let owner = Owner { namespace: "shop".to_owned(), name: "openrouter".to_owned(), reference };
        (owner, validate(&source).unwrap())
    }

    #[test]
    fn the_children_of_a_source_are_as_recorded() {
        let (owner, source) = source();
        insta::assert_yaml_snapshot!("service_account", service_account(&owner).unwrap());
        insta::assert_yaml_snapshot!("cron_job", cron_job(&owner, &source, &surroundings()).unwrap());
        insta::assert_yaml_snapshot!("job", job(&owner, &source, &surroundings(), "request 1").unwrap());
    }

    #[test]
    fn a_requested_run_does_not_wait_for_the_jitter() {
        let (owner, source) = source();
        let job = serde_json::to_value(job(&owner, &source, &surroundings(), "request 1").unwrap()).unwrap();
        let environment = job.pointer("/spec/template/spec/containers/0/env").unwrap().as_array().unwrap();
        let delay = environment.iter().find(|variable| variable["name"] == "VOX_DELAY_SECONDS").unwrap();
        assert_eq!(delay["value"], "0");
    }

    #[test]
    fn a_volume_with_training_runs_is_mounted_to_be_read_only() {
        let pod = |volume: Value| {
            let spec =
                json!({ "provider": { "mens": {} }, "endpoint": "http://vllm:8000/v1", "volume": volume });
            let mens = ModelCatalogSource::new("mens", serde_json::from_value(spec).unwrap());
            let (owner, _) = source();
            pod_spec(&owner, &validate(&mens).unwrap(), &surroundings(), 0)
        };
        let claim = pod(json!({ "persistentVolumeClaim": { "claimName": "runs" } }));
        let mount = json!({ "name": "runs", "mountPath": RUNS_MOUNT, "readOnly": true });
        assert!(claim["containers"][0]["volumeMounts"].as_array().unwrap().contains(&mount));
        let volume =
            json!({ "name": "runs", "persistentVolumeClaim": { "claimName": "runs", "readOnly": true } });
        assert!(claim["volumes"].as_array().unwrap().contains(&volume));
        assert_eq!(claim["securityContext"]["fsGroup"], Value::Null, "files stay whose they are");
        let labels = json!({ "kubernetes.io/hostname": "trainer" });
        let folder = pod(json!({ "hostPath": { "path": "/data/mens", "nodeSelector": labels } }));
        assert_eq!(folder["nodeSelector"], labels);
        assert_eq!(folder["volumes"][1]["hostPath"], json!({ "path": "/data/mens", "type": "Directory" }));
    }

    #[test]
    fn authorities_of_ones_own_are_mounted_to_be_read_only_and_may_be_missing() {
        let pod = |bundle: Value| {
            let spec = json!({ "provider": { "openAICompatible": {} }, "endpoint": "https://llm.shop.svc/v1", "caBundleRef": bundle });
            let custom = ModelCatalogSource::new("custom", serde_json::from_value(spec).unwrap());
            let (owner, _) = source();
            let source = validate(&custom).unwrap();
            assert_eq!(source.target.ca_bundle.as_deref(), Some(CA_FILE));
            pod_spec(&owner, &source, &surroundings(), 0)
        };
        let public = pod(json!({ "name": "authorities" }));
        let items = json!([{ "key": "ca.crt", "path": "ca.crt" }]);
        let volume =
            json!({ "name": "ca", "configMap": { "name": "authorities", "optional": true, "items": items } });
        assert_eq!(public["volumes"][1], volume);
        let mount = json!({ "name": "ca", "mountPath": CA_MOUNT, "readOnly": true });
        assert!(public["containers"][0]["volumeMounts"].as_array().unwrap().contains(&mount));
        let secret = pod(json!({ "kind": "Secret", "name": "llm-tls", "key": "root.pem" }));
        assert_eq!(secret["volumes"][1]["secret"]["secretName"], "llm-tls");
        assert_eq!(secret["volumes"][1]["secret"]["items"][0]["key"], "root.pem");
    }
}
