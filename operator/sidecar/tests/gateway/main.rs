//! The sidecar as a workload sees it: real HTTP on loopback, and upstreams that fail in every way.

// Clippy knows tests by their attribute and does not know their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bounds;
mod busy;
mod classes;
mod clients;
mod fake;
mod faults;
mod frames;
mod house;
mod inputs;
mod leases;
mod outcomes;
mod snapshots;
mod streams;
mod telemetry;
mod tls;
