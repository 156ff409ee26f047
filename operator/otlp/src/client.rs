//! Requests to a collector.

use std::error::Error as _;
use std::fmt;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Response};

use crate::answer::{Accepted, Refused, judge};
use crate::endpoint::{Endpoint, Signal};

/// DNS, TCP and TLS.
const CONNECT: Duration = Duration::from_secs(5);
/// One request, as the SDKs have it.
const REQUEST: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read.
const LARGEST_ANSWER: usize = 64 << 10;
/// Shorter bodies are sent as they are.
const WORTH_COMPRESSING: usize = 1024;
/// Shorter values of headers are words, and no secrets.
const SHORTEST_SECRET: usize = 6;

/// Where to send, and how.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The collector.
    pub endpoint: Endpoint,
    /// What every request has.
    pub headers: Headers,
    /// File with the certificates of the authorities to trust, PEM, read anew when it changes. None: the public ones.
    pub ca: Option<PathBuf>,
}

/// Headers of every request: credentials, mostly.
#[derive(Clone, Default)]
pub enum Headers {
    /// None.
    #[default]
    None,
    /// A folder with a file for each, named as the header is: a mounted Secret. Read anew for each request.
    Folder(PathBuf),
    /// These.
    Given(Vec<(String, String)>),
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Folder(folder) => f.debug_tuple("Folder").field(folder).finish(),
            Self::Given(_) => f.write_str("Given(<REDACTED>)"),
        }
    }
}

/// Why something did not arrive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The headers, the authorities or the client made of them.
    #[error("failed to prepare the request: {0}")]
    Settings(String),
    /// There is no answer.
    #[error("failed to reach the collector: {reason}; {advice}")]
    Unreached {
        /// What went wrong.
        reason: String,
        /// What to do.
        advice: &'static str,
    },
    /// There is one, and it says no.
    #[error("the collector answered {}{}; {}", .0.status, said(&.0.message), .0.advice)]
    Refused(Refused),
}

fn said(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(" ({message})") }
}

impl SendError {
    /// Whether the same may arrive later.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        match self {
            // A Secret is corrected, a collector comes back.
            Self::Settings(_) | Self::Unreached { .. } => true,
            Self::Refused(refused) => refused.later,
        }
    }

    /// When the collector wants to be asked again, where it said so.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        if let Self::Refused(refused) = self { refused.retry_after } else { None }
    }
}

/// Sends to one collector.
pub struct Client {
    settings: Settings,
    /// With the authorities that it trusts.
    connections: Mutex<Option<(Vec<u8>, reqwest::Client)>>,
}

impl Client {
    /// A client of this collector. Nothing is sent or read yet.
    #[must_use]
    pub const fn new(settings: Settings) -> Self {
        Self { settings, connections: Mutex::new(None) }
    }

    /// The collector.
    #[must_use]
    pub const fn endpoint(&self) -> &Endpoint {
        &self.settings.endpoint
    }

    /// Sends a request of OTLP's JSON form, once.
    ///
    /// # Errors
    /// It did not arrive, or the collector did not take it. No value of a header stands in the error.
    pub async fn send(&self, signal: Signal, body: &[u8]) -> Result<Accepted, SendError> {
        let mut headers = self.headers()?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let secrets: Vec<String> =
            headers.values().filter(|value| value.is_sensitive()).filter_map(secret).collect();
        let packed = if body.len() < WORTH_COMPRESSING { None } else { gzip(body).ok() };
        if packed.is_some() {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let body = packed.unwrap_or_else(|| body.to_vec());
        let request = self.connections()?.post(self.settings.endpoint.of(signal)).headers(headers).body(body);
        let answered = async {
            let mut response = request.send().await?;
            let body = read(&mut response).await?;
            Ok::<_, reqwest::Error>((response, body))
        };
        let (response, body) = answered.await.map_err(|error| unreached(&error))?;
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let judged = judge(response.status().as_u16(), retry_after, &body);
        judged.map(|taken| Accepted { message: without(&secrets, &taken.message), ..taken }).map_err(
            |refused| SendError::Refused(Refused { message: without(&secrets, &refused.message), ..refused }),
        )
    }

    fn headers(&self) -> Result<HeaderMap, SendError> {
        let wrong = |what: String| SendError::Settings(what);
        let mut headers = HeaderMap::new();
        let given = match &self.settings.headers {
            Headers::None => Vec::new(),
            Headers::Given(given) => given.clone(),
            Headers::Folder(folder) => from_folder(folder).map_err(wrong)?,
        };
        for (name, value) in given {
            let read = HeaderName::try_from(&name).ok().zip(HeaderValue::try_from(value.trim()).ok());
            let (name, mut value) = read.ok_or_else(|| {
                wrong(format!("the header {name:?} is none, or its value has a line end in it"))
            })?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(headers)
    }

    /// Connections that trust the authorities as they are now.
    fn connections(&self) -> Result<reqwest::Client, SendError> {
        let wrong = |what: String| SendError::Settings(what);
        let authorities = match &self.settings.ca {
            None => Vec::new(),
            Some(file) => std::fs::read(file).map_err(|error| {
                wrong(format!("the authorities in {} cannot be read: {error}", file.display()))
            })?,
        };
        let mut kept = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, client)) = kept.as_ref().filter(|(trusted, _)| *trusted == authorities) {
            return Ok(client.clone());
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("vox/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .timeout(REQUEST)
            // The headers go to this collector and to nobody else.
            .redirect(Policy::none());
        if self.settings.ca.is_some() {
            let read = Certificate::from_pem_bundle(&authorities).ok().filter(|read| !read.is_empty());
            let read = read
                .ok_or_else(|| wrong("the file of authorities has no certificate in PEM form".to_owned()))?;
            builder = builder.tls_certs_only(read);
        }
        let client = builder.build().map_err(|error| wrong(causes(&error)))?;
        *kept = Some((authorities, client.clone()));
        Ok(client)
    }
}

/// A mounted Secret also has folders and links of the kubelet's own, which begin with two dots.
fn from_folder(folder: &std::path::Path) -> Result<Vec<(String, String)>, String> {
    let failed =
        |error: std::io::Error| format!("the headers in {} cannot be read: {error}", folder.display());
    let mut headers = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with("..") && entry.path().is_file() {
            headers.push((name, std::fs::read_to_string(entry.path()).map_err(failed)?));
        }
    }
    Ok(headers)
}

fn gzip(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut packed = GzEncoder::new(Vec::with_capacity(body.len() / 8), Compression::fast());
    packed.write_all(body)?;
    packed.finish()
}

async fn read(response: &mut Response) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await? {
        body.extend_from_slice(&piece);
        if body.len() > LARGEST_ANSWER {
            break;
        }
    }
    Ok(body)
}

