//! The way to a gateway's pod through the API server: from a Service to a ready pod of it, and a port-forward there.

use http::StatusCode;
use k8s_openapi::api::core::v1::{Pod, Service, ServicePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt as _;
use kube::api::ListParams;
use kube::client::UpgradeConnectionError;

use super::Wire;
use crate::cluster::{Call, Cluster, Place, is_ready};
use crate::error::Error;

/// Where a gateway listens where its Service does not say otherwise.
const PORT: u16 = 8811;

/// What a port-forward leads to.
pub(crate) enum Behind {
    /// A ready pod of this Service.
    Service(String),
    /// This pod.
    Pod(String),
}

impl Behind {
    /// What stands in the `Host` header.
    pub(super) fn name(&self) -> &str {
        let (Self::Service(name) | Self::Pod(name)) = self;
        name
    }
}

pub(super) async fn open(
    cluster: &Cluster,
    namespace: &str,
    behind: &Behind,
    failed: impl Fn(&str) -> Error,
) -> Result<Box<dyn Wire>, Error> {
    let place = Place::Namespace(namespace.to_owned());
    let (pod, port) = match behind {
        Behind::Service(service) => of_service(cluster, &place, namespace, service, &failed).await?,
        Behind::Pod(pod) => (pod.clone(), PORT),
    };
    let forwarding = cluster.api::<Pod>(&place).portforward(&pod, &[port]).await;
    let mut forward = forwarding.map_err(|error| match error {
        kube::Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(StatusCode::NOT_FOUND)) => {
            Error::NotFound(format!("there is no pod {pod} in namespace {namespace}"))
        }
        error => Call::new("create", "pods/portforward", place.told()).failed(cluster, &error),
    })?;
    let stream = forward.take_stream(port).ok_or_else(|| failed("the port-forward opened no stream"))?;
    Ok(Box::new(stream))
}

/// A ready pod of a Service, and the port where it listens.
async fn of_service(
    cluster: &Cluster,
    place: &Place,
    namespace: &str,
    service: &str,
    failed: &impl Fn(&str) -> Error,
) -> Result<(String, u16), Error> {
    let told = place.told();
    let found = cluster.api::<Service>(place).get_opt(service).await;
    let found = found.map_err(|error| Call::new("get", "services", told.clone()).failed(cluster, &error))?;
    let spec = found.ok_or_else(|| missing(service, namespace))?.spec.unwrap_or_default();
    let selector: Vec<String> =
        spec.selector.unwrap_or_default().iter().map(|(key, value)| format!("{key}={value}")).collect();
    if selector.is_empty() {
        return Err(failed("the Service selects no pods"));
    }
    let listing = ListParams::default().labels(&selector.join(","));
    let listed = cluster.api::<Pod>(place).list(&listing).await;
    let listed = listed.map_err(|error| Call::new("list", "pods", told).failed(cluster, &error))?;
    let Some(pod) = listed.items.iter().find(|pod| is_ready(pod)) else {
        return Err(failed(&format!("none of its {} pods is ready", listed.items.len())));
    };
    Ok((pod.name_any(), port(spec.ports.as_deref().unwrap_or_default(), pod)))
}

fn missing(service: &str, namespace: &str) -> Error {
    Error::NotFound(format!(
        "there is no Service {service} in namespace {namespace}; name the gateway's with --service, a pod with a sidecar with --pod, or a URL with --gateway"
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
