//! Ids come from the bootstrap catalog, and from recorded lists where `VOX_RECORDED_DIR` names a folder of them; none
//! stands here.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::*;
use crate::entry::bootstrap;

/// A model as the recorded lists describe it.
struct Recorded {
    id: String,
    parameters: Vec<String>,
    input: Vec<String>,
    output: Vec<String>,
    context: Option<u64>,
}

impl Recorded {
    fn read(row: &Value) -> Self {
        let list = |value: &Value| {
            value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        Self {
            id: row["id"].as_str().unwrap().to_owned(),
            parameters: list(&row["supported_parameters"]),
            input: list(&row["architecture"]["input_modalities"]),
            output: list(&row["architecture"]["output_modalities"]),
            context: row["context_length"].as_u64(),
        }
    }

    fn strengths(&self) -> Vec<StrengthTag> {
        infer_strengths(&ModelFacts {
            name: &self.id,
            family: infer_family(&self.id),
            parameters: &self.parameters,
            input_modalities: &self.input,
            output_modalities: &self.output,
            context_length_tokens: self.context,
        })
    }
}

/// Every row of the recorded OpenRouter lists; nothing, and a line saying so, where there are none.
fn recorded() -> Vec<Recorded> {
    let Ok(folder) = std::env::var("VOX_RECORDED_DIR") else {
        eprintln!("skipped the recorded lists: VOX_RECORDED_DIR is not set");
        return Vec::new();
    };
    let mut rows = Vec::new();
    for file in fs::read_dir(Path::new(&folder).join("openrouter")).unwrap() {
        let path = file.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("models-20") {
            let list: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
            rows.extend(list["data"].as_array().unwrap().iter().map(Recorded::read));
        }
    }
    assert!(rows.len() > 1000, "the recorded lists hold {} rows", rows.len());
    rows
}

#[test]
fn every_pattern_compiles() {
    let name_rules = STRENGTH_INFERENCE
        .iter()
        .filter(|rule| matches!(rule.condition, InferenceCondition::NameRegex(_)))
        .count();
    assert_eq!(NAME_RULES.set.len(), name_rules);
    assert_eq!(FAMILY_RULES.set.len(), FAMILIES.len());
    assert_eq!(OVERLAY_RULES.set.len(), PRICES.len());
}

#[test]
fn the_bootstrap_catalog_holds_what_would_be_inferred() {
    for entry in bootstrap().unwrap().entries {
        let parameters: Vec<String> = [
            (entry.supports.tools, "tools"),
            (entry.supports.json_schema, "json_schema"),
            (entry.supports.json_mode, "json_mode"),
            (entry.supports.reasoning, "reasoning"),
        ]
        .into_iter()
        .filter(|(supported, _)| *supported == Some(true))
        .map(|(_, name)| name.to_owned())
        .collect();
        let facts = ModelFacts {
            name: &entry.model_id,
            family: infer_family(&entry.model_id),
            parameters: &parameters,
            input_modalities: &entry.input_modalities,
            output_modalities: &entry.output_modalities,
            context_length_tokens: entry.context_length_tokens,
        };
        assert_eq!(facts.family, entry.family.as_deref(), "{}", entry.model_id);
        assert_eq!(infer_strengths(&facts), entry.strengths, "{}", entry.model_id);
        let tier = infer_tier(entry.pricing.input_usd_per_mtok, entry.pricing.output_usd_per_mtok);
        assert_eq!(tier, entry.tier, "{}", entry.model_id);
    }
}

#[test]
fn names_and_capabilities_give_strengths_over_recorded_lists() {
    for model in recorded() {
        let strengths = model.strengths();
        let has = |tag| strengths.contains(&tag);
        let id = &model.id;
        assert!(!strengths.is_empty(), "{id}");
        assert!(!has(StrengthTag::Unknown), "{id}");
        if [StrengthTag::Moderation, StrengthTag::Embedding, StrengthTag::Rerank].into_iter().any(has) {
            assert_eq!(strengths.len(), 1, "{id}: {strengths:?}");
            continue;
        }
        assert!(!id.contains("coder") || has(StrengthTag::Codegen), "{id}: {strengths:?}");
        assert!(!id.contains("thinking") || has(StrengthTag::Reasoning), "{id}: {strengths:?}");
        assert!(
            !model.input.contains(&"image".to_owned()) || has(StrengthTag::Vision),
            "{id}: {strengths:?}"
        );
        assert!(
            !model.parameters.contains(&"tools".to_owned()) || has(StrengthTag::ToolUse),
            "{id}: {strengths:?}"
        );
        assert_eq!(
            has(StrengthTag::LongContext),
            model.context.unwrap_or(0) >= 200_000,
            "{id}: {strengths:?}"
        );
    }
}

#[test]
fn the_author_in_an_id_is_the_family_over_recorded_lists() {
    let authors = [
        ("anthropic/", "anthropic"),
        ("google/", "google"),
        ("openai/", "openai"),
        ("deepseek/", "deepseek"),
        ("qwen/", "qwen"),
        ("mistralai/", "mistral"),
        ("meta-llama/", "meta"),
        ("nvidia/", "nvidia"),
        ("x-ai/", "xai"),
        ("cohere/", "cohere"),
        ("microsoft/", "microsoft"),
        ("amazon/", "amazon"),
    ];
    for model in recorded() {
        for (author, family) in authors {
            if model.id.starts_with(author) {
                assert_eq!(infer_family(&model.id), Some(family), "{}", model.id);
            }
        }
    }
}

#[test]
fn nothing_known_is_a_generalist() {
    assert_eq!(
        infer_strengths(&ModelFacts { name: "x", ..ModelFacts::default() }),
        [StrengthTag::Generalist]
    );
    assert_eq!(infer_family("x"), None);
}

#[test]
fn tiers_follow_the_blended_price() {
    let tier = |input: &str, output: &str| infer_tier(input.parse().ok(), output.parse().ok());
    assert_eq!(tier("0", "0"), ModelTier::Economy);
    assert_eq!(tier("0.5", "0.5"), ModelTier::Economy);
    assert_eq!(tier("0.5", "0.6"), ModelTier::Standard);
    assert_eq!(tier("3", "15"), ModelTier::Pro);
    assert_eq!(tier("5", "25"), ModelTier::Premium);
    assert_eq!(infer_tier(None, "1".parse().ok()), TIER_WHEN_PRICE_UNKNOWN);
    assert_eq!(infer_tier(None, None), TIER_WHEN_PRICE_UNKNOWN);
    let huge = Decimal::MAX.to_string().parse().ok();
    assert!(huge.is_some());
    assert_eq!(infer_tier(huge, huge), ModelTier::Premium);
}

#[test]
fn tags_are_read_and_others_are_unknown() {
    for tag in StrengthTag::ALL {
        assert_eq!(serde_json::from_str::<StrengthTag>(&format!("\"{tag}\"")).unwrap(), *tag);
    }
    assert_eq!(serde_json::from_str::<StrengthTag>("\"juggling\"").unwrap(), StrengthTag::Unknown);
}

#[test]
fn overlay_prices_are_of_their_provider_only() {
    // Dates and versions aside, the ids of a vendor's own list are those after the slash, with dashes for dots.
    let vendor_name = |id: &str| id.split_once('/').map(|(_, name)| name.replace('.', "-"));
    let entries = bootstrap().unwrap().entries;
    let mut found = 0;
    for entry in entries.iter().filter(|entry| entry.family.as_deref() == Some("anthropic")) {
        let name = vendor_name(&entry.model_id).unwrap();
        let pricing = overlay_pricing(&ProviderType::Anthropic, &name).unwrap();
        assert_eq!(pricing.input_usd_per_mtok, entry.pricing.input_usd_per_mtok, "{name}");
        assert_eq!(pricing.output_usd_per_mtok, entry.pricing.output_usd_per_mtok, "{name}");
        assert_eq!(overlay_pricing(&ProviderType::Groq, &name), None, "{name}");
        found += 1;
    }
    assert!(found > 1);
    assert_eq!(overlay_pricing(&ProviderType::Anthropic, "x"), None);
}

#[test]
fn prices_of_the_overlay_for_long_prompts_batches_and_hours_are_kept_beside_the_plain_ones() {
    let price = |text: &str| Some(text.parse::<UsdPerMTok>().unwrap());
    let haiku = overlay_pricing(&ProviderType::Anthropic, "claude-haiku-5-5").unwrap();
    let [long] = &haiku.long_context[..] else { panic!("one step: {haiku:?}") };
    assert!(long.above_input_tokens > 0 && long.cache_read_usd_per_mtok > haiku.cache_read_usd_per_mtok);
    let batch = haiku.batch.unwrap();
    assert!(batch.input_usd_per_mtok < haiku.input_usd_per_mtok);
    assert!(batch.output_usd_per_mtok < haiku.output_usd_per_mtok);

    let flash = overlay_pricing(&ProviderType::DeepSeek, "deepseek-flash").unwrap();
    let [morning, rest] = &flash.hours[..] else { panic!("two spans of hours: {flash:?}") };
    assert_eq!((morning.utc_start.as_str(), rest.utc_end.as_str()), ("04:00", "01:00"));
    for hours in [morning, rest] {
        assert!(hours.input_usd_per_mtok < flash.input_usd_per_mtok && hours.input_usd_per_mtok > price("0"));
    }
}
