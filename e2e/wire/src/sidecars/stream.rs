//! One sidecar, as far as the operator can tell: it follows the snapshots of its namespace, and comes back when that ends.

use std::hash::{BuildHasher as _, RandomState};
use std::io::Read as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use bytes::{Buf as _, Bytes, BytesMut};
use flate2::bufread::GzDecoder;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, header};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::connect::Server;
use super::document;

/// The pauses of vox-sidecar between two connections, and how long it waits for a word.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LAST_PAUSE: Duration = Duration::from_secs(30);
const SILENCE: Duration = Duration::from_secs(45);
const CONNECT: Duration = Duration::from_secs(10);
/// So much later than the operator asked, at most: not all at once.
const LATER: Duration = Duration::from_secs(1);
/// How soon to look whether what waits is known now.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// Members that are kept to compare others with.
const KEPT: usize = 4;
/// A heartbeat is shorter than this.
const SHORT: usize = 64;

/// What a sidecar has to tell.
pub(super) enum Event {
    /// The operator answered with a stream.
    Opened,
    /// The stream ended, or there was none.
    Ended { was_open: bool, why: String },
    /// A whole snapshot.
    Snapshot { sidecar: usize, version: u64, at: Instant },
    /// What a version is, and in how many bytes it was sent; told once.
    Document { version: u64, line: Vec<u8>, sent: usize },
    /// What must not be.
    Wrong(String),
}

/// What all sidecars share.
pub(super) struct Shared {
    pub(super) operator: Server,
    pub(super) namespace: String,
    pub(super) policy: String,
    pub(super) events: UnboundedSender<Event>,
    /// What was read last.
    pub(super) known: watch::Sender<Vec<Known>>,
    /// Held by the one that reads.
    pub(super) reader: Mutex<()>,
}

