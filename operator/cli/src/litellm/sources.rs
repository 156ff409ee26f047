//! The sources that the entries need: one for each provider and address.

use kube::api::ObjectMeta;
use vox_contracts::ProviderType;
use vox_crds::model_catalog_source::{Filter, SecretKeyRef};
use vox_crds::provider::{OpenAiCompatibleName, OpenAiCompatibleProvider, ProviderSelector};
use vox_crds::{ModelCatalogSource, ModelCatalogSourceSpec};

use super::Target;
use super::deployment::Deployment;
use super::names;
use super::provider::Place;
use super::report::{Report, Verdict};

/// So many sources a policy takes, and so many patterns a source.
const MOST: usize = 64;

/// A source, and what is asked of it.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) name: String,
    pub(super) place: Place,
    /// Ids and patterns, each once; one more than a filter takes where they are too many.
    pub(super) models: Vec<String>,
    pub(super) key: Option<String>,
    /// The first entry that needs it.
    pub(super) line: u64,
    pub(super) at: String,
}

/// A deployment and the source of its model.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) deployment: Deployment,
    pub(super) source: usize,
}

/// Gives every deployment its source. One key is used for a source: that of the first entry.
pub(super) fn of(deployments: Vec<Deployment>, report: &mut Report) -> (Vec<Source>, Vec<Placed>) {
    let mut sources: Vec<Source> = Vec::new();
    let mut placed = Vec::new();
    for deployment in deployments {
        let at = || (deployment.line, deployment.at.clone());
        let known = sources.iter().position(|source| source.place.is_same(&deployment.place));
        let Some(number) = known.or_else(|| (sources.len() < MOST).then(|| add(&mut sources, &deployment)))
        else {
            report.add(Verdict::Left, at(), format!("a policy has at most {MOST} sources"));
            continue;
        };
        let source = &mut sources[number];
        if source.key != deployment.key {
            let used = source.key.as_deref().unwrap_or("none");
            let reason = format!(
                "it has another key than entries of source {} before it; the source uses {used}",
                source.name
            );
            report.add(Verdict::Changed, at(), reason);
        }
        if source.models.len() <= MOST && !source.models.contains(&deployment.model) {
            source.models.push(deployment.model.clone());
            if source.models.len() > MOST {
                let reason = format!(
                    "source {} lists all of its provider's models: a filter has at most {MOST} patterns",
                    source.name
                );
                report.add(Verdict::Changed, at(), reason);
            }
        }
        placed.push(Placed { deployment, source: number });
    }
    (sources, placed)
}

fn add(sources: &mut Vec<Source>, deployment: &Deployment) -> usize {
    let label = names::label(deployment.place.provider.as_str(), 50);
    let name = names::free(label, |name| sources.iter().any(|source| source.name == name));
    sources.push(Source {
        name,
        place: deployment.place.clone(),
        models: Vec::new(),
        key: deployment.key.clone(),
        line: deployment.line,
        at: deployment.at.clone(),
    });
    sources.len() - 1
}

impl Place {
    fn is_same(&self, other: &Self) -> bool {
        self.provider == other.provider && self.endpoint == other.endpoint
    }
}

impl Source {
    /// As it is applied.
    pub(super) fn resource(&self, target: &Target) -> ModelCatalogSource {
        let filter = (self.models.len() <= MOST && !self.models.iter().any(|model| model == "*"))
            .then(|| Filter { include: self.models.clone(), ..Filter::default() });
        let spec = ModelCatalogSourceSpec {
            provider: selector(&self.place.provider),
            endpoint: self.place.endpoint.clone(),
            credentials_ref: self.key.as_ref().map(|key| target.secret_key(key)),
            ca_bundle_ref: None,
            volume: None,
            schedule: None,
            time_zone: None,
            jitter: None,
            min_interval: None,
            timeout: None,
            freshness: None,
            filter,
            tags: Vec::new(),
            suspend: false,
        };
        ModelCatalogSource { metadata: target.metadata(&self.name), spec, status: None }
    }
}

impl Target {
    /// A key of the Secret that holds all of them.
    pub(super) fn secret_key(&self, key: &str) -> SecretKeyRef {
        SecretKeyRef { name: self.secret.clone(), key: key.to_owned() }
    }

    pub(super) fn metadata(&self, name: &str) -> ObjectMeta {
        ObjectMeta { name: Some(name.to_owned()), namespace: self.namespace.clone(), ..ObjectMeta::default() }
    }
}

fn selector(provider: &ProviderType) -> ProviderSelector {
    let none = ProviderSelector::default();
    match provider {
        ProviderType::OpenRouter => ProviderSelector { open_router: Some(Default::default()), ..none },
        ProviderType::Ollama => ProviderSelector { ollama: Some(Default::default()), ..none },
        ProviderType::Anthropic => ProviderSelector { anthropic: Some(Default::default()), ..none },
        ProviderType::Google => ProviderSelector { google: Some(Default::default()), ..none },
        named => {
            let name = named.info().map(|info| OpenAiCompatibleName(info.name.to_owned()));
            ProviderSelector { openai_compatible: Some(OpenAiCompatibleProvider { name }), ..none }
        }
    }
}
