//! `vox-sidecar`: the gateway next to a workload. It decides which model serves a request, calls it, and falls back.

use std::process::ExitCode;

use clap::Parser as _;
use vox_sidecar::config::Args;

fn main() -> ExitCode {
    vox_sidecar::start(Args::parse())
}
