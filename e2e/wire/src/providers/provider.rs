//! Who is stood in for, and what differs from one to the other.

use axum::http::StatusCode;

use super::Shape;

/// A wire format that this server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Provider {
    /// Prices and uptime, pages.
    OpenRouter,
    /// `tags` and `show`.
    Ollama,
    /// Only ids.
    OpenAi,
    /// Contexts, and models that are not active.
    Groq,
    /// Capabilities, aliases, ids that stand there twice.
    Mistral,
    /// A model and an adapter on it.
    Vllm,
    /// Messages; a list in pages, with a life cycle.
    Anthropic,
    /// The Gemini API; a list in pages, with methods.
    Google,
    /// A hub whose `Link` header leads from page to page, and a router with prices.
    HuggingFace,
    /// Prices in hundredths of a USD per hundred million tokens.
    Xai,
    /// A list in pages, of names without ids.
    Cohere,
    /// Prices per token, as text.
    Cerebras,
    /// Prices per token, as numbers.
    SambaNova,
    /// Only ids, without times.
    DeepSeek,
    /// A bare array, with prices per million.
    Together,
    /// Prices that say their unit.
    Perplexity,
    /// One model, and its properties beside the list.
    LlamaCpp,
    /// A list of its own beside OpenAI's.
    LmStudio,
}

impl Provider {
    /// Every provider.
    pub const ALL: [Self; 18] = [
        Self::OpenRouter,
        Self::Ollama,
        Self::OpenAi,
        Self::Groq,
        Self::Mistral,
        Self::Vllm,
        Self::Anthropic,
        Self::Google,
        Self::HuggingFace,
        Self::Xai,
        Self::Cohere,
        Self::Cerebras,
        Self::SambaNova,
        Self::DeepSeek,
        Self::Together,
        Self::Perplexity,
        Self::LlamaCpp,
        Self::LmStudio,
    ];

    /// Its name in the control API, also the first part of its path.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenRouter => "openrouter",
            Self::Ollama => "ollama",
            Self::OpenAi => "openai",
            Self::Groq => "groq",
            Self::Mistral => "mistral",
            Self::Vllm => "vllm",
            Self::Anthropic => "anthropic",
            Self::Google => "google",
            Self::HuggingFace => "huggingface",
            Self::Xai => "xai",
            Self::Cohere => "cohere",
            Self::Cerebras => "cerebras",
            Self::SambaNova => "sambanova",
            Self::DeepSeek => "deepseek",
            Self::Together => "together",
            Self::Perplexity => "perplexity",
            Self::LlamaCpp => "llama-cpp",
            Self::LmStudio => "lm-studio",
        }
    }

    /// The path of the base URL that a client is given.
    #[must_use]
    pub const fn base_path(self) -> &'static str {
        match self {
            Self::OpenRouter => "/openrouter/api/v1",
            Self::Ollama => "/ollama",
            Self::OpenAi => "/openai/v1",
            Self::Groq => "/groq/openai/v1",
            Self::Mistral => "/mistral/v1",
            Self::Vllm => "/vllm/v1",
            Self::Anthropic => "/anthropic/v1",
            Self::Google => "/google/v1beta",
            Self::HuggingFace => "/huggingface/v1",
            Self::Xai => "/xai/v1",
            Self::Cohere => "/cohere/v1",
            Self::Cerebras => "/cerebras/v1",
            Self::SambaNova => "/sambanova/v1",
            Self::DeepSeek => "/deepseek",
            Self::Together => "/together/v1",
            Self::Perplexity => "/perplexity",
            Self::LlamaCpp => "/llama-cpp/v1",
            Self::LmStudio => "/lm-studio/v1",
        }
    }

    /// The path under which it speaks OpenAI's format, if it does.
    #[must_use]
    pub const fn openai_path(self) -> Option<&'static str> {
        match self {
            Self::Ollama => Some("/ollama/v1"),
            Self::Anthropic | Self::Google => None,
            other => Some(other.base_path()),
        }
    }

    /// The header in which it takes a key, and what stands before the key there.
    pub(super) const fn key_header(self) -> (&'static str, &'static str) {
        match self {
            Self::Anthropic => ("x-api-key", ""),
            Self::Google => ("x-goog-api-key", ""),
            _ => ("authorization", "Bearer "),
        }
    }

    /// What it answers to a wrong key.
    pub(super) const fn wrong_key_status(self) -> StatusCode {
        match self {
            // "API key not valid" and "Incorrect API key provided", both recorded.
            Self::Google | Self::Xai => StatusCode::BAD_REQUEST,
            _ => StatusCode::UNAUTHORIZED,
        }
    }

    /// Which keys of a row hold what.
    pub(super) const fn shape(self) -> Shape {
        let (id_keys, number_key, object_key): (&[&str], _, _) = match self {
            Self::OpenRouter | Self::SambaNova | Self::Together | Self::HuggingFace => {
                (&["id"], "context_length", "pricing")
            }
            Self::Ollama => (&["name", "model"], "size", "details"),
            Self::OpenAi | Self::Groq | Self::DeepSeek | Self::Perplexity | Self::Xai => {
                (&["id"], "context_window", "pricing")
            }
            Self::Mistral => (&["id"], "max_context_length", "pricing"),
            Self::Vllm => (&["id"], "max_model_len", "pricing"),
            Self::Anthropic => (&["id"], "max_input_tokens", "created_at"),
            Self::Google => (&["name"], "inputTokenLimit", "supportedGenerationMethods"),
            Self::Cohere => (&["name"], "context_length", "pricing"),
            Self::Cerebras => (&["id"], "max_output_length", "pricing"),
            Self::LlamaCpp => (&["id"], "max_model_len", "meta"),
            Self::LmStudio => (&["key"], "max_context_length", "pricing"),
        };
        Shape { id_keys, number_key, object_key }
    }

    /// The facts that its list is made from.
    pub(super) const fn fixture(self) -> &'static str {
        match self {
            Self::OpenRouter => include_str!("../../fixtures/openrouter.json"),
            Self::Ollama => include_str!("../../fixtures/ollama.json"),
            Self::OpenAi => include_str!("../../fixtures/openai.json"),
            Self::Groq => include_str!("../../fixtures/groq.json"),
            Self::Mistral => include_str!("../../fixtures/mistral.json"),
            Self::Vllm => include_str!("../../fixtures/vllm.json"),
            Self::Anthropic => include_str!("../../fixtures/anthropic.json"),
            Self::Google => include_str!("../../fixtures/google.json"),
            Self::HuggingFace => include_str!("../../fixtures/huggingface.json"),
            Self::Xai => include_str!("../../fixtures/xai.json"),
            Self::Cohere => include_str!("../../fixtures/cohere.json"),
            Self::Cerebras => include_str!("../../fixtures/cerebras.json"),
            Self::SambaNova => include_str!("../../fixtures/sambanova.json"),
            Self::DeepSeek => include_str!("../../fixtures/deepseek.json"),
            Self::Together => include_str!("../../fixtures/together.json"),
            Self::Perplexity => include_str!("../../fixtures/perplexity.json"),
            Self::LlamaCpp => include_str!("../../fixtures/llama-cpp.json"),
            Self::LmStudio => include_str!("../../fixtures/lm-studio.json"),
        }
    }
}
