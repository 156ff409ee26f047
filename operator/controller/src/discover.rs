//! `discover`: what a source's Job runs. Asks the operator for a plan, the provider for its models, and uploads them.
//!
//! The provider is asked once per run, whatever happens to the operator or the database meanwhile: what was fetched is
//! kept in memory and offered until it is taken.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use http::StatusCode;
use jiff::Timestamp;
use reqwest::{Certificate, Client, Method, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use vox_catalog::{Credential, Fetched};
use vox_contracts::discovery::{
    CatalogUpload, DiscoveryPlan, FailureClass, FetchFailure, FetchOutcome, FetchReport, Permission,
    UploadReceipt,
};
use vox_contracts::inference::INFERRED_WITH;

use crate::args::DiscoverSettings;
use crate::model_catalog_source::build::REPORTED;
use crate::process::resident_bytes;

/// Bound on one call to the operator.
const CALL: Duration = Duration::from_secs(60);
/// First and longest wait between two tries while the operator or the database is away.
const WAITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(20));

/// How a run ended.
pub(crate) enum Ended {
    /// Published, confirmed, or nothing to do.
    Done,
    /// Failed, and the operator knows why.
    Reported,
    /// Failed, and another pod may do better.
    Failed,
}

impl From<Ended> for ExitCode {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Done => Self::SUCCESS,
            // Fits: the constant is 3.
            Ended::Reported => Self::from(u8::try_from(REPORTED).unwrap_or(1)),
            Ended::Failed => Self::FAILURE,
        }
    }
}

/// Runs one discovery.
pub(crate) async fn discover(settings: DiscoverSettings) -> Ended {
    if settings.delay_seconds > 0 {
        tracing::info!(seconds = settings.delay_seconds, "waiting for this source's part of the jitter");
        tokio::time::sleep(Duration::from_secs(settings.delay_seconds)).await;
    }
    let begun = Instant::now();
    let ended = Box::pin(run(&settings)).await;
    tracing::info!(
        elapsed_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        peak_resident_bytes = resident_bytes().1,
        "the run ended"
    );
    match ended {
        Ok(ended) => ended,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the run failed");
            Ended::Failed
        }
    }
}

async fn run(settings: &DiscoverSettings) -> anyhow::Result<Ended> {
    let operator = Operator::new(settings)?;
    let Some((plan, etag)) = operator.plan().await? else { return Ok(Ended::Done) };
    let fetched = match credential(settings) {
        Ok(credential) => {
            Box::pin(vox_catalog::discover(&plan.target, credential.as_ref(), etag.as_deref())).await
        }
        Err(failure) => Err(failure),
    };
    match fetched {
        Ok(Fetched::Catalog(catalog)) => {
            let upload = CatalogUpload {
                plan_digest: plan.plan_digest,
                etag: catalog.etag,
                inferred_with: Some(INFERRED_WITH),
                entries: catalog.entries,
                refusals: catalog.refusals,
                refused: catalog.refused,
            };
            for refusal in &upload.refusals {
                tracing::warn!(row = refusal.row, reason = refusal.reason, "a row was not taken");
            }
            operator.upload(&upload).await
        }
        Ok(Fetched::NotModified) => operator.report(plan.plan_digest, FetchOutcome::NotModified).await,
        Err(failure) => {
            tracing::warn!(class = failure.class.as_str(), message = failure.message, "the fetch failed");
            operator.report(plan.plan_digest, FetchOutcome::Failed(failure)).await
        }
    }
}

/// The provider's key, if the source names one.
fn credential(settings: &DiscoverSettings) -> Result<Option<Credential>, FetchFailure> {
    let Some(file) = &settings.credential_file else { return Ok(None) };
    let text = std::fs::read_to_string(file).map_err(|_| FetchFailure {
        class: FailureClass::CredentialMissing,
        message: format!(
            "{} does not exist; create it, or correct spec.credentialsRef",
            settings.credential_name
        ),
        retry_after_ms: None,
    })?;
    Credential::read(&text).map(Some).map_err(|failure| FetchFailure {
        message: format!("{}: {}", settings.credential_name, failure.message),
        ..failure
    })
}

/// The operator, as a run sees it.
struct Operator<'a> {
    settings: &'a DiscoverSettings,
    client: Client,
    patience: Duration,
}

/// What the operator says to a call it has understood.
enum Answer<T> {
    Given(T),
    /// A verdict that another try would repeat.
    Refused {
        code: String,
        message: String,
    },
}

impl<'a> Operator<'a> {
    fn new(settings: &'a DiscoverSettings) -> anyhow::Result<Self> {
        let authority = Certificate::from_pem_bundle(settings.operator_ca.as_bytes())
            .context("failed to read VOX_OPERATOR_CA as certificates")?;
        let client = Client::builder()
            .tls_certs_only(authority)
            .https_only(true)
            .no_proxy()
            .timeout(CALL)
            .build()
            .context("failed to build the client for the operator")?;
        Ok(Self { settings, client, patience: Duration::from_secs(settings.patience_seconds) })
    }

