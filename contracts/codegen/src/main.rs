//! `vox-codegen [--check]`: what `make generate` runs.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use vox_codegen::Error;

/// Validates the contracts and writes what is generated from them.
#[derive(Debug, Parser)]
struct Arguments {
    /// Write nothing; fail when a generated file differs from what the contracts say.
    #[arg(long)]
    check: bool,
    /// Root of the checkout.
    #[arg(long, default_value = ".")]
    root: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(code) => code,
        Err(Error::Violations(violations)) => {
            for violation in violations {
                eprintln!("{violation}");
            }
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{:#}", anyhow::Error::from(error));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    let drift = vox_codegen::drift(&arguments.root)?;
    for (path, text) in &drift {
        if arguments.check {
            eprintln!("{} differs: run `make generate`", path.display());
        } else {
            vox_codegen::write(&arguments.root, path, text)?;
            println!("{}", path.display());
        }
    }
    Ok(if arguments.check && !drift.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
