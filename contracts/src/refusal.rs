//! Why a gateway gives a client no answer. The code stands in the error's body; each has a page in `docs/errors`.

/// Every code.
pub const CODES: &[&str] = &[
    "all_attempts_failed",
    "body_timeout",
    "body_too_large",
    "budget_spent",
    "context_length_exceeded",
    "malformed_request",
    "method_not_allowed",
    "no_candidate",
    "no_lease",
    "no_policy",
    "no_snapshot",
    "not_found",
    "overloaded",
    "too_dear",
    "unknown_decision",
    "unknown_model",
    "unsupported_encoding",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_code_has_its_page_and_each_page_its_code() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/errors");
        let pages: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(".md").map(str::to_owned))
            .filter(|page| page.starts_with(char::is_lowercase))
            .collect();
        assert_eq!(pages, CODES.iter().map(|code| (*code).to_owned()).collect());
    }
}
