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
#[x_kube(validation = Rule::new("[has(self.openRouter), has(self.ollama), has(self.openAICompatible)].filter(x, x).size() == 1")
    .message("set exactly one of openRouter, ollama, openAICompatible"))]
pub struct ProviderSelector {
    /// OpenRouter: models, prices and, on request, the uptime of their endpoints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_router: Option<OpenRouterProvider>,
    /// An Ollama server: the models pulled to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ollama: Option<OllamaProvider>,
    /// Anything with OpenAI's GET /models: a vendor by name, or a server of your own by spec.endpoint.
    #[serde(default, rename = "openAICompatible", skip_serializing_if = "Option::is_none")]
    pub openai_compatible: Option<OpenAiCompatibleProvider>,
}

/// OpenRouter.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct OpenRouterProvider {
    /// Also ask for each model's endpoints, to learn their uptime: one more request per model. Default: false.
    #[serde(default)]
    pub include_endpoints: bool,
}

/// An Ollama server; spec.endpoint says where.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
pub struct OllamaProvider {}

/// A provider with OpenAI's GET /models.
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
