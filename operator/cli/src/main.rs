//! `vox`, also called as `kubectl vox` when it is installed as `kubectl-vox`.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before the first connection: rustls asks the process which cryptography to use.
    // A provider that is installed already is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    vox_cli::start(std::env::args_os())
}
