//! `generated/routing.rs`.

mod evidence;
mod identity;
mod requests;
mod scoreboard;
mod types;

use std::fmt::Write as _;

use super::{Variant, drift_guard, grouped, header, option_str, pascal, string_enum};
use crate::Error;
use crate::model::{Condition, InferenceRule, LatencyBand, Routing, TaskCategory, Throttle, Tier};

const CONTRACT: &str = "model-routing.v1.yaml";

/// Renders the file; `bytes` is the contract as it stands on disk.
pub(crate) fn render(contract: &Routing, bytes: &[u8]) -> Result<String, Error> {
    let mut out = header(CONTRACT);
    out.push_str(
        "//! What routing decides with: price classes, strengths, tasks, and the default figures.\n\n\
         use std::fmt;\nuse std::str::FromStr;\nuse std::time::Duration;\n\n\
         use serde::{Deserialize, Serialize};\n\nuse super::UnknownName;\n\n",
    );
    out.push_str(&drift_guard(CONTRACT, bytes));
    out.push_str(&enums(contract));
    out.push_str(types::TYPES);
    out.push_str(&tiers(&contract.tiers));
    out.push_str(&categories(&contract.task_categories));
    out.push_str(&figures(contract)?);
    out.push_str(&latency_bands(&contract.scoring.latency_bands));
    out.push_str(&inference(&contract.strength_inference));
    out.push_str(&families(contract));
    out.push_str(&identity::rules(&contract.identity));
    out.push_str(&requests::rules(&contract.request_classification));
    out.push_str(&scoreboard::figures(&contract.scoreboard));
    out.push_str(&evidence::figures(&contract.evidence));
    out.push_str(&discovery(contract)?);
    Ok(out)
}

fn enums(contract: &Routing) -> String {
    let tiers: Vec<_> =
        contract.tiers.iter().map(|tier| Variant::new(&tier.name, &tier.description)).collect();
    let strengths: Vec<_> = contract
        .strengths
        .iter()
        .map(|strength| Variant::new(&strength.name, &strength.description))
        .collect();
    let categories: Vec<_> =
        contract.task_categories.iter().map(|task| Variant::new(&task.name, &task.description)).collect();
    let catalogs: Vec<_> = contract
        .discovery
        .sources
        .iter()
        .map(|source| Variant::new(&source.catalog, &source.description))
        .collect();
    let unknown = Variant::new("unknown", "A tag that this version does not know.");
    string_enum("ModelTier", "A price class; a dearer one is greater.", &tiers, None)
        + &string_enum("StrengthTag", "What a model is good at.", &strengths, Some(unknown))
        + &string_enum("TaskCategory", "What kind of work a request is.", &categories, None)
        + &string_enum("CatalogKind", "Which source reads a model list.", &catalogs, None)
}

fn tiers(tiers: &[Tier]) -> String {
    let rows: String = tiers
        .iter()
        .map(|tier| {
            format!(
                "TierInfo {{ tier: ModelTier::{}, description: {:?}, blended_price_ceiling_usd_per_mtok: {} }},",
                pascal(&tier.name),
                tier.description,
                option_str(tier.blended_price_ceiling_usd_per_mtok.as_deref())
            )
        })
        .collect();
    format!("/// The tiers, ascending.\npub const TIERS: &[TierInfo] = &[{rows}];\n\n")
}

fn tags(strengths: &[String]) -> String {
    strengths.iter().map(|name| format!("StrengthTag::{},", pascal(name))).collect()
}

fn categories(categories: &[TaskCategory]) -> String {
    let (mut rows, mut arms) = (String::new(), String::new());
    for (index, task) in categories.iter().enumerate() {
        let ident = pascal(&task.name);
        let _ = write!(arms, "Self::{ident} => &TASK_CATEGORIES[{index}],");
        let _ = write!(
            rows,
            "TaskCategoryInfo {{ category: TaskCategory::{ident}, description: {:?}, strengths: &[{}], \
             preferred_tier: ModelTier::{}, tier_floor: ModelTier::{}, context_floor_tokens: {}, \
             complexity_floor: {}, input_modality: {:?}, output_modality: {:?} }},",
            task.description,
            tags(&task.strengths),
            pascal(&task.preferred_tier),
            pascal(&task.tier_floor),
            grouped(task.context_floor_tokens),
            task.complexity_floor,
            task.input_modality,
            task.output_modality,
        );
    }
    format!(
        "/// The task categories.\npub const TASK_CATEGORIES: &[TaskCategoryInfo] = &[{rows}];\n\n\
         impl TaskCategory {{\n/// What it asks of a model.\n#[must_use]\n\
         pub const fn info(self) -> &'static TaskCategoryInfo {{ match self {{ {arms} }} }}\n}}\n\n"
    )
}

