//! llama.cpp's server: `GET /models` as OpenAI has it, and `GET /props` for the context that a slot serves. Its adapters are
//! parts of a request and no models, so they are not listed.
//! Format: <https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md>.

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::value::RawValue;
use url::Url;
use vox_contracts::ModelCatalogEntry;
use vox_contracts::discovery::{FetchFailure, FetchTarget};

use super::openai_compatible;
use crate::http::{Http, Reply};
use crate::listing::{BodyError, read_body};
use crate::object::Object;
use crate::read::tokens;
use crate::registry::{Answer, ModelCatalog, list_url};

/// The source.
#[derive(Debug)]
pub struct LlamaCpp;

#[async_trait]
impl ModelCatalog for LlamaCpp {
    async fn fetch(
        &self,
        http: &Http,
        target: &FetchTarget,
        _etag: Option<&str>,
    ) -> Result<Answer, FetchFailure> {
        let url = list_url(target, "/models")?;
        // A server that was started anew with another context lists the same model, so no tag stands for it.
        let reply = http.get(&url, None, |body| openai_compatible::parse(body, &target.provider)).await?;
        let Reply::Fresh { value: mut listing, .. } = reply else { return Ok(Answer::NotModified) };
        match http.get_detail(&beside(&url, "/props"), parse_props).await {
            Ok(props) => listing.entries.iter_mut().for_each(|entry| props.apply(entry)),
            // It may be switched off, or asks for a key that the list does not.
            Err(failure) => tracing::warn!(
                class = failure.class.as_str(),
                message = failure.message,
                "a server's context is only what its list says: it does not show its properties"
            ),
        }
        Ok(Answer::Listing(listing))
    }
}

/// Another path of the server: its own interface is not below the one that is OpenAI's.
fn beside(list: &Url, path: &str) -> Url {
    let mut url = list.clone();
    let base = list.path().trim_end_matches("/models").trim_end_matches("/v1").to_owned();
    url.set_path(&format!("{base}{path}"));
    url
}

/// What `/props` says of the server.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Props {
    /// The context of one slot, in tokens.
    pub context_length_tokens: Option<u64>,
    sees: Option<bool>,
    hears: Option<bool>,
}

impl Props {
    /// Adds it to a model of the server.
    fn apply(&self, entry: &mut ModelCatalogEntry) {
        // What a slot serves is at most what the list says was trained.
        entry.context_length_tokens = self.context_length_tokens.or(entry.context_length_tokens);
        let also = [("image", self.sees), ("audio", self.hears)];
        let also: Vec<&str> =
            also.into_iter().filter(|(_, yes)| *yes == Some(true)).map(|(word, _)| word).collect();
        if self.sees.is_some() || self.hears.is_some() {
            entry.input_modalities = std::iter::once("text").chain(also).map(str::to_owned).collect();
        }
    }
}

#[derive(Deserialize)]
struct Answered<'a> {
    #[serde(borrow)]
    default_generation_settings: Option<&'a RawValue>,
    #[serde(borrow)]
    modalities: Option<&'a RawValue>,
}

/// Reads `/props`.
///
/// # Errors
/// When it is no object.
pub fn parse_props(body: &[u8]) -> Result<Props, BodyError> {
    #[derive(Deserialize)]
    struct Settings {
        n_ctx: Option<u64>,
    }
    #[derive(Deserialize, Default)]
    struct Modalities {
        vision: Option<bool>,
        audio: Option<bool>,
    }
    let Object(Answered { default_generation_settings, modalities }) = read_body(body)?;
    let settings =
        default_generation_settings.and_then(|raw| serde_json::from_str::<Settings>(raw.get()).ok());
    let modalities: Modalities =
        modalities.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
    Ok(Props {
        context_length_tokens: settings.and_then(|settings| tokens(settings.n_ctx)),
        sees: modalities.vision,
        hears: modalities.audio,
    })
}
