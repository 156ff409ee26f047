//! Finds keys of providers that stand in clear in a pod's spec, where everybody who may read the pod reads them. Pure. What
//! is found is named by its place, never by its value.

use std::fmt;

use serde_json::Value;
use vox_contracts::generated::providers::PROVIDERS;
use vox_telemetry::keys::holds_key;

use super::environment::PLACEHOLDER;
use super::inject::{ENABLED, LABEL};

/// No provider's key is shorter.
const SHORTEST: usize = 16;
/// Where kinds keep a pod's spec; the first that is there.
const SPECS: [&str; 3] = ["/spec/jobTemplate/spec/template/spec", "/spec/template/spec", "/spec"];
/// Where kinds keep a pod's own annotations, which everybody reads as well; all that are there.
const ANNOTATIONS: [&str; 3] = [
    "/metadata/annotations",
    "/spec/template/metadata/annotations",
    "/spec/jobTemplate/spec/template/metadata/annotations",
];
/// As whom the API server knows the controllers of Kubernetes: each by an account of its own, or all as one.
const CONTROLLERS: (&str, &str) = ("system:serviceaccount:kube-system:", "system:kube-controller-manager");
/// Kinds whose templates are looked at themselves.
const OWNERS: [&str; 6] = ["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob"];

/// Where a key stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// Nothing for the pod itself.
    container: Option<String>,
    place: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.container {
            Some(container) => write!(f, "container {container}: {}", self.place),
            None => f.write_str(&self.place),
        }
    }
}

/// What is said about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// There is no key in it.
    Clean,
    /// It has keys, but was there before with the same ones, or is made from what was: refusing it would only stop what runs.
    Tolerated(String),
    /// Somebody is about to write keys.
    Refused(String),
}

/// Judges an object that this user writes, and what it was before, null where it is new.
pub(crate) fn judge(object: &Value, before: &Value, user: &str) -> Verdict {
    let found = find(object);
    if found.is_empty() {
        return Verdict::Clean;
    }
    let known = find(before);
    let places: Vec<String> = found.iter().map(ToString::to_string).collect();
    let message = format!(
        "vox: the key of a provider stands in clear in {}. Put it into a Secret and name that in `valueFrom.secretKeyRef`; or label the pod {LABEL}: {ENABLED} and name the Secret in the `credentials` of a RoutingPolicy, and the workload needs no key",
        places.join("; ")
    );
    if is_owned(object) && is_controller(user) || found.iter().all(|place| known.contains(place)) {
        Verdict::Tolerated(message)
    } else {
        Verdict::Refused(message)
    }
}

/// Whether this is a controller of Kubernetes. An owner alone proves nothing: whoever writes a pod writes its owners, too.
fn is_controller(user: &str) -> bool {
    user.starts_with(CONTROLLERS.0) || user == CONTROLLERS.1
}

/// Whether it is made from a template that was itself looked at, as it says.
fn is_owned(object: &Value) -> bool {
    let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array).into_iter().flatten();
    owners.into_iter().any(|owner| {
        let kind = owner.get("kind").and_then(Value::as_str);
        owner.get("controller") == Some(&Value::Bool(true)) && kind.is_some_and(|kind| OWNERS.contains(&kind))
    })
}

fn find(object: &Value) -> Vec<Place> {
    let annotations = ANNOTATIONS.iter().filter_map(|path| object.pointer(path)?.as_object()).flatten();
    let annotations = annotations.filter(|(_, value)| value.as_str().is_some_and(holds_key));
    let annotations =
        annotations.map(|(name, _)| Place { container: None, place: format!("annotation {name}") });
    let Some(spec) = SPECS.iter().find_map(|path| object.pointer(path)) else { return annotations.collect() };
    let containers =
        ["initContainers", "containers"].iter().filter_map(|of| spec.get(of)?.as_array()).flatten();
    annotations.chain(containers.flat_map(in_container)).collect()
}

