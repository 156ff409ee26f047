//! Tokens of answers, the same for all dialects.

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
