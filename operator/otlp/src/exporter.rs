//! What is exported while the operator runs: lines come in, spans and metrics go out.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::client::{Client, SendError};
use crate::endpoint::Signal;
use crate::envelope::{self, Resource};
use crate::measured::Measured;
use crate::metric::Metrics;
use crate::span;
use crate::waiting::Waiting;

/// Bodies of sidecars that are not read yet. They are read faster than they come.
const UNREAD: usize = 16 << 20;
/// Spans that wait for the collector: some minutes of a hundred calls a second.
const WAITING: usize = 16 << 20;
/// Most spans of one request, and most of their bytes, before they are compressed. A receiver takes 20 MiB.
const BATCH_SPANS: usize = 512;
const BATCH_BYTES: usize = 2 << 20;
/// How long the first call of a batch waits for others.
const GATHER: Duration = Duration::from_secs(1);
/// How often metrics are sent.
const METRICS: Duration = Duration::from_secs(30);
/// Between two tries of a batch, doubled up to the last; and how long it is tried.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(300);
/// So many lines are read before others have their turn.
const AT_ONCE: usize = 32;
/// What is left at the end gets so long.
const LAST: Duration = Duration::from_secs(3);

/// Lines that the store has taken and had not before.
#[derive(Debug, Clone)]
pub struct Offered {
    /// The namespace that they are of.
    pub namespace: String,
    /// The pod that sent them.
    pub sidecar: String,
    /// The body in which they came.
    pub body: Bytes,
    /// Where in it they stand; calls only.
    pub lines: Vec<Range<usize>>,
}

/// The spans of one call.
struct Call {
    resource: Arc<Resource>,
    spans: Vec<Box<RawValue>>,
}

/// Sends what happened to a collector.
pub struct Exporter {
    client: Client,
    /// This operator's.
    resource: Resource,
    measured: Measured,
    unread: Waiting<Offered>,
    waiting: Waiting<Call>,
    metrics: Mutex<Metrics>,
    /// Whether the last request failed; said once.
    failing: AtomicBool,
}

impl Exporter {
    /// Exports through this client, from this pod.
    #[must_use]
    pub fn new(client: Client, pod: String, measured: Measured) -> Self {
        Self {
            client,
            resource: Resource::Operator { pod },
            measured,
            unread: Waiting::new(UNREAD),
            waiting: Waiting::new(WAITING),
            metrics: Mutex::new(Metrics::new(now_ns())),
            failing: AtomicBool::new(false),
        }
    }

    /// Its client.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Takes lines to export. Never waits and never fails.
    pub fn offer(&self, offered: Offered) {
        if offered.lines.is_empty() {
            return;
        }
        let bytes = offered.body.len();
        let gone = self.unread.push(offered, bytes);
        self.measured.dropped("full", gone.iter().map(|offered| offered.lines.len()).sum());
    }

    /// Reads and sends until told to end, and then what is left, for a short time.
    pub async fn run(&self, end: CancellationToken) {
        let until_the_end = async {
            tokio::select! {
                () = end.cancelled() => {}
                never = self.read_all() => match never {},
                never = self.measure() => match never {},
            }
        };
        tokio::join!(self.send_all(&end), until_the_end);
        let last = async {
            while let Some(offered) = self.unread.take(first()).pop() {
                self.read(&offered).await;
            }
            while let Some(batch) = self.next() {
                if self.once(&batch).await.is_err() {
                    self.measured.dropped("late", batch.calls);
                }
            }
            self.send_metrics().await;
        };
        if timeout(LAST, last).await.is_err() {
            tracing::warn!("the collector did not take all that was left to export");
        }
    }

    async fn read_all(&self) -> Infallible {
        loop {
            self.unread.arrived().await;
            for offered in self.unread.take(first()) {
                self.read(&offered).await;
            }
        }
    }

    async fn read(&self, offered: &Offered) {
        let Offered { namespace, sidecar, body, lines } = offered;
        let resource = Resource::Gateway { namespace: namespace.clone(), pod: sidecar.clone() };
        let resource = Arc::new(resource);
        for lines in lines.chunks(AT_ONCE) {
            for told in lines.iter().filter_map(|line| span::read(body.get(line.clone())?)) {
                let mut metrics = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
                told.operations.into_iter().for_each(|operation| metrics.count(operation));
                drop(metrics);
                if !told.spans.is_empty() {
                    self.wait(Call { resource: Arc::clone(&resource), spans: told.spans });
                }
            }
            tokio::task::yield_now().await;
        }
    }

    fn wait(&self, call: Call) {
        let bytes = call.spans.iter().map(|span| span.get().len()).sum();
        let gone = self.waiting.push(call, bytes);
        self.measured.dropped("full", gone.len());
        self.measure_waiting();
    }

    fn measure_waiting(&self) {
        self.measured.waiting.set(i64::try_from(self.waiting.len()).unwrap_or(i64::MAX));
    }