fn in_container(container: &Value) -> Vec<Place> {
    let text =
        |object: &Value, key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let list = |key: &str| container.get(key).and_then(Value::as_array).into_iter().flatten();
    let mut places = Vec::new();
    for variable in list("env") {
        let (name, value) = (text(variable, "name"), text(variable, "value"));
        if is_credential(&name) && !is_placeholder(&value) || holds_key(&value) {
            places.push(format!("env {name}"));
        }
    }
    for part in ["command", "args"] {
        if list(part).filter_map(Value::as_str).any(holds_key) {
            places.push(part.to_owned());
        }
    }
    for handler in HANDLERS {
        if container.pointer(handler).is_some_and(in_handler) {
            places.push(handler.trim_start_matches('/').replace('/', "."));
        }
    }
    let container = text(container, "name");
    places.into_iter().map(|place| Place { container: Some(container.clone()), place }).collect()
}

/// What Kubernetes runs or calls at a container's beginning and end, and to see whether it lives.
const HANDLERS: [&str; 5] =
    ["/lifecycle/postStart", "/lifecycle/preStop", "/startupProbe", "/livenessProbe", "/readinessProbe"];

/// Whether a command, a path or a header of such a handler holds a key.
fn in_handler(handler: &Value) -> bool {
    let list = |path: &str| handler.pointer(path).and_then(Value::as_array).into_iter().flatten();
    let headers = list("/httpGet/httpHeaders").filter_map(|header| header.get("value"));
    let all = list("/exec/command").chain(headers).chain(handler.pointer("/httpGet/path"));
    all.filter_map(Value::as_str).any(holds_key)
}

/// Whether a variable is where clients look for a provider's key.
fn is_credential(name: &str) -> bool {
    PROVIDERS
        .iter()
        .any(|provider| provider.credential == Some(name) || provider.deprecated_credentials.contains(&name))
}

