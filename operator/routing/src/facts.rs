//! What a decision reads of each deployment: flags, sizes and prices as whole numbers, one after the other in memory.

use vox_contracts::entry::{LongContextPrice, ModelCatalogEntry, Pricing};
use vox_contracts::generated::routing::{BLEND_INPUT_PARTS, BLEND_OUTPUT_PARTS};
use vox_contracts::{ModelTier, StrengthTag};

use crate::cost::Cost;
use crate::policy::Capability;
use crate::request::{Needs, Request};
use crate::snapshot::Deployment;

/// Tokens of answer that are reckoned with where neither the client nor the catalog bounds it.
pub const ANSWER_TOKENS_WHEN_UNKNOWN: u64 = 8_192;

/// Models with no other strength than these make no text.
const SPECIAL: [StrengthTag; 5] = [
    StrengthTag::Embedding,
    StrengthTag::Rerank,
    StrengthTag::Moderation,
    StrengthTag::ImageGeneration,
    StrengthTag::Audio,
];

/// One deployment, as small as it can be.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) can: Can,
    pub(crate) tier: ModelTier,
    pub(crate) makes_text: bool,
    pub(crate) makes_vectors: bool,
    /// Runs on hardware of one's own.
    pub(crate) local: bool,
    pub(crate) has_penalties: bool,
    /// The place of its upstream among the snapshot's; none that is not there.
    pub(crate) upstream: Option<u16>,
    /// Its place among the families of the router; none where nobody knows who made it.
    pub(crate) family: Option<u16>,
    pub(crate) context: Option<u64>,
    pub(crate) max_output: Option<u64>,
    pub(crate) price: Price,
    /// What its catalog lists, where the price is what was billed: the worst case is the dearer of both.
    listed: Option<Box<Price>>,
}

/// What is known of each capability.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Can {
    tools: Known,
    vision: Known,
    json_schema: Known,
    streaming: Known,
}

/// Whether it can, cannot, or nobody says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    Yes,
    No,
    Unsaid,
}

impl Known {
    const fn of(said: Option<bool>) -> Self {
        match said {
            Some(true) => Self::Yes,
            Some(false) => Self::No,
            None => Self::Unsaid,
        }
    }
}

impl Can {
    pub(crate) const fn get(self, capability: Capability) -> Known {
        match capability {
            Capability::Tools => self.tools,
            Capability::Vision => self.vision,
            Capability::JsonSchema => self.json_schema,
            Capability::Streaming => self.streaming,
        }
    }

    /// The first capability that a request needs and that is missing. What nobody says counts as missing, unless the
    /// client named the model (`trusted`). No vendor's list tells of streaming, so there silence means yes.
    pub(crate) fn lacks(self, needs: Needs, trusted: bool) -> Option<&'static str> {
        let wanted = [
            (needs.tools, Capability::Tools),
            (needs.vision, Capability::Vision),
            (needs.json_schema, Capability::JsonSchema),
            (needs.streaming, Capability::Streaming),
        ];
        wanted
            .into_iter()
            .find(|(needed, capability)| *needed && !self.has(*capability, trusted))
            .map(|(_, capability)| capability.as_str())
    }

    /// Whether it has one, by the same rules.
    pub(crate) fn has(self, capability: Capability, trusted: bool) -> bool {
        match self.get(capability) {
            Known::Yes => true,
            Known::No => false,
            Known::Unsaid => trusted || capability == Capability::Streaming,
        }
    }
}

/// What it costs, in pico-USD.
#[derive(Debug, Clone)]
pub(crate) struct Price {
    /// Per token; absent is unknown.
    input: Option<Cost>,
    output: Option<Cost>,
    /// Once per request, and per image.
    request: Cost,
    image: Cost,
    /// Dearer prices above a prompt length, ascending.
    long: Box<[LongPrice]>,
}

#[derive(Debug, Clone)]
struct LongPrice {
    above: u64,
    input: Option<Cost>,
    output: Option<Cost>,
}

impl Price {
    fn of(pricing: &Pricing) -> Self {
        let known = |price| if pricing.dynamic { None } else { price };
        let mut long: Vec<LongPrice> = pricing.long_context.iter().map(LongPrice::of).collect();
        long.sort_by_key(|price| price.above);
        Self {
            input: known(pricing.input_usd_per_mtok).map(Cost::per_token),
            output: known(pricing.output_usd_per_mtok).map(Cost::per_token),
            request: pricing.request_usd.map_or(Cost::ZERO, Cost::of),
            image: pricing.image_usd.map_or(Cost::ZERO, Cost::of),
            long: long.into(),
        }
    }
}

impl LongPrice {
    fn of(price: &LongContextPrice) -> Self {
        Self {
            above: price.above_input_tokens,
            input: price.input_usd_per_mtok.map(Cost::per_token),
            output: price.output_usd_per_mtok.map(Cost::per_token),
        }
    }
}

