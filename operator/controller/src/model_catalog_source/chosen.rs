//! Whose list a source reads, with which client, and where it is. Pure.

use std::time::Duration;

use kube::ResourceExt as _;
use url::Url;
use vox_contracts::ProviderType;
use vox_contracts::discovery::{FetchTarget, HubQuery};
use vox_contracts::generated::UnknownName;
use vox_contracts::generated::providers::OPENAI_COMPATIBLE;
use vox_contracts::generated::routing::{CatalogKind, DiscoveryDefaults};
use vox_crds::model_catalog_source::{ModelCatalogSource, ModelCatalogSourceSpec, RunsVolume};
use vox_crds::provider::{HUGGING_FACE_HUB, HuggingFaceProvider, OpenAiCompatibleProvider, ProviderSelector};
use vox_store::catalog::Asked;

use super::validate::{Problem, base_url};

/// Which source reads the list, and whose it is. A provider by name has the source that the contract gives it.
pub(super) fn provider(
    spec: &ModelCatalogSourceSpec,
) -> Result<(CatalogKind, Option<ProviderType>), Problem> {
    let ProviderSelector { open_router, ollama, openai_compatible, anthropic, google, hugging_face, mens } =
        &spec.provider;
    let members = [
        open_router.is_some().then_some((CatalogKind::Openrouter, Some(ProviderType::OpenRouter))),
        ollama.is_some().then_some((CatalogKind::Ollama, Some(ProviderType::Ollama))),
        openai_compatible.as_ref().map(by_name).transpose()?,
        anthropic.is_some().then_some((CatalogKind::Anthropic, Some(ProviderType::Anthropic))),
        google.is_some().then_some((CatalogKind::Google, Some(ProviderType::Google))),
        hugging_face.is_some().then_some((CatalogKind::Huggingface, Some(ProviderType::HuggingFace))),
        mens.is_some().then_some((CatalogKind::Mens, Some(ProviderType::Mens))),
    ];
    let mut set = members.into_iter().flatten();
    match (set.next(), set.next()) {
        (Some(only), None) => Ok(only),
        _ => Err(Problem::Provider),
    }
}

fn by_name(compatible: &OpenAiCompatibleProvider) -> Result<(CatalogKind, Option<ProviderType>), Problem> {
    let Some(name) = &compatible.name else { return Ok((CatalogKind::OpenaiCompatible, None)) };
    let unknown = |reason: String| Problem::UnknownProvider(reason);
    let provider: ProviderType = name.0.parse().map_err(|error: UnknownName| unknown(error.to_string()))?;
    if !OPENAI_COMPATIBLE.contains(&provider.as_str()) {
        return Err(unknown(format!("{provider} is not one of {}", OPENAI_COMPATIBLE.join(", "))));
    }
    let kind = provider.info().and_then(|info| info.catalog).unwrap_or(CatalogKind::OpenaiCompatible);
    Ok((kind, Some(provider)))
}

/// Where the list is, when it is not below the endpoint: what the source says, or for a provider at its public address the
/// contract.
pub(super) fn list_base(
    spec: &ModelCatalogSourceSpec,
    provider: &Option<ProviderType>,
) -> Result<Option<String>, Problem> {
    if let Some(hugging_face) = &spec.provider.hugging_face {
        return base_url(hugging_face.hub.as_deref().unwrap_or(HUGGING_FACE_HUB)).map(Some);
    }
    let public = provider.as_ref().and_then(ProviderType::info).filter(|_| spec.endpoint.is_none());
    Ok(public.and_then(|info| info.list_base_url).map(str::to_owned))
}

/// The volume that a source reads; only one of training runs has one, and such a one must.
pub(super) fn volume(spec: &ModelCatalogSourceSpec) -> Result<Option<RunsVolume>, Problem> {
    let usable = spec
        .volume
        .as_ref()
        .is_none_or(|volume| volume.persistent_volume_claim.is_some() != volume.host_path.is_some());
    if usable && spec.volume.is_some() == spec.provider.mens.is_some() {
        Ok(spec.volume.clone())
    } else {
        Err(Problem::Volume)
    }
}

/// Whom it asks, and with which key, so that sources of one host or key are polite together. A volume asks nobody.
pub(super) fn asked(
    source: &ModelCatalogSource,
    target: &FetchTarget,
    defaults: &DiscoveryDefaults,
) -> Option<Asked> {
    if target.volume.is_some() {
        return None;
    }
    let url = Url::parse(target.list_base.as_ref().unwrap_or(&target.endpoint)).ok()?;
    let namespace = source.namespace().unwrap_or_default();
    let key = source.spec.credentials_ref.as_ref();
    Some(Asked {
        host: format!("{}:{}", url.host_str()?, url.port_or_known_default()?),
        credential: key.map(|key| format!("{namespace}/{}/{}", key.name, key.key)),
        fetches_per_hour: defaults.credential_fetches_per_hour,
        timeout: Duration::from_millis(target.timeout_ms),
    })
}

