//! Why answers end, and what each dialect calls it.

/// Why an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finish {
    /// The model was done, or met a stop sequence.
    Stop,
    /// The output limit or the context was full: the answer is cut.
    Length,
    /// The model wants tools called.
    ToolCalls,
    /// A filter took the answer or the rest of it.
    ContentFilter,
    /// The model refused.
    Refusal,
    /// A reason that no dialect of ours knows, as it was written. No client is told it.
    Unknown(String),
}

impl Finish {
    /// OpenAI's `finish_reason`.
    #[must_use]
    pub fn of_openai(reason: &str) -> Self {
        match reason {
            "stop" | "eos" | "end_turn" => Self::Stop,
            "length" | "max_tokens" => Self::Length,
            "tool_calls" | "function_call" => Self::ToolCalls,
            "content_filter" => Self::ContentFilter,
            "refusal" => Self::Refusal,
            other => Self::Unknown(other.to_owned()),
        }
    }

    /// As OpenAI's `finish_reason`; it has no refusal, the nearest is `content_filter`. Typed clients of OpenAI fail at
    /// any other word.
    #[must_use]
    pub fn as_openai(&self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter | Self::Refusal => "content_filter",
            Self::Unknown(reason) if tells_of_a_filter(reason) => "content_filter",
            Self::Stop | Self::Unknown(_) => "stop",
        }
    }

    /// For records: OpenAI's word, or the provider's own where that has none.
    #[must_use]
    pub fn as_recorded(&self) -> &str {
        if let Self::Unknown(reason) = self { reason } else { self.as_openai() }
    }

    /// Anthropic's `stop_reason`.
    #[must_use]
    pub fn of_anthropic(reason: &str) -> Self {
        match reason {
            "end_turn" | "stop_sequence" => Self::Stop,
            "max_tokens" | "model_context_window_exceeded" => Self::Length,
            "tool_use" => Self::ToolCalls,
            "refusal" => Self::Refusal,
            other => Self::Unknown(other.to_owned()),
        }
    }

    /// As Anthropic's `stop_reason`; it has no filter, the nearest is `refusal`.
    #[must_use]
    pub fn as_anthropic(&self) -> &'static str {
        match self {
            Self::Length => "max_tokens",
            Self::ToolCalls => "tool_use",
            Self::ContentFilter | Self::Refusal => "refusal",
            Self::Unknown(reason) if tells_of_a_filter(reason) => "refusal",
            Self::Stop | Self::Unknown(_) => "end_turn",
        }
    }

    /// Gemini's `finishReason`, which does not tell calls of functions from other ends.
    #[must_use]
    pub fn of_gemini(reason: &str, called: bool) -> Self {
        match reason {
            "STOP" if called => Self::ToolCalls,
            "STOP" => Self::Stop,
            "MAX_TOKENS" => Self::Length,
            "SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" | "IMAGE_SAFETY" => {
                Self::ContentFilter
            }
            other => Self::Unknown(other.to_owned()),
        }
    }

    /// Ollama's `done_reason`, which does not tell calls of tools from other ends.
    #[must_use]
    pub fn of_ollama(reason: &str, called: bool) -> Self {
        match reason {
            "stop" | "" if called => Self::ToolCalls,
            "stop" | "" => Self::Stop,
            "length" => Self::Length,
            other => Self::Unknown(other.to_owned()),
        }
    }
}

/// Whether a reason that nobody knows has a word in it that providers use when a filter took the answer.
fn tells_of_a_filter(reason: &str) -> bool {
    const WORDS: [&str; 8] =
        ["safety", "prohibited", "recitation", "block", "filter", "spii", "armor", "guardrail"];
    let reason = reason.to_ascii_lowercase();
    WORDS.iter().any(|word| reason.contains(word))
}
