//! From what a user wrote to what can be done: the spec with the contract's defaults. Pure.

use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt as _;
use url::Url;
use vox_contracts::ProviderType;
use vox_contracts::discovery::{FetchTarget, ModelFilter};
use vox_contracts::generated::routing::{DiscoveryDefaults, discovery_defaults};
use vox_crds::model_catalog_source::{
    CaBundleRef, Filter, ModelCatalogSource, ModelCatalogSourceSpec, RunsVolume, SecretKeyRef,
};
use vox_crds::{DurationText, duration::DurationError};
use vox_store::catalog::gate::Pace;

use super::build::{CA_FILE, RUNS_MOUNT};
use super::chosen;
use super::digest::plan_digest;
use super::schedule::{Schedule, ScheduleError};

/// Beyond the fetch itself, how long a run may wait for the operator and the database before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(600);

/// A spec that can be worked with.
#[derive(Debug, Clone)]
pub(crate) struct ValidatedSource {
    pub(crate) target: FetchTarget,
    /// Digest of all that shapes the fetch: another digest, another fetch.
    pub(crate) plan_digest: String,
    pub(crate) credential: Option<SecretKeyRef>,
    /// Mounted where the target says.
    pub(crate) ca_bundle: Option<CaBundleRef>,
    /// With training runs; mounted where the target says.
    pub(crate) volume: Option<RunsVolume>,
    pub(crate) schedule: Schedule,
    pub(crate) cron_line: String,
    pub(crate) time_zone: String,
    pub(crate) max_age: Duration,
    pub(crate) timeout: Duration,
    /// How long a run may wait for the operator and the database.
    pub(crate) patience: Duration,
    pub(crate) pace: Pace,
    pub(crate) shrink_limit_per_mille: u32,
    pub(crate) missed_fetches_until_removed: u32,
    pub(crate) suspend: bool,
}

/// Why a spec cannot work. The text is the message of the condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    #[error(
        "spec.provider: set exactly one of openRouter, ollama, openAICompatible, anthropic, google, huggingFace"
    )]
    Provider,
    #[error("spec.provider.openAICompatible.name: {0}")]
    UnknownProvider(String),
    #[error(
        "spec.endpoint is required for {0}, which has no public address: its base URL, such as http://llm.models.svc:8000/v1"
    )]
    EndpointMissing(String),
    #[error(
        "spec.endpoint{0} is not an http or https URL with a host, a port of 1 to 65535 if any, and no user name, \
         password or query; write it like https://llm.example.com:8443/v1"
    )]
    Endpoint(Quoted),
    #[error(
        "spec.volume: a mens source needs exactly one of persistentVolumeClaim and hostPath, and no other source has a volume"
    )]
    Volume,
    #[error("spec.{field}: {error}")]
    Duration { field: &'static str, error: DurationError },
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    #[error(
        "spec.minInterval {min_interval} must not be longer than spec.freshness.maxAge {max_age}: the catalog could never \
         stay fresh; shorten the one or raise the other"
    )]
    NeverFresh { min_interval: Told, max_age: Told },
}

/// Of an endpoint, what a message may say: a password or a key may stand in all the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Quoted(Option<String>);

impl Quoted {
    fn of(endpoint: &str) -> Self {
        let url = Url::parse(endpoint).ok();
        Self(url.and_then(|url| Some(format!("{}://{}", url.scheme(), url.host_str()?))))
    }
}

impl std::fmt::Display for Quoted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.as_ref().map_or(Ok(()), |place| write!(f, " (of {place})"))
    }
}

/// A duration as a message tells it, and whether it is the default: the user did not write it and looks for it in vain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told(DurationText, bool);

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.0, if self.1 { " (the default)" } else { "" })
    }
}

