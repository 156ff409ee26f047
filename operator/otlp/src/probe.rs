//! Asks a collector whether it takes spans and metrics: one of each, marked, and no others.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::client::Client;
use crate::endpoint::Signal;
use crate::envelope::{self, Resource};
use crate::exporter::now_ns;

/// Name of the span and of the metric.
pub const NAME: &str = "vox.telemetry.test";

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The collector that was asked.
    pub endpoint: String,
    /// The span's trace, 32 hexadecimal digits, by which it is found in the collector's output.
    pub trace_id: String,
    /// The span.
    pub traces: Taken,
    /// The metric.
    pub metrics: Taken,
}

/// What came of one signal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Taken {
    /// Where it was sent.
    pub url: String,
    /// Whether the collector took it, and all of it.
    pub accepted: bool,
    /// Why not, and what to do; or what the collector wants to be known.
    pub message: Option<String>,
    /// How long that took.
    pub took_ms: u64,
}

impl Report {
    /// Whether all was taken.
    #[must_use]
    pub const fn is_accepted(&self) -> bool {
        self.traces.accepted && self.metrics.accepted
    }
}

/// Sends one span and one metric, once each. `pod` is who says so.
pub async fn probe(client: &Client, pod: &str) -> Report {
    let resource = Resource::Operator { pod: pod.to_owned() };
    let trace = Uuid::now_v7();
    let now = now_ns();
    let mark = json!([{"key": NAME, "value": {"boolValue": true}}]);
    let span = json!({
        "traceId": trace.simple().to_string(), "spanId": format!("{:016x}", trace.as_u64_pair().1), "flags": 0x101,
        "name": NAME, "kind": 1, "startTimeUnixNano": now.to_string(), "endTimeUnixNano": now.to_string(),
        "attributes": mark,
    });
    let metric = json!({
        "name": NAME, "description": "Whether metrics arrive.", "unit": "1",
        "gauge": {"dataPoints": [{"timeUnixNano": now.to_string(), "asInt": "1", "attributes": mark}]},
    });
    // Neither can fail to be written.
    let raw = |value: &serde_json::Value| serde_json::value::to_raw_value(value).ok();
    let spans = raw(&span);
    let traces = envelope::traces(&[(&resource, spans.iter().map(|span| &**span).collect())]);
    let metrics = envelope::metrics(&resource, &raw(&metric).into_iter().collect::<Vec<_>>());
    Report {
        endpoint: client.endpoint().to_string(),
        trace_id: trace.simple().to_string(),
        traces: ask(client, Signal::Traces, &traces).await,
        metrics: ask(client, Signal::Metrics, &metrics).await,
    }
}

async fn ask(client: &Client, signal: Signal, body: &[u8]) -> Taken {
    let begun = Instant::now();
    let sent = client.send(signal, body).await;
    let (accepted, message) = match sent {
        Ok(taken) if taken.rejected == 0 => (true, Some(taken.message).filter(|message| !message.is_empty())),
        Ok(taken) => (
            false,
            Some(format!("the collector took the request and left out what is in it: {}", taken.message)),
        ),
        Err(error) => (false, Some(error.to_string())),
    };
    Taken {
        url: client.endpoint().of(signal).to_string(),
        accepted,
        message,
        took_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
    }
}