/// A gzip member of the operator's body that one sidecar has read. The others are sent the same bytes, and comparing them
/// costs this one machine less than decompressing them a thousand times. Whoever first has what nobody knows reads it: not
/// every version comes to everybody.
#[derive(Clone)]
pub(super) struct Known {
    member: Bytes,
    /// Nothing for a heartbeat.
    version: Option<u64>,
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
            let ended = self.follow(&mut was_open).await;
            pause = if self.version > version { FIRST_PAUSE } else { (pause * 2).min(LAST_PAUSE) };
            let asked = match ended {
                Ok(asked) => asked,
                Err(error) => {
                    self.tell(Event::Ended { was_open, why: format!("{error:#}") });
                    None
                }
            };
            sleep(asked.map_or_else(|| jittered(pause), |asked| asked + jittered(LATER))).await;
        }
    }

    /// When the operator said to come again, if it took no stream.
    async fn follow(&mut self, is_open: &mut bool) -> anyhow::Result<Option<Duration>> {
        let Shared { operator, namespace, policy, .. } = &*self.shared;
        let mut connection = timeout(CONNECT, operator.connect()).await.context("late")??;
        let path = format!("/v1/namespaces/{namespace}/snapshot?after={}&policy={policy}", self.version);
        let request = Request::get(path)
            .header(header::HOST, &operator.host)
            .header(header::ACCEPT, "application/x-ndjson")
            .header(header::ACCEPT_ENCODING, "gzip")
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .body(Full::<Bytes>::default())?;
        let response = timeout(SILENCE, connection.send_request(request)).await.context("late")??;
        if !response.status().is_success() {
            let after = response.headers().get(header::RETRY_AFTER).and_then(|after| after.to_str().ok());
            let after = after.and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
            self.tell(Event::Ended {
                was_open: false,
                why: format!("the operator answered {}", response.status()),
            });
            return Ok(after);
        }
        self.tell(Event::Opened);
        *is_open = true;
        let mut body = response.into_body();
        let mut known = self.shared.known.subscribe();
        let (mut waiting, mut at) = (BytesMut::new(), Instant::now());
        let mut heard = at;
        loop {
            tokio::select! {
                frame = timeout_at(heard + SILENCE, body.frame()) => {
                    let frame = frame.context("silent")?.context("the stream ended")??;
                    heard = Instant::now();
                    if let Ok(data) = frame.into_data() {
                        waiting.extend_from_slice(&data);
                        at = heard;
                    }
                }
                _ = known.changed(), if !waiting.is_empty() => {}
                // Whoever read meanwhile may have read another version.
                () = sleep(LOOK_AGAIN), if !waiting.is_empty() => {}
            }
            loop {
                // Copied before it is used: what is borrowed is locked, and the one that reads writes to it.
                let members = known.borrow_and_update().clone();
                let Some(version) = self.next(&mut waiting, &members)? else { break };
                self.take(version, at);
            }
        }
    }

    /// The next member that is whole: a snapshot's version, or 0 for a heartbeat.
    fn next(&self, waiting: &mut BytesMut, known: &[Known]) -> anyhow::Result<Option<u64>> {
        if let Some(same) = known.iter().find(|known| waiting.starts_with(&known.member)) {
            waiting.advance(same.member.len());
            return Ok(Some(same.version.unwrap_or_default()));
        }
        if waiting.is_empty() {
            return Ok(None);
        }
        // A heartbeat costs less than waiting for another to read it.
        let reader = self.shared.reader.try_lock();
        if reader.is_err() && waiting.len() >= SHORT {
            return Ok(None);
        }
        let Some((line, length)) = read(waiting)? else { return Ok(None) };
        let version = if line == b"\n" {
            None
        } else {
            Some(document::version(&line).context("a line has no version")?)
        };
        let member = waiting.split_to(length).freeze();
        if let Some(version) = version {
            self.tell(Event::Document { version, line, sent: length });
        }
        self.shared.known.send_if_modified(|known| {
            // Many may read their first heartbeat at once.
            let new = known.iter().all(|known| known.member != member);
            if new {
                known.push(Known { member, version });
            }
            if known.len() > KEPT {
                known.remove(0);
            }
            new
        });
        Ok(Some(version.unwrap_or_default()))
    }

    fn take(&mut self, version: u64, at: Instant) {
        if version == 0 {
            return;
        }
        if version <= self.version {
            let (number, before) = (self.number, self.version);
            self.tell(Event::Wrong(format!("sidecar {number} was sent {version} after {before}")));
        }
        self.version = version;
        self.tell(Event::Snapshot { sidecar: self.number, version, at });
    }

    fn tell(&self, event: Event) {
        // When nobody listens any more, the program ends.
        self.shared.events.send(event).ok();
    }
}

/// The first member and its length; nothing while it is not whole.
fn read(waiting: &[u8]) -> anyhow::Result<Option<(Vec<u8>, usize)>> {
    let (mut decoder, mut line) = (GzDecoder::new(waiting), Vec::new());
    match decoder.read_to_end(&mut line) {
        Ok(_) => Ok(Some((line, waiting.len() - decoder.into_inner().len()))),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error).context("a member is no gzip"),
    }
}

/// Half of the pause to all of it, as vox-sidecar does.
fn jittered(pause: Duration) -> Duration {
    let random = RandomState::new().hash_one(0_u8) % 1000;
    pause.mul_f64(0.5 + random as f64 / 2000.0)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn a_member_is_read_when_it_is_whole_and_no_further() {
        let member = |text: &str| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(text.as_bytes()).unwrap();
            encoder.finish().unwrap()
        };
        let (first, second) = (member("one\n"), member("\n"));
        assert!(second.len() < SHORT);
        let both = [first.clone(), second].concat();
        assert_eq!(read(&both[..first.len() - 1]).unwrap(), None);
        assert_eq!(read(&both).unwrap(), Some((b"one\n".to_vec(), first.len())));
    }
}
