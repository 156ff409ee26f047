//! The union of providers: one optional member each, exactly one set.

use std::borrow::Cow;

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use vox_contracts::generated::providers::OPENAI_COMPATIBLE;

/// Whose models to discover. Exactly one member is set.
// A struct of options with a CEL rule rather than an enum: the API server's own words for a broken `oneOf` do not say what
// to do, a rule's message does.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.openRouter), has(self.ollama), has(self.openAICompatible), has(self.anthropic), has(self.google), has(self.huggingFace), has(self.mens)].filter(x, x).size() == 1")
    .message("set exactly one of openRouter, ollama, openAICompatible, anthropic, google, huggingFace, mens"))]
pub struct ProviderSelector {
    /// OpenRouter: models, prices and, on request, the uptime of their endpoints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_router: Option<OpenRouterProvider>,
    /// An Ollama server: the models pulled to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ollama: Option<OllamaProvider>,
    /// Anything that takes OpenAI's chat completions: a vendor by name, or a server of your own by spec.endpoint.
    #[serde(default, rename = "openAICompatible", skip_serializing_if = "Option::is_none")]
    pub openai_compatible: Option<OpenAiCompatibleProvider>,
    /// Anthropic's own API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anthropic: Option<AnthropicProvider>,
    /// Google AI: the Gemini API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub google: Option<GoogleProvider>,
    /// Repositories of Hugging Face's hub that its router serves. The router's whole list is openAICompatible with the name
    /// huggingface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hugging_face: Option<HuggingFaceProvider>,
    /// Checkpoints of your own training runs: spec.volume says where the runs are, spec.endpoint what serves them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mens: Option<MensProvider>,
}

/// OpenRouter.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct OpenRouterProvider {
    /// Also ask for each model's endpoints, to learn who serves it, at what price, how reliably and with which data policy:
    /// one more request per model. Default: false.
    #[serde(default)]
    pub include_endpoints: bool,
}

/// Anthropic.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
pub struct AnthropicProvider {}

/// Google AI.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct GoogleProvider {}

/// Hugging Face. Unset members ask for all that is served.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct HuggingFaceProvider {
    /// Only repositories of this organisation or user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 96))]
    pub author: Option<String>,
    /// Only repositories with this text in their name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 96))]
    pub search: Option<String>,
    /// Only repositories with all of these tags, such as text-generation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 96)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub tags: Vec<String>,
    /// The hub's base URL, where it is not the public one. The credential is shown to it. spec.endpoint is the router's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    #[x_kube(validation = Rule::new("isURL(self) && url(self).getScheme() in ['http', 'https'] && url(self).getHostname() != '' && !self.contains('@') && !self.contains('?') && !self.contains('#')")
        .message("must be an http or https URL with a host and without a user name, password or query, such as https://huggingface.co"))]
    pub hub: Option<String>,
}

/// Training runs.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
pub struct MensProvider {}

/// Where Hugging Face's hub is, unless the source says otherwise.
pub const HUGGING_FACE_HUB: &str = "https://huggingface.co";

/// An Ollama server; spec.endpoint says where.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
pub struct OllamaProvider {}

/// A provider that takes OpenAI's chat completions and whose list is known.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
pub struct OpenAiCompatibleProvider {
    /// A provider of the providers contract. Without it, the provider is known by the host of spec.endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<OpenAiCompatibleName>,
}

/// The name of an OpenAI-compatible provider of the contract: the CRD's enum is the contract's list.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(transparent)]
pub struct OpenAiCompatibleName(pub String);

impl JsonSchema for OpenAiCompatibleName {
    fn schema_name() -> Cow<'static, str> {
        "OpenAiCompatibleName".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": OPENAI_COMPATIBLE })
    }
}
