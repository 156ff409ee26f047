//! What cargo says of the workspace, for the platform that the images are made for.

use std::process::Command;

use super::files::root;

/// The platform of the images.
pub(crate) const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// Runs cargo at the top of the checkout and returns what it prints.
pub(crate) fn cargo(arguments: &[&str]) -> String {
    let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(program).args(arguments).current_dir(root()).output();
    let output = output.unwrap_or_else(|error| panic!("cargo does not start: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {}: {said}", arguments.join(" "));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
