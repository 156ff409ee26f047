//! What a decision asks of a deployment, taken once out of its catalog entry into a few numbers.

use vox_contracts::generated::routing::{BLEND_INPUT_PARTS, BLEND_OUTPUT_PARTS};
use vox_contracts::{ModelTier, StrengthTag};

use crate::cost::Cost;
use crate::request::Request;
use crate::snapshot::{Deployment, Upstream};

/// One deployment, ready to be filtered and priced.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) tier: ModelTier,
    pub(crate) context_tokens: Option<u64>,
    pub(crate) max_output_tokens: Option<u64>,
    pub(crate) tools: Option<bool>,
    pub(crate) json_schema: Option<bool>,
    pub(crate) streaming: Option<bool>,
    pub(crate) vision: bool,
    /// Writes vectors.
    pub(crate) embedding: bool,
    /// Writes text.
    pub(crate) text: bool,
    /// Whether its upstream runs on hardware of one's own.
    pub(crate) local: bool,
    pub(crate) prices: Prices,
}

/// What a deployment costs. A price that is not known makes every sum with it unknown.
#[derive(Debug, Clone, Default)]
pub(crate) struct Prices {
    input: Option<Cost>,
    output: Option<Cost>,
    request: Cost,
    image: Cost,
    /// Prices above a prompt length in tokens, ascending.
    long_context: Vec<(u64, Option<Cost>, Option<Cost>)>,
}

impl Facts {
    pub(crate) fn of(deployment: &Deployment, upstream: Option<&Upstream>) -> Self {
        let entry = &deployment.entry;
        let writes = |what: &str| entry.output_modalities.iter().any(|modality| modality == what);
        let strong = |what: StrengthTag| entry.strengths.contains(&what);
        let other = [StrengthTag::Rerank, StrengthTag::Moderation].into_iter().any(strong);
        // Lists that name no modality are of chat models, but for those that the name rules know.
        let unsaid = entry.output_modalities.is_empty();
        let embedding = writes("embedding") || writes("embeddings") || strong(StrengthTag::Embedding);
        Self {
            tier: entry.tier,
            context_tokens: entry.context_length_tokens,
            max_output_tokens: entry.max_output_tokens,
            tools: entry.supports.tools,
            json_schema: entry.supports.json_schema,
            streaming: entry.supports.streaming,
            vision: entry.input_modalities.iter().any(|modality| modality == "image")
                || strong(StrengthTag::Vision),
            embedding,
            text: !embedding && !other && (unsaid || writes("text")),
            local: upstream.is_some_and(|upstream| upstream.local),
            prices: Prices::of(deployment),
        }
    }

    /// The longest answer that the request may get here.
    pub(crate) fn output_tokens(&self, request: &Request) -> Option<u64> {
        let room = self.context_tokens.map(|context| context.saturating_sub(request.input_tokens));
        match (request.max_output_tokens, self.max_output_tokens.or(room)) {
            (Some(asked), Some(possible)) => Some(asked.min(possible)),
            (Some(asked), None) => Some(asked),
            (None, possible) => possible,
        }
    }

    /// What the request costs here at worst; `None` when a price or the longest answer is unknown.
    pub(crate) fn worst_case(&self, request: &Request) -> Option<Cost> {
        if self.embedding && !self.text {
            return self.prices.of_request(request, 0);
        }
        // A free answer is free however long it is.
        let output = self.output_tokens(request).or_else(|| self.prices.is_free().then_some(0))?;
        self.prices.of_request(request, output)
    }
}

impl Prices {
    fn of(deployment: &Deployment) -> Self {
        let pricing = &deployment.entry.pricing;
        if pricing.dynamic {
            return Self::default();
        }
        // A model that only reads (embeddings) has no output price, and needs none.
        let reads_only = deployment.entry.strengths.contains(&StrengthTag::Embedding);
        let output = pricing.output_usd_per_mtok.map(Cost::per_token);
        let mut long_context: Vec<_> = pricing
            .long_context
            .iter()
            .map(|tier| {
                let price = |price: Option<_>| price.map(Cost::per_token);
                (tier.above_input_tokens, price(tier.input_usd_per_mtok), price(tier.output_usd_per_mtok))
            })
            .collect();
        long_context.sort_unstable();
        Self {
            input: pricing.input_usd_per_mtok.map(Cost::per_token),
            output: output.or(reads_only.then_some(Cost::ZERO)),
            request: pricing.request_usd.map_or(Cost::ZERO, Cost::of),
            image: pricing.image_usd.map_or(Cost::ZERO, Cost::of),
            long_context,
        }
    }

    /// Input and output in the contract's proportion, for one token; `None` when a price is unknown.
    pub(crate) fn blended(&self) -> Option<Cost> {
        let parts = u64::from(BLEND_INPUT_PARTS + BLEND_OUTPUT_PARTS);
        let sum =
            self.input?.times(BLEND_INPUT_PARTS.into()).plus(self.output?.times(BLEND_OUTPUT_PARTS.into()));
        Some(Cost::from_pico_usd(sum.pico_usd() / parts.max(1)))
    }

    /// Whether every price is known to be zero.
    pub(crate) fn is_free(&self) -> bool {
        self.input == Some(Cost::ZERO)
            && self.output == Some(Cost::ZERO)
            && self.request == Cost::ZERO
            && self.image == Cost::ZERO
            && self.long_context.is_empty()
    }

    fn of_request(&self, request: &Request, output_tokens: u64) -> Option<Cost> {
        let (mut input, mut output) = (self.input?, self.output?);
        for (above, dearer_input, dearer_output) in &self.long_context {
            if request.input_tokens > *above {
                input = dearer_input.unwrap_or(input);
                output = dearer_output.unwrap_or(output);
            }
        }
        Some(
            input
                .times(request.input_tokens)
                .plus(output.times(output_tokens))
                .plus(self.request)
                .plus(self.image.times(request.images)),
        )
    }
}
