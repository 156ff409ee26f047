//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Real kind clusters for Vox: started where nothing runs, kept where they are healthy, gone when they
/// are told to.
#[derive(Debug, Parser)]
#[command(name = "vox-e2e", version, disable_help_subcommand = true)]
pub struct Args {
    /// Use the cluster of this kubeconfig instead of kind clusters; nothing is started or stopped then.
    #[arg(long, global = true, env = "VOX_E2E_KUBECONFIG", value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the harness can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Bring up the engine, where none answers, and the clusters.
    Up {
        /// How many clusters: `vox-a`, or `vox-a` and `vox-b`, which reach each other's nodes.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
        clusters: u8,
    },
    /// Take down the clusters, the database, and the engine if the harness started it. Builds stay in the
    /// cache.
    Down,
    /// Compile the project's programs, build their images, and get the image of the evaluation database.
    Images,
    /// Load images into every cluster; without a name, those that `images` made.
    Load {
        /// Images that the engine has.
        images: Vec<String>,
    },
    /// Show what is there.
    Status,
    /// Start a PostgreSQL for the store's tests and print its URL.
    Database,
    /// Build an OpenTelemetry collector for tests and print its path.
    Collector,
    /// Print what a shell needs: `eval "$(vox-e2e env)"`.
    Env,
}