/// The single figures.
fn figures(contract: &Routing) -> Result<String, Error> {
    let weights: String =
        contract.scoring.weights.named().iter().map(|(name, value)| format!("{name}: {value},")).collect();
    let complexity = &contract.complexity;
    let constants: [(&str, &str, String, &str); 18] = [
        (
            "BLEND_INPUT_PARTS",
            "u32",
            contract.blended_price.input_parts.to_string(),
            "Parts of input in a blended price.",
        ),
        (
            "BLEND_OUTPUT_PARTS",
            "u32",
            contract.blended_price.output_parts.to_string(),
            "Parts of output in a blended price.",
        ),
        (
            "TIER_WHEN_PRICE_UNKNOWN",
            "ModelTier",
            format!("ModelTier::{}", pascal(&contract.tier_when_price_unknown)),
            "The tier of a model whose price nobody states.",
        ),
        (
            "ECONOMY_COST_CEILING_USD_PER_MTOK",
            "&str",
            format!("{:?}", contract.economy_cost_ceiling_usd_per_mtok),
            "Up to this blended price a model counts as economy, in USD per million tokens, a decimal.",
        ),
        (
            "DEFAULT_TASK_CATEGORY",
            "TaskCategory",
            format!("TaskCategory::{}", pascal(&contract.default_task_category)),
            "What a request is when nothing says more.",
        ),
        (
            "COMPLEXITY_MIN",
            "u8",
            complexity.minimum.to_string(),
            "The least complexity; lower figures are raised to it.",
        ),
        (
            "COMPLEXITY_MAX",
            "u8",
            complexity.maximum.to_string(),
            "The greatest complexity; higher figures are lowered to it.",
        ),
        (
            "COMPLEXITY_DEFAULT",
            "u8",
            complexity.default.to_string(),
            "The complexity of a request that states none.",
        ),
        (
            "TOOL_HINTS",
            "u8",
            complexity.tool_hints.to_string(),
            "From so many tool hints on, [`TOOL_HINTS_FLOOR`] holds.",
        ),
        (
            "TOOL_HINTS_FLOOR",
            "u8",
            complexity.tool_hints_floor.to_string(),
            "A request with many tool hints is at least this complex.",
        ),
        (
            "COMPLEXITY_PREMIUM_FROM",
            "u8",
            complexity.premium_from.to_string(),
            "From this complexity on, [`PREMIUM_ALIASES`] hold.",
        ),
        (
            "MIN_EVIDENCE_CALLS",
            "u32",
            contract.scoring.min_evidence_calls.to_string(),
            "From so many calls on, a model's record counts.",
        ),
        (
            "GENERIC_FALLBACK_ALIAS",
            "&str",
            format!("{:?}", contract.generic_fallback),
            "The bootstrap alias to ask when nothing else is known.",
        ),
        (
            "PENALTY",
            "Duration",
            seconds(contract.penalty.minutes * 60),
            "How long a model is avoided for a category after it abstained without confidence.",
        ),
        (
            "ABSTAIN_CONFIDENCE_BELOW_PER_MILLE",
            "u32",
            per_mille(&contract.penalty.abstain_confidence_below)?.to_string(),
            "An abstention with less confidence than this is penalised, per mille.",
        ),
        (
            "CONTEXT_UTILISATION_ABOVE_PER_MILLE",
            "u32",
            per_mille(&contract.context_utilisation.above)?.to_string(),
            "A call that fills more of its context than this is crowded, per mille.",
        ),
        (
            "CONTEXT_UTILISATION_TIMES",
            "u32",
            contract.context_utilisation.times.to_string(),
            "After so many crowded calls the next larger context is chosen.",
        ),
        (
            "ROLLUP_SCHEDULE",
            "&str",
            format!("{:?}", contract.rollup.schedule),
            "When the scoreboard is rolled up: a five-field cron line.",
        ),
    ];
    let mut out = format!(
        "/// How much each criterion counts, unless a policy says otherwise.\n\
         pub const WEIGHTS: ScoringWeights = ScoringWeights {{ {weights} }};\n\n\
         /// From so many samples on, an observed price has medium trust.\n\
         pub const PRICING_MEDIUM_SAMPLES: u32 = {};\n\n\
         /// From so many samples on, an observed price has high trust.\n\
         pub const PRICING_HIGH_SAMPLES: u32 = {};\n\n",
        contract.pricing_confidence.medium_samples, contract.pricing_confidence.high_samples
    );
    for (name, kind, value, doc) in constants {
        let _ = write!(out, "/// {doc}\npub const {name}: {kind} = {value};\n\n");
    }
    Ok(out)
}

/// `"0.8"` → 800. The schema allows three decimal places at most.
fn per_mille(ratio: &str) -> Result<u32, Error> {
    let invalid = || Error::Invalid { what: "a ratio", value: ratio.to_owned() };
    let value: rust_decimal::Decimal = ratio.parse().map_err(|_| invalid())?;
    u32::try_from(value * rust_decimal::Decimal::ONE_THOUSAND).map_err(|_| invalid())
}

