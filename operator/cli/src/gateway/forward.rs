//! The way to a gateway's pod through the API server: from a Service to a ready pod of it, and a port-forward there.

use k8s_openapi::api::core::v1::{Pod, Service, ServicePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt as _;
use kube::api::ListParams;

use super::Wire;
use crate::cluster::{Call, Cluster, Place, is_ready};
use crate::error::Error;

/// Where a gateway listens where its Service does not say otherwise.
const PORT: u16 = 8811;

pub(super) async fn open(
    cluster: &Cluster,
    namespace: &str,
    service: &str,
    failed: impl Fn(&str) -> Error,
) -> Result<Box<dyn Wire>, Error> {
    let place = Place::Namespace(namespace.to_owned());
    let told = place.told();
    let found = cluster.api::<Service>(&place).get_opt(service).await;
    let found = found.map_err(|error| Call::new("get", "services", told.clone()).failed(cluster, &error))?;
    let found = found.ok_or_else(|| missing(service, namespace))?;
    let spec = found.spec.unwrap_or_default();
    let selector: Vec<String> =
        spec.selector.unwrap_or_default().iter().map(|(key, value)| format!("{key}={value}")).collect();
    if selector.is_empty() {
        return Err(failed("the Service selects no pods"));
    }
    let pods = cluster.api::<Pod>(&place);
    let listed = pods.list(&ListParams::default().labels(&selector.join(","))).await;
    let listed = listed.map_err(|error| Call::new("list", "pods", told.clone()).failed(cluster, &error))?;
    let Some(pod) = listed.items.iter().find(|pod| is_ready(pod)) else {
        return Err(failed(&format!("none of its {} pods is ready", listed.items.len())));
    };
    let port = port(spec.ports.as_deref().unwrap_or_default(), pod);
    let mut forward = pods
        .portforward(&pod.name_any(), &[port])
        .await
        .map_err(|error| Call::new("create", "pods/portforward", told).failed(cluster, &error))?;
    let stream = forward.take_stream(port).ok_or_else(|| failed("the port-forward opened no stream"))?;
    Ok(Box::new(stream))
}

fn missing(service: &str, namespace: &str) -> Error {
    Error::NotFound(format!(
        "there is no Service {service} in namespace {namespace}; name the gateway's with --service, or its URL with --gateway"
    ))
}

/// The pod's port behind the Service's one named `http`, else its first.
fn port(ports: &[ServicePort], pod: &Pod) -> u16 {
    let named = ports.iter().find(|port| port.name.as_deref() == Some("http"));
    let Some(port) = named.or(ports.first()) else { return PORT };
    let number = match &port.target_port {
        Some(IntOrString::Int(number)) => Some(*number),
        Some(IntOrString::String(name)) => {
            let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
            let mut ports = containers.flat_map(|container| container.ports.iter().flatten());
            ports.find(|port| port.name.as_deref() == Some(name)).map(|port| port.container_port)
        }
        None => Some(port.port),
    };
    number.and_then(|number| u16::try_from(number).ok()).unwrap_or(PORT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_services_port_leads_to_the_pods() {
        let pod: Pod = serde_json::from_value(serde_json::json!({ "spec": { "containers": [
            { "name": "gateway", "ports": [{ "name": "metrics", "containerPort": 9 }, { "name": "http", "containerPort": 7 }] },
        ]}}))
        .unwrap();
        let of = |ports: serde_json::Value| {
            port(&serde_json::from_value::<Vec<ServicePort>>(ports).unwrap(), &pod)
        };
        assert_eq!(of(serde_json::json!([{ "port": 80, "targetPort": "http" }])), 7);
        assert_eq!(
            of(serde_json::json!([{ "port": 1 }, { "name": "http", "port": 80, "targetPort": 5 }])),
            5
        );
        assert_eq!(of(serde_json::json!([{ "port": 80 }])), 80);
        assert_eq!(of(serde_json::json!([])), PORT);
    }
}
