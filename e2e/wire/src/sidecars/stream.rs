//! One sidecar, as far as the operator can tell: it follows the snapshots of its namespace, and comes back when that ends.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, header};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{Instant, sleep, timeout};

use super::connect::Server;
use super::document;

/// The pauses of vox-sidecar between two connections, and how long it waits for a word.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LAST_PAUSE: Duration = Duration::from_secs(30);
const SILENCE: Duration = Duration::from_secs(45);
const CONNECT: Duration = Duration::from_secs(10);
/// Documents that are kept to compare others with.
const KEPT: usize = 4;

/// What a sidecar has to tell.
pub(super) enum Event {
    /// The operator answered with a stream.
    Opened,
    /// The stream ended, or there was none.
    Ended { was_open: bool, why: String },
    /// A whole snapshot.
    Snapshot { sidecar: usize, version: u64, at: Instant, document: Option<Bytes> },
    /// What must not be.
    Wrong(String),
}

/// What all sidecars share.
pub(super) struct Shared {
    pub(super) operator: Server,
    pub(super) namespace: String,
    pub(super) policy: String,
    pub(super) events: UnboundedSender<Event>,
    /// Documents by version. The first one of a version is handed on to be checked; others must be the same bytes, which
    /// costs this machine less than a thousand checks.
    pub(super) seen: Mutex<BTreeMap<u64, Bytes>>,
}

pub(super) struct Sidecar {
    pub(super) number: usize,
    pub(super) token: String,
    pub(super) shared: Arc<Shared>,
    pub(super) version: u64,
}

impl Sidecar {
    /// Follows, and comes back after the pauses that vox-sidecar makes.
    pub(super) async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let version = self.version;
            let mut was_open = false;
            if let Err(error) = self.follow(&mut was_open).await {
                self.tell(Event::Ended { was_open, why: format!("{error:#}") });
            }
            pause = if self.version > version { FIRST_PAUSE } else { (pause * 2).min(LAST_PAUSE) };
            sleep(jittered(pause)).await;
        }
    }

    async fn follow(&mut self, is_open: &mut bool) -> anyhow::Result<()> {
        let Shared { operator, namespace, policy, .. } = &*self.shared;
        let mut connection = timeout(CONNECT, operator.connect()).await.context("late")??;
        let path = format!("/v1/namespaces/{namespace}/snapshot?after={}&policy={policy}", self.version);
        let request = Request::get(path)
            .header(header::HOST, &operator.host)
            .header(header::ACCEPT, "application/x-ndjson")
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .body(Full::<Bytes>::default())?;
        let response = timeout(SILENCE, connection.send_request(request)).await.context("late")??;
        if !response.status().is_success() {
            bail!("the operator answered {}", response.status());
        }
        self.tell(Event::Opened);
        *is_open = true;
        let mut body = response.into_body();
        let mut line = BytesMut::new();
        loop {
            let frame = timeout(SILENCE, body.frame()).await.context("silent")?;
            let Ok(data) = frame.context("the stream ended")??.into_data() else { continue };
            let mut rest = &data[..];
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                line.extend_from_slice(&rest[..end]);
                rest = &rest[end + 1..];
                self.take(line.split().freeze());
            }
            line.extend_from_slice(rest);
        }
    }

    fn take(&mut self, line: Bytes) {
        let at = Instant::now();
        if line.is_empty() {
            return;
        }
        let number = self.number;
        let Some(version) = document::version(&line) else {
            return self.tell(Event::Wrong(format!("sidecar {number} was sent a line without a version")));
        };
        if version <= self.version {
            self.tell(Event::Wrong(format!("sidecar {number} was sent {version} after {}", self.version)));
        }
        self.version = version;
        let mut seen = self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let document = match seen.get(&version) {
            Some(same) if *same == line => None,
            Some(_) => {
                drop(seen);
                return self.tell(Event::Wrong(format!("version {version} has two documents")));
            }
            None => {
                seen.insert(version, line.clone());
                while seen.len() > KEPT {
                    seen.pop_first();
                }
                Some(line)
            }
        };
        drop(seen);
        self.tell(Event::Snapshot { sidecar: number, version, at, document });
    }

    fn tell(&self, event: Event) {
        // When nobody listens any more, the program ends.
        self.shared.events.send(event).ok();
    }
}

/// Half of the pause to all of it, as vox-sidecar does.
fn jittered(pause: Duration) -> Duration {
    let random = RandomState::new().hash_one(0_u8) % 1000;
    pause.mul_f64(0.5 + random as f64 / 2000.0)
}
