//! What the program itself writes has no key in it.

use std::process::Command;

#[test]
fn a_key_in_an_error_of_the_operator_does_not_reach_its_log() {
    // No key: made up here, and in pieces, so that nobody's scanner takes it for one.
    let key = format!("{}live-{}", "sk-", "abcDEF0123".repeat(4));
    for format in ["json", "text"] {
        let file = format!("/nowhere/{key}");
        let ended = Command::new(env!("CARGO_BIN_EXE_vox-operator"))
            .args(["migrate", "--log-format", format, "--database-url-file", &file])
            .output()
            .unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(said.contains("/nowhere/<REDACTED:openai>"), "{said}");
        assert!(!said.contains("abcDEF0123") && ended.stdout.is_empty(), "{said}");
    }
}
