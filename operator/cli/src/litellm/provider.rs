//! Who LiteLLM means, and where that is: from `provider/model` and `api_base` to a provider that Vox knows, and its address.

use url::Url;
use vox_contracts::ProviderType;
use vox_contracts::inference::infer_family;

/// What LiteLLM calls a provider, what Vox calls it, and the variable that LiteLLM reads its key from where no other is named
/// (where that is not the customary name of the providers contract).
const KNOWN: &[(&str, &str, Option<&str>)] = &[
    ("openai", "openai", None),
    ("custom_openai", "openai", None),
    ("openai_like", "openai", None),
    ("azure", "azure-openai", Some("AZURE_API_KEY")),
    ("anthropic", "anthropic", None),
    ("gemini", "google", None),
    ("openrouter", "openrouter", None),
    ("ollama", "ollama", None),
    ("ollama_chat", "ollama", None),
    ("groq", "groq", None),
    ("deepseek", "deepseek", None),
    ("mistral", "mistral", None),
    ("xai", "xai", None),
    ("perplexity", "perplexity", Some("PERPLEXITYAI_API_KEY")),
    ("cohere", "cohere", None),
    ("cohere_chat", "cohere", None),
    ("together_ai", "together", Some("TOGETHERAI_API_KEY")),
    ("cerebras", "cerebras", None),
    ("sambanova", "sambanova", None),
    ("huggingface", "huggingface", Some("HUGGINGFACE_API_KEY")),
    ("bedrock", "bedrock", None),
    ("hosted_vllm", "vllm", None),
    ("vllm", "vllm", None),
    ("lm_studio", "lm-studio", None),
    ("llamafile", "llama-cpp", None),
];

/// Providers that Vox knows by their host only: LiteLLM's name, base URL, and the variable of the key.
const BY_HOST: &[(&str, &str, &str)] = &[
    ("deepinfra", "https://api.deepinfra.com/v1/openai", "DEEPINFRA_API_KEY"),
    ("fireworks_ai", "https://api.fireworks.ai/inference/v1", "FIREWORKS_AI_API_KEY"),
    ("nvidia_nim", "https://integrate.api.nvidia.com/v1", "NVIDIA_NIM_API_KEY"),
];

/// Families whose models LiteLLM takes without the name of a provider: it is their maker's.
const BY_FAMILY: &[&str] = &["openai", "anthropic", "cohere"];

/// A source takes 512 letters; a path may come behind these.
const LONGEST_BASE: usize = 480;

/// What a model is written as, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named<'a> {
    /// LiteLLM's name of the provider.
    pub(super) prefix: &'a str,
    /// The model's id there.
    pub(super) model: &'a str,
}

/// Takes `provider/model` apart. `stated` is `custom_llm_provider`, which goes before it.
pub(super) fn take_apart<'a>(model: &'a str, stated: Option<&'a str>) -> Option<Named<'a>> {
    if let Some(prefix) = stated {
        let rest = model.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/'));
        return Some(Named { prefix, model: rest.unwrap_or(model) });
    }
    if let Some((prefix, rest)) = model.split_once('/')
        && !rest.is_empty()
    {
        return Some(Named { prefix, model: rest });
    }
    if model.contains('/') {
        return None;
    }
    let prefix = infer_family(model).filter(|family| BY_FAMILY.contains(family))?;
    Some(Named { prefix, model })
}

/// Where a model is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) provider: ProviderType,
    /// Where it is not the provider's public address.
    pub(super) endpoint: Option<String>,
    /// The variable that LiteLLM takes the key from when the entry names none.
    pub(super) variable: Option<String>,
}

/// Why there is no such place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoPlace {
    /// Nobody that Vox knows, and no address.
    #[error(
        "Vox knows no provider of this name: where it takes OpenAI's chat completions, give api_base and import again, or write a \
         source with openAICompatible and spec.endpoint"
    )]
    Unknown,
    /// Vertex AI asks for signed requests.
    #[error("Vox does not call Vertex AI, only the Gemini API: use gemini/ models with a key of it")]
    Vertex,
    /// A base that names no host, or more than a place.
    #[error(
        "api_base is no http or https URL with a host and without user name, password and query: correct it, or write the source \
         by hand"
    )]
    Base,
    /// A server of one's own somewhere.
    #[error("it has no public address and the entry has no api_base: give one and import again")]
    NoBase,
}

