//! Every kind of violation is found in a copy of the contracts that has exactly that one.

// Clippy knows tests by their attribute and does not know their helpers.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::path::Path;

use support::{contract, copy, edit, root};
use vox_codegen::Violation;

const ROUTING: &str = "model-routing.v1.yaml";
const PROVIDERS: &str = "providers.v1.yaml";
const OVERLAY: &str = "provider-pricing-overlay.v1.yaml";
const TELEMETRY: &str = "model-telemetry.v1.yaml";
const BOOTSTRAP: &str = "model-catalog.bootstrap.v1.json";

/// The violations of a copy in which one thing was replaced.
fn violations(name: &str, from: &str, to: &str) -> Vec<Violation> {
    let copy = copy();
    edit(copy.path(), name, from, to);
    vox_codegen::check(copy.path()).unwrap()
}

#[track_caller]
fn finds(name: &str, from: &str, to: &str, pointer: &str, reason: &str) {
    let violations = violations(name, from, to);
    let file = Path::new("contracts/orchestration").join(name);
    let found =
        violations.iter().any(|v| v.file == file && v.pointer == pointer && v.reason.contains(reason));
    assert!(found, "expected {pointer}: …{reason}… but found {violations:#?}");
}

#[test]
fn the_committed_contracts_have_no_violations() {
    let violations = vox_codegen::check(&root()).unwrap();
    assert!(violations.is_empty(), "{violations:#?}");
}

#[test]
fn broken_yaml_is_told_with_line_and_column() {
    finds(ROUTING, "schema_version: 1", "schema_version: [1", "", "at line");
    finds(ROUTING, "schema_version: 1", "schema_version: 1\nschema_version: 1", "", "duplicate");
    finds(BOOTSTRAP, "{", "", "", "line 2");
}

#[test]
fn the_schemas_refuse_unknown_missing_and_misshapen() {
    finds(ROUTING, "schema_version: 1", "schema_version: 2", "/schema_version", "1");
    finds(ROUTING, "schema_version: 1", "schema_version: 1\nsurprise: 1", "", "surprise");
    finds(ROUTING, "minutes: 10", "minutes: -1", "/penalty/minutes", "minimum");
    finds(ROUTING, "  times: 3\n", "", "/context_utilisation", "times");
    finds(ROUTING, "probes_per_mille: 10", "probes_per_mille: 0", "/evidence/probes_per_mille", "minimum");
    finds(
        ROUTING,
        "ceiling_usd_per_mtok: \"3\"",
        "ceiling_usd_per_mtok: 3",
        "/tiers/1/blended_price_ceiling_usd_per_mtok",
        "",
    );
    finds(PROVIDERS, "name: openrouter", "name: Open Router", "/providers/0/name", "Open Router");
    finds(
        OVERLAY,
        "input_usd_per_mtok: \"10\"",
        "input_usd_per_mtok: \"1e1\"",
        "/prices/0/input_usd_per_mtok",
        "1e1",
    );
    finds(BOOTSTRAP, "\"tools\": true", "\"hammers\": true", "/entries/0/supports", "hammers");
}

#[test]
fn tiers_must_ascend_and_be_known() {
    finds(ROUTING, "tok: \"3\"", "tok: \"0.4\"", "/tiers/1/blended_price_ceiling_usd_per_mtok", "not above");
    finds(ROUTING, "tok: \"8\"", "tok: null", "/tiers/2/blended_price_ceiling_usd_per_mtok", "only the last");
    finds(ROUTING, "tok: null", "tok: \"9\"", "/tiers/3/blended_price_ceiling_usd_per_mtok", "the last tier");
    finds(
        ROUTING,
        "\neconomy_cost_ceiling_usd_per_mtok: \"0.5\"",
        "\neconomy_cost_ceiling_usd_per_mtok: \"0.6\"",
        "/economy_cost_ceiling_usd_per_mtok",
        "first tier",
    );
    finds(ROUTING, "unknown: standard", "unknown: golden", "/tier_when_price_unknown", "no tier");
    finds(
        ROUTING,
        "tier_floor: standard",
        "tier_floor: premium",
        "/task_categories/0/tier_floor",
        "above the preferred",
    );
    finds(
        ROUTING,
        "preferred_tier: pro",
        "preferred_tier: golden",
        "/task_categories/0/preferred_tier",
        "no tier",
    );
}

