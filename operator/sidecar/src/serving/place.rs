//! An upstream, with everything that a request to it needs.

use std::sync::Arc;

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};
use vox_contracts::ProviderType;
use vox_contracts::generated::providers::AuthStyle;
use vox_contracts::model_key::server_key;
use vox_dialects::Dialect;
use vox_routing::Upstream;
use vox_routing::request::Unavailable;

use crate::keys::{Key, Keys};
use crate::live::Breaker;
use crate::record::{Name, Peer};
use crate::upstream::Origin;

/// As many headers as a request gets, with its key, its trace and its length.
const HEADERS: usize = 8;

/// One upstream.
#[derive(Debug)]
pub struct Place {
    /// Whom records name.
    pub peer: Arc<Peer>,
    /// Who serves there, as the scoreboard has it.
    pub server: String,
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
    /// The header that carries its key.
    key_header: Option<HeaderName>,
    /// The name of its key, and the key.
    credential: Option<String>,
    key: Option<Arc<Key>>,
    /// Its failures, whichever of its models was called.
    pub breaker: Arc<Breaker>,
    /// What is the same in all requests to it: copying it costs a fraction of putting it together.
    headers: HeaderMap,
}

impl Place {
    /// From the snapshot.
    #[must_use]
    pub fn new(upstream: &Upstream, keys: &Keys, breaker: Arc<Breaker>) -> Self {
        let (origin, path) = Origin::of_url(&upstream.base_url).unzip();
        let mut headers = same(origin.as_ref());
        for (name, value) in &upstream.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                headers.insert(name, value);
            }
        }
        Self {
            peer: Arc::new(Peer {
                upstream: Name::from(upstream.name.as_str()),
                provider: Name::from(upstream.provider.semconv_name()),
                address: origin.as_ref().map(|origin| origin.host.as_str().into()).unwrap_or_default(),
                port: origin.as_ref().map_or(0, |origin| origin.port),
                route: upstream.route.as_str(),
            }),
            server: server_key(&upstream.provider, &upstream.base_url),
            url: upstream.base_url.clone(),
            origin: origin.map(Arc::new),
            path: path.unwrap_or_default(),
            dialect: Dialect::of_backend(upstream.route),
            openai: matches!(upstream.provider, ProviderType::OpenAi | ProviderType::AzureOpenAi),
            knows_usage: upstream.provider.info().is_some(),
            auth: upstream.auth,
            key_header: upstream.auth.header().map(|(name, _)| HeaderName::from_static(name)),
            credential: upstream.credential.clone(),
            key: upstream.credential.as_deref().map(|credential| keys.key(credential)),
            breaker,
            headers,
        }
    }

    /// One that a deployment names and the snapshot does not have.
    #[must_use]
    pub fn missing(name: &str) -> Self {
        Self {
            peer: Arc::new(Peer {
                upstream: Name::from(name),
                provider: Name::from("_OTHER"),
                ..Peer::default()
            }),
            server: "_OTHER".to_owned(),
            url: String::new(),
            origin: None,
            path: String::new(),
            dialect: Dialect::OpenAiChat,
            openai: false,
            knows_usage: false,
            auth: AuthStyle::None,
            key_header: None,
            credential: None,
            key: None,
            breaker: Arc::new(Breaker::of_all()),
            headers: HeaderMap::new(),
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

    /// The headers of a request to it whose answer is no stream, the key among them, and which value of the key that is.
    #[must_use]
    pub fn headers(&self) -> (HeaderMap, Option<u64>) {
        let mut headers = self.headers.clone();
        let key = self.key.as_ref().and_then(|key| key.header(self.auth));
        let generation = self.key_header.as_ref().zip(key).map(|(name, (value, generation))| {
            headers.insert(name.clone(), value);
            generation
        });
        (headers, generation)
    }

    /// It said that this value of the key is none of its own.
    pub fn refuse_key(&self, generation: u64, now_ms: u64) {
        if let Some(key) = &self.key {
            key.refuse(generation, now_ms);
        }
    }
}

/// What every request says, in the order in which it is sent.
fn same(origin: Option<&Origin>) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(HEADERS);
    if let Some(origin) = origin {
        headers.insert(header::HOST, origin.authority.clone());
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    let agent = concat!("vox-sidecar/", env!("CARGO_PKG_VERSION"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
    headers
}