pub(super) fn hub(hugging_face: &HuggingFaceProvider) -> HubQuery {
    let HuggingFaceProvider { author, search, tags, hub: _ } = hugging_face.clone();
    HubQuery { author, search, tags }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model_catalog_source::build::RUNS_MOUNT;
    use crate::model_catalog_source::validate::{ValidatedSource, validate};

    fn of(spec: serde_json::Value) -> Result<ValidatedSource, Problem> {
        validate(&vox_crds::ModelCatalogSource::new("s", serde_json::from_value(spec).unwrap()))
    }

    #[test]
    fn a_provider_by_name_is_read_by_the_source_that_the_contract_gives_it() {
        let kind = |name: &str| {
            let provider = serde_json::json!({ "openAICompatible": { "name": name } });
            of(serde_json::json!({ "provider": provider, "endpoint": "http://x:1/v1" }))
                .map(|valid| valid.target.catalog)
        };
        assert_eq!(kind("groq"), Ok(CatalogKind::OpenaiCompatible));
        assert_eq!(kind("lm-studio"), Ok(CatalogKind::LmStudio));
        let refused = kind("anthropic").unwrap_err().to_string();
        assert!(refused.contains("anthropic is not one of"), "{refused}");
    }

    #[test]
    fn a_list_may_be_elsewhere_than_the_api() {
        let base = |spec| of(spec).map(|valid| (valid.target.endpoint, valid.target.list_base)).unwrap();
        let (api, list) = base(serde_json::json!({ "provider": { "huggingFace": { "author": "acme" } } }));
        assert_eq!(
            (api.as_str(), list.as_deref()),
            ("https://router.huggingface.co/v1", Some(HUGGING_FACE_HUB))
        );
        let cohere = serde_json::json!({ "openAICompatible": { "name": "cohere" } });
        let (_, list) = base(serde_json::json!({ "provider": cohere }));
        assert_eq!(list.as_deref(), Some("https://api.cohere.com/v1"));
        let (api, list) = base(serde_json::json!({ "provider": cohere, "endpoint": "http://proxy/cohere" }));
        assert_eq!((api.as_str(), list), ("http://proxy/cohere", None), "a proxy of one's own has both");
        let hub = serde_json::json!({ "huggingFace": { "hub": "http://user:s3cret@hub" } });
        let refused = of(serde_json::json!({ "provider": hub })).unwrap_err().to_string();
        assert!(!refused.contains("s3cret"), "{refused}");
    }

    #[test]
    fn the_question_to_a_hub_is_part_of_the_plan() {
        let digest = |hub: serde_json::Value| {
            of(serde_json::json!({ "provider": { "huggingFace": hub } })).unwrap().plan_digest
        };
        assert_ne!(digest(serde_json::json!({})), digest(serde_json::json!({ "author": "acme" })));
    }

    #[test]
    fn training_runs_have_a_volume_and_nothing_else_has_one() {
        let claim = serde_json::json!({ "persistentVolumeClaim": { "claimName": "runs" } });
        let spec = |provider: &str, volume: serde_json::Value| serde_json::json!({ "provider": { provider: {} }, "endpoint": "http://vllm:8000/v1", "volume": volume });
        let valid = of(spec("mens", claim.clone())).unwrap();
        assert_eq!(valid.target.volume.as_deref(), Some(RUNS_MOUNT));
        let other = serde_json::json!({ "persistentVolumeClaim": { "claimName": "other" } });
        assert_ne!(
            valid.plan_digest,
            of(spec("mens", other)).unwrap().plan_digest,
            "another volume, another plan"
        );
        assert_eq!(of(spec("mens", serde_json::Value::Null)).unwrap_err(), Problem::Volume);
        assert_eq!(of(spec("ollama", claim)).unwrap_err(), Problem::Volume);
        assert_eq!(of(spec("mens", serde_json::json!({}))).unwrap_err(), Problem::Volume);
    }

    #[test]
    fn exactly_one_member_is_chosen() {
        for provider in [serde_json::json!({}), serde_json::json!({ "anthropic": {}, "google": {} })] {
            assert_eq!(of(serde_json::json!({ "provider": provider })).unwrap_err(), Problem::Provider);
        }
    }
}
