//! `generated/providers.rs`.

use std::fmt::Write as _;

use super::{Variant, drift_guard, header, option_str, pascal, string_enum};
use crate::model::{AuthStyle, DiscoverySource, Named, Provider, Providers};

const CONTRACT: &str = "providers.v1.yaml";

/// Renders the file; `bytes` is the contract as it stands on disk.
pub(crate) fn render(contract: &Providers, sources: &[DiscoverySource], bytes: &[u8]) -> String {
    let mut out = header(CONTRACT);
    out.push_str(
        "//! Who serves models, and how each of them is spoken to.\n\n\
         use std::fmt;\nuse std::str::FromStr;\n\n\
         use serde::{Deserialize, Serialize};\nuse url::Url;\n\n\
         use super::UnknownName;\nuse super::routing::CatalogKind;\n\n",
    );
    out.push_str(&drift_guard(CONTRACT, bytes));
    out.push_str(&plain_enum(
        "ChatRouteBackend",
        "In which dialect a provider is spoken to.",
        &contract.route_kinds,
    ));
    let styles: Vec<_> =
        contract.auth_styles.iter().map(|style| Variant::new(&style.name, &style.description)).collect();
    out.push_str(&string_enum("AuthStyle", "How a credential is sent.", &styles, None));
    out.push_str(&auth_headers(&contract.auth_styles));
    out.push_str(&plain_enum(
        "PricingUnit",
        "How a provider's model list writes prices.",
        &contract.pricing_units,
    ));
    out.push_str(&provider_type(&contract.providers));
    out.push_str(PROVIDER_IMPLS);
    out.push_str(INFO);
    out.push_str(&table(&contract.providers));
    out.push_str(&by_name(&contract.providers, sources));
    out
}

fn plain_enum(name: &str, doc: &str, values: &[Named]) -> String {
    let variants: Vec<_> = values.iter().map(|value| Variant::new(&value.name, &value.description)).collect();
    string_enum(name, doc, &variants, None)
}

fn auth_headers(styles: &[AuthStyle]) -> String {
    let mut arms = String::new();
    for style in styles {
        let ident = pascal(&style.name);
        let _ = match &style.header {
            Some(header) => write!(arms, "Self::{ident} => Some(({header:?}, {:?})),", style.prefix),
            None => write!(arms, "Self::{ident} => None,"),
        };
    }
    format!(
        "impl AuthStyle {{\n/// The header that carries the credential, and what stands before the credential in it.\n\
         #[must_use]\npub const fn header(self) -> Option<(&'static str, &'static str)> {{ match self {{ {arms} }} }}\n}}\n\n"
    )
}

fn provider_type(providers: &[Provider]) -> String {
    let mut out = String::from(
        "/// Who serves a model: a provider of the contract, or the host of a custom base URL.\n\
         #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]\n\
         #[serde(try_from = \"String\", into = \"String\")]\npub enum ProviderType {\n",
    );
    let (mut infos, mut names, mut parse) = (String::new(), String::new(), String::new());
    for (index, provider) in providers.iter().enumerate() {
        let Provider { name, variant, description, .. } = provider;
        let _ = write!(out, "/// {description}\n{variant},\n");
        let _ = write!(infos, "Self::{variant} => Some(&PROVIDERS[{index}]),");
        let _ = write!(names, "{name:?},");
        let _ = write!(parse, "{name:?} => Self::{variant},");
    }
    let _ = write!(
        out,
        "/// A provider that the contract does not know, by its canonical host (see [`ProviderType::of_base_url`]).\n\
         Custom(String),\n}}\n\nimpl ProviderType {{\n\
         /// The names of the contract's providers.\npub const NAMES: &'static [&'static str] = &[{names}];\n\n\
         /// The contract's facts; none for a custom provider.\n#[must_use]\n\
         pub fn info(&self) -> Option<&'static ProviderInfo> {{ match self {{ {infos} Self::Custom(_) => None, }} }}\n\n\
         fn named(name: &str) -> Option<Self> {{ Some(match name {{ {parse} _ => return None, }}) }}\n}}\n\n"
    );
    out
}

/// What does not depend on the contract's content.
const PROVIDER_IMPLS: &str = r#"impl ProviderType {
    /// The name on every wire: the contract's, or the custom host.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Custom(host) => host,
            named => named.info().map_or("", |info| info.name),
        }
    }

    /// The value of `gen_ai.provider.name`.
    #[must_use]
    pub fn semconv_name(&self) -> &str {
        self.info().map_or_else(|| self.as_str(), |info| info.semconv_name)
    }

    /// Whether calls can be made, given which credentials (by name) are at hand. A custom provider may need none.
    #[must_use]
    pub fn is_usable(&self, has_credential: impl Fn(&str) -> bool) -> bool {
        self.info().and_then(|info| info.credential).is_none_or(has_credential)
    }

    /// The provider behind a base URL: the contract's if the host is one of its hosts, else a custom one. A custom
    /// provider is keyed by its host in lower case, so that two installations share scoreboard rows; only a host
    /// without a dot (a Service of one's own namespace) keeps its port. `None` when the URL has no host.
    #[must_use]
    pub fn of_base_url(url: &Url) -> Option<Self> {
        let host = url.host_str()?.trim_end_matches('.').to_ascii_lowercase();
        let of_host = |info: &&ProviderInfo| {
            info.base_url
                .and_then(|base| base.split_once("://"))
                .is_some_and(|(_, rest)| rest.split('/').next() == Some(host.as_str()))
        };
        if let Some(info) = PROVIDERS.iter().find(of_host) {
            return Some(info.provider.clone());
        }
        if host.contains(['.', ':']) || host == "localhost" {
            return Some(Self::Custom(host));
        }
        let port = url.port_or_known_default()?;
        Some(Self::Custom(format!("{host}:{port}")))
    }
}

