//! What is generated is what is committed, and drift is seen.

// Clippy knows tests by their attribute and does not know their helpers.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;
use std::process::Command;

use support::{copy, edit, root};

const ROUTING: &str = "model-routing.v1.yaml";

#[test]
fn what_is_committed_is_what_is_generated() {
    let drift: Vec<_> = vox_codegen::drift(&root()).unwrap().into_iter().map(|(path, _)| path).collect();
    assert!(drift.is_empty(), "run `make generate`: {drift:?}");
}

fn run(root: &Path, check: bool) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vox-codegen"));
    command.arg("--root").arg(root);
    if check {
        command.arg("--check");
    }
    let output = command.output().unwrap();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn the_command_writes_then_agrees_then_sees_drift() {
    let copy = copy();
    let root = copy.path();
    assert!(!run(root, true).0, "nothing is generated yet");
    assert!(run(root, false).0);
    assert_eq!(run(root, true), (true, String::new()));

    edit(root, ROUTING, "minutes: 10", "minutes: 11");
    let (agrees, told) = run(root, true);
    assert!(!agrees);
    assert!(told.contains("contracts/src/generated/routing.rs differs"), "{told}");
    assert!(told.contains("docs/reference/contracts/model-routing.md differs"), "{told}");
    assert!(!told.contains("providers.rs"), "{told}");

    edit(root, ROUTING, "minutes: 11", "minutes: 0");
    let (agrees, told) = run(root, true);
    assert!(!agrees);
    assert!(told.contains("model-routing.v1.yaml: /penalty/minutes: "), "{told}");
}
