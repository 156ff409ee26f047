//! From what a user wrote to what routing decides with. Used by the operator and by `vox policy test` alike.

use std::str::FromStr;

use vox_contracts::ProviderType;
use vox_contracts::price::UsdPerMTok;
use vox_routing::cost::{Cost, CostError};
use vox_routing::policy as routing;

use super::{
    Alias, Allow, Budget, Capability, Evidence, EvidenceMode, Expect, NewModels, Override, PolicyTest,
};
use super::{Route, RoutingPolicySpec, Weights, WhenSpent};
use crate::duration::{DurationError, DurationText};

/// Why a spec cannot be decided with. The text is the message of the condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Not an amount of money.
    #[error("spec.{field}: {source}")]
    Cost {
        /// Where.
        field: String,
        /// Why.
        source: CostError,
    },
    /// Not a price.
    #[error("spec.overrides[{model}].{field}: {reason}")]
    Price {
        /// Whose.
        model: String,
        /// Which.
        field: &'static str,
        /// Why.
        reason: String,
    },
    /// Not a provider.
    #[error("spec.{field}: {reason}")]
    Provider {
        /// Where.
        field: String,
        /// Why.
        reason: String,
    },
    /// Not a duration.
    #[error("spec.routes[{category}].fallBack.{field}: {source}")]
    Duration {
        /// Whose.
        category: String,
        /// Which.
        field: &'static str,
        /// Why.
        source: DurationError,
    },
    /// Not a share.
    #[error("spec.budget.descendAt {0:?}: write a share such as 80%")]
    Share(String),
    /// Not a share that may be explored.
    #[error("spec.evidence.exploration.share {0:?}: write a share from 0.1% to 50%, such as 2%")]
    Explored(String),
}

impl RoutingPolicySpec {
    /// The policy that routing decides with.
    ///
    /// # Errors
    /// [`PolicyError`] names the field. The API server lets few such through.
    pub fn to_policy(&self, name: &str, generation: i64) -> Result<routing::Policy, PolicyError> {
        Ok(routing::Policy {
            name: name.to_owned(),
            generation,
            default: self.is_default,
            weights: self.weights.as_ref().map_or_else(Default::default, weights),
            evidence: self.evidence.as_ref().map_or_else(|| Ok(Default::default()), evidence)?,
            budget: self.budget.as_ref().map_or_else(|| Ok(routing::Budget::default()), budget)?,
            allow: self.allow.as_ref().map_or_else(|| Ok(routing::Allow::default()), allow)?,
            routes: self.routes.iter().map(route).collect::<Result<_, _>>()?,
            aliases: self.aliases.iter().map(alias).collect(),
            demands: routing::Demands::default(),
            overrides: self.overrides.iter().map(override_of).collect::<Result<_, _>>()?,
            tests: self.tests.iter().map(test).collect::<Result<_, _>>()?,
        })
    }
}

fn weights(weights: &Weights) -> routing::Weights {
    routing::Weights {
        efficiency: small(weights.efficiency),
        precision: small(weights.precision),
        latency: small(weights.latency),
        availability: small(weights.availability),
        balance: small(weights.balance),
        mobile: small(weights.mobile),
    }
}

fn evidence(given: &Evidence) -> Result<routing::EvidenceRule, PolicyError> {
    let explored = given.exploration.as_ref().map(|exploration| explored(&exploration.share)).transpose()?;
    Ok(routing::EvidenceRule {
        mode: match given.mode {
            EvidenceMode::Rule => routing::EvidenceMode::Rule,
            EvidenceMode::Bounds => routing::EvidenceMode::Bounds,
        },
        exploration_per_million: explored.unwrap_or_default(),
        new_models: match given.new_models {
            NewModels::Eligible => routing::NewModels::Eligible,
            NewModels::Candidate => routing::NewModels::Candidate,
        },
    })
}

/// Per million, from at most one decimal place of percent.
fn explored(text: &str) -> Result<u32, PolicyError> {
    let tenths = text.strip_suffix('%').and_then(|percent| {
        let (whole, tenth) = percent.split_once('.').unwrap_or((percent, "0"));
        let tenth = tenth.parse::<u32>().ok().filter(|_| tenth.len() == 1)?;
        whole.parse::<u32>().ok()?.checked_mul(10)?.checked_add(tenth)
    });
    tenths
        .filter(|tenths| (1..=500).contains(tenths))
        .map(|tenths| tenths * 1000)
        .ok_or_else(|| PolicyError::Explored(text.to_owned()))
}

fn budget(budget: &Budget) -> Result<routing::Budget, PolicyError> {
    Ok(routing::Budget {
        per_request: cost("budget.perRequestUsd", budget.per_request_usd.as_deref())?,
        per_day: cost("budget.perDayUsd", budget.per_day_usd.as_deref())?,
        descend_at_per_mille: budget.descend_at.as_deref().map(share).transpose()?,
        when_spent: match budget.when_spent {
            WhenSpent::Refuse => routing::WhenSpent::Refuse,
            WhenSpent::FreeOnly => routing::WhenSpent::FreeOnly,
        },
    })
}