    async fn send_all(&self, end: &CancellationToken) {
        loop {
            tokio::select! {
                () = self.gathered() => {}
                () = end.cancelled() => return,
            }
            while let Some(batch) = self.next() {
                self.persist(&batch, end).await;
                if end.is_cancelled() {
                    return;
                }
            }
        }
    }

    /// Waits for something to send, and for more to send with it.
    async fn gathered(&self) {
        self.waiting.arrived().await;
        sleep(GATHER).await;
    }

    /// The next batch: the oldest calls, each with all its spans.
    fn next(&self) -> Option<Batch> {
        let (mut spans, mut bytes) = (0_usize, 0_usize);
        let calls = self.waiting.take(|call, more| {
            let fits = spans == 0 || (spans + call.spans.len() <= BATCH_SPANS && bytes + more <= BATCH_BYTES);
            (spans, bytes) = (spans + call.spans.len(), bytes + more);
            fits
        });
        self.measure_waiting();
        (!calls.is_empty()).then(|| Batch::of(&calls))
    }

    /// Sends a batch, again and again while that may help.
    async fn persist(&self, batch: &Batch, end: &CancellationToken) {
        let begun = Instant::now();
        let mut pause = FIRST_PAUSE;
        while let Err(error) = self.once(batch).await {
            if !error.is_temporary() {
                return self.measured.dropped("refused", batch.calls);
            }
            if begun.elapsed() > PATIENCE {
                return self.measured.dropped("late", batch.calls);
            }
            let wait =
                error.retry_after().unwrap_or_default().max(pause / 2).saturating_add(up_to(pause / 2));
            pause = pause.saturating_mul(2).min(LAST_PAUSE);
            tokio::select! {
                () = sleep(wait) => {}
                () = end.cancelled() => return self.measured.dropped("late", batch.calls),
            }
        }
    }

    async fn once(&self, batch: &Batch) -> Result<(), SendError> {
        self.send(Signal::Traces, &batch.body).await?;
        self.measured.exported.inc_by(u64::try_from(batch.calls).unwrap_or(u64::MAX));
        Ok(())
    }

    async fn measure(&self) -> Infallible {
        loop {
            sleep(METRICS).await;
            self.send_metrics().await;
        }
    }

    /// What does not arrive goes with the next ones: they count from the beginning.
    async fn send_metrics(&self) {
        let written = self.metrics.lock().unwrap_or_else(PoisonError::into_inner).written(now_ns());
        if !written.is_empty() {
            let _ = self.send(Signal::Metrics, &envelope::metrics(&self.resource, &written)).await;
        }
    }

    async fn send(&self, signal: Signal, body: &[u8]) -> Result<(), SendError> {
        let sent = self.client.send(signal, body).await;
        let result = match &sent {
            Ok(_) => "taken",
            Err(SendError::Refused(refused)) if !refused.later => "refused",
            Err(SendError::Refused(_)) => "later",
            Err(_) => "unreached",
        };
        self.measured.request(signal, result);
        self.tell(signal, &sent);
        let taken = sent?;
        self.measured.rejected(signal, taken.rejected);
        Ok(())
    }

    fn tell(&self, signal: Signal, sent: &Result<crate::answer::Accepted, SendError>) {
        let (signal, endpoint) = (signal.as_str(), self.client.endpoint());
        match sent {
            Ok(taken) => {
                if self.failing.swap(false, Ordering::Relaxed) {
                    tracing::info!(%endpoint, "the collector takes what is exported again");
                }
                if taken.rejected > 0 || !taken.message.is_empty() {
                    let (rejected, message) = (taken.rejected, &taken.message);
                    tracing::warn!(%endpoint, signal, rejected, message, "the collector leaves something out");
                }
            }
            Err(error) if self.failing.swap(true, Ordering::Relaxed) => {
                tracing::debug!(%endpoint, signal, "{error}")
            }
            Err(error) => tracing::warn!(%endpoint, signal, "nothing is exported: {error}"),
        }
    }
}

/// A request, ready to be sent.
struct Batch {
    body: Vec<u8>,
    calls: usize,
}

impl Batch {
    fn of(calls: &[Call]) -> Self {
        let mut groups: BTreeMap<&Resource, Vec<&RawValue>> = BTreeMap::new();
        for call in calls {
            groups.entry(&call.resource).or_default().extend(call.spans.iter().map(|span| &**span));
        }
        let groups: Vec<_> = groups.into_iter().collect();
        Self { body: envelope::traces(&groups), calls: calls.len() }
    }
}

/// Wants one.
fn first<T>() -> impl FnMut(&T, usize) -> bool {
    let mut wanted = true;
    move |_, _| std::mem::replace(&mut wanted, false)
}

/// So that the replicas of an operator do not come back together.
fn up_to(limit: Duration) -> Duration {
    let millis = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(RandomState::new().build_hasher().finish() % millis.max(1))
}

/// Nanoseconds since 1970 UTC.
pub(crate) fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