/// Finds the place of a provider as LiteLLM names it. `base` is `api_base`, `region` is `aws_region_name`.
pub(super) fn place(prefix: &str, base: Option<&str>, region: Option<&str>) -> Result<Place, NoPlace> {
    let base = base.map(|base| url(base).ok_or(NoPlace::Base)).transpose()?;
    if let Some((_, name, variable)) = KNOWN.iter().find(|(known, ..)| *known == prefix) {
        let provider: ProviderType = name.parse().map_err(|_| NoPlace::Unknown)?;
        return known(provider, *variable, base, region);
    }
    let by_host = BY_HOST.iter().find(|(known, ..)| *known == prefix);
    let variable = by_host.map(|(.., variable)| (*variable).to_owned());
    match (base, by_host) {
        (Some(base), _) => custom(base, variable),
        (None, Some((_, public, _))) => custom(url(public).ok_or(NoPlace::Base)?, variable),
        (None, None) if prefix.starts_with("vertex") => Err(NoPlace::Vertex),
        (None, None) => Err(NoPlace::Unknown),
    }
}

fn known(
    provider: ProviderType,
    variable: Option<&str>,
    base: Option<Url>,
    region: Option<&str>,
) -> Result<Place, NoPlace> {
    let info = provider.info().ok_or(NoPlace::Unknown)?;
    let variable = variable.or(info.credential).map(str::to_owned);
    let public = info.base_url.and_then(url);
    let Some(base) = base else {
        let endpoint = match (&provider, region) {
            (ProviderType::Bedrock, Some(region)) if is_region(region) => {
                Some(format!("https://bedrock-mantle.{region}.api.aws/v1"))
            }
            _ if public.is_some() => None,
            _ => return Err(NoPlace::NoBase),
        };
        return Ok(Place { provider, endpoint, variable });
    };
    if public.is_some_and(|public| public.host_str() == base.host_str()) {
        return Ok(Place { provider, endpoint: None, variable });
    }
    match provider {
        // LiteLLM's way to name any server that takes OpenAI's requests.
        ProviderType::OpenAi | ProviderType::HuggingFace => custom(base, None),
        ProviderType::Anthropic => Ok(Place { provider, endpoint: Some(with_path(&base, "/v1")), variable }),
        ProviderType::AzureOpenAi => {
            Ok(Place { provider, endpoint: Some(with_path(&base, "/openai/v1")), variable })
        }
        _ => Ok(Place { provider, endpoint: Some(written(&base)), variable }),
    }
}

/// A host of its own, unless it is the public one of a provider that Vox knows.
fn custom(base: Url, variable: Option<String>) -> Result<Place, NoPlace> {
    let provider = ProviderType::of_base_url(&base).ok_or(NoPlace::Base)?;
    if let Some(info) = provider.info() {
        let variable = variable.or_else(|| info.credential.map(str::to_owned));
        return Ok(Place { provider, endpoint: None, variable });
    }
    Ok(Place { provider, endpoint: Some(written(&base)), variable })
}

/// A base URL that says where, and nothing else.
fn url(text: &str) -> Option<Url> {
    let url = Url::parse(text.trim()).ok()?;
    let bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    let usable = bare && url.fragment().is_none() && matches!(url.scheme(), "http" | "https");
    (usable && url.has_host() && url.port() != Some(0) && url.as_str().len() <= LONGEST_BASE).then_some(url)
}

/// The URL with the path at its end, where it does not stand there already.
fn with_path(base: &Url, path: &str) -> String {
    let base = written(base);
    if base.ends_with(path) { base } else { format!("{base}{path}") }
}

fn written(base: &Url) -> String {
    base.as_str().trim_end_matches('/').to_owned()
}

