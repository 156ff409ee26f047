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

/// Selects the Services of gateways: the chart's, and those that bear the same label.
const SELECTOR: &str = "vox.dev/gateway=enabled";

/// The other ways to a gateway.
const ELSEWHERE: &str = "a pod with a sidecar with --pod, or a URL with --gateway";

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

/// The Service of the namespace's gateway.
pub(super) async fn find(cluster: &Cluster, namespace: &str) -> Result<String, Error> {
    let place = Place::Namespace(namespace.to_owned());
    let listed = cluster.api::<Service>(&place).list(&ListParams::default().labels(SELECTOR)).await;
    let listed =
        listed.map_err(|error| Call::new("list", "services", place.told()).failed(cluster, &error))?;
    choose(listed.items.iter().map(Service::name_any).collect(), namespace)
}

/// Two gateways may have different policies and keys, so that one of them has to be named.
fn choose(found: Vec<String>, namespace: &str) -> Result<String, Error> {
    match <[String; 1]>::try_from(found) {
        Ok([only]) => Ok(only),
        Err(none) if none.is_empty() => Err(Error::NotFound(format!(
            "no Service in namespace {namespace} has label {SELECTOR}; name the gateway's with --service, {ELSEWHERE}"
        ))),
        Err(several) => Err(Error::Usage(format!(
            "Services {} in namespace {namespace} are gateways; choose one with --service",
            several.join(", ")
        ))),
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
        "there is no Service {service} in namespace {namespace}; name the gateway's with --service, {ELSEWHERE}"
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

    fn chosen(found: &[&str]) -> Result<String, String> {
        choose(found.iter().map(|name| (*name).to_owned()).collect(), "shop")
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_only_service_of_a_gateway_is_found_whatever_its_name() {
        assert_eq!(chosen(&["acme-vox-gateway"]).as_deref(), Ok("acme-vox-gateway"));
    }

    #[test]
    fn without_a_service_of_a_gateway_the_user_hears_what_to_name() {
        let error = chosen(&[]).unwrap_err();
        for said in ["vox.dev/gateway=enabled", "namespace shop", "--service", "--pod"] {
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn of_several_services_of_gateways_one_has_to_be_named() {
        let error = chosen(&["a-gateway", "b-gateway"]).unwrap_err();
        assert!(error.contains("a-gateway, b-gateway") && error.contains("--service"), "{error}");
    }

    #[test]
    fn the_charts_and_the_demos_gateway_bear_the_label() {
        let label = SELECTOR.replace('=', ": ");
        for file in ["charts/vox/templates/gateway.yaml", "examples/demo/50-gateway.yaml"] {
            let path = format!("{}/../../{file}", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(path).unwrap();
            let service = text.split("\n---\n").find(|one| one.contains("\nkind: Service\n")).unwrap();
            assert!(service.contains(&label), "{file}: {service}");
        }
    }

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
