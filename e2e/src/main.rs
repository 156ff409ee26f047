//! `vox-e2e`: real kind clusters for tests and demonstrations, on a laptop, in CI and on a machine
//! without a registry.

use clap::Parser as _;

fn main() -> std::process::ExitCode {
    match vox_e2e::commands::run(vox_e2e::args::Args::parse()) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vox-e2e: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