#[test]
fn names_must_be_defined_and_unique() {
    finds(
        ROUTING,
        "strengths: [codegen, logic]",
        "strengths: [juggling]",
        "/task_categories/0/strengths/0",
        "no strength",
    );
    finds(
        ROUTING,
        "strengths: [embedding]\n    last",
        "strengths: [juggling]\n    last",
        "/strength_inference/0/strengths/0",
        "no strength",
    );
    finds(ROUTING, "  - name: logic", "  - name: codegen", "/strengths/1/name", "twice");
    finds(ROUTING, "  - name: logic", "  - name: unknown", "/strengths/1/name", "generated");
    finds(
        ROUTING,
        "default_task_category: chat",
        "default_task_category: chess",
        "/default_task_category",
        "no task category",
    );
    finds(ROUTING, "category: codegen", "category: chess", "/premium_alias/0/category", "no task category");
    finds(
        ROUTING,
        "family: google\n    tier",
        "family: acme\n    tier",
        "/premium_alias/4/family",
        "no family",
    );
    finds(
        ROUTING,
        "kind: provider_family\n    family: anthropic",
        "kind: provider_family\n    family: acme",
        "/strength_inference/15/family",
        "no family",
    );
    finds(PROVIDERS, "name: groq", "name: ollama", "/providers/6/name", "twice");
    finds(PROVIDERS, "variant: Groq", "variant: Ollama", "/providers/6/variant", "twice");
    finds(
        TELEMETRY,
        "name: gen_ai.provider.name",
        "name: gen_ai.operation.name",
        "/attributes/1/name",
        "twice",
    );
}

#[test]
fn figures_must_fit_each_other() {
    finds(ROUTING, "efficiency: 300", "efficiency: 301", "/scoring/weights", "1001");
    finds(ROUTING, "up_to_ms: 2500", "up_to_ms: 700", "/scoring/latency_bands/1/up_to_ms", "not above");
    finds(
        ROUTING,
        "medium_samples: 20",
        "medium_samples: 200",
        "/pricing_confidence/medium_samples",
        "above",
    );
    finds(
        ROUTING,
        "max_age_seconds: 3600",
        "max_age_seconds: 60",
        "/discovery/sources/1/max_age_seconds",
        "stale",
    );
    finds(
        ROUTING,
        "retry_initial_seconds: 2",
        "retry_initial_seconds: 90",
        "/discovery/defaults/retry_initial_seconds",
        "above",
    );
    finds(ROUTING, "maximum: 10", "maximum: 8", "/complexity/premium_from", "not within");
    finds(ROUTING, "[1, 7, 30]", "[7, 1, 30]", "/scoreboard/windows_days", "ascending");
    finds(
        ROUTING,
        "routing_window_days: 7",
        "routing_window_days: 8",
        "/scoreboard/routing_window_days",
        "among",
    );
}

#[test]
fn no_hour_may_be_dearer_than_the_plain_price_that_budgets_reckon_with() {
    finds(
        OVERLAY,
        "pattern: '^deepseek-v4-pro'\n    input_usd_per_mtok: \"1.32\"",
        "pattern: '^deepseek-v4-pro'\n    input_usd_per_mtok: \"0.65\"",
        "/prices/13/hours/0",
        "dearest hours",
    );
}

#[test]
fn patterns_and_cron_lines_must_parse() {
    finds(
        ROUTING,
        "pattern: 're-?rank'",
        "pattern: 're-?(rank'",
        "/strength_inference/3/pattern",
        "no regular expression",
    );
    finds(
        ROUTING,
        "pattern: 'deepseek'",
        "pattern: 'deep[seek'",
        "/families/6/pattern",
        "no regular expression",
    );
    finds(
        OVERLAY,
        "pattern: '^claude-(fable|mythos)-5-1'",
        "pattern: '^claude-(fable|mythos-5-1'",
        "/prices/0/pattern",
        "no regular expression",
    );
    finds(ROUTING, "\"15 3 * * *\"", "\"15 3 * *\"", "/rollup/schedule", "15 3");
    finds(ROUTING, "\"15 3 * * *\"", "\"15 25 * * *\"", "/rollup/schedule", "no hour");
    finds(ROUTING, "\"*/10 * * * *\"", "\"*/0 * * * *\"", "/discovery/sources/1/schedule", "no minute");
    finds(ROUTING, "  - kind: default\n    strengths: [generalist]\n", "", "/strength_inference", "default");
}

