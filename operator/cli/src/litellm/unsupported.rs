//! What of LiteLLM's configuration has no counterpart, and why. Names end in `*` where a beginning is enough.

/// Members of `litellm_params`, and of `credential_values`.
const OF_A_MODEL: &[(&str, &str)] = &[
    (
        "rpm",
        "Vox keeps no rate limits of its own: a model that answers 429 is passed over until its Retry-After",
    ),
    (
        "tpm",
        "Vox keeps no rate limits of its own: a model that answers 429 is passed over until its Retry-After",
    ),
    (
        "max_parallel_requests",
        "Vox bounds no calls per model: one that says it is full is passed over, see fallBack.waitWhenBusy",
    ),
    (
        "weight",
        "Vox does not share out calls by weights: the policy ranks models, spec.weights says what counts",
    ),
    ("max_retries", "tries are a matter of the policy's routes, not of a model: fallBack.maxAttempts"),
    ("num_retries", "tries are a matter of the policy's routes, not of a model: fallBack.maxAttempts"),
    ("timeout", "time limits are a matter of the policy's routes, not of a model: fallBack.totalTimeout"),
    (
        "stream_timeout",
        "time limits are a matter of the policy's routes, not of a model: fallBack.totalTimeout",
    ),
    ("max_budget", "budgets are of a policy, not of a model: spec.budget"),
    ("budget_duration", "budgets are of a policy and of a day: spec.budget"),
    ("input_cost_per*", "an override takes prices of tokens only"),
    ("output_cost_per*", "an override takes prices of tokens only"),
    ("cache_*", "an override has prices of input and output only; those of caches are the catalog's"),
    ("api_version", "Vox calls Azure's v1 API, which takes none"),
    ("aws_*", "Vox shows Bedrock an API key and signs nothing"),
    ("azure_ad_token*", "Vox shows Azure an API key and asks for no tokens"),
    ("tenant_id", "Vox shows Azure an API key and asks for no tokens"),
    ("client_id", "Vox shows Azure an API key and asks for no tokens"),
    ("client_secret", "Vox shows Azure an API key and asks for no tokens"),
    ("vertex_*", "Vox does not call Vertex AI"),
    ("organization", "a call carries the headers of the providers contract and no others"),
    ("extra_headers", "a call carries the headers of the providers contract and no others"),
    ("headers", "a call carries the headers of the providers contract and no others"),
    ("extra_body", "Vox adds nothing to a request: the client writes it"),
    (
        "tags",
        "tags of a source mean where data may go (name=value): write spec.tags of the source where that is meant",
    ),
    ("region_name", "write it as a tag of the source, such as region=eu, and demand it with allow.tags"),
    ("mock_*", "Vox answers nothing by itself"),
    ("model_info", "it belongs beside litellm_params"),
    (
        "ssl_verify",
        "certificates are always checked: name an authority of your own with caBundleRef of the source",
    ),
    (
        "drop_params",
        "Vox drops no parameter silently: a model that cannot do what a request asks for is no candidate",
    ),
    (
        "additional_drop_params",
        "Vox drops no parameter silently: a model that cannot do what a request asks for is no candidate",
    ),
    ("guardrails", "Vox has no guardrails"),
    ("use_in_pass_through", "Vox passes no other paths of a provider through"),
    ("temperature", REQUEST),
    ("top_p", REQUEST),
    ("top_k", REQUEST),
    ("max_tokens", REQUEST),
    ("max_completion_tokens", REQUEST),
    ("seed", REQUEST),
    ("stop", REQUEST),
    ("frequency_penalty", REQUEST),
    ("presence_penalty", REQUEST),
    ("reasoning_effort", REQUEST),
    ("thinking", REQUEST),
    ("response_format", REQUEST),
    ("tools", REQUEST),
];

const REQUEST: &str = "Vox adds nothing to a request: the client writes it";

/// Members of `model_info`.
const ABOUT_A_MODEL: &[(&str, &str)] = &[
    ("id", "a deployment's id is its source and its model's id"),
    ("mode", "what a model answers with is the catalog's to say"),
    ("base_model", "a model has the id of the provider's list"),
    (
        "max_tokens",
        "it may mean the context or the longest answer: override contextTokens where the catalog is wrong",
    ),
    ("max_output_tokens", "the longest answer is the catalog's to say"),
    ("supports_*", "what a model can do is the catalog's to say; an override takes tools only"),
    ("access_groups", "who may use a model is a matter of policies and of who may label a pod"),
    ("team_*", "Vox has namespaces and policies instead of teams"),
    ("input_cost_per*", "an override takes prices of tokens only"),
    ("output_cost_per*", "an override takes prices of tokens only"),
    ("cache_*", "an override has prices of input and output only; those of caches are the catalog's"),
    ("health_check_*", "Vox asks no model to see whether it is well: its calls tell"),
    ("supported_environments", "write one policy for each namespace"),
];

