//! Where a target's calls go, made once: cloning such a path shares it.

use http::Uri;
use vox_dialects::Dialect;

use super::Place;

/// Path and query of each kind of call; nothing where they make no URI, and then such a call fails.
#[derive(Debug)]
pub struct Paths {
    whole: Option<Uri>,
    stream: Option<Uri>,
    embeddings: Option<Uri>,
}

impl Paths {
    /// Of this model at its upstream.
    #[must_use]
    pub fn new(place: &Place, model: &str) -> Self {
        let below = |dialect: Dialect, stream| format!("{}{}", place.path, dialect.path(model, stream));
        let embeddings = match place.dialect {
            // Ollama's base is its bare origin, and OpenAI's API is below it.
            Dialect::OllamaChat => format!("{}/v1/embeddings", place.path),
            _ => below(Dialect::OpenAiEmbeddings, false),
        };
        Self {
            whole: below(place.dialect, false).try_into().ok(),
            stream: below(place.dialect, true).try_into().ok(),
            embeddings: embeddings.try_into().ok(),
        }
    }

    /// Of a call in its upstream's dialect, or for embeddings.
    #[must_use]
    pub fn of(&self, dialect: Dialect, stream: bool) -> Option<&Uri> {
        match dialect {
            Dialect::OpenAiEmbeddings => self.embeddings.as_ref(),
            _ if stream => self.stream.as_ref(),
            _ => self.whole.as_ref(),
        }
    }
}
