//! What happened, for OpenTelemetry: finished calls as spans and the metrics of GenAI clients, sent to a collector by
//! OTLP over HTTP, in its JSON form.
//!
//! [`span`] and [`metric`] turn a line of a sidecar's spool into what a collector takes: pure. [`client`] sends it and
//! [`answer`] says what came of that. [`Exporter`] keeps what waits, within bounds, and sends it in batches: whoever offers
//! it something never waits and never hears of a failure. [`probe`] asks a collector whether it would take anything.
//!
//! Names are those of the contract `model-telemetry.v1.yaml`, which are the semantic conventions' where they have one.

pub mod answer;
mod attribute;
pub mod client;
mod endpoint;
mod envelope;
mod exporter;
mod measured;
pub mod metric;
pub mod probe;
pub mod span;
mod waiting;

pub use client::{Client, Headers, Settings};
pub use endpoint::{Endpoint, EndpointError, Signal};
pub use exporter::{Exporter, Offered};
pub use measured::Measured;
pub use probe::{Report, probe};