#[test]
fn every_request_finds_a_rule_and_every_rule_a_request() {
    let at = "/request_classification";
    finds(
        ROUTING,
        "category: vision\n    com",
        "category: chess\n    com",
        &format!("{at}/1/category"),
        "no task",
    );
    finds(ROUTING, "  - name: image\n", "  - name: vectors\n", &format!("{at}/1/name"), "twice");
    finds(ROUTING, "    images_at_least: 1\n", "", &format!("{at}/1"), "only the last");
    finds(
        ROUTING,
        "description: All the rest.",
        "description: All the rest.\n    tools_at_least: 1",
        &format!("{at}/13"),
        "every request",
    );
}

#[test]
fn providers_must_resolve() {
    finds(
        PROVIDERS,
        "base_url: https://openrouter.ai/api/v1",
        "base_url: https://[::1/api",
        "/providers/0/base_url",
        "no URL",
    );
    finds(
        PROVIDERS,
        "base_url: https://openrouter.ai",
        "base_url: https://key@openrouter.ai",
        "/providers/0/base_url",
        "credentials",
    );
    finds(
        PROVIDERS,
        "fallback_kind: openai-compatible",
        "fallback_kind: mesh",
        "/providers/0/fallback_kind",
        "no other provider",
    );
    finds(
        PROVIDERS,
        "route_kind: openai-compatible",
        "route_kind: telex",
        "/providers/0/route_kind",
        "no route kind",
    );
    finds(PROVIDERS, "catalog: openrouter", "catalog: telex", "/providers/0/catalog", "no source");
    finds(PROVIDERS, "auth_style: bearer", "auth_style: none", "/providers/0/credential", "sends none");
    finds(PROVIDERS, "list_endpoint: /models", "list_endpoint: null", "/providers/0/list_endpoint", "null");
    finds(OVERLAY, "provider: anthropic", "provider: acme", "/prices/0/provider", "no provider");
    finds(OVERLAY, "provider: anthropic", "provider: openrouter", "/prices/0/provider", "publishes");
}

#[test]
fn the_bootstrap_catalog_must_resolve() {
    finds(
        BOOTSTRAP,
        "\"provider\": \"openrouter\"",
        "\"provider\": \"acme\"",
        "/entries/0/provider",
        "no provider",
    );
    finds(BOOTSTRAP, "\"tier\": \"standard\"", "\"tier\": \"golden\"", "/entries/0/tier", "no tier");
    finds(BOOTSTRAP, "\"vision\", ", "\"juggling\", ", "/entries/0/strengths/0", "no strength");
    finds(BOOTSTRAP, "\"generic\": \"", "\"generic\": \"x", "/aliases/generic", "no model_id");
    finds(
        ROUTING,
        "generic_fallback: generic",
        "generic_fallback: other",
        "/generic_fallback",
        "no key of `aliases`",
    );
}

#[test]
fn telemetry_must_resolve() {
    finds(
        TELEMETRY,
        "attribute: vox.trace_id",
        "attribute: vox.trace",
        "/trace_id/attribute",
        "no attribute",
    );
    finds(TELEMETRY, "name: vox.model.request", "name: vox.model.wish", "/events/0/name", "no event");
    finds(
        TELEMETRY,
        "name: vox.trace_id\n        requirement: required",
        "name: vox.trace_id\n        requirement: recommended",
        "/events/0/attributes",
        "must be required",
    );
    finds(TELEMETRY, "namespace: vox", "namespace: semconv", "/attributes/23/namespace", "namespace");
}

#[test]
fn a_model_id_outside_the_bootstrap_file_is_found() {
    let copy = copy();
    let bootstrap: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(contract(copy.path(), BOOTSTRAP)).unwrap()).unwrap();
    let id = bootstrap["entries"][0]["model_id"].as_str().unwrap();
    let folder = copy.path().join("operator/src");
    fs::create_dir_all(&folder).unwrap();
    fs::write(
        folder.join("lib.rs"),
        format!("// first\nconst DEFAULT: &str = \"{id}\";\nconst OTHER: &str = \"{id}9\";\n"),
    )
    .unwrap();
    let violations = vox_codegen::check(copy.path()).unwrap();
    assert_eq!(violations.len(), 1, "{violations:#?}");
    assert_eq!(violations[0].file, Path::new("operator/src/lib.rs"));
    assert!(violations[0].reason.starts_with("line 2: "), "{}", violations[0].reason);
}