fn is_region(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// The model's id as the provider's own list has it.
pub(super) fn listed_id(provider: &ProviderType, model: &str) -> String {
    match provider {
        // A name without a tag is the newest of that name, which the server lists with its tag.
        ProviderType::Ollama if !model.contains([':', '*']) => format!("{model}:latest"),
        // LiteLLM's own words for how Bedrock is called, and the region that may follow.
        ProviderType::Bedrock => {
            let ways = ["converse/", "invoke/", "converse_like/"];
            let model = ways.iter().find_map(|way| model.strip_prefix(way)).unwrap_or(model);
            let regional = model.split_once('/').filter(|(first, _)| is_region(first) && first.contains('-'));
            regional.map_or(model, |(_, rest)| rest).to_owned()
        }
        // The router's id is organisation and repository; LiteLLM may name a server before it.
        ProviderType::HuggingFace if model.matches('/').count() == 2 => {
            model.split_once('/').map_or(model, |(_, rest)| rest).to_owned()
        }
        _ => model.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(prefix: &str, base: Option<&str>) -> (String, Option<String>) {
        let place = place(prefix, base, None).unwrap();
        (place.provider.to_string(), place.endpoint)
    }

    fn is(provider: &str, endpoint: Option<&str>) -> (String, Option<String>) {
        (provider.to_owned(), endpoint.map(str::to_owned))
    }

    #[test]
    fn every_name_of_a_known_provider_is_one_of_the_contracts() {
        for (prefix, name, _) in KNOWN {
            assert!(name.parse::<ProviderType>().unwrap().info().is_some(), "{prefix}");
        }
        for family in BY_FAMILY {
            assert!(KNOWN.iter().any(|(known, ..)| known == family), "{family}");
        }
        for (prefix, base, _) in BY_HOST {
            assert!(url(base).is_some(), "{prefix}");
        }
    }

    #[test]
    fn a_public_address_is_left_to_the_contract_and_another_one_is_kept() {
        assert_eq!(found("anthropic", Some("https://api.anthropic.com")), is("anthropic", None));
        assert_eq!(
            found("anthropic", Some("https://proxy.acme.test/a")),
            is("anthropic", Some("https://proxy.acme.test/a/v1"))
        );
        assert_eq!(
            found("openai", Some("http://llm.models.svc:8000/v1/")),
            is("llm.models.svc", Some("http://llm.models.svc:8000/v1"))
        );
        assert_eq!(found("openai", Some("https://api.groq.com/openai/v1")), is("groq", None));
        assert_eq!(
            found("azure", Some("https://acme-eu.openai.azure.com/")),
            is("azure-openai", Some("https://acme-eu.openai.azure.com/openai/v1"))
        );
        assert_eq!(
            found("fireworks_ai", None),
            is("api.fireworks.ai", Some("https://api.fireworks.ai/inference/v1"))
        );
    }

    #[test]
    fn who_is_nowhere_is_refused_with_what_to_do() {
        assert_eq!(place("replicate", None, None), Err(NoPlace::Unknown));
        assert_eq!(place("vertex_ai", None, None), Err(NoPlace::Vertex));
        assert_eq!(place("ollama", None, None), Err(NoPlace::NoBase));
        assert_eq!(place("bedrock", None, Some("../../x")), Err(NoPlace::NoBase));
        for base in ["nonsense", "ftp://x", "https://user:pass@x", "https://x?key=1", "http://x:0"] {
            assert_eq!(place("openai", Some(base), None), Err(NoPlace::Base), "{base}");
        }
    }

    #[test]
    fn a_region_makes_bedrocks_address() {
        let place = place("bedrock", None, Some("eu-west-1")).unwrap();
        assert_eq!(place.endpoint.as_deref(), Some("https://bedrock-mantle.eu-west-1.api.aws/v1"));
    }

    #[test]
    fn a_model_is_taken_apart_as_litellm_does() {
        let apart = |model, stated| take_apart(model, stated).map(|named| (named.prefix, named.model));
        assert_eq!(apart("openrouter/acme/alpha", None), Some(("openrouter", "acme/alpha")));
        assert_eq!(apart("gpt-acme", None), Some(("openai", "gpt-acme")));
        assert_eq!(apart("acme/alpha", Some("openai")), Some(("openai", "acme/alpha")));
        assert_eq!(apart("openai/alpha", Some("openai")), Some(("openai", "alpha")));
        assert_eq!(apart("alpha", None), None);
        assert_eq!(apart("openai/", None), None);
    }

    #[test]
    fn an_id_is_that_of_the_providers_list() {
        assert_eq!(listed_id(&ProviderType::Ollama, "alpha"), "alpha:latest");
        assert_eq!(listed_id(&ProviderType::Ollama, "alpha:7b"), "alpha:7b");
        assert_eq!(listed_id(&ProviderType::Bedrock, "converse/us-west-2/acme.alpha"), "acme.alpha");
        assert_eq!(listed_id(&ProviderType::HuggingFace, "together/acme/alpha"), "acme/alpha");
        assert_eq!(listed_id(&ProviderType::OpenRouter, "acme/alpha"), "acme/alpha");
    }
}
