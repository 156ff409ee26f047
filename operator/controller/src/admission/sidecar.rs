//! The sidecar's container and what it mounts. Pure.

use std::path::{Component, Path};

use serde_json::{Value, json};
use vox_contracts::discovery::AUDIENCE;

use super::inject::{Injection, Policy};
use crate::routing_policy::authority;

/// Its name in every pod.
pub(crate) const NAME: &str = "vox";
/// Where the workload calls, and where the kubelet probes.
pub(crate) const PORTS: [u64; 2] = [8811, 8812];

const AUTHORITY: (&str, &str) = ("vox-authority", "/var/run/vox/authority");
const TOKEN: (&str, &str) = ("vox-token", "/var/run/secrets/vox.dev/token");
const KEYS: (&str, &str) = ("vox-keys", "/var/run/vox/keys");
const STATE: (&str, &str) = ("vox-state", "/var/lib/vox");

/// A native sidecar: an init container that stays, starts before all that follow it, and ends after the workload.
pub(crate) fn container(settings: &Injection, policy: Option<&str>) -> Value {
    let mut env = vec![
        json!({ "name": "VOX_NAMESPACE", "valueFrom": { "fieldRef": { "fieldPath": "metadata.namespace" } } }),
        json!({ "name": "VOX_OPERATOR_URL", "value": settings.operator_url }),
        json!({ "name": "VOX_OPERATOR_CA_FILE", "value": format!("{}/{}", AUTHORITY.1, authority::KEY) }),
        json!({ "name": "VOX_TOKEN_FILE", "value": format!("{}/token", TOKEN.1) }),
        json!({ "name": "VOX_KEYS_DIR", "value": KEYS.1 }),
        json!({ "name": "VOX_STATE_DIR", "value": STATE.1 }),
    ];
    env.extend(settings.strict_sessions.then(|| json!({ "name": "VOX_STRICT_SESSIONS", "value": "true" })));
    env.extend(policy.map(|policy| json!({ "name": "VOX_POLICY", "value": policy })));
    let mount = |(name, path): (&str, &str), read_only: bool| {
        if read_only {
            json!({ "name": name, "mountPath": path, "readOnly": true })
        } else {
            json!({ "name": name, "mountPath": path })
        }
    };
    // That Vox cannot decide is an answer to a call, no reason to take the pod out of its Services or to start it anew:
    // all three ask whether the sidecar serves, none whether it has a snapshot.
    let probe = |period: u32, failures: u32| {
        json!({
            "httpGet": { "path": "/healthz", "port": PORTS[1] },
            "periodSeconds": period,
            "timeoutSeconds": 3,
            "failureThreshold": failures,
        })
    };
    json!({
        "name": NAME,
        "image": settings.image,
        "imagePullPolicy": settings.image_pull_policy,
        "restartPolicy": "Always",
        "env": env,
        "ports": [{ "name": "vox-metrics", "containerPort": PORTS[1] }],
        "startupProbe": probe(1, 60),
        "livenessProbe": probe(10, 3),
        "readinessProbe": probe(5, 3),
        "resources": settings.resources,
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": { "drop": ["ALL"] },
            "seccompProfile": { "type": "RuntimeDefault" },
        },
        "volumeMounts": [mount(AUTHORITY, true), mount(TOKEN, true), mount(KEYS, true), mount(STATE, false)],
    })
}

/// What it mounts. The authority and all keys may be missing: the pod starts, and a file appears when what it is made of does.
pub(crate) fn volumes(policies: &[&Policy]) -> [Value; 4] {
    let keys: Vec<Value> = policies.iter().flat_map(|policy| keys(policy)).collect();
    let token = json!({ "audience": AUDIENCE, "expirationSeconds": 3600, "path": "token" });
    [
        json!({ "name": AUTHORITY.0, "configMap": { "name": authority::NAME, "optional": true } }),
        json!({ "name": TOKEN.0, "projected": { "sources": [{ "serviceAccountToken": token }] } }),
        if keys.is_empty() {
            json!({ "name": KEYS.0, "emptyDir": { "sizeLimit": "1Mi" } })
        } else {
            json!({ "name": KEYS.0, "projected": { "sources": keys } })
        },
        // The last good snapshot, and 64 MiB of records that wait.
        json!({ "name": STATE.0, "emptyDir": { "sizeLimit": "128Mi" } }),
    ]
}

/// One file a key, `<policy>/<provider>`, as snapshots name it.
fn keys(policy: &Policy) -> impl Iterator<Item = Value> {
    let file = |provider: &str| {
        let path = format!("{}/{provider}", policy.name);
        let inside = Path::new(&path).components().all(|part| matches!(part, Component::Normal(_)));
        inside.then_some(path)
    };
    policy.keys.iter().filter_map(move |key| {
        let items = [json!({ "key": key.key, "path": file(&key.provider)? })];
        Some(json!({ "secret": { "name": key.secret, "optional": true, "items": items } }))
    })
}
