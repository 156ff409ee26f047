//! `vox-sidecar`: the gateway next to a workload. It decides which model serves a request, calls it, and falls back.

use std::process::ExitCode;

use clap::Parser as _;
use vox_sidecar::config::Args;

/// A request is some sixty small allocations: with the system's allocator they were its largest single cost.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    vox_sidecar::start(Args::parse())
}
