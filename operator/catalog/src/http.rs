//! HTTP as catalogs need it: bounded in time and size, conditional, patient with servers that ask for patience.
//!
//! A source never sees the credential: it is in the client, and every message goes through its redaction.

mod authorities;
mod body;
mod link;
mod place;
mod retry;
mod rows;
mod status;

use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH};
use http::{Method, StatusCode};
use tokio::time::{Instant, sleep, timeout_at};
use url::Url;
use vox_contracts::discovery::{FailureClass, FetchFailure, FetchTarget};

use crate::credential::Credential;
use crate::listing::BodyError;
use crate::text::{MAX_QUOTED, clip};

pub(crate) use body::words as error_words;
pub use place::{join, shown};
pub use retry::Patience;
pub(crate) use rows::MAX_ROWS;

/// How long a connection may take: TCP and TLS across an ocean need well under a second.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a server may stay silent before the attempt counts as hung, so that there is time for another.
const MAX_SILENCE: Duration = Duration::from_secs(20);
/// Redirects that are followed on the same host.
const MAX_REDIRECTS: usize = 3;
/// How often one of many details is asked for: each is worth less than the list.
const DETAIL_ATTEMPTS: u32 = 2;

/// How to show a credential to a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthHeader {
    /// The header's name, in lower case.
    pub name: String,
    /// What stands before the credential in it.
    pub prefix: String,
}

/// A client for one fetch: one target, one credential, one deadline.
#[derive(Debug)]
pub struct Http {
    client: reqwest::Client,
    credential: Option<Credential>,
    deadline: Instant,
    timeout: Duration,
    max_body_bytes: u64,
    patience: Patience,
    /// Whether authorities besides the public ones are trusted.
    own_authorities: bool,
}

/// An answer to a conditional request.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply<T> {
    /// 304: what was fetched before still holds.
    NotModified,
    /// A body, read and parsed.
    Fresh {
        /// What the parser made of it.
        value: T,
        /// Its ETag.
        etag: Option<String>,
        /// Where its `Link` header says that the list goes on.
        next: Option<String>,
    },
}

/// One request.
struct Request<'a> {
    method: Method,
    url: &'a Url,
    etag: Option<&'a str>,
    json: Option<String>,
    attempts: u32,
}

impl<'a> Request<'a> {
    fn get(url: &'a Url, attempts: u32) -> Self {
        Self { method: Method::GET, url, etag: None, json: None, attempts }
    }
}

