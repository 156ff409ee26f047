//! From a pod as a user wrote it to the pod with its sidecar, or why it gets none. Pure: pods, policies and settings come
//! in as values. Pods stay JSON, because what this program's types do not know must not get lost.

use serde_json::{Map, Value, json};

use super::environment;
use super::sidecar::{self, NAME, PORTS};
use crate::names::is_object_name;

/// Label by which a pod asks for a sidecar, with the value [`ENABLED`].
pub(crate) const LABEL: &str = "vox.dev/inject";
/// The label's value.
pub(crate) const ENABLED: &str = "enabled";
/// Annotation that names the policy which serves the pod.
pub(crate) const POLICY: &str = "vox.dev/policy";
/// Annotation of a pod that has its sidecar: the version of the operator that put it there.
pub(crate) const INJECTED: &str = "vox.dev/injected";

/// What is put into pods, as the operator was told.
#[derive(Debug, Clone)]
pub(crate) struct Injection {
    pub(crate) image: String,
    pub(crate) image_pull_policy: String,
    pub(crate) image_pull_secrets: Vec<String>,
    pub(crate) operator_url: String,
    /// As in a container's `resources`.
    pub(crate) resources: Value,
    pub(crate) strict_sessions: bool,
}

/// What a pod's sidecar has to know of one policy of its namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) name: String,
    pub(crate) default: bool,
    pub(crate) keys: Vec<ProviderKey>,
}

/// The key of a Secret that holds a provider's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProviderKey {
    pub(crate) provider: String,
    pub(crate) secret: String,
    pub(crate) key: String,
}

/// What is done to a pod.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Injected {
    /// Operations of a JSON patch; none when there is nothing to do.
    pub(crate) patch: Vec<Value>,
    /// For whoever created the pod.
    pub(crate) warnings: Vec<String>,
}

/// Why a labelled pod is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(
        "a pod with hostNetwork gets no sidecar: two on one node would clash on port {}, and every process of the node could spend this namespace's money; leave hostNetwork out, or remove the label {LABEL} and call a shared gateway",
        PORTS[0]
    )]
    HostNetwork,
    #[error(
        "the pod has a container `{NAME}` of its own, which is the sidecar's name; rename it, or remove the label {LABEL}"
    )]
    NameTaken,
    #[error(
        "the pod has a volume `{0}` of its own, which is the sidecar's name; rename it, or remove the label {LABEL}"
    )]
    VolumeTaken(String),
    #[error(
        "annotation {POLICY}: {0:?} is no name of a RoutingPolicy; `kubectl get routingpolicies` lists them"
    )]
    PolicyName(String),
    #[error("failed to read the pod: {0} is not what a pod has there")]
    Malformed(&'static str),
}

/// What a patch may touch; each is written as a whole.
const TOUCHED: [&str; 5] = [
    "/metadata/annotations",
    "/spec/volumes",
    "/spec/initContainers",
    "/spec/containers",
    "/spec/imagePullSecrets",
];

/// Puts the sidecar before all other init containers, and its address into the environment of all containers behind it.
/// A pod that has it already gets only what is missing, so that this may be asked again at any time.
pub(crate) fn inject(pod: &Value, policies: &[Policy], settings: &Injection) -> Result<Injected, Refusal> {
    let text = |path: &str| pod.pointer(path).and_then(Value::as_str);
    if text("/metadata/labels/vox.dev~1inject") != Some(ENABLED) {
        return Ok(Injected::default());
    }
    if is_windows(pod) {
        let warning = "vox: a Windows pod gets no sidecar; call a shared gateway instead".to_owned();
        return Ok(Injected { patch: Vec::new(), warnings: vec![warning] });
    }
    if pod.pointer("/spec/hostNetwork").and_then(Value::as_bool) == Some(true) {
        return Err(Refusal::HostNetwork);
    }
    let named = text("/metadata/annotations/vox.dev~1policy");
    if let Some(name) = named.filter(|name| !is_object_name(name)) {
        return Err(Refusal::PolicyName(name.to_owned()));
    }
    let mut warnings: Vec<String> = choice(named, policies).into_iter().collect();
    let mut after = pod.clone();
    if !is_injected(pod, settings) {
        let keys: Vec<&Policy> =
            policies.iter().filter(|policy| named.is_none_or(|name| policy.name == name)).collect();
        add(&mut after, named, &keys, settings, &mut warnings)?;
    }
    surround(&mut after, &mut warnings)?;
    let changed = TOUCHED.iter().filter(|path| pod.pointer(path) != after.pointer(path));
    let patch = changed
        .filter_map(|path| Some(json!({ "op": "add", "path": path, "value": after.pointer(path)? })))
        .collect();
    Ok(Injected { patch, warnings })
}

fn is_windows(pod: &Value) -> bool {
    let says = |path: &str| pod.pointer(path).and_then(Value::as_str) == Some("windows");
    says("/spec/os/name") || says("/spec/nodeSelector/kubernetes.io~1os")
}

/// Whether the pod has its sidecar. The annotation and a container of that name may be the user's own; ours is known by
/// what it runs. What others added to it stays: Kubernetes' defaults, and what another webhook wants in all containers.
fn is_injected(pod: &Value, settings: &Injection) -> bool {
    let same = |container: &Value| {
        let text = |member| container.get(member).and_then(Value::as_str);
        text("image").is_some_and(|image| repository(image) == repository(&settings.image))
            && text("restartPolicy") == Some("Always")
            && ["command", "args"].iter().all(|member| container.get(member).is_none())
    };
    pod.pointer("/metadata/annotations/vox.dev~1injected").is_some()
        && containers(pod, "initContainers").any(|one| name(one) == Some(NAME) && same(one))
}

