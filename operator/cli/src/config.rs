//! The one place where this program reads its environment, beside the variables that [`crate::args`] declares.

/// A variable that older set-ups used and that nothing reads any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Deprecated {
    pub(crate) name: &'static str,
    /// What to do with its value.
    pub(crate) instead: &'static str,
}

const OLLAMA_ENDPOINT: &str =
    "put the server's URL into spec.endpoint of a ModelCatalogSource with provider ollama";

const DEPRECATED: &[Deprecated] = &[
    Deprecated { name: "OLLAMA_URL", instead: OLLAMA_ENDPOINT },
    Deprecated { name: "POPULI_URL", instead: OLLAMA_ENDPOINT },
];

/// The deprecated variables that are set. Their values are not read: a URL may hold a password.
pub(crate) fn deprecated_in_use() -> Vec<Deprecated> {
    in_use(|name| std::env::var_os(name).is_some())
}

fn in_use(is_set: impl Fn(&str) -> bool) -> Vec<Deprecated> {
    DEPRECATED.iter().copied().filter(|variable| is_set(variable.name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deprecated_name_in_use_is_found_and_has_a_replacement() {
        let found = in_use(|name| name == "OLLAMA_URL");
        assert_eq!(found.len(), 1);
        assert!(found[0].instead.contains("spec.endpoint"));
        assert!(in_use(|_| false).is_empty());
    }
}