impl Http {
    /// A client for this target, whose time starts now.
    ///
    /// # Errors
    /// When TLS cannot be set up (no CA certificates in the image, or none in the bundle that the target names), or a header of
    /// the contract is not one.
    pub fn new(
        target: &FetchTarget,
        credential: Option<&Credential>,
        auth: Option<&AuthHeader>,
        extra: &[(&str, &str)],
        patience: Patience,
    ) -> Result<Self, FetchFailure> {
        let timeout = Duration::from_millis(target.timeout_ms);
        let headers = headers(credential, auth, extra).map_err(|reason| broken_client(&reason))?;
        let silence = (timeout / 2).clamp(Duration::from_millis(1), MAX_SILENCE);
        let authorities = target.ca_bundle.as_deref().map(authorities::read).transpose()?;
        let own_authorities = authorities.is_some();
        let client = reqwest::Client::builder()
            .tls_certs_merge(authorities.unwrap_or_default())
            .user_agent(concat!("vox/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .connect_timeout(CONNECT_TIMEOUT.min(timeout))
            .read_timeout(silence)
            .redirect(same_origin_redirects())
            .build()
            .map_err(|error| match own_authorities {
                true => authorities::unusable(&causes(&error)),
                false => broken_client(&causes(&error)),
            })?;
        Ok(Self {
            client,
            credential: credential.cloned(),
            deadline: Instant::now() + timeout,
            timeout,
            max_body_bytes: target.max_body_bytes,
            patience,
            own_authorities,
        })
    }

    /// Fetches a list, conditionally when an ETag is given. Retriable failures are retried while there is time.
    ///
    /// # Errors
    /// The last failure, once no further attempt makes sense.
    pub async fn get<T>(
        &self,
        url: &Url,
        etag: Option<&str>,
        parse: impl Fn(&[u8]) -> Result<T, BodyError>,
    ) -> Result<Reply<T>, FetchFailure> {
        self.send(Request { etag, ..Request::get(url, self.patience.attempts) }, parse).await
    }

    /// Fetches one of many details.
    ///
    /// # Errors
    /// The last failure.
    pub async fn get_detail<T>(
        &self,
        url: &Url,
        parse: impl Fn(&[u8]) -> Result<T, BodyError>,
    ) -> Result<T, FetchFailure> {
        self.detail(Request::get(url, DETAIL_ATTEMPTS), parse).await
    }

    /// Asks for one of many details with a JSON body.
    ///
    /// # Errors
    /// The last failure.
    pub async fn post_detail<T>(
        &self,
        url: &Url,
        json: &serde_json::Value,
        parse: impl Fn(&[u8]) -> Result<T, BodyError>,
    ) -> Result<T, FetchFailure> {
        let json = Some(json.to_string());
        let request = Request { method: Method::POST, json, ..Request::get(url, DETAIL_ATTEMPTS) };
        self.detail(request, parse).await
    }

    /// The text without the credential.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        self.credential.as_ref().map_or_else(|| text.to_owned(), |credential| credential.redact(text))
    }

    /// A failure with this place in its message, without the credential.
    #[must_use]
    pub fn failure(&self, class: FailureClass, url: &Url, what: &str, advice: &str) -> FetchFailure {
        let message = self.redact(&format!("{what} at {}; {advice}", shown(url)));
        FetchFailure { class, message, retry_after_ms: None }
    }

    async fn detail<T>(
        &self,
        request: Request<'_>,
        parse: impl Fn(&[u8]) -> Result<T, BodyError>,
    ) -> Result<T, FetchFailure> {
        let url = request.url;
        match self.send(request, parse).await? {
            Reply::Fresh { value, .. } => Ok(value),
            Reply::NotModified => Err(self.unasked_304(url)),
        }
    }

    async fn send<T>(
        &self,
        request: Request<'_>,
        parse: impl Fn(&[u8]) -> Result<T, BodyError>,
    ) -> Result<Reply<T>, FetchFailure> {
        let mut tries = 0;
        let mut before = None;
        loop {
            tries += 1;
            let failure = match timeout_at(self.deadline, self.attempt(&request, &parse)).await {
                Ok(Ok(reply)) => return Ok(reply),
                Ok(Err(failure)) => failure,
                // What failed before says more than that there was no time left to see it fail again.
                Err(_) => return Err(before.unwrap_or_else(|| self.out_of_time(request.url))),
            };
            let remaining = self.deadline.saturating_duration_since(Instant::now());
            let pause = if tries < request.attempts {
                retry::pause(&failure, tries, remaining, &self.patience)
            } else {
                None
            };
            let Some(pause) = pause else { return Err(failure) };
            tracing::info!(
                class = failure.class.as_str(),
                message = failure.message,
                tries,
                pause_ms = pause.as_millis() as u64,
                "an attempt failed and is repeated"
            );
            before = Some(failure);
            sleep(pause).await;
        }
    }

    async fn attempt<T>(
        &self,
        request: &Request<'_>,
        parse: &impl Fn(&[u8]) -> Result<T, BodyError>,
    ) -> Result<Reply<T>, FetchFailure> {
        let mut builder = self
            .client
            .request(request.method.clone(), request.url.clone())
            .header(ACCEPT, "application/json");
        if let Some(etag) = request.etag.and_then(|etag| HeaderValue::from_str(etag).ok()) {
            builder = builder.header(IF_NONE_MATCH, etag);
        }
        if let Some(json) = &request.json {
            builder = builder.header(CONTENT_TYPE, "application/json").body(json.clone());
        }
        let response = builder.send().await.map_err(|error| self.no_answer(request.url, &error))?;
        let status = response.status();
        if status == StatusCode::NOT_MODIFIED {
            let asked = request.etag.is_some();
            return if asked { Ok(Reply::NotModified) } else { Err(self.unasked_304(request.url)) };
        }
        if !status.is_success() {
            return Err(self.refused(request.url, response).await);
        }
        let etag = response.headers().get(ETAG).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let next = link::next(response.headers());
        let bytes = body::read(response, self.max_body_bytes)
            .await
            .map_err(|problem| self.failure(problem.class, request.url, &problem.what, problem.advice))?;
        if let Some(count) = rows::too_many(&bytes) {
            let what = format!("the answer lists {count} models, more than the {MAX_ROWS} that are read");
            let advice = "check the endpoint, or name one that lists fewer";
            return Err(self.failure(FailureClass::BodyTooLarge, request.url, &what, advice));
        }
        let value = parse(&bytes).map_err(|error| self.unreadable(request.url, &error))?;
        Ok(Reply::Fresh { value, etag, next })
    }

    /// An error status, with what the provider itself says about it.
    async fn refused(&self, url: &Url, response: reqwest::Response) -> FetchFailure {
        let status = response.status();
        let headers = response.headers().clone();
        let retry_after = retry::retry_after(&headers);
        let words = body::error_words(response).await;
        let verdict = status::verdict(status, &headers, &words, self.credential.is_some());
        // Redacted before it is cut: half a credential is still a secret.
        let words = clip(&self.redact(&words), MAX_QUOTED);
        let said = if words.is_empty() { String::new() } else { format!(" ({words})") };
        let what = format!("the provider answered {status}{said}");
        let mut failure = self.failure(verdict.class, url, &what, &verdict.advice);
        if failure.class.is_retriable() {
            failure.retry_after_ms = retry_after;
        }
        failure
    }

    fn no_answer(&self, url: &Url, error: &reqwest::Error) -> FetchFailure {
        if error.is_timeout() && !error.is_connect() {
            let what = "the provider fell silent and sent no complete answer";
            return self.failure(FailureClass::TimedOut, url, what, "see whether the provider is healthy");
        }
        if let Some(refused) = authorities::refused(error, self.own_authorities) {
            return self.failure(FailureClass::CertificateRefused, url, &refused.what, refused.advice);
        }
        let what = format!("no connection ({})", clip(&self.redact(&causes(error)), MAX_QUOTED));
        let advice = "check endpoint, DNS and network policies";
        self.failure(FailureClass::Unreachable, url, &what, advice)
    }

    fn out_of_time(&self, url: &Url) -> FetchFailure {
        let what = format!("no complete answer within {} ms", self.timeout.as_millis());
        let advice = "see whether the provider is healthy, or raise timeout";
        self.failure(FailureClass::TimedOut, url, &what, advice)
    }

    fn unasked_304(&self, url: &Url) -> FetchFailure {
        let what = "the provider answered 304 to a request without an ETag";
        self.failure(FailureClass::UnexpectedStatus, url, what, "look for a faulty cache in between")
    }

    fn unreadable(&self, url: &Url, error: &BodyError) -> FetchFailure {
        let what = clip(&self.redact(&error.what), 2 * MAX_QUOTED);
        let advice = "check that endpoint is the base URL of an API of this kind";
        self.failure(error.class, url, &what, advice)
    }
}

fn broken_client(reason: &str) -> FetchFailure {
    let message =
        format!("failed to set up the HTTP client ({reason}); check the CA certificates of the image");
    FetchFailure { class: FailureClass::Unreachable, message, retry_after_ms: None }
}

fn headers(
    credential: Option<&Credential>,
    auth: Option<&AuthHeader>,
    extra: &[(&str, &str)],
) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in extra {
        let wrong = || format!("{name} is no header");
        let name = HeaderName::try_from(*name).map_err(|_| wrong())?;
        headers.insert(name, HeaderValue::from_str(value).map_err(|_| wrong())?);
    }
    if let (Some(credential), Some(auth)) = (credential, auth) {
        let wrong = || format!("the credential does not fit into header {}", auth.name);
        let name = HeaderName::try_from(auth.name.as_str()).map_err(|_| wrong())?;
        let text = format!("{}{}", auth.prefix, credential.reveal());
        let mut value = HeaderValue::from_str(&text).map_err(|_| wrong())?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

/// A redirect to another scheme, host or port is not followed: the credential would go along in its own header.
fn same_origin_redirects() -> reqwest::redirect::Policy {
    reqwest::redirect::Policy::custom(|attempt| {
        let same = attempt.previous().last().is_some_and(|last| last.origin() == attempt.url().origin());
        if same && attempt.previous().len() <= MAX_REDIRECTS { attempt.follow() } else { attempt.stop() }
    })
}

/// An error with its causes, without the URL that reqwest adds: it would hold the query.
fn causes(error: &reqwest::Error) -> String {
    let mut texts = Vec::new();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        texts.push(cause.to_string());
        next = cause.source();
    }
    if texts.is_empty() { "the request failed".to_owned() } else { texts.join(": ") }
}