/// The part of a header's value that nobody else may see.
fn secret(value: &HeaderValue) -> Option<String> {
    let word = value.to_str().ok()?.split_whitespace().next_back()?;
    (word.len() >= SHORTEST_SECRET).then(|| word.to_owned())
}

fn without(secrets: &[String], text: &str) -> String {
    let plain = secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "<REDACTED>"));
    vox_telemetry::redact(&plain).into_owned()
}

fn unreached(error: &reqwest::Error) -> SendError {
    let reason = causes(error);
    let has = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    let advice = if error.is_timeout() {
        "see whether it is healthy, and whether a NetworkPolicy keeps it away"
    } else if has(&["dns error", "failed to lookup"]) {
        "nobody knows this name: check the endpoint's host"
    } else if has(&["onnection refused"]) {
        "nothing listens there: OTLP over HTTP is usually on port 4318"
    } else if has(&["InvalidContentType", "corrupt message", "HandshakeFailure"]) {
        "what listens there speaks no TLS: write http://, or the port of its TLS receiver"
    } else if has(&["certificate", "UnknownIssuer", "NotValidForName"]) {
        "its certificate is not trusted, or not for this name: name the certificate of its authority"
    } else if has(&["invalid HTTP version", "HTTP/2", "http2"]) {
        "what listens there speaks no HTTP/1.1: port 4317 is for gRPC, OTLP over HTTP is usually on 4318"
    } else {
        "see whether it is healthy, and whether it is an OTLP receiver over HTTP"
    };
    SendError::Unreached { reason, advice }
}

/// An error with its causes; the URL stands in the settings.
fn causes(error: &reqwest::Error) -> String {
    let mut told = String::new();
    let mut cause = error.source();
    while let Some(next) = cause {
        let text = next.to_string();
        if !told.contains(&text) {
            told = if told.is_empty() { text } else { format!("{told}: {text}") };
        }
        cause = next.source();
    }
    if told.is_empty() && error.is_timeout() {
        return "it did not answer in time".to_owned();
    }
    if told.is_empty() { error.to_string() } else { told }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mounted_secret_is_headers_and_its_links_are_not() {
        let folder = std::env::temp_dir().join(format!("vox-otlp-headers-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("..data")).unwrap();
        std::fs::write(folder.join("Authorization"), "Bearer the-token\n").unwrap();
        let endpoint = "http://collector:4318".parse().unwrap();
        let settings = Settings { endpoint, headers: Headers::Folder(folder.clone()), ca: None };
        let headers = Client::new(settings).headers().unwrap();
        assert_eq!(
            (headers.len(), &headers["authorization"]),
            (1, &HeaderValue::from_static("Bearer the-token"))
        );
        assert!(!format!("{headers:?}").contains("the-token"));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn headers_are_not_shown() {
        let given = Headers::Given(vec![("authorization".to_owned(), "Bearer the-token".to_owned())]);
        assert_eq!(format!("{given:?}"), "Given(<REDACTED>)");
    }

    #[test]
    fn a_collector_that_repeats_a_credential_does_not_tell_it() {
        let secrets = ["the-token".to_owned()];
        assert_eq!(without(&secrets, "bad header Bearer the-token"), "bad header Bearer <REDACTED>");
    }
}
