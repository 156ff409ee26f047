//! Which dialects there are, where each is called and how a credential is sent.

use std::borrow::Cow;
use std::fmt;

use vox_contracts::generated::providers::{AuthStyle, ChatRouteBackend};

/// One wire dialect, of a client or of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// OpenAI's chat completions; server-sent events end with `data: [DONE]`.
    OpenAiChat,
    /// OpenAI's embeddings; no streams, and passed through only.
    OpenAiEmbeddings,
    /// Anthropic's messages; named server-sent events end with `message_stop`.
    AnthropicMessages,
    /// Gemini's generateContent; the model stands in the path, a stream ends with its connection.
    GeminiGenerate,
    /// Ollama's own chat; streams are lines of JSON, the last one has `"done": true`.
    OllamaChat,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: &'static [Self] = &[
        Self::OpenAiChat,
        Self::OpenAiEmbeddings,
        Self::AnthropicMessages,
        Self::GeminiGenerate,
        Self::OllamaChat,
    ];

    /// The dialect in which a provider of this backend is asked for chat. Servers of a mesh speak chat completions.
    #[must_use]
    pub const fn of_backend(backend: ChatRouteBackend) -> Self {
        match backend {
            ChatRouteBackend::OpenaiCompatible | ChatRouteBackend::Mesh => Self::OpenAiChat,
            ChatRouteBackend::AnthropicMessages => Self::AnthropicMessages,
            ChatRouteBackend::Gemini => Self::GeminiGenerate,
            ChatRouteBackend::Ollama => Self::OllamaChat,
        }
    }

    /// A short name for logs and error texts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAiChat => "openai-chat",
            Self::OpenAiEmbeddings => "openai-embeddings",
            Self::AnthropicMessages => "anthropic-messages",
            Self::GeminiGenerate => "gemini-generate",
            Self::OllamaChat => "ollama-chat",
        }
    }

    /// Path and query of a call, to be put behind the provider's base URL as the contract has it (Anthropic's and
    /// OpenAI's end in `/v1`, Gemini's in `/v1beta`, Ollama's is the bare origin). `model` matters to Gemini only and
    /// is percent-encoded; `models/x` and `x` are the same.
    #[must_use]
    pub fn path(self, model: &str, stream: bool) -> Cow<'static, str> {
        match self {
            Self::OpenAiChat => Cow::Borrowed("/chat/completions"),
            Self::OpenAiEmbeddings => Cow::Borrowed("/embeddings"),
            Self::AnthropicMessages => Cow::Borrowed("/messages"),
            Self::OllamaChat => Cow::Borrowed("/api/chat"),
            Self::GeminiGenerate => {
                let id = encoded(model.strip_prefix("models/").unwrap_or(model));
                let method = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
                Cow::Owned(format!("/models/{id}:{method}"))
            }
        }
    }

    /// The media type of this dialect's streams.
    #[must_use]
    pub const fn stream_media_type(self) -> &'static str {
        match self {
            Self::OllamaChat => "application/x-ndjson",
            _ => "text/event-stream",
        }
    }

    /// Whether the model's name is a member of the request's body.
    #[must_use]
    pub const fn model_in_body(self) -> bool {
        !matches!(self, Self::GeminiGenerate)
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The header that carries a credential: its name, and what stands before the credential in its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthHeader {
    /// Lower-case header name.
    pub name: &'static str,
    /// `Bearer ` or nothing.
    pub prefix: &'static str,
}

/// Where the credential of this style goes; none when none is sent. The value is the caller's.
#[must_use]
pub const fn auth_header(style: AuthStyle) -> Option<AuthHeader> {
    match style {
        AuthStyle::Bearer => Some(AuthHeader { name: "authorization", prefix: "Bearer " }),
        AuthStyle::XApiKey => Some(AuthHeader { name: "x-api-key", prefix: "" }),
        AuthStyle::XGoogApiKey => Some(AuthHeader { name: "x-goog-api-key", prefix: "" }),
        AuthStyle::ApiKey => Some(AuthHeader { name: "api-key", prefix: "" }),
        AuthStyle::None => None,
    }
}

/// One path segment: RFC 3986's unreserved characters as they are, everything else encoded, `/` too, so that no
/// name can leave the segment.
fn encoded(segment: &str) -> String {
    let mut out = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for nibble in [byte >> 4, byte & 15] {
                out.extend(char::from_digit(u32::from(nibble), 16).map(|digit| digit.to_ascii_uppercase()));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use vox_contracts::generated::providers::PROVIDERS;

    #[test]
    fn every_provider_of_the_contract_has_a_dialect_and_a_path() {
        for provider in &PROVIDERS {
            let dialect = Dialect::of_backend(provider.route_kind);
            assert!(dialect.path("m-1", false).starts_with('/'), "{}", provider.name);
        }
    }

    #[test]
    fn geminis_path_names_the_model_and_the_way_of_answering() {
        let dialect = Dialect::GeminiGenerate;
        assert_eq!(dialect.path("models/m-1", false), "/models/m-1:generateContent");
        assert_eq!(dialect.path("m-1", true), "/models/m-1:streamGenerateContent?alt=sse");
    }

    #[test]
    fn a_model_name_cannot_leave_its_path_segment() {
        let path = Dialect::GeminiGenerate.path("../../x?key=1#", false);
        assert_eq!(path, "/models/..%2F..%2Fx%3Fkey%3D1%23:generateContent");
    }
}