/// A DNS name with a dot, `localhost`, a host with a port, or an address.
fn looks_like_host(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-:[]".contains(c);
    !text.is_empty()
        && text.len() <= 253
        && text.chars().all(allowed)
        && (text == "localhost" || text.contains(['.', ':']))
        && !text.starts_with(['.', '-', ':'])
        && !text.ends_with(['.', '-', ':'])
        && !text.contains("..")
}

impl fmt::Display for ProviderType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for ProviderType {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        if let Some(provider) = Self::named(name) {
            return Ok(provider);
        }
        let host = name.to_ascii_lowercase();
        if looks_like_host(&host) {
            return Ok(Self::Custom(host));
        }
        Err(UnknownName { kind: "ProviderType", value: name.to_owned(), allowed: Self::NAMES })
    }
}

impl TryFrom<String> for ProviderType {
    type Error = UnknownName;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        name.parse()
    }
}

impl From<ProviderType> for String {
    fn from(provider: ProviderType) -> Self {
        match provider {
            ProviderType::Custom(host) => host,
            named => named.as_str().to_owned(),
        }
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for ProviderType {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ProviderType".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "minLength": 1, "maxLength": 253 })
    }
}

"#;

const INFO: &str = r#"/// The contract's facts about one provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderInfo {
    /// Which provider.
    pub provider: ProviderType,
    /// Its name on every wire.
    pub name: &'static str,
    /// Its name for people.
    pub display_name: &'static str,
    /// What it is.
    pub description: &'static str,
    /// Where its API is, without a trailing slash; none for servers of one's own.
    pub base_url: Option<&'static str>,
    /// The credential's customary name; none when there is no credential.
    pub credential: Option<&'static str>,
    /// Names that it had before.
    pub deprecated_credentials: &'static [&'static str],
    /// How its keys begin; empty where they have no beginning of their own.
    pub key_prefixes: &'static [&'static str],
    /// Whether the model list needs the credential.
    pub list_requires_credential: bool,
    /// Whether it takes OpenAI's chat completions.
    pub openai_compatible: bool,
    /// The dialect in which it is called.
    pub route_kind: ChatRouteBackend,
    /// The dialect in which other providers offer the same models; none where a fall-back must not leave the place.
    pub fallback_kind: Option<ChatRouteBackend>,
    /// How its credential is sent.
    pub auth_style: AuthStyle,
    /// Headers that every call carries.
    pub headers: &'static [(&'static str, &'static str)],
    /// Path of the model list, after the base URL.
    pub list_endpoint: Option<&'static str>,
    /// Where the model list is, without a trailing slash, when it is not below `base_url`.
    pub list_base_url: Option<&'static str>,
    /// Which source reads its model list; none when there is none yet.
    pub catalog: Option<CatalogKind>,
    /// How its model list writes prices.
    pub pricing_unit: PricingUnit,
    /// The value of `gen_ai.provider.name`.
    pub semconv_name: &'static str,
    /// Whether it runs on hardware of one's own.
    pub local: bool,
}

"#;

fn table(providers: &[Provider]) -> String {
    let mut rows = String::new();
    for p in providers {
        let headers: String = p.headers.iter().map(|h| format!("({:?}, {:?}),", h.name, h.value)).collect();
        let fallback = p
            .fallback_kind
            .as_deref()
            .map_or_else(|| "None".to_owned(), |kind| format!("Some(ChatRouteBackend::{})", pascal(kind)));
        let catalog = p
            .catalog
            .as_deref()
            .map_or_else(|| "None".to_owned(), |kind| format!("Some(CatalogKind::{})", pascal(kind)));
        let _ = write!(
            rows,
            "ProviderInfo {{ provider: ProviderType::{}, name: {:?}, display_name: {:?}, description: {:?}, \
             base_url: {}, credential: {}, deprecated_credentials: &{:?}, key_prefixes: &{:?}, list_requires_credential: {}, openai_compatible: {}, \
             route_kind: ChatRouteBackend::{}, fallback_kind: {fallback}, auth_style: AuthStyle::{}, \
             headers: &[{headers}], list_endpoint: {}, list_base_url: {}, catalog: {catalog}, pricing_unit: PricingUnit::{}, \
             semconv_name: {:?}, local: {} }},",
            p.variant,
            p.name,
            p.display_name,
            p.description,
            option_str(p.base_url.as_deref()),
            option_str(p.credential.as_deref()),
            p.deprecated_credentials,
            p.key_prefixes,
            p.list_requires_credential,
            p.openai_compatible,
            pascal(&p.route_kind),
            pascal(&p.auth_style),
            option_str(p.list_endpoint.as_deref()),
            option_str(p.list_base_url.as_deref()),
            pascal(&p.pricing_unit),
            p.semconv_name,
            p.local,
        );
    }
    format!(
        "/// Every provider of the contract, in its order.\npub static PROVIDERS: [ProviderInfo; {}] = [{rows}];\n\n",
        providers.len()
    )
}

/// Names that a resource gives beside `openAICompatible`.
fn by_name(providers: &[Provider], sources: &[DiscoverySource]) -> String {
    let named = |catalog: &str| sources.iter().any(|source| source.is_by_name() && source.catalog == catalog);
    let names: String = providers
        .iter()
        .filter(|provider| provider.catalog.as_deref().is_some_and(named))
        .map(|provider| format!("{:?},", provider.name))
        .collect();
    format!(
        "/// Names of the providers that take OpenAI's chat completions and whose list a source reads.\n\
         pub const OPENAI_COMPATIBLE: &[&str] = &[{names}];\n"
    )
}
