//! Writes everything that is made from the kinds, or with `--check` says what differs and ends with status 1.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let check = std::env::args().any(|argument| argument == "--check");
    match run(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")), check) {
        Ok(different) if check && !different.is_empty() => {
            for path in different {
                eprintln!("{}: differs from the kinds; run `make generate`", path.display());
            }
            ExitCode::FAILURE
        }
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The files that differed; unless `check`, they are written.
fn run(root: &Path, check: bool) -> Result<Vec<PathBuf>, Box<dyn std::error::Error>> {
    let mut different = Vec::new();
    for (path, text) in vox_crds::generate::files()? {
        let file = root.join(&path);
        if std::fs::read_to_string(&file).is_ok_and(|committed| committed == text) {
            continue;
        }
        if !check {
            std::fs::create_dir_all(file.parent().unwrap_or(root))?;
            std::fs::write(&file, text)?;
        }
        different.push(path);
    }
    Ok(different)
}
