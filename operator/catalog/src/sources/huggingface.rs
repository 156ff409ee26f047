//! Hugging Face: `GET /api/models` of the hub, page by page, for what a repository is, and `GET /models` of the router
//! for who serves it at what price. A model is listed when both know it.
//! Formats: <https://huggingface.co/docs/hub/api>, <https://huggingface.co/docs/inference-providers/hub-api>.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::value::RawValue;
use url::Url;
use vox_contracts::discovery::{FetchFailure, FetchTarget, HubQuery};
use vox_contracts::entry::{Access, LocalWeights, digest};

use super::openai_compatible;
use crate::contract;
use crate::http::{Http, join};
use crate::listing::{BodyError, Listing, Refusals, read_body, read_row};
use crate::pages::{Page, Pages, Walk};
use crate::read::{date_or_time, parameters, tokens};
use crate::registry::{Answer, ModelCatalog, bad_endpoint};

/// What is asked about a repository; without this, rows hold numbers that change by the minute.
const FACTS: [&str; 7] = ["sha", "lastModified", "createdAt", "gated", "private", "safetensors", "gguf"];

/// The source.
#[derive(Debug)]
pub struct HuggingFace;

#[async_trait]
impl ModelCatalog for HuggingFace {
    /// The newest change comes first, so the hub's first page with the router's list tells whether anything changed:
    /// the tag of the list is a fingerprint of the two, and while it holds the hub is asked no further.
    async fn fetch(
        &self,
        http: &Http,
        target: &FetchTarget,
        etag: Option<&str>,
    ) -> Result<Answer, FetchFailure> {
        let router = join(&target.endpoint, contract::list_endpoint(&target.provider).unwrap_or("/models"))
            .map_err(|reason| bad_endpoint(&reason))?;
        let served =
            http.get_detail(&router, |body| openai_compatible::parse(body, &target.provider)).await?;
        let hub = hub_url(target)?;
        let mut walk = Walk::new(http, &hub, target);
        let Some((first, _)) = walk.first(None, &parse_page).await? else { return Ok(Answer::NotModified) };
        let fingerprint = fingerprint(&hub, &first.value, &served);
        if etag.is_some() && etag == fingerprint.as_deref() {
            return Ok(Answer::NotModified);
        }
        let mut listing = known_to_both(walk.rest(first, &parse_page).await?, served);
        listing.etag = fingerprint;
        Ok(Answer::Listing(listing))
    }
}

/// Only what somebody serves, the newest change first.
fn hub_url(target: &FetchTarget) -> Result<Url, FetchFailure> {
    let base = target.list_base.as_deref().unwrap_or(&target.endpoint);
    let mut url = join(base, "/api/models").map_err(|reason| bad_endpoint(&reason))?;
    let HubQuery { author, search, tags } = target.hub.clone().unwrap_or_default();
    let asked = author.iter().map(|author| ("author", author.as_str()));
    let asked = asked.chain(search.iter().map(|search| ("search", search.as_str())));
    let asked = asked.chain(tags.iter().map(|tag| ("filter", tag.as_str())));
    url.query_pairs_mut()
        .extend_pairs([("inference_provider", "all"), ("sort", "lastModified"), ("direction", "-1")])
        .extend_pairs(asked)
        .extend_pairs(FACTS.map(|fact| ("expand", fact)));
    Ok(url)
}

/// Repositories of the hub, by id.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Hub {
    repositories: BTreeMap<String, Repository>,
    refusals: Refusals,
}

impl Pages for Hub {
    /// A repository that changes while pages are read comes twice; the first is the newer.
    fn add(&mut self, page: Self) {
        for (id, repository) in page.repositories {
            self.repositories.entry(id).or_insert(repository);
        }
        self.refusals.extend(page.refusals);
    }
}

/// What the hub knows of a repository.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
struct Repository {
    revision: Option<String>,
    modified: Option<String>,
    created_at: Option<String>,
    is_gated: bool,
    is_private: bool,
    size_bytes: Option<u64>,
    parameters: Option<u64>,
    quantization: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    sha: Option<Cow<'a, str>>,
    #[serde(borrow)]
    last_modified: Option<Cow<'a, str>>,
    #[serde(borrow)]
    created_at: Option<Cow<'a, str>>,
    /// `false`, `"auto"` or `"manual"`.
    #[serde(borrow)]
    gated: Option<&'a RawValue>,
    private: Option<bool>,
    #[serde(borrow)]
    safetensors: Option<&'a RawValue>,
    #[serde(borrow)]
    gguf: Option<&'a RawValue>,
}

