//! What the program itself says of errors has no key in it.

use std::process::Command;

#[test]
fn a_key_in_an_error_of_the_command_line_is_not_shown() {
    // No key: made up here, and in pieces, so that nobody's scanner takes it for one.
    let key = format!("{}{}", "gsk_", "abcDEF0123".repeat(5));
    let wrong = format!("--{key}");
    let file = format!("/nowhere/{key}");
    for arguments in [vec!["model", "explain", "x", "--snapshot", &file], vec![&wrong]] {
        let ended = Command::new(env!("CARGO_BIN_EXE_vox")).args(&arguments).output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(said.contains("<REDACTED:groq>"), "{said}");
        assert!(!said.contains("abcDEF0123") && ended.stdout.is_empty(), "{said}");
        assert_eq!(ended.status.code(), Some(2), "{said}");
    }
}