/// Checks a source and fills in the contract's defaults.
pub(crate) fn validate(source: &ModelCatalogSource) -> Result<ValidatedSource, Problem> {
    let spec = &source.spec;
    let (kind, provider) = chosen::provider(spec)?;
    let defaults = discovery_defaults(kind);
    let endpoint = endpoint(spec, &provider)?;
    let timeout = duration("timeout", spec.timeout.as_ref(), defaults.timeout)?;
    let min_interval = duration("minInterval", spec.min_interval.as_ref(), defaults.min_interval)?;
    let max_age = spec.freshness.as_ref().and_then(|freshness| freshness.max_age.as_ref());
    let max_age = duration("freshness.maxAge", max_age, defaults.max_age)?;
    if min_interval > max_age {
        return Err(Problem::NeverFresh {
            min_interval: Told(min_interval.into(), spec.min_interval.is_none()),
            max_age: Told(
                max_age.into(),
                spec.freshness.as_ref().is_none_or(|limit| limit.max_age.is_none()),
            ),
        });
    }
    let cron_line = spec.schedule.clone().unwrap_or_else(|| defaults.schedule.to_owned());
    let time_zone = spec.time_zone.clone().unwrap_or_else(|| "Etc/UTC".to_owned());
    let jitter = jitter(spec, defaults)?;
    let seed = source.uid().unwrap_or_default();
    // From the object's own time, so that the same object always gets the same verdict.
    let since = source.metadata.creation_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0);
    let schedule = Schedule::new(&cron_line, &time_zone, jitter, &seed, since)?;
    let volume = chosen::volume(spec)?;
    let target = FetchTarget {
        catalog: kind,
        include_endpoints: spec
            .provider
            .open_router
            .as_ref()
            .is_some_and(|provider| provider.include_endpoints),
        filter: filter(spec.filter.as_ref()),
        timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
        max_body_bytes: defaults.max_body_bytes,
        max_models: defaults.max_models,
        list_base: chosen::list_base(spec, &provider)?,
        volume: volume.is_some().then(|| RUNS_MOUNT.to_owned()),
        ca_bundle: spec.ca_bundle_ref.is_some().then(|| CA_FILE.to_owned()),
        hub: spec.provider.hugging_face.as_ref().map(chosen::hub),
        provider: named(provider, &endpoint)?,
        endpoint,
    };
    // The contract's waits are those within a run. One that failed has gone through them up to the longest, so the wait
    // for the next run begins where they ended.
    let first_wait = defaults.retry_max;
    let plan_digest = plan_digest(&target, spec, volume.as_ref());
    Ok(ValidatedSource {
        plan_digest,
        credential: spec.credentials_ref.clone(),
        ca_bundle: spec.ca_bundle_ref.clone(),
        volume,
        schedule,
        cron_line,
        time_zone,
        max_age,
        timeout,
        patience: PATIENCE,
        pace: Pace {
            min_interval,
            run_limit: timeout + PATIENCE,
            retry_base: first_wait,
            retry_max: min_interval.max(first_wait),
            asked: chosen::asked(source, &target, defaults),
        },
        shrink_limit_per_mille: defaults.shrink_limit_per_mille,
        missed_fetches_until_removed: defaults.missed_fetches_until_removed,
        suspend: spec.suspend,
        target,
    })
}

/// The contract's jitter fits the contract's schedule; beside a schedule of the user's own, which may be as short as a
/// minute, there is none unless the user says so.
fn jitter(spec: &ModelCatalogSourceSpec, defaults: &DiscoveryDefaults) -> Result<Duration, Problem> {
    let contract = if spec.schedule.is_some() { Duration::ZERO } else { defaults.jitter };
    duration("jitter", spec.jitter.as_ref(), contract)
}

/// The base URL without a slash at its end: the spec's, else the provider's public one.
fn endpoint(spec: &ModelCatalogSourceSpec, provider: &Option<ProviderType>) -> Result<String, Problem> {
    let public = provider.as_ref().and_then(|provider| provider.info()).and_then(|info| info.base_url);
    let Some(text) = spec.endpoint.as_deref().or(public) else {
        let name = provider
            .as_ref()
            .map_or_else(|| "an openAICompatible provider without a name".to_owned(), ToString::to_string);
        return Err(Problem::EndpointMissing(name));
    };
    base_url(text)
}

/// A URL that paths can follow, without a slash at its end.
pub(super) fn base_url(text: &str) -> Result<String, Problem> {
    let refused = || Problem::Endpoint(Quoted::of(text));
    let url = Url::parse(text).map_err(|_| refused())?;
    // A key in a query would stand in the status for all to read.
    let bare = url.query().is_none() && url.fragment().is_none();
    let usable = bare
        && matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.port() != Some(0)
        && url.username().is_empty()
        && url.password().is_none();
    if usable { Ok(text.trim_end_matches('/').to_owned()) } else { Err(refused()) }
}

/// A provider without a name is known by its host.
fn named(provider: Option<ProviderType>, endpoint: &str) -> Result<ProviderType, Problem> {
    let of_host = || Url::parse(endpoint).ok().and_then(|url| ProviderType::of_base_url(&url));
    provider.or_else(of_host).ok_or_else(|| Problem::Endpoint(Quoted::of(endpoint)))
}

fn duration(
    field: &'static str,
    text: Option<&DurationText>,
    default: Duration,
) -> Result<Duration, Problem> {
    text.map_or(Ok(default), |text| text.parse().map_err(|error| Problem::Duration { field, error }))
}

fn filter(filter: Option<&Filter>) -> ModelFilter {
    let Some(filter) = filter else { return ModelFilter::default() };
    ModelFilter {
        include: filter.include.clone(),
        exclude: filter.exclude.clone(),
        tiers: filter.tiers.clone(),
        strengths: filter.strengths.clone(),
        min_context_tokens: filter.min_context_tokens.and_then(|tokens| u64::try_from(tokens).ok()),
    }
}

#[cfg(test)]
mod tests {
    use vox_contracts::generated::routing::CatalogKind;

    use super::*;

    fn source(spec: serde_json::Value) -> ModelCatalogSource {
        let mut source = ModelCatalogSource::new("s", serde_json::from_value(spec).unwrap());
        source.metadata.uid = Some("uid".to_owned());
        source
    }

