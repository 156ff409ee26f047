//! What stands around spans and metrics in a request.

use serde::Serialize;
use serde_json::value::RawValue;
use vox_contracts::generated::telemetry::SEMCONV_VERSION;

use crate::attribute::KeyValue;

/// Who says it.
const SCOPE: Scope = Scope { name: "vox", version: env!("CARGO_PKG_VERSION") };

/// Whose spans these are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Resource {
    /// A gateway's: the pod that decided and called.
    Gateway { namespace: String, pod: String },
    /// This operator's.
    Operator { pod: String },
}

impl Resource {
    fn attributes(&self) -> Attributes {
        let attributes = match self {
            Self::Gateway { namespace, pod } => vec![
                KeyValue::text("service.name", "vox-sidecar"),
                KeyValue::text("service.namespace", namespace),
                KeyValue::text("service.instance.id", pod),
                KeyValue::text("k8s.namespace.name", namespace),
                KeyValue::text("k8s.pod.name", pod),
            ],
            Self::Operator { pod } => vec![
                KeyValue::text("service.name", "vox-operator"),
                KeyValue::text("service.version", env!("CARGO_PKG_VERSION")),
                KeyValue::text("service.instance.id", pod),
            ],
        };
        Attributes { attributes }
    }
}

#[derive(Serialize)]
struct Attributes {
    attributes: Vec<KeyValue>,
}

#[derive(Serialize)]
struct Scope {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Traces<'a> {
    resource_spans: Vec<ResourceSpans<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans<'a> {
    resource: Attributes,
    scope_spans: [ScopeSpans<'a>; 1],
    schema_url: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ScopeSpans<'a> {
    scope: Scope,
    spans: &'a [&'a RawValue],
    schema_url: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metrics<'a> {
    resource_metrics: [ResourceMetrics<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceMetrics<'a> {
    resource: Attributes,
    scope_metrics: [ScopeMetrics<'a>; 1],
    schema_url: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ScopeMetrics<'a> {
    scope: Scope,
    metrics: &'a [Box<RawValue>],
    schema_url: String,
}

fn schema_url() -> String {
    format!("https://opentelemetry.io/schemas/{SEMCONV_VERSION}")
}

/// A request with these spans, each group with whose they are.
pub(crate) fn traces(groups: &[(&Resource, Vec<&RawValue>)]) -> Vec<u8> {
    let resource_spans = groups.iter().map(|(resource, spans)| ResourceSpans {
        resource: resource.attributes(),
        scope_spans: [ScopeSpans { scope: SCOPE, spans, schema_url: schema_url() }],
        schema_url: schema_url(),
    });
    // Neither can fail: texts and numbers.
    serde_json::to_vec(&Traces { resource_spans: resource_spans.collect() }).unwrap_or_default()
}

/// A request with these metrics.
pub(crate) fn metrics(resource: &Resource, metrics: &[Box<RawValue>]) -> Vec<u8> {
    let resource_metrics = [ResourceMetrics {
        resource: resource.attributes(),
        scope_metrics: [ScopeMetrics { scope: SCOPE, metrics, schema_url: schema_url() }],
        schema_url: schema_url(),
    }];
    serde_json::to_vec(&Metrics { resource_metrics }).unwrap_or_default()
}