/// Reads one page of the hub's list; where the next is, its `Link` header says.
///
/// # Errors
/// When it is no list. A wrong row is refused, not the page.
pub fn parse_page(body: &[u8]) -> Result<Page<Hub>, BodyError> {
    let rows: Vec<&RawValue> = read_body(body)?;
    let mut hub = Hub::default();
    for (index, raw) in rows.iter().enumerate() {
        match read_row::<Row<'_>>(index, raw) {
            Ok(row) => drop(hub.repositories.insert(row.id.clone().into_owned(), repository(&row))),
            Err(refused) => hub.refusals.push(refused),
        }
    }
    Ok(Page { value: hub, rows: rows.len(), total: None, next: None })
}

fn repository(row: &Row<'_>) -> Repository {
    let text = |text: &Option<Cow<'_, str>>| text.as_deref().map(str::to_owned);
    let mut repository = Repository {
        revision: text(&row.sha),
        modified: text(&row.last_modified),
        created_at: date_or_time(row.created_at.as_deref()),
        is_gated: row.gated.is_some_and(|raw| !matches!(raw.get(), "false" | "null")),
        is_private: row.private == Some(true),
        ..Repository::default()
    };
    weigh(&mut repository, row);
    repository
}

/// Sizes of the checkpoint, from the types of its numbers; the type that most of them have is the quantisation.
fn weigh(repository: &mut Repository, row: &Row<'_>) {
    #[derive(Deserialize)]
    struct Safetensors {
        parameters: Option<BTreeMap<String, u64>>,
        total: Option<u64>,
    }
    #[derive(Deserialize)]
    struct Gguf {
        total: Option<u64>,
    }
    // What only describes may be of any form.
    let safetensors = row.safetensors.and_then(|raw| serde_json::from_str::<Safetensors>(raw.get()).ok());
    let gguf = row.gguf.and_then(|raw| serde_json::from_str::<Gguf>(raw.get()).ok());
    let Some(Safetensors { parameters, total }) = safetensors else {
        repository.parameters = gguf.and_then(|gguf| tokens(gguf.total));
        repository.quantization = repository.parameters.map(|_| "GGUF".to_owned());
        return;
    };
    let parameters = parameters.unwrap_or_default();
    repository.parameters = tokens(total);
    repository.quantization =
        parameters.iter().max_by_key(|(_, count)| **count).map(|(name, _)| name.clone());
    repository.size_bytes = parameters
        .iter()
        .map(|(name, count)| count.checked_mul(bytes_of(name)?))
        .try_fold(0_u64, |sum, bytes| sum.checked_add(bytes?))
        .filter(|bytes| *bytes > 0);
}

/// How many bytes a number of this type takes; types below a byte pack differently from file to file.
fn bytes_of(name: &str) -> Option<u64> {
    match name {
        "F64" | "I64" | "U64" => Some(8),
        "F32" | "I32" | "U32" => Some(4),
        "F16" | "BF16" | "I16" | "U16" => Some(2),
        "I8" | "U8" | "BOOL" => Some(1),
        _ if name.starts_with("F8_") => Some(1),
        _ => None,
    }
}

/// The same as long as nothing about either list changed, as far as the first page of the one shows.
fn fingerprint(hub: &Url, first: &Hub, served: &Listing) -> Option<String> {
    let mut hasher = DefaultHasher::new();
    hub.as_str().hash(&mut hasher);
    first.repositories.hash(&mut hasher);
    Some(format!("{:016x} {}", hasher.finish(), digest(&served.entries).ok()?))
}

/// The models that are served and that the hub lists, with what both know.
fn known_to_both(hub: Hub, served: Listing) -> Listing {
    let Hub { repositories, refusals } = hub;
    let mut listing = served;
    listing.refusals.extend(refusals);
    listing.entries.retain_mut(|entry| {
        let Some(repository) = repositories.get(&entry.model_id) else { return false };
        entry.access = match (repository.is_private, repository.is_gated) {
            (true, _) => Some(Access::Private),
            (false, true) => Some(Access::Gated),
            (false, false) => None,
        };
        entry.created_at.clone_from(&repository.created_at);
        let weights = LocalWeights {
            size_bytes: repository.size_bytes,
            parameters: repository.parameters.and_then(parameters),
            quantization: repository.quantization.clone(),
        };
        entry.local = Some(weights).filter(|weights| *weights != LocalWeights::default());
        true
    });
    listing
}
