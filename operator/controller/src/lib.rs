//! The operator: one program, four commands.
//!
//! `run` serves on every replica and reconciles on the one that holds the lease; `discover` is what a source's Job runs;
//! `rollup` computes the scoreboard anew; `migrate` brings the database up to date and ends (`run` does the same by itself).

mod admission;
pub mod args;
mod certificates;
mod condition;
mod context;
mod control_plane;
mod discover;
mod events;
mod lease;
mod metrics;
mod migrate;
mod model_catalog_source;
mod names;
mod partitions;
mod presence;
mod process;
mod reference;
mod retention;
mod routing_policy;
mod run;
mod scoreboard;
mod serve;
mod snapshots;
#[cfg(test)]
mod tests;
mod tls;

use std::process::ExitCode;

use args::{Args, Command};

/// Runs a command to its end. Exit status: 0 done, 1 failed and worth another try, 2 wrong arguments,
/// 3 (`discover`) failed in a way that another try would repeat, and reported to the operator.
pub fn start(args: Args) -> ExitCode {
    if matches!(args.command, Command::Reference) {
        print!("{}", reference::page());
        return ExitCode::SUCCESS;
    }
    vox_telemetry::start(&args.logging);
    // The one TLS provider of the process; a second one would mean two crates disagree about it.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        tracing::error!("failed to install the TLS provider: one is installed already");
        return ExitCode::FAILURE;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "failed to start the runtime");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(async {
        match args.command {
            Command::Run(settings) => ended(Box::pin(run::run(*settings)).await),
            Command::Rollup(settings) => ended(scoreboard::roll_up(&settings).await),
            Command::Migrate(settings) => ended(migrate::migrate(&settings).await),
            Command::Discover(settings) => Box::pin(discover::discover(settings)).await.into(),
            Command::Reference => ExitCode::SUCCESS,
        }
    })
}

fn ended(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "ended");
            ExitCode::FAILURE
        }
    }
}