/// Whether a value can be no key: too short, without a digit, or a reference to another variable.
fn is_placeholder(value: &str) -> bool {
    value == PLACEHOLDER
        || value.len() < SHORTEST
        || !value.contains(|c: char| c.is_ascii_digit())
        || (value.starts_with("$(") && value.ends_with(')'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// No key: made up here, and in pieces, so that nobody's scanner takes it for one.
    fn key(prefix: &str) -> String {
        format!("{prefix}{}", "abcDEF0123".repeat(4))
    }

    fn pod(container: Value) -> Value {
        json!({ "kind": "Pod", "metadata": {}, "spec": { "containers": [container] } })
    }

    fn env(name: &str, value: &str) -> Value {
        pod(json!({ "name": "app", "env": [{ "name": name, "value": value }] }))
    }

    fn refusal(object: &Value) -> String {
        match judge(object, &Value::Null, "alice") {
            Verdict::Refused(message) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_key_in_clear_is_refused_by_its_place_with_what_to_do_and_without_its_value() {
        let message = refusal(&env("OPENAI_API_KEY", &key("sk-")));
        assert!(
            message.contains("container app: env OPENAI_API_KEY") && message.contains("secretKeyRef"),
            "{message}"
        );
        assert!(!message.contains("abcDEF"), "{message}");
    }

    #[test]
    fn a_provider_whose_keys_look_like_nothing_is_known_by_its_variable() {
        assert!(refusal(&env("MISTRAL_API_KEY", &key(""))).contains("MISTRAL_API_KEY"));
        assert_eq!(judge(&env("SOME_ID", &key("")), &Value::Null, "alice"), Verdict::Clean);
    }

    #[test]
    fn a_key_is_found_wherever_it_stands() {
        assert!(
            refusal(&env("ANYTHING", &format!("https://x/?key={}&a=b", key("AIza"))))
                .contains("env ANYTHING")
        );
        let pod =
            pod(json!({ "name": "app", "command": ["run"], "args": [format!("--key={}", key("sk-ant-"))] }));
        assert!(refusal(&pod).ends_with("needs no key") && refusal(&pod).contains("container app: args"));
    }

    #[test]
    fn placeholders_references_and_names_are_no_keys() {
        for value in
            ["", PLACEHOLDER, "dummy", "sk-placeholder", "any-key-will-do-here", "$(KEY_FROM_SECRET_1)"]
        {
            assert_eq!(
                judge(&env("OPENAI_API_KEY", value), &Value::Null, "alice"),
                Verdict::Clean,
                "{value}"
            );
        }
        for value in ["sk-learn-pipeline-worker-2024", "hf_hub_download_cache_dir_1", "task-sk-1"] {
            assert_eq!(judge(&env("NAME", value), &Value::Null, "alice"), Verdict::Clean, "{value}");
        }
        let secret =
            json!({ "name": "OPENAI_API_KEY", "valueFrom": { "secretKeyRef": { "name": "s", "key": "k" } } });
        assert_eq!(
            judge(&pod(json!({ "name": "app", "env": [secret] })), &Value::Null, "alice"),
            Verdict::Clean
        );
    }

    #[test]
    fn templates_are_looked_at_as_pods_are() {
        let spec = env("GROQ_API_KEY", &key("gsk_"))["spec"].clone();
        let template = json!({ "kind": "Deployment", "spec": { "template": { "spec": spec } } });
        assert!(refusal(&template).contains("GROQ_API_KEY"));
        let cron = json!({ "kind": "CronJob", "spec": { "jobTemplate": template } });
        assert!(refusal(&cron).contains("GROQ_API_KEY"));
    }

    #[test]
    fn what_runs_already_goes_on_and_a_new_key_in_it_does_not() {
        let old = env("GROQ_API_KEY", &key("gsk_"));
        assert!(matches!(judge(&old, &old, "alice"), Verdict::Tolerated(_)), "an update that adds none");
        assert!(matches!(judge(&old, &env("GROQ_API_KEY", ""), "alice"), Verdict::Refused(_)));
        let mut owned = old.clone();
        owned["metadata"]["ownerReferences"] = json!([{ "kind": "ReplicaSet", "controller": true }]);
        let controllers =
            ["system:serviceaccount:kube-system:replicaset-controller", "system:kube-controller-manager"];
        for controller in controllers {
            let verdict = judge(&owned, &Value::Null, controller);
            assert!(matches!(verdict, Verdict::Tolerated(_)), "its template was looked at");
        }
        for user in ["alice", "", "system:serviceaccount:shop:replicaset-controller"] {
            assert!(
                matches!(judge(&owned, &Value::Null, user), Verdict::Refused(_)),
                "{user} writes owners at will"
            );
        }
        owned["metadata"]["ownerReferences"] = json!([{ "kind": "Unheard", "controller": true }]);
        assert!(matches!(judge(&owned, &Value::Null, controllers[0]), Verdict::Refused(_)));
    }

    #[test]
    fn handlers_probes_and_annotations_are_looked_at() {
        let key = key("sk-ant-");
        let header = json!({ "httpGet": { "httpHeaders": [{ "name": "x-api-key", "value": key }] } });
        let run =
            json!({ "exec": { "command": ["sh", "-c", format!("curl -H 'x-api-key: {key}' http://x")] } });
        for (place, container) in [
            ("readinessProbe", json!({ "name": "app", "readinessProbe": header })),
            ("livenessProbe", json!({ "name": "app", "livenessProbe": run })),
            ("lifecycle.preStop", json!({ "name": "app", "lifecycle": { "preStop": run } })),
        ] {
            let message = refusal(&pod(container));
            assert!(message.contains(&format!("container app: {place}")), "{message}");
        }
        let mut annotated = pod(json!({ "name": "app" }));
        annotated["metadata"]["annotations"] = json!({ "note": format!("the key is {key}") });
        let message = refusal(&annotated);
        assert!(message.contains("annotation note") && !message.contains(&key), "{message}");
    }
}
