//! What git knows of the checkout.

use std::process::Command;

use super::files::root;

/// Every tracked file whose name ends with `ending` and that is still there, by its path from the top. New files count
/// as soon as they are added.
pub(crate) fn tracked(ending: &str) -> Vec<String> {
    let output = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    let output = output.unwrap_or_else(|error| panic!("git is needed to list the tracked files: {error}"));
    assert!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8_lossy(&output.stdout);
    let names = names.split('\0').filter(|name| name.ends_with(ending) && root().join(name).is_file());
    names.map(str::to_owned).collect()
}
