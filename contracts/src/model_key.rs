//! Under which name what happened at a model is kept: the same for every policy, namespace and installation.

use url::Url;

use crate::generated::providers::ProviderType;

/// Who serves, as the scoreboard names them: the contract's name of a provider that is called at its own host, else the
/// host that is called, so that two installations share rows (FIX-66) and a proxy or a server of one's own never lends
/// its figures to the provider whose models it offers.
#[must_use]
pub fn server_key(provider: &ProviderType, base_url: &str) -> String {
    let by_host = Url::parse(base_url).ok().and_then(|url| ProviderType::of_base_url(&url));
    by_host.as_ref().unwrap_or(provider).as_str().to_owned()
}

/// A model at a server: `<server>/<model id>`, the key of `model_scoreboard` and of all evidence.
#[must_use]
pub fn model_key(provider: &ProviderType, base_url: &str, model_id: &str) -> String {
    format!("{}/{model_id}", server_key(provider, base_url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_at_its_own_host_keeps_its_name() {
        let base_url = ProviderType::OpenRouter.info().unwrap().base_url.unwrap();
        assert_eq!(model_key(&ProviderType::OpenRouter, base_url, "a/b"), "openrouter/a/b");
    }

    #[test]
    fn a_server_of_ones_own_is_its_host_whatever_it_speaks() {
        let of = |provider, url| server_key(&provider, url);
        assert_eq!(of(ProviderType::Ollama, "http://Ollama.shop.svc:11434"), "ollama.shop.svc");
        assert_eq!(of(ProviderType::OpenRouter, "https://proxy.example/api/v1"), "proxy.example");
        assert_eq!(of(ProviderType::Ollama, "http://ollama:11434"), "ollama:11434");
    }

    #[test]
    fn without_a_url_there_is_only_the_provider() {
        assert_eq!(model_key(&ProviderType::Ollama, "", "tiny"), "ollama/tiny");
    }
}
