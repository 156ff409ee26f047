//! How each provider words an error.

use serde_json::{Value, json};

use super::Provider;

impl Provider {
    /// An error as this provider words it.
    #[must_use]
    pub fn error_body(self, status: u16, message: &str) -> Value {
        match self {
            Self::OpenRouter => json!({"error": {"message": message, "code": status}}),
            Self::Ollama => json!({"error": message}),
            Self::HuggingFace => json!({"error": message}),
            Self::Xai => json!({"code": "invalid-argument", "error": message}),
            Self::Cohere => json!({"message": message, "id": "00000000-0000-0000-0000-000000000000"}),
            Self::Perplexity => json!({"error": {"message": message, "type": "error", "code": status}}),
            Self::OpenAi
            | Self::Groq
            | Self::Cerebras
            | Self::SambaNova
            | Self::DeepSeek
            | Self::Together
            | Self::LmStudio => {
                let (kind, code) = openai(status);
                json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
            }
            Self::Mistral if status == 401 => json!({"detail": message}),
            Self::Mistral => json!({"object": "error", "message": message, "type": "error", "code": null}),
            Self::Vllm | Self::LlamaCpp => {
                json!({"error": {"message": message, "type": "error", "param": null, "code": status}})
            }
            Self::Anthropic => {
                let error = json!({"type": anthropic(status), "message": message});
                json!({"type": "error", "error": error, "request_id": "req_0000000000000000"})
            }
            Self::Google => google(status, message),
        }
    }
}

/// `type` and `code`.
const fn openai(status: u16) -> (&'static str, Option<&'static str>) {
    match status {
        401 => ("invalid_request_error", Some("invalid_api_key")),
        404 => ("invalid_request_error", Some("model_not_found")),
        429 => ("rate_limit_error", Some("rate_limit_exceeded")),
        400..=499 => ("invalid_request_error", None),
        _ => ("server_error", None),
    }
}

const fn anthropic(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        504 => "gateway_timeout_error",
        529 => "overloaded_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}

fn google(status: u16, message: &str) -> Value {
    let name = match status {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        400..=499 => "INVALID_ARGUMENT",
        _ => "INTERNAL",
    };
    json!({"error": {"code": status, "message": message, "status": name}})
}
