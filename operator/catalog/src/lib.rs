//! Asks model providers what they serve and what it costs. Knows HTTP and the contracts; no Kubernetes, no SQL.
//!
//! [`discover`] is the whole of it. A new source is one file in [`sources`] and one line in [`registry::source`].

mod contract;
mod credential;
pub mod filter;
pub mod http;
pub mod listing;
mod normalise;
mod object;
pub mod pages;
mod read;
pub mod registry;
pub mod sources;
mod text;

use vox_contracts::ModelCatalogEntry;
use vox_contracts::discovery::{FetchFailure, FetchTarget, RowRefusal};

pub use crate::credential::Credential;
pub use crate::normalise::{FetchedCatalog, normalise};

use crate::http::Http;
use crate::listing::Listing;
use crate::registry::Answer;
use crate::text::{MAX_QUOTED, clip};

/// How a fetch ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The provider answered 304: the catalog of the given ETag still holds.
    NotModified,
    /// A catalog.
    Catalog(FetchedCatalog),
}

/// Fetches a target's catalog within its `timeout_ms`, retrying what may succeed a moment later.
///
/// A credential is sent wherever the endpoint says, also over plain http: model servers inside a cluster have no
/// certificate. Whether an endpoint may be plain http is for the resource's validation to say.
///
/// # Errors
/// Why there is no catalog. No message holds the credential, even where the provider repeats it.
pub async fn discover(
    target: &FetchTarget,
    credential: Option<&Credential>,
    etag: Option<&str>,
) -> Result<Fetched, FetchFailure> {
    let auth = contract::auth_header(&target.provider);
    let extra = contract::extra_headers(&target.provider);
    let http = Http::new(target, credential, auth.as_ref(), extra, contract::patience(target.catalog))?;
    let source = registry::source(target.catalog);
    // The providers' rows are quoted in refusals and in the reason for an empty catalog.
    let redact = |text: &mut String| *text = http.redact(text);
    match source.fetch(&http, target, etag).await? {
        Answer::NotModified => Ok(Fetched::NotModified),
        Answer::Listing(listing) => {
            let mut catalog = normalise(without_key(listing, &http), target).map_err(|mut failure| {
                redact(&mut failure.message);
                failure
            })?;
            for refusal in &mut catalog.refusals {
                redact(&mut refusal.row);
                redact(&mut refusal.reason);
            }
            Ok(Fetched::Catalog(catalog))
        }
    }
}

/// The list without the models whose id, name or aliases hold the credential: whoever lists it that way wants it read.
fn without_key(mut listing: Listing, http: &Http) -> Listing {
    let is_free = |text: &String| http.redact(text) == *text;
    let (kept, refused): (Vec<_>, Vec<_>) =
        listing.entries.into_iter().partition(|entry: &ModelCatalogEntry| {
            let texts = [Some(&entry.model_id), entry.display_name.as_ref(), entry.parent.as_ref()];
            texts.into_iter().flatten().chain(&entry.aliases).all(is_free)
        });
    listing.entries = kept;
    for entry in refused {
        listing.refusals.push(RowRefusal {
            row: clip(&http.redact(&entry.model_id), MAX_QUOTED),
            reason: "it holds the key that the provider was shown".to_owned(),
        });
    }
    listing
}
