//! Arguments of `vox telemetry`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use vox_otlp::Endpoint;

/// `vox telemetry`.
#[derive(Debug, Subcommand)]
pub(crate) enum TelemetryCommand {
    /// Send one marked span and one marked metric to the collector, and say whether it took them.
    ///
    /// The operator sends them the way it exports everything: to the chart's telemetry.otlp.endpoint, with its headers and
    /// authorities. With --endpoint this command sends them itself, to a collector that is not configured yet.
    Test(TelemetryTestArgs),
}

/// `vox telemetry test`.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct TelemetryTestArgs {
    /// Send to this collector from here, instead of from the operator: the base URL of its receiver for OTLP over HTTP.
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint: Option<Endpoint>,
    /// File with headers to send, one `name: value` a line; `-` reads the standard input.
    #[arg(long, value_name = "FILE", requires = "endpoint")]
    pub(crate) headers: Option<PathBuf>,
    /// File with the certificates of the authorities to trust, PEM. Default: the public ones.
    #[arg(long, value_name = "FILE", requires = "endpoint")]
    pub(crate) ca: Option<PathBuf>,
}
