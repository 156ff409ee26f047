//! LM Studio: its own `GET /api/v1/models`, which knows contexts and quantisations, or where a server has no such
//! thing, `GET /models` as OpenAI has it.
//! Format: <https://lmstudio.ai/docs/developer/rest/endpoints>.

use async_trait::async_trait;
use url::Url;
use vox_contracts::discovery::{FailureClass, FetchFailure, FetchTarget};

use super::openai_compatible::{self, OpenAiCompatible};
use crate::http::{Http, Reply};
use crate::registry::{Answer, ModelCatalog, list_url};

/// The path of the server's own list.
const OWN_LIST: &str = "/api/v1/models";

/// The source.
#[derive(Debug)]
pub struct LmStudio;

#[async_trait]
impl ModelCatalog for LmStudio {
    async fn fetch(
        &self,
        http: &Http,
        target: &FetchTarget,
        etag: Option<&str>,
    ) -> Result<Answer, FetchFailure> {
        let url = own_list(&list_url(target, "/models")?);
        match http.get(&url, etag, |body| openai_compatible::parse(body, &target.provider)).await {
            Ok(Reply::NotModified) => Ok(Answer::NotModified),
            Ok(Reply::Fresh { mut value, etag, .. }) => {
                value.etag = etag;
                Ok(Answer::Listing(value))
            }
            Err(failure) if is_unknown(&failure) => OpenAiCompatible.fetch(http, target, etag).await,
            Err(failure) => Err(failure),
        }
    }
}

/// Older servers answer unknown paths with 404, or with 200 and an error in it.
fn is_unknown(failure: &FetchFailure) -> bool {
    matches!(failure.class, FailureClass::EndpointNotFound | FailureClass::BodyInvalid)
}

fn own_list(compatible: &Url) -> Url {
    let mut url = compatible.clone();
    let base = compatible.path().trim_end_matches("/models").trim_end_matches("/v1").to_owned();
    url.set_path(&format!("{base}{OWN_LIST}"));
    url
}
