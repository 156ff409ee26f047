//! The operator's stream of snapshots: one document a line, an empty line as a heartbeat.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Method, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;

use super::inflate::{Inflate, Unreadable};
use super::{Feed, MAX_BYTES, Refused};
use crate::app::Trouble;
use crate::operator::{CallError, Connection, Pause};

/// Three heartbeats of 15 s.
const SILENCE: Duration = Duration::from_secs(45);
/// How often it is looked whether other keys are missing than the operator was told.
const KEYS_EVERY: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LAST_PAUSE: Duration = Duration::from_secs(30);

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("the operator sent nothing for {} s", SILENCE.as_secs())]
    Silent,
    #[error("the operator ended the stream")]
    Closed,
    #[error("other keys are missing than the operator was told")]
    Keys,
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

impl Ended {
    fn retry_after(&self) -> Option<Duration> {
        if let Self::Call(error) = self { error.retry_after() } else { None }
    }
}

/// Takes what the operator sends, and connects again whenever that ends.
pub(super) async fn follow(mut feed: Feed) {
    feed.start_from_disk();
    let mut pause = Pause::new(FIRST_PAUSE, LAST_PAUSE);
    loop {
        let (version, begun) = (feed.version, Instant::now());
        let Err(ended) = stream(&mut feed).await;
        if matches!(ended, Ended::Keys) {
            tracing::info!(missing = ?missing(&feed), "{ended}");
            pause.reset();
            continue;
        }
        tracing::warn!(operator = %feed.app.settings.operator, "{ended}");
        if feed.app.serving.load().is_none() && feed.version == 0 {
            feed.app.trouble.store(Arc::new(Trouble::NoSnapshot(format!("none has come yet: {ended}"))));
        }
        feed.app.metrics.feed_reconnects.inc();
        // A stream may bring nothing new for days.
        if feed.version > version || begun.elapsed() > LAST_PAUSE {
            pause.reset();
        }
        tokio::time::sleep(pause.after(ended.retry_after())).await;
    }
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
        if let Some(data) = frame.map_err(CallError::Broken)?.data_ref() {
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

async fn connect(feed: &Feed, missing: &BTreeSet<String>) -> Result<Response<Incoming>, CallError> {
    let settings = &feed.app.settings;
    let mut connection = Connection::open(settings).await?;
    let mut path = format!("/v1/namespaces/{}/snapshot?after={}", settings.namespace, feed.version);
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
    let request = connection
        .request(Method::GET, &path)
        .header(header::ACCEPT, "application/x-ndjson")
        .header(header::ACCEPT_ENCODING, "gzip")
        .body(Full::default())?;
    tokio::time::timeout(SILENCE, connection.send(request)).await.unwrap_or(Err(CallError::Late))
}
