//! Made-up models, so that a test says only what it is about.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test file takes what it needs, and fails where it cannot"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use vox_contracts::entry::{ModelCatalogEntry, Pricing, Supports};
use vox_contracts::generated::providers::{AuthStyle, ChatRouteBackend};
use vox_contracts::{ModelTier, ProviderType, StrengthTag, TaskCategory};
use vox_routing::compile::{CatalogInput, Record, compile};
use vox_routing::snapshot::{Evidence, Penalty};
use vox_routing::{
    Cost, Decision, Deployment, Live, Offline, Policy, PolicySnapshot, Refusal, Request, Router, Unavailable,
    Upstream,
};

pub(crate) const NOW: u64 = 1_000_000;

pub(crate) fn upstream(name: &str) -> Upstream {
    Upstream {
        name: name.to_owned(),
        provider: ProviderType::Custom(format!("{name}.example")),
        base_url: format!("https://{name}.example/v1"),
        route: ChatRouteBackend::OpenaiCompatible,
        auth: AuthStyle::Bearer,
        credential: None,
        headers: BTreeMap::new(),
        local: name.starts_with("own"),
    }
}

/// A text model of 200,000 tokens that can do everything and has every strength for text, at `u-<id>`'s price.
pub(crate) fn model(id: &str, tier: ModelTier, price: Option<(&str, &str)>) -> Deployment {
    let (name, model_id) = id.split_once('/').unwrap();
    let yes = Some(true);
    Deployment {
        id: id.to_owned(),
        upstream: name.to_owned(),
        source: None,
        entry: ModelCatalogEntry {
            identity: vox_contracts::identity::of_id(model_id, None, None),
            context_length_tokens: Some(200_000),
            max_output_tokens: Some(10_000),
            input_modalities: vec!["text".to_owned(), "image".to_owned()],
            output_modalities: vec!["text".to_owned()],
            pricing: Pricing {
                input_usd_per_mtok: price.map(|(input, _)| input.parse().unwrap()),
                output_usd_per_mtok: price.map(|(_, output)| output.parse().unwrap()),
                ..Pricing::default()
            },
            supports: Supports {
                tools: yes,
                json_mode: yes,
                json_schema: yes,
                streaming: None,
                reasoning: None,
            },
            strengths: vec![
                StrengthTag::Codegen,
                StrengthTag::Logic,
                StrengthTag::Generalist,
                StrengthTag::Writing,
                StrengthTag::Multilingual,
            ],
            tier,
            ..ModelCatalogEntry::bare(model_id.to_owned(), ProviderType::Custom(format!("{name}.example")))
        },
        listed: None,
        layers: BTreeMap::new(),
        tags: Vec::new(),
        evidence: Vec::new(),
        penalties: Vec::new(),
        quarantines: Vec::new(),
        candidate: false,
    }
}

/// A model whose tier follows from its price, the same for input and output.
pub(crate) fn at(id: &str, price: &str) -> Deployment {
    let usd = price.parse().unwrap();
    let tier = vox_contracts::inference::infer_tier(Some(usd), Some(usd));
    model(id, tier, Some((price, price)))
}

pub(crate) fn proven(mut model: Deployment, category: TaskCategory, calls: u64, quality: u32) -> Deployment {
    model.evidence.push(Evidence {
        category,
        calls,
        success_per_mille: 1000,
        quality_per_mille: Some(quality),
        p50_ms: Some(5_000),
        judged: calls,
        context_above: 0,
        decayed: None,
    });
    model
}

pub(crate) fn penalised(mut model: Deployment, category: TaskCategory, until_unix_ms: u64) -> Deployment {
    model.penalties.push(Penalty { category, until_unix_ms });
    model
}

pub(crate) fn of_family(mut model: Deployment, family: &str) -> Deployment {
    model.entry.family = Some(family.to_owned());
    model
}

pub(crate) fn snapshot(policy: Policy, deployments: Vec<Deployment>) -> PolicySnapshot {
    let mut names: Vec<&str> = deployments.iter().map(|one| one.upstream.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let upstreams = names.into_iter().map(upstream).collect();
    let deployments = deployments.into_iter().map(Arc::new).collect();
    PolicySnapshot { policy, upstreams, deployments }
}

pub(crate) fn router(policy: Policy, deployments: Vec<Deployment>) -> Router {
    Router::new(snapshot(policy, deployments))
}

pub(crate) fn chat() -> Request {
    Request { input_tokens: 1_000, max_output_tokens: Some(1_000), ..Request::default() }
}

pub(crate) fn asking(category: TaskCategory) -> Request {
    Request { category: Some(category), ..chat() }
}

pub(crate) fn ids(router: &Router, decision: &Decision) -> Vec<String> {
    let deployments = &router.policy_snapshot().deployments;
    decision.picks.iter().map(|pick| deployments[pick.deployment].id.clone()).collect()
}

pub(crate) fn decided(router: &Router, request: &Request) -> Vec<String> {
    ids(router, &router.decide(request, &Offline, NOW).unwrap())
}

pub(crate) fn refused(router: &Router, request: &Request) -> Refusal {
    router.decide(request, &Offline, NOW).unwrap_err()
}

pub(crate) fn usd(text: &str) -> Cost {
    text.parse().unwrap()
}

/// A day of which so much is left, with some deployments away.
#[derive(Debug, Default)]
pub(crate) struct Today {
    pub(crate) left: Option<Cost>,
    pub(crate) away: Vec<(usize, Unavailable)>,
}

impl Live for Today {
    fn unavailable(&self, deployment: usize) -> Option<Unavailable> {
        self.away.iter().find(|(place, _)| *place == deployment).map(|(_, why)| *why)
    }

    fn day_budget_left(&self) -> Option<Cost> {
        self.left
    }
}

/// The compiled-in catalog behind one upstream.
pub(crate) fn bootstrap(policy: Policy) -> PolicySnapshot {
    let catalog = vox_contracts::entry::bootstrap().unwrap();
    let input =
        CatalogInput { source: None, upstream: upstream("hub"), entries: catalog.entries, tags: Vec::new() };
    compile(policy, vec![input], &BTreeMap::<String, Record>::new())
}