/// An image without its tag or digest: while the operator is upgraded, a replica sees what one of another version put there.
fn repository(image: &str) -> &str {
    let name = image.split_once('@').map_or(image, |(name, _)| name);
    let tag = name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'));
    tag.map_or(name, |(name, _)| name)
}

/// What is unclear about the policy that will serve; nothing when one is sure to.
fn choice(named: Option<&str>, policies: &[Policy]) -> Option<String> {
    let names = || policies.iter().map(|policy| policy.name.as_str()).collect::<Vec<_>>().join(", ");
    let has = |name: &str| policies.iter().any(|policy| policy.name == name);
    let defaults = policies.iter().filter(|policy| policy.default).count();
    match named {
        _ if policies.is_empty() => Some(
            "vox: this namespace has no RoutingPolicy; calls fail until it has one, and keys are mounted into pods made after that"
                .to_owned(),
        ),
        Some(name) if !has(name) => Some(format!(
            "vox: this namespace has no RoutingPolicy {name}, only {}; calls fail until it has, and keys are mounted into pods made after that",
            names()
        )),
        Some(_) => None,
        None if policies.len() == 1 || defaults == 1 => None,
        None => Some(format!(
            "vox: {defaults} of the RoutingPolicies {} are the default; calls fail until exactly one is, or the pod names one in {POLICY}",
            names()
        )),
    }
}

fn add(
    pod: &mut Value,
    named: Option<&str>,
    policies: &[&Policy],
    settings: &Injection,
    warnings: &mut Vec<String>,
) -> Result<(), Refusal> {
    if ["containers", "initContainers"].iter().any(|of| containers(pod, of).any(|c| name(c) == Some(NAME))) {
        return Err(Refusal::NameTaken);
    }
    for port in taken(pod) {
        warnings.push(format!("vox: a container of this pod names port {port}, which is the sidecar's"));
    }
    let volumes = list(pod, "/spec", "volumes").ok_or(Refusal::Malformed("spec.volumes"))?;
    for volume in sidecar::volumes(policies) {
        if let Some(taken) =
            volumes.iter().find_map(|other| name(other).filter(|taken| name(&volume) == Some(*taken)))
        {
            return Err(Refusal::VolumeTaken(taken.to_owned()));
        }
        volumes.push(volume);
    }
    list(pod, "/spec", "initContainers")
        .ok_or(Refusal::Malformed("spec.initContainers"))?
        .insert(0, sidecar::container(settings, named));
    let missing = Refusal::Malformed("spec.imagePullSecrets");
    for secret in &settings.image_pull_secrets {
        let secrets = list(pod, "/spec", "imagePullSecrets").ok_or_else(|| missing.clone())?;
        if !secrets.iter().any(|other| name(other) == Some(secret)) {
            secrets.push(json!({ "name": secret }));
        }
    }
    let annotations = member(pod, "/metadata", "annotations", || json!({}))
        .and_then(Value::as_object_mut)
        .ok_or(Refusal::Malformed("metadata.annotations"))?;
    annotations.insert(INJECTED.to_owned(), env!("CARGO_PKG_VERSION").into());
    Ok(())
}

/// Ports of the sidecar that containers of the pod name as theirs.
fn taken(pod: &Value) -> impl Iterator<Item = u64> {
    let named = ["containers", "initContainers"].into_iter().flat_map(|of| containers(pod, of));
    let ports = named.filter_map(|container| container.get("ports")?.as_array()).flatten();
    ports.filter_map(|port| port.get("containerPort")?.as_u64()).filter(|port| PORTS.contains(port))
}

/// The sidecar's address for every container that starts after it.
fn surround(pod: &mut Value, warnings: &mut Vec<String>) -> Result<(), Refusal> {
    let inits = list(pod, "/spec", "initContainers").ok_or(Refusal::Malformed("spec.initContainers"))?;
    let ours = inits.iter().position(|container| name(container) == Some(NAME));
    // Another webhook may have put a container before the sidecar; that one cannot call it.
    let behind = inits.iter_mut().skip(ours.map_or(0, |ours| ours + 1));
    behind.for_each(|container| environment::set(container, warnings));
    let containers = list(pod, "/spec", "containers").ok_or(Refusal::Malformed("spec.containers"))?;
    containers.iter_mut().for_each(|container| environment::set(container, warnings));
    Ok(())
}

fn containers<'a>(pod: &'a Value, of: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    pod.get("spec").and_then(|spec| spec.get(of)?.as_array()).into_iter().flatten()
}

fn name(object: &Value) -> Option<&str> {
    object.get("name")?.as_str()
}

/// A member of an object of the pod, made where it is not there or null.
fn member<'a>(pod: &'a mut Value, path: &str, key: &str, empty: impl Fn() -> Value) -> Option<&'a mut Value> {
    let object: &mut Map<String, Value> = pod.pointer_mut(path)?.as_object_mut()?;
    let member = object.entry(key).or_insert_with(&empty);
    if member.is_null() {
        *member = empty();
    }
    Some(member)
}

fn list<'a>(pod: &'a mut Value, path: &str, key: &str) -> Option<&'a mut Vec<Value>> {
    member(pod, path, key, || json!([]))?.as_array_mut()
}

#[cfg(test)]
mod tests;