/// Members of `litellm_settings` and `router_settings`.
const SETTINGS: &[(&str, &str)] = &[
    ("content_policy_fallbacks", "Vox does not ask another model because one refused"),
    ("cache*", "Vox caches no answers"),
    ("redis_*", "gateways share what they know through the operator"),
    ("success_callback", EXPORT),
    ("failure_callback", EXPORT),
    ("callbacks", EXPORT),
    ("service_callbacks", EXPORT),
    ("audit_log_callbacks", EXPORT),
    ("turn_off_message_logging", "Vox writes no text of requests or answers down"),
    ("redact_*", "Vox writes no keys down"),
    (
        "drop_params",
        "Vox drops no parameter silently: a model that cannot do what a request asks for is no candidate",
    ),
    ("modify_params", "Vox does not change requests beyond the provider's dialect"),
    ("set_verbose", "the programs log what VOX_LOG says"),
    ("json_logs", "the programs log JSON unless told otherwise"),
    ("max_internal_user_budget", "Vox has no users of its own"),
    ("default_team_settings", "Vox has namespaces and policies instead of teams"),
    (
        "provider_budget_config",
        "budgets are of a policy: write one policy for each provider where that is needed",
    ),
    (
        "retry_policy",
        "what is tried again, and where, follows from the class of the failure: docs/sidecar.md",
    ),
    ("retry_after", "a provider's Retry-After is kept"),
    (
        "model_group_retry_policy",
        "what is tried again, and where, follows from the class of the failure: docs/sidecar.md",
    ),
    ("allowed_fails*", CIRCUIT),
    ("cooldown_time", CIRCUIT),
    ("disable_cooldowns", CIRCUIT),
    ("enable_pre_call_checks", "context and abilities are always checked before a call"),
    ("enable_tag_filtering", "tags of a source mean where data may go: allow.tags"),
    ("tag_filtering_*", "tags of a source mean where data may go: allow.tags"),
    ("routing_strategy_args", "what counts how much is spec.weights"),
    ("stream_timeout", "one time limit bounds all tries of a request: fallBack.totalTimeout"),
    ("max_fallbacks", "fallBack.maxAttempts bounds all tries"),
    ("mcp_*", "Vox is no MCP gateway"),
    ("default_litellm_params", "Vox adds nothing to a request: the client writes it"),
];

const EXPORT: &str = "what happened goes to PostgreSQL, and to an OpenTelemetry collector with the chart's telemetry.otlp.endpoint";
const CIRCUIT: &str = "a deployment's circuit opens by rules of the gateway: docs/sidecar.md";

/// Members of `general_settings`.
const GENERAL: &[(&str, &str)] = &[
    (
        "master_key",
        "a gateway asks for no key: it listens beside its workload, or where NetworkPolicies let somebody in. It was not read",
    ),
    ("database_*", "Vox has a database of its own: the chart's postgres values. It was not read"),
    ("alerting*", "alert on the metrics of the operator: docs/reference/metrics.md"),
    ("store_model_in_db", "models are what the sources find"),
    ("completion_model", "a request that names no model is answered by the policy's best one: vox/auto"),
    ("custom_auth", "Vox has no accounts for clients"),
    ("enable_jwt_auth", "Vox has no accounts for clients"),
    ("max_parallel_requests", "Vox bounds no calls per model: one that says it is full is passed over"),
    ("global_max_parallel_requests", "a gateway bounds its own connections: docs/reference/sidecar.md"),
    ("background_health_checks", "Vox asks no model to see whether it is well: its calls tell"),
    ("health_check_*", "Vox asks no model to see whether it is well: its calls tell"),
    ("pass_through_endpoints", "Vox passes no other paths of a provider through"),
    ("key_management_*", "keys are Kubernetes Secrets"),
];

/// Sections of the file.
const SECTIONS: &[(&str, &str)] = &[
    ("include", "other files are not read: import each by itself"),
    ("callback_settings", EXPORT),
    ("guardrails", "Vox has no guardrails"),
    ("mcp_servers", "Vox is no MCP gateway"),
    ("mcp_*", "Vox is no MCP gateway"),
    ("vector_store_registry", "Vox has no vector stores"),
    ("search_tools", "Vox has no tools of its own"),
    ("prompts", "Vox keeps no prompts"),
    ("files_settings", "Vox passes no files through"),
    ("finetune_settings", "Vox trains nothing"),
];

/// A part of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// `litellm_params`, `credential_values`.
    Model,
    /// `model_info`.
    About,
    /// `litellm_settings`, `router_settings`.
    Settings,
    /// `general_settings`.
    General,
    /// The file itself.
    Sections,
}

/// Why this member is not carried over.
pub(super) fn why(part: Part, name: &str) -> &'static str {
    let table = match part {
        Part::Model => OF_A_MODEL,
        Part::About => ABOUT_A_MODEL,
        Part::Settings => SETTINGS,
        Part::General => GENERAL,
        Part::Sections => SECTIONS,
    };
    let known = table.iter().find(|(pattern, _)| vox_routing::pattern::matches(pattern, name));
    match (known, part) {
        (Some((_, why)), _) => why,
        (None, Part::General) => "it is a setting of LiteLLM's server, which Vox has none of",
        (None, _) => "it has no counterpart that this command knows",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_member_has_its_reason_also_by_its_beginning() {
        assert!(why(Part::Model, "rpm").contains("429"));
        assert!(why(Part::Model, "aws_session_token").contains("Bedrock"));
        assert!(why(Part::Model, "flux_capacity").contains("no counterpart"));
        assert!(why(Part::General, "ui_access_mode").contains("LiteLLM's server"));
    }

    #[test]
    fn no_member_stands_twice_in_a_part() {
        for table in [OF_A_MODEL, ABOUT_A_MODEL, SETTINGS, GENERAL, SECTIONS] {
            let mut names: Vec<&str> = table.iter().map(|(name, _)| *name).collect();
            names.sort_unstable();
            let count = names.len();
            names.dedup();
            assert_eq!(names.len(), count);
        }
    }
}