impl Facts {
    /// `family` is its place among the router's families, `upstream` its upstream's place and whether that is local.
    pub(crate) fn of(deployment: &Deployment, family: Option<u16>, upstream: Option<(usize, bool)>) -> Self {
        let entry = &deployment.entry;
        let supports = &entry.supports;
        Self {
            can: Can {
                tools: Known::of(supports.tools),
                vision: vision(entry),
                json_schema: Known::of(supports.json_schema),
                streaming: Known::of(supports.streaming),
            },
            tier: entry.tier,
            makes_text: makes_text(entry),
            makes_vectors: makes(entry, "embedding") || entry.strengths.contains(&StrengthTag::Embedding),
            local: upstream.is_some_and(|(_, local)| local),
            upstream: upstream.and_then(|(place, _)| u16::try_from(place).ok()),
            has_penalties: !deployment.penalties.is_empty(),
            family,
            context: entry.context_length_tokens,
            max_output: entry.max_output_tokens,
            price: Price::of(&entry.pricing),
            listed: deployment.listed.as_ref().map(|listed| Box::new(Price::of(listed))),
        }
    }

    /// The longest answer to a request: what the client allows and the model can, and never more than the context
    /// leaves. Vectors are no answer in tokens.
    pub(crate) fn answer_tokens(&self, request: &Request, vectors: bool) -> u64 {
        if vectors {
            return 0;
        }
        let left = self.context.map(|context| context.saturating_sub(request.input_tokens));
        let bounds = [request.max_output_tokens, self.max_output];
        let stated = bounds.into_iter().flatten().min();
        match (stated, left) {
            (Some(stated), Some(left)) => stated.min(left),
            (Some(bound), None) | (None, Some(bound)) => bound,
            (None, None) => ANSWER_TOKENS_WHEN_UNKNOWN,
        }
    }

    /// Input and answer together. An answer that nobody bounded takes what is left, at least one token.
    pub(crate) fn needed_tokens(&self, request: &Request, vectors: bool) -> u64 {
        if vectors {
            return request.input_tokens;
        }
        let asked = request.max_output_tokens.unwrap_or(1);
        request.input_tokens.saturating_add(self.max_output.map_or(asked, |can| asked.min(can)))
    }

    /// Price of input and output together, weighted by the contract's parts, per token; none where one is unknown.
    pub(crate) fn blended(&self, vectors: bool) -> Option<Cost> {
        let input = self.price.input?;
        if vectors {
            return Some(input);
        }
        let (input_parts, output_parts) = (u64::from(BLEND_INPUT_PARTS), u64::from(BLEND_OUTPUT_PARTS));
        let sum = input.times(input_parts).plus(self.price.output?.times(output_parts));
        Some(Cost::from_pico_usd(sum.pico_usd() / (input_parts + output_parts).max(1)))
    }

    /// What the request costs here at worst; none where a price that it needs is unknown.
    pub(crate) fn worst_case(&self, request: &Request, vectors: bool) -> Option<Cost> {
        let billed = self.worst_case_at(&self.price, request, vectors);
        let Some(listed) = &self.listed else { return billed };
        billed.max(self.worst_case_at(listed, request, vectors))
    }

    fn worst_case_at(&self, price: &Price, request: &Request, vectors: bool) -> Option<Cost> {
        let long = price.long.iter().rev().find(|long| request.input_tokens > long.above);
        let input = long.and_then(|long| long.input).or(price.input)?;
        let answer = self.answer_tokens(request, vectors).saturating_mul(request.answers.max(1));
        let output = match long.and_then(|long| long.output).or(price.output) {
            Some(output) => output,
            None if vectors => Cost::ZERO,
            None => return None,
        };
        // A long-context row does not make an unknown base price known: shorter prompts have no price.
        price.input?;
        Some(
            input
                .times(request.input_tokens)
                .plus(output.times(answer))
                .plus(price.request)
                .plus(price.image.times(request.images)),
        )
    }
}

impl Capability {
    /// Its name in policies and explanations.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Vision => "vision",
            Self::JsonSchema => "jsonSchema",
            Self::Streaming => "streaming",
        }
    }
}

fn makes(entry: &ModelCatalogEntry, output: &str) -> bool {
    entry.output_modalities.iter().any(|modality| modality == output)
}

/// A source that says nothing of modalities lists mostly text models; those that are for something else only are known by
/// their strengths.
fn makes_text(entry: &ModelCatalogEntry) -> bool {
    let special_only =
        !entry.strengths.is_empty() && entry.strengths.iter().all(|strength| SPECIAL.contains(strength));
    !special_only && (entry.output_modalities.is_empty() || makes(entry, "text"))
}

fn vision(entry: &ModelCatalogEntry) -> Known {
    let reads = entry.input_modalities.iter().any(|modality| modality == "image")
        || entry.strengths.contains(&StrengthTag::Vision);
    match (reads, entry.input_modalities.is_empty()) {
        (true, _) => Known::Yes,
        (false, false) => Known::No,
        (false, true) => Known::Unsaid,
    }
}
