//! An upstream, with everything that a request to it needs.

use std::sync::Arc;

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};
use vox_contracts::ProviderType;
use vox_contracts::generated::providers::AuthStyle;
use vox_dialects::Dialect;
use vox_routing::Upstream;
use vox_routing::request::Unavailable;

use crate::keys::{Key, Keys};
use crate::live::Breaker;
use crate::record::{Name, Peer};
use crate::upstream::Origin;

/// One upstream.
#[derive(Debug)]
pub struct Place {
    /// Whom records name.
    pub peer: Arc<Peer>,
    /// Its base URL, as the snapshot has it.
    pub url: String,
    /// Where it listens; nothing when its URL is none, and then each attempt fails.
    pub origin: Option<Arc<Origin>>,
    /// What stands before each path.
    pub path: String,
    /// How it is spoken to.
    pub dialect: Dialect,
    /// Whether it is OpenAI itself or Azure, which know `max_completion_tokens` and not `max_tokens`.
    pub openai: bool,
    /// Whether a stream's usage is asked for in the client's place: of providers that the contract knows.
    pub knows_usage: bool,
    auth: AuthStyle,
    /// The name of its key, and the key.
    credential: Option<String>,
    key: Option<Arc<Key>>,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Its failures, whichever of its models was called.
    pub breaker: Arc<Breaker>,
}

impl Place {
    /// From the snapshot.
    #[must_use]
    pub fn new(upstream: &Upstream, keys: &Keys, breaker: Arc<Breaker>) -> Self {
        let (origin, path) = Origin::of_url(&upstream.base_url).unzip();
        let headers = upstream.headers.iter();
        Self {
            peer: Arc::new(Peer {
                upstream: Name::from(upstream.name.as_str()),
                provider: upstream.provider.semconv_name().to_owned(),
                address: origin.as_ref().map(|origin| origin.host.clone()).unwrap_or_default(),
                port: origin.as_ref().map_or(0, |origin| origin.port),
                route: upstream.route.as_str(),
            }),
            url: upstream.base_url.clone(),
            origin: origin.map(Arc::new),
            path: path.unwrap_or_default(),
            dialect: Dialect::of_backend(upstream.route),
            openai: matches!(upstream.provider, ProviderType::OpenAi | ProviderType::AzureOpenAi),
            knows_usage: upstream.provider.info().is_some(),
            auth: upstream.auth,
            credential: upstream.credential.clone(),
            key: upstream.credential.as_deref().map(|credential| keys.key(credential)),
            headers: headers
                .filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?)))
                .collect(),
            breaker,
        }
    }

    /// One that a deployment names and the snapshot does not have.
    #[must_use]
    pub fn missing(name: &str) -> Self {
        Self {
            peer: Arc::new(Peer {
                upstream: Name::from(name),
                provider: "_OTHER".to_owned(),
                ..Peer::default()
            }),
            url: String::new(),
            origin: None,
            path: String::new(),
            dialect: Dialect::OpenAiChat,
            openai: false,
            knows_usage: false,
            auth: AuthStyle::None,
            credential: None,
            key: None,
            headers: Vec::new(),
            breaker: Arc::new(Breaker::of_all()),
        }
    }

    /// Why none of its models can be called now.
    #[must_use]
    pub fn unavailable(&self, now_ms: u64) -> Option<Unavailable> {
        self.key_says(now_ms).or_else(|| self.breaker.unavailable(now_ms))
    }

    fn key_says(&self, now_ms: u64) -> Option<Unavailable> {
        let key = self.key.as_ref()?;
        if !key.is_there() {
            Some(Unavailable::KeyMissing)
        } else if key.is_refused(now_ms) {
            Some(Unavailable::KeyRefused)
        } else {
            None
        }
    }

    /// The name of its key, if that is not there.
    #[must_use]
    pub fn missing_key(&self) -> Option<&str> {
        let key = self.key.as_ref()?;
        if key.is_there() { None } else { self.credential.as_deref() }
    }

    /// Adds the headers that it wants, the key among them, and says which value of the key that was.
    pub fn headers(&self, headers: &mut HeaderMap) -> Option<u64> {
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.clone());
        }
        let (value, generation) = self.key.as_ref()?.header(self.auth)?;
        let (name, _) = self.auth.header()?;
        headers.insert(HeaderName::from_static(name), value);
        Some(generation)
    }

    /// It said that this value of the key is none of its own.
    pub fn refuse_key(&self, generation: u64, now_ms: u64) {
        if let Some(key) = &self.key {
            key.refuse(generation, now_ms);
        }
    }
}
