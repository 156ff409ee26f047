//! What the program itself writes has no key in it.

use std::process::Command;

#[test]
fn a_key_in_an_error_of_the_sidecar_does_not_reach_its_log() {
    // No key: made up here, and in pieces, so that nobody's scanner takes it for one.
    let key = format!("{}ant-{}", "sk-", "abcDEF0123".repeat(4));
    let state = std::env::temp_dir().join(format!("vox-redaction-{}", std::process::id()));
    for format in ["json", "text"] {
        // An address of nobody's, so that it ends.
        let ended = Command::new(env!("CARGO_BIN_EXE_vox-sidecar"))
            .args(["--log-format", format, "--listen-metrics", "192.0.2.1:1", "--listen", "127.0.0.1:0"])
            .args(["--ca-bundle", &format!("/nowhere/{key}")])
            .arg("--state")
            .arg(&state)
            .output()
            .unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(said.contains("/nowhere/<REDACTED:anthropic>"), "{said}");
        assert!(said.contains("192.0.2.1:1"), "{said}");
        assert!(!said.contains("abcDEF0123") && ended.stdout.is_empty(), "{said}");
    }
    let _ = std::fs::remove_dir_all(state);
}
