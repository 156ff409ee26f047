//! Tokens and ends of answers, the same for all dialects.

/// Tokens of one answer. None is "not said", never zero.
///
/// The counts include each other as OpenTelemetry's GenAI conventions want it: cached and written input is part of
/// `input_tokens`, reasoning is part of `output_tokens`. Anthropic and Gemini count apart and are summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// All input, with what came from a cache and what was written to one.
    pub input_tokens: Option<u64>,
    /// All output, with reasoning.
    pub output_tokens: Option<u64>,
    /// Input read from a cache.
    pub cached_input_tokens: Option<u64>,
    /// Input written to a cache.
    pub cache_write_tokens: Option<u64>,
    /// Output that was reasoning.
    pub reasoning_tokens: Option<u64>,
}

impl Usage {
    /// Whether nothing was said at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Takes what a later report says; streams report piecewise, and each count is cumulative.
    pub fn update(&mut self, later: &Self) {
        self.input_tokens = later.input_tokens.or(self.input_tokens);
        self.output_tokens = later.output_tokens.or(self.output_tokens);
        self.cached_input_tokens = later.cached_input_tokens.or(self.cached_input_tokens);
        self.cache_write_tokens = later.cache_write_tokens.or(self.cache_write_tokens);
        self.reasoning_tokens = later.reasoning_tokens.or(self.reasoning_tokens);
    }

    /// Input that no cache gave or took: what Anthropic calls `input_tokens`.
    #[must_use]
    pub fn uncached_input_tokens(&self) -> Option<u64> {
        let cached =
            self.cached_input_tokens.unwrap_or(0).saturating_add(self.cache_write_tokens.unwrap_or(0));
        self.input_tokens.map(|all| all.saturating_sub(cached))
    }
}

/// The sum of what is known; none when nothing is.
pub(crate) fn sum(counts: &[Option<u64>]) -> Option<u64> {
    counts.iter().flatten().copied().reduce(u64::saturating_add)
}

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
    /// A reason that no dialect of ours knows, as it was written.
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

    /// As OpenAI's `finish_reason`; it has no refusal, the nearest is `content_filter`.
    #[must_use]
    pub fn as_openai(&self) -> &str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter | Self::Refusal => "content_filter",
            Self::Unknown(reason) => reason,
        }
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
    pub fn as_anthropic(&self) -> &str {
        match self {
            Self::Stop => "end_turn",
            Self::Length => "max_tokens",
            Self::ToolCalls => "tool_use",
            Self::ContentFilter | Self::Refusal => "refusal",
            Self::Unknown(reason) => reason,
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
