//! The sources of catalogs. A new one is a file in `sources/` and a line in [`source`].

use async_trait::async_trait;
use url::Url;
use vox_contracts::discovery::{FailureClass, FetchFailure, FetchTarget};
use vox_contracts::generated::routing::CatalogKind;

use crate::contract;
use crate::http::{Http, join};
use crate::listing::Listing;
use crate::sources;

/// A place that lists models.
#[async_trait]
pub trait ModelCatalog: Send + Sync {
    /// Asks it for its list. What comes back is as the provider lists it; [`crate::discover`] makes a catalog of it.
    async fn fetch(
        &self,
        http: &Http,
        target: &FetchTarget,
        etag: Option<&str>,
    ) -> Result<Answer, FetchFailure>;
}

/// What a source answers.
#[derive(Debug)]
pub enum Answer {
    /// The list of the given ETag still holds.
    NotModified,
    /// A list.
    Listing(Listing),
}

/// The client for a kind of catalog.
#[must_use]
pub fn source(kind: CatalogKind) -> &'static dyn ModelCatalog {
    match kind {
        CatalogKind::Openrouter => &sources::openrouter::OpenRouter,
        CatalogKind::Ollama => &sources::ollama::Ollama,
        CatalogKind::OpenaiCompatible => &sources::openai_compatible::OpenAiCompatible,
        CatalogKind::Anthropic => &sources::anthropic::Anthropic,
        CatalogKind::Google => &sources::google::Google,
        CatalogKind::Huggingface => &sources::huggingface::HuggingFace,
        CatalogKind::LlamaCpp => &sources::llama_cpp::LlamaCpp,
        CatalogKind::LmStudio => &sources::lm_studio::LmStudio,
        CatalogKind::Mens => &sources::mens::Mens,
    }
}

/// Where a target's list is: the path of the provider's contract, else the one that this kind of API has.
///
/// # Errors
/// When the target's endpoint is no base URL.
pub(crate) fn list_url(target: &FetchTarget, default: &str) -> Result<Url, FetchFailure> {
    let path = contract::list_endpoint(&target.provider).unwrap_or(default);
    let base = target.list_base.as_deref().unwrap_or(&target.endpoint);
    join(base, path).map_err(|reason| bad_endpoint(&reason))
}

/// An endpoint that cannot be asked at all.
pub(crate) fn bad_endpoint(reason: &str) -> FetchFailure {
    let message = format!("{reason}; set endpoint to the API's base URL");
    FetchFailure { class: FailureClass::EndpointNotFound, message, retry_after_ms: None }
}
