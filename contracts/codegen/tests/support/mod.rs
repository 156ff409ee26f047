//! Copies of the contracts, to be changed.
#![allow(dead_code, clippy::unwrap_used, unreachable_pub)] // Each test program uses some of it.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// The checkout.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A copy of the contracts, and of what formats generated code.
pub fn copy() -> TempDir {
    let target = TempDir::new().unwrap();
    let folder = target.path().join("contracts/orchestration");
    fs::create_dir_all(&folder).unwrap();
    for file in fs::read_dir(root().join("contracts/orchestration")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), folder.join(file.file_name())).unwrap();
    }
    fs::copy(root().join("rustfmt.toml"), target.path().join("rustfmt.toml")).unwrap();
    target
}

/// One contract of a checkout.
pub fn contract(root: &Path, name: &str) -> PathBuf {
    root.join("contracts/orchestration").join(name)
}

/// Replaces the first place where `from` stands.
pub fn edit(root: &Path, name: &str, from: &str, to: &str) {
    let path = contract(root, name);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{name} no longer holds {from:?}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}