    #[test]
    fn the_contract_fills_what_the_spec_leaves_out() {
        let valid = validate(&source(serde_json::json!({ "provider": { "openRouter": {} } }))).unwrap();
        let defaults = discovery_defaults(CatalogKind::Openrouter);
        assert_eq!(valid.cron_line, defaults.schedule);
        assert_eq!(valid.max_age, defaults.max_age);
        assert!(valid.target.endpoint.starts_with("https://"));
        assert!(valid.schedule.delay < defaults.jitter);
    }

    #[test]
    fn a_custom_provider_is_known_by_its_host() {
        let spec = serde_json::json!({ "provider": { "openAICompatible": {} }, "endpoint": "https://LLM.example.com:8443/v1/" });
        let valid = validate(&source(spec)).unwrap();
        assert_eq!(valid.target.provider.to_string(), "llm.example.com");
        assert_eq!(valid.target.endpoint, "https://LLM.example.com:8443/v1");
    }

    #[test]
    fn a_host_that_is_called_like_a_provider_stays_a_host_on_every_wire() {
        let spec =
            serde_json::json!({ "provider": { "openAICompatible": {} }, "endpoint": "http://vllm/v1" });
        let provider = validate(&source(spec)).unwrap().target.provider;
        let wire: ProviderType = serde_json::from_str(&serde_json::to_string(&provider).unwrap()).unwrap();
        assert_eq!(wire, provider);
        assert_eq!(provider.to_string(), "vllm:80");
    }

    #[test]
    fn of_an_endpoint_only_scheme_and_host_are_quoted() {
        let told = |endpoint: &str| Problem::Endpoint(Quoted::of(endpoint)).to_string();
        let refused = told("https://user:s3cret@llm.example.com:8443/s3cret?key=s3cret#s3cret");
        assert!(refused.starts_with("spec.endpoint (of https://llm.example.com) is not"), "{refused}");
        for endpoint in ["user:s3cret@llm.example.com", "s3cret", "https://user:s3cret@llm:99999/"] {
            let refused = told(endpoint);
            assert!(refused.starts_with("spec.endpoint is not"), "{refused}");
        }
        assert!(!refused.contains("s3cret"), "{refused}");
    }

    #[test]
    fn each_mistake_is_named_with_its_field() {
        let cases = [
            (serde_json::json!({ "provider": {} }), "spec.provider"),
            (serde_json::json!({ "provider": { "ollama": {} } }), "spec.endpoint is required"),
            (serde_json::json!({ "provider": { "ollama": {} }, "endpoint": "ftp://x" }), "spec.endpoint"),
            (serde_json::json!({ "provider": { "ollama": {} }, "endpoint": "http://x:0" }), "spec.endpoint"),
            (
                serde_json::json!({ "provider": { "ollama": {} }, "endpoint": "http://x:65536" }),
                "spec.endpoint",
            ),
            (
                serde_json::json!({ "provider": { "openAICompatible": { "name": "vllm" } } }),
                "spec.endpoint is required for vllm",
            ),
            (
                serde_json::json!({ "provider": { "openRouter": {} }, "schedule": "0 3 * * 7" }),
                "spec.schedule",
            ),
            (
                serde_json::json!({ "provider": { "openRouter": {} }, "schedule": "0 3 L * *" }),
                "spec.schedule",
            ),
            (
                serde_json::json!({ "provider": { "openRouter": {} }, "schedule": "0 25 * * *" }),
                "spec.schedule",
            ),
            (
                serde_json::json!({ "provider": { "openRouter": {} }, "timeZone": "Mars/Olympus" }),
                "spec.timeZone",
            ),
            (
                serde_json::json!({ "provider": { "openRouter": {} }, "schedule": "0 * * * *", "jitter": "2h" }),
                "spec.jitter",
            ),
            (
                serde_json::json!({ "provider": { "openRouter": {} }, "minInterval": "2h", "freshness": { "maxAge": "1h" } }),
                "spec.minInterval",
            ),
            (serde_json::json!({ "provider": { "openRouter": {} }, "timeout": "soon" }), "spec.timeout"),
        ];
        for (spec, field) in cases {
            let problem = validate(&source(spec.clone())).unwrap_err().to_string();
            assert!(problem.starts_with(field), "{spec}: {problem}");
        }
    }

    #[test]
    fn a_default_that_is_in_the_way_is_named() {
        let spec = serde_json::json!({ "provider": { "openRouter": {} }, "freshness": { "maxAge": "1m" } });
        let problem = validate(&source(spec)).unwrap_err().to_string();
        let default = DurationText::from(discovery_defaults(CatalogKind::Openrouter).min_interval);
        assert!(problem.contains(&format!("spec.minInterval {default} (the default)")), "{problem}");
        assert!(problem.contains("spec.freshness.maxAge 1m:") || problem.contains("maxAge 1m "), "{problem}");
    }
}