    /// What to fetch, with which ETag, when it is this run's turn; nothing when there is nothing to fetch now.
    async fn plan(&self) -> anyhow::Result<Option<(DiscoveryPlan, Option<String>)>> {
        let begun = Instant::now();
        loop {
            let plan: DiscoveryPlan = match self.call(Method::POST, "/plan", &()).await? {
                Answer::Given(plan) => plan,
                Answer::Refused { code, message } => {
                    tracing::warn!(code, message, "the operator gives no plan");
                    return Ok(None);
                }
            };
            match &plan.permission {
                Permission::Fetch { etag } => {
                    let etag = etag.clone();
                    return Ok(Some((plan, etag)));
                }
                Permission::Wait { until } => {
                    tracing::info!(%until, "the provider may not be asked before then; nothing to do");
                    return Ok(None);
                }
                Permission::Queue { again_ms } if begun.elapsed() < self.patience / 2 => {
                    tracing::debug!(again_ms, "another source's run is asking this host; waiting for it");
                    tokio::time::sleep(Duration::from_millis(*again_ms)).await;
                }
                Permission::Queue { .. } => {
                    return Err(anyhow!(
                        "other sources' runs were asking {} for {:?}, one after the other",
                        plan.target.endpoint,
                        self.patience / 2
                    ));
                }
            }
        }
    }

    async fn upload(&self, upload: &CatalogUpload) -> anyhow::Result<Ended> {
        match self.call::<_, UploadReceipt>(Method::PUT, "", upload).await? {
            Answer::Given(receipt) => {
                tracing::info!(
                    revision = receipt.revision,
                    models = receipt.models,
                    added = receipt.added,
                    removed = receipt.removed,
                    repriced = receipt.repriced,
                    refused = upload.refused,
                    "the catalog is published"
                );
                Ok(Ended::Done)
            }
            Answer::Refused { code, message } => {
                tracing::warn!(code, message, "the operator did not take the catalog");
                Ok(Ended::Reported)
            }
        }
    }

    async fn report(&self, plan_digest: String, outcome: FetchOutcome) -> anyhow::Result<Ended> {
        let failed = matches!(outcome, FetchOutcome::Failed(_));
        let report = FetchReport { plan_digest, at: Timestamp::now(), outcome };
        if let Answer::Refused { code, message } =
            self.call::<_, ()>(Method::POST, "/attempts", &report).await?
        {
            tracing::warn!(code, message, "the operator did not take the report");
        }
        Ok(if failed { Ended::Reported } else { Ended::Done })
    }

    /// Calls until the operator has an answer or patience ends.
    async fn call<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &B,
    ) -> anyhow::Result<Answer<T>> {
        let url = self.url(path)?;
        let body = serde_json::to_vec(body).context("failed to write the call as JSON")?;
        let begun = Instant::now();
        let mut wait = WAITS.0;
        loop {
            match self.once(method.clone(), url.clone(), body.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(error) if begun.elapsed() + wait < self.patience => {
                    tracing::warn!(
                        error = format!("{error:#}"),
                        ?wait,
                        "the operator has no answer; trying again"
                    );
                }
                Err(error) => {
                    return Err(
                        error.context(format!("failed to reach the operator for {:?}", self.patience))
                    );
                }
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(WAITS.1);
        }
    }

    fn url(&self, path: &str) -> anyhow::Result<Url> {
        let settings = self.settings;
        let text = format!(
            "{}/v1/catalogs/{}/{}{path}",
            settings.operator_url, settings.source_namespace, settings.source_name
        );
        Url::parse_with_params(&text, [("run", &settings.run)])
            .with_context(|| format!("failed to read {text} as a URL"))
    }

    async fn once<T: DeserializeOwned>(
        &self,
        method: Method,
        url: Url,
        body: Vec<u8>,
    ) -> anyhow::Result<Answer<T>> {
        // Read anew each time: Kubernetes renews the file.
        let token = std::fs::read_to_string(&self.settings.token_file).with_context(|| {
            format!("failed to read the token from {}", self.settings.token_file.display())
        })?;
        let request = self.client.request(method, url).bearer_auth(token.trim());
        let response =
            request.header(http::header::CONTENT_TYPE, "application/json").body(body).send().await?;
        let status = response.status();
        let bytes = response.bytes().await?;
        if status.is_success() {
            let bytes: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
            return serde_json::from_slice(bytes)
                .map(Answer::Given)
                .context("failed to read the operator's answer");
        }
        let said: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let part = |name: &str| {
            said.pointer(&format!("/error/{name}"))
                .and_then(|text| text.as_str())
                .unwrap_or_default()
                .to_owned()
        };
        let (code, message) = (part("code"), part("message"));
        // A token may be unknown for a moment after its ServiceAccount was made, so 401 is worth another try.
        let passing = status.is_server_error()
            || matches!(
                status,
                StatusCode::UNAUTHORIZED | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
            );
        if passing {
            Err(anyhow!("the operator answered {status}: {message}"))
        } else {
            Ok(Answer::Refused { code, message })
        }
    }
}
