//! The one place where this program reads its environment, beside the variables that [`crate::args`] declares.

use vox_contracts::generated::providers::PROVIDERS;

/// A variable that older set-ups used and that nothing reads any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Deprecated {
    pub(crate) name: &'static str,
    /// What to do with its value.
    pub(crate) instead: String,
}

const OLLAMA_ENDPOINT: &str =
    "put the server's URL into spec.endpoint of a ModelCatalogSource with provider ollama";

/// Variables that had no provider of the contract.
const DEPRECATED: [&str; 2] = ["OLLAMA_URL", "POPULI_URL"];

/// The deprecated variables that are set. Their values are not read: a URL may hold a password.
pub(crate) fn deprecated_in_use() -> Vec<Deprecated> {
    in_use(|name| std::env::var_os(name).is_some())
}

/// What a provider's credential is called now, if it once had this name.
pub(crate) fn renamed(name: &str) -> Option<&'static str> {
    PROVIDERS.iter().find(|provider| provider.deprecated_credentials.contains(&name))?.credential
}

fn in_use(is_set: impl Fn(&str) -> bool) -> Vec<Deprecated> {
    let endpoints = DEPRECATED.iter().map(|&name| Deprecated { name, instead: OLLAMA_ENDPOINT.to_owned() });
    let keys = PROVIDERS.iter().flat_map(|provider| {
        provider.deprecated_credentials.iter().map(|&name| Deprecated {
            name,
            instead: format!(
                "put the key of {} into a Secret, as {}, and unset the variable",
                provider.display_name,
                provider.credential.unwrap_or(name)
            ),
        })
    });
    endpoints.chain(keys).filter(|variable| is_set(variable.name)).collect()
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

    #[test]
    fn a_name_that_a_providers_key_had_before_is_found_and_the_one_of_today_is_told() {
        let found = in_use(|name| name == "HUGGING_FACE_HUB_TOKEN");
        assert_eq!(found.len(), 1);
        assert!(found[0].instead.contains("Secret, as HF_TOKEN"), "{found:?}");
        assert_eq!(renamed("HUGGING_FACE_HUB_TOKEN"), Some("HF_TOKEN"));
        assert_eq!(renamed("HF_TOKEN"), None);
    }
}
