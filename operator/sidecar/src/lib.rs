//! The gateway next to a workload: it decides from a snapshot in memory which model serves a request, calls it, falls
//! back when that fails, and can say why. No Kubernetes and no database: what it knows comes from the operator's stream.
//!
//! Rooms: [`config`] (all settings), `operator` (how it is called), [`feed`] (snapshots), [`serving`] (what a snapshot becomes), [`keys`], [`live`]
//! (failures, limits, money), `lease` (what of a day's budget the operator grants), `outcomes` (records on their way to it), [`serve`] (the endpoints), [`attempt`] (one candidate after another), [`upstream`]
//! (connections), [`record`], [`line`](mod@line) and [`spool`] (what is written down, how, and where), [`trace`], [`metrics`].
//!
//! Each worker is a thread with a runtime, a listener and connections of its own: a request never changes threads.

pub mod app;
pub mod attempt;
pub mod call;
pub mod config;
pub mod feed;
pub mod ids;
mod impatient;
pub mod keys;
mod lease;
pub mod line;
pub mod live;
pub mod metrics;
mod operator;
mod outcomes;
pub mod problem;
pub mod record;
mod reference;
pub mod serve;
pub mod serving;
pub mod spool;
pub mod trace;
pub mod upstream;
mod workers;

use std::process::ExitCode;

use config::Args;
pub use outcomes::Outcomes;
pub use workers::{Running, StartError, start_workers};

/// The whole program: serves until it is asked to stop.
#[must_use]
pub fn start(args: Args) -> ExitCode {
    if args.command.is_some() {
        return reference::print();
    }
    vox_telemetry::start(&args.logging);
    match start_workers(args.settings).and_then(Running::until_signalled) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