fn seconds(value: u64) -> String {
    format!("Duration::from_secs({})", grouped(value))
}

fn latency_bands(bands: &[LatencyBand]) -> String {
    let rows: String = bands
        .iter()
        .map(|band| {
            let up_to = band.up_to_ms.map_or_else(
                || "None".to_owned(),
                |ms| format!("Some(Duration::from_millis({}))", grouped(ms)),
            );
            format!(
                "LatencyBand {{ name: {:?}, description: {:?}, up_to: {up_to}, score_per_mille: {} }},",
                band.name, band.description, band.score_per_mille
            )
        })
        .collect();
    format!(
        "/// Latencies and what they score, ascending.\npub const LATENCY_BANDS: &[LatencyBand] = &[{rows}];\n\n"
    )
}

fn inference(rules: &[InferenceRule]) -> String {
    let rows: String = rules
        .iter()
        .map(|rule| {
            let condition = match &rule.condition {
                Condition::ParameterGraph { parameters, input_modality, output_modality, context_at_least_tokens } => {
                    format!(
                        "ParameterGraph {{ parameters: &{parameters:?}, input_modality: {}, output_modality: {}, \
                         context_at_least_tokens: {} }}",
                        option_str(input_modality.as_deref()),
                        option_str(output_modality.as_deref()),
                        context_at_least_tokens.map_or_else(|| "None".to_owned(), |n| format!("Some({})", grouped(n)))
                    )
                }
                Condition::ProviderFamily { family } => format!("ProviderFamily({family:?})"),
                Condition::NameRegex { pattern } => format!("NameRegex({pattern:?})"),
                Condition::Default => "Default".to_owned(),
            };
            format!(
                "InferenceRule {{ condition: InferenceCondition::{condition}, strengths: &[{}], last: {} }},",
                tags(&rule.strengths),
                rule.last
            )
        })
        .collect();
    format!(
        "/// How strengths are inferred, in order.\npub const STRENGTH_INFERENCE: &[InferenceRule] = &[{rows}];\n\n"
    )
}

fn families(contract: &Routing) -> String {
    let rules: String = contract
        .families
        .iter()
        .map(|rule| format!("FamilyRule {{ pattern: {:?}, family: {:?} }},", rule.pattern, rule.family))
        .collect();
    let aliases: String = contract
        .premium_alias
        .iter()
        .map(|alias| {
            format!(
                "PremiumAlias {{ category: TaskCategory::{}, family: {:?}, tier: ModelTier::{} }},",
                pascal(&alias.category),
                alias.family,
                pascal(&alias.tier)
            )
        })
        .collect();
    format!(
        "/// Who makes a model: the first rule whose pattern its id matches.\n\
         pub const FAMILIES: &[FamilyRule] = &[{rules}];\n\n\
         /// Where the most complex requests go.\npub const PREMIUM_ALIASES: &[PremiumAlias] = &[{aliases}];\n\n"
    )
}

fn discovery(contract: &Routing) -> Result<String, Error> {
    let mut arms = String::new();
    for source in &contract.discovery.sources {
        let throttle = source.throttle.over(&contract.discovery.defaults);
        let row = defaults(&throttle).ok_or_else(|| Error::Invalid {
            what: "discovery.defaults: every setting must be given",
            value: source.catalog.clone(),
        })?;
        let _ = write!(arms, "CatalogKind::{} => const {{ &{row} }},", pascal(&source.catalog));
    }
    Ok(format!(
        "/// How a kind of source is asked, unless a resource says otherwise.\n#[must_use]\n\
         pub const fn discovery_defaults(kind: CatalogKind) -> &'static DiscoveryDefaults {{ match kind {{ {arms} }} }}\n"
    ))
}

fn defaults(throttle: &Throttle) -> Option<String> {
    Some(format!(
        "DiscoveryDefaults {{ schedule: {:?}, jitter: {}, min_interval: {}, max_age: {}, timeout: {}, \
         max_body_bytes: {}, max_models: {}, shrink_limit_per_mille: {}, missed_fetches_until_removed: {}, retry_attempts: {}, \
         retry_initial: {}, retry_max: {}, credential_fetches_per_hour: {} }}",
        throttle.schedule.as_deref()?,
        seconds(throttle.jitter_seconds?),
        seconds(throttle.min_interval_seconds?),
        seconds(throttle.max_age_seconds?),
        seconds(throttle.timeout_seconds?),
        grouped(throttle.max_body_bytes?),
        grouped(u64::from(throttle.max_models?)),
        throttle.shrink_limit_per_mille?,
        throttle.missed_fetches_until_removed?,
        throttle.retry_attempts?,
        seconds(throttle.retry_initial_seconds?),
        seconds(throttle.retry_max_seconds?),
        throttle.credential_fetches_per_hour?,
    ))
}
