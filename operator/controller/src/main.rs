//! `vox-operator`: reconciles (`run`), discovers (`discover`, inside a Job), rolls up (`rollup`, at night), and migrates the database (`migrate`).

use std::process::ExitCode;

use clap::Parser as _;
use vox_controller::args::Args;

fn main() -> ExitCode {
    vox_controller::start(Args::parse())
}