fn cost(field: &str, text: Option<&str>) -> Result<Option<Cost>, PolicyError> {
    let read =
        |text| Cost::from_str(text).map_err(|source| PolicyError::Cost { field: field.to_owned(), source });
    text.map(read).transpose()
}

fn share(text: &str) -> Result<u32, PolicyError> {
    text.strip_suffix('%')
        .and_then(|percent| percent.parse::<u32>().ok())
        .filter(|percent| (1..=100).contains(percent))
        .map(|percent| percent * 10)
        .ok_or_else(|| PolicyError::Share(text.to_owned()))
}

fn allow(allow: &Allow) -> Result<routing::Allow, PolicyError> {
    Ok(routing::Allow {
        providers: providers("allow.providers", &allow.providers)?,
        models: allow.models.clone(),
        deny_models: allow.deny_models.clone(),
        tags: allow.tags.clone(),
    })
}

fn providers(field: &str, names: &[String]) -> Result<Vec<ProviderType>, PolicyError> {
    let read = |name: &String| {
        name.parse()
            .map_err(|error| PolicyError::Provider { field: field.to_owned(), reason: format!("{error}") })
    };
    names.iter().map(read).collect()
}

fn route(route: &Route) -> Result<routing::Route, PolicyError> {
    let require = route.require.clone().unwrap_or_default();
    let prefer = route.prefer.clone().unwrap_or_default();
    Ok(routing::Route {
        category: route.category,
        require: routing::Require {
            strengths: require.strengths,
            min_context_tokens: require.min_context_tokens.map(large),
            tier_floor: require.tier_floor,
            tier_ceiling: require.tier_ceiling,
            capabilities: require.capabilities.into_iter().map(capability).collect(),
        },
        prefer: routing::Prefer { local: prefer.local, family: prefer.family, tier: prefer.tier },
        max_latency_ms: route.max_latency_ms.map(large),
        fall_back: fall_back(route)?,
    })
}

fn capability(capability: Capability) -> routing::Capability {
    match capability {
        Capability::Tools => routing::Capability::Tools,
        Capability::Vision => routing::Capability::Vision,
        Capability::JsonSchema => routing::Capability::JsonSchema,
        Capability::Streaming => routing::Capability::Streaming,
    }
}

fn fall_back(route: &Route) -> Result<routing::FallBack, PolicyError> {
    let default = routing::FallBack::default();
    let given = route.fall_back.clone().unwrap_or_default();
    let read = |field, text: Option<DurationText>| -> Result<Option<u64>, PolicyError> {
        let category = || route.category.to_string();
        let failed = |source| PolicyError::Duration { category: category(), field, source };
        let time = text.map(|text| text.parse()).transpose().map_err(failed)?;
        Ok(time.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
    };
    Ok(routing::FallBack {
        max_attempts: given.max_attempts.map_or(default.max_attempts, small),
        total_timeout_ms: read("totalTimeout", given.total_timeout)?.unwrap_or(default.total_timeout_ms),
        wait_when_busy_ms: read("waitWhenBusy", given.wait_when_busy)?.unwrap_or(default.wait_when_busy_ms),
    })
}

fn alias(alias: &Alias) -> routing::Alias {
    routing::Alias {
        name: alias.name.clone(),
        category: alias.category,
        model: alias.model.clone(),
        force_cost: alias.force_cost,
    }
}

fn override_of(given: &Override) -> Result<routing::Override, PolicyError> {
    let price = |field, text: &Option<String>| {
        let read = |text: &String| {
            text.parse::<UsdPerMTok>().map_err(|error| PolicyError::Price {
                model: given.model.clone(),
                field,
                reason: error.to_string(),
            })
        };
        text.as_ref().map(read).transpose()
    };
    Ok(routing::Override {
        models: given.model.clone(),
        input_usd_per_mtok: price("inputUsdPerMTok", &given.input_usd_per_mtok)?,
        output_usd_per_mtok: price("outputUsdPerMTok", &given.output_usd_per_mtok)?,
        context_length_tokens: given.context_tokens.map(large),
        tier: given.tier,
        strengths: (!given.strengths.is_empty()).then(|| given.strengths.clone()),
        tools: given.tools,
        ..routing::Override::default()
    })
}

fn test(test: &PolicyTest) -> Result<routing::PolicyTest, PolicyError> {
    let Expect { tier_at_most, tier_at_least, providers: one_of, not_providers, model, candidates_at_least } =
        &test.expect;
    Ok(routing::PolicyTest {
        name: test.name.clone(),
        category: test.category,
        complexity: test.complexity.and_then(|complexity| u8::try_from(complexity).ok()),
        expect: routing::Expect {
            tier_at_most: *tier_at_most,
            tier_at_least: *tier_at_least,
            providers: providers("tests.expect.providers", one_of)?,
            not_providers: providers("tests.expect.notProviders", not_providers)?,
            model: model.clone(),
            candidates_at_least: candidates_at_least.map(small),
        },
    })
}

/// The schema bounds these; what is out of range all the same is taken to the nearest value.
fn small(value: i64) -> u32 {
    u32::try_from(value.max(0)).unwrap_or(u32::MAX)
}

fn large(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}
