//! The operator's stream of snapshots: one document a line, an empty line as a heartbeat.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;

use super::inflate::{Inflate, Unreadable};
use super::{Feed, MAX_BYTES, Refused};
use crate::app::Trouble;
use crate::ids;
use crate::upstream::{ConnectError, Connector, Origin, TlsError, client_tls};

/// Three heartbeats of 15 s.
const SILENCE: Duration = Duration::from_secs(45);
const CONNECT: Duration = Duration::from_secs(10);
/// How often it is looked whether other keys are missing than the operator was told.
const KEYS_EVERY: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LAST_PAUSE: Duration = Duration::from_secs(30);

/// Why a connection to the operator ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the operator's URL {0:?} is none")]
    Url(String),
    #[error("failed to read the token from {file}: {why}")]
    Token { file: String, why: String },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the operator did not answer in time")]
    Late,
    #[error("the operator answered {0}")]
    Status(http::StatusCode),
    #[error("the operator sent nothing for {} s", SILENCE.as_secs())]
    Silent,
    #[error("the operator ended the stream")]
    Closed,
    #[error("other keys are missing than the operator was told")]
    Keys,
    #[error("the connection to the operator broke: {0}")]
    Broken(#[from] hyper::Error),
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    #[error("failed to build the request: {0}")]
    Request(#[from] http::Error),
}

/// Takes what the operator sends, and connects again whenever that ends.
pub(super) async fn follow(mut feed: Feed) {
    feed.start_from_disk();
    let mut pause = FIRST_PAUSE;
    loop {
        let version = feed.version;
        let Err(ended) = stream(&mut feed).await;
        if matches!(ended, Ended::Keys) {
            tracing::info!(missing = ?missing(&feed), "{ended}");
            pause = FIRST_PAUSE;
            continue;
        }
        tracing::warn!(operator = %feed.app.settings.operator, "{ended}");
        if feed.app.serving.load().is_none() && feed.version == 0 {
            feed.app.trouble.store(Arc::new(Trouble::NoSnapshot(format!("none has come yet: {ended}"))));
        }
        feed.app.metrics.feed_reconnects.inc();
        pause = if feed.version > version { FIRST_PAUSE } else { pause.saturating_mul(2).min(LAST_PAUSE) };
        tokio::time::sleep(jittered(pause)).await;
    }
}

/// Half of the pause to all of it, so that the sidecars of a cluster do not come back together.
fn jittered(pause: Duration) -> Duration {
    let millis = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
    let half = millis / 2;
    Duration::from_millis(half.saturating_add(ids::random() % half.max(1)))
}

async fn stream(feed: &mut Feed) -> Result<std::convert::Infallible, Ended> {
    let told = missing(feed);
    let response = connect(feed, &told).await?;
    let gzip = response.headers().get(header::CONTENT_ENCODING).is_some_and(|coding| coding == "gzip");
    let mut body = response.into_body();
    let mut inflate = Inflate::new(MAX_BYTES, gzip);
    let mut heard = Instant::now();
    loop {
        // A frame that is not there yet is not lost when the time is over.
        let Ok(frame) = tokio::time::timeout(KEYS_EVERY, body.frame()).await else {
            if heard.elapsed() >= SILENCE {
                return Err(Ended::Silent);
            }
            if missing(feed) != told {
                return Err(Ended::Keys);
            }
            continue;
        };
        heard = Instant::now();
        let Some(frame) = frame else { return Err(Ended::Closed) };
        if let Some(data) = frame?.data_ref() {
            inflate.push(data, |line| take(feed, line))?;
        }
    }
}

fn take(feed: &mut Feed, line: &[u8]) {
    if line.is_empty() {
        return;
    }
    match feed.take(line, false) {
        Ok(()) => feed.keep(line),
        // After a reconnect the operator may repeat what serves already.
        Err(Refused::Old { found, current }) if found == current => {}
        Err(refused) => tracing::error!("{refused}"),
    }
}

/// The keys that this sidecar misses: only it can know, because the operator reads no Secret.
fn missing(feed: &Feed) -> BTreeSet<String> {
    feed.app.serving.load().as_ref().map(|served| served.missing_keys()).unwrap_or_default()
}

async fn connect(feed: &Feed, missing: &BTreeSet<String>) -> Result<Response<Incoming>, Ended> {
    let settings = &feed.app.settings;
    let (origin, path) =
        Origin::of_url(&settings.operator).ok_or_else(|| Ended::Url(settings.operator.clone()))?;
    let authorities = settings.operator_ca.as_ref().unwrap_or(&settings.ca_bundle);
    let tls = if origin.tls { Some(client_tls(authorities)?) } else { None };
    let connecting = Connector::new(tls);
    let connected = tokio::time::timeout(CONNECT, connecting.connect(&origin)).await;
    let mut connection = connected.map_err(|_| Ended::Late)??;
    let mut path = format!("{path}/v1/namespaces/{}/snapshot?after={}", settings.namespace, feed.version);
    // Only for what the operator tells of its sidecars; a name that no policy can have finds none in the snapshot either.
    let is_name =
        |name: &&str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-./".contains(&byte));
    if let Some(policy) = settings.policy.as_deref().filter(is_name) {
        path = format!("{path}&policy={policy}");
    }
    let missing: Vec<&str> = missing.iter().map(String::as_str).filter(is_name).collect();
    if !missing.is_empty() {
        path = format!("{path}&missing={}", missing.join(","));
    }
    let request = Request::get(path)
        .header(header::HOST, &origin.authority)
        .header(header::ACCEPT, "application/x-ndjson")
        .header(header::ACCEPT_ENCODING, "gzip")
        .header(header::AUTHORIZATION, token(&settings.token_file)?)
        .body(Full::<Bytes>::default())?;
    let answered = tokio::time::timeout(SILENCE, connection.send_request(request)).await;
    let response = answered.map_err(|_| Ended::Late)??;
    if !response.status().is_success() {
        return Err(Ended::Status(response.status()));
    }
    Ok(response)
}

fn token(file: &Path) -> Result<HeaderValue, Ended> {
    let wrong = |why: String| Ended::Token { file: file.display().to_string(), why };
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    let mut value = HeaderValue::try_from(format!("Bearer {}", text.trim()))
        .map_err(|_| wrong("it is no token".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}
