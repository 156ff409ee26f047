//! Records on their way to the operator: one thread sends what waits on disk, in batches, and forgets it when the operator
//! has it. No request waits for any of this.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, header};
use http_body_util::{BodyExt as _, Full, Limited};
use tokio::sync::watch;
use vox_contracts::outcome::{LARGEST_BODY, OutcomesReceipt};

use crate::config::Settings;
use crate::operator::{CallError, Connection, Pause};
use crate::spool::{Batch, Shelf};

/// How long the first record waits for others, while the operator answers.
const GATHER: Duration = Duration::from_millis(400);
/// The same where somebody waits for what it brings.
const GATHER_URGENT: Duration = Duration::from_millis(20);
/// One batch, with connecting: the operator waits for its turn, and for the database.
const PATIENCE: Duration = Duration::from_secs(45);
/// After a batch that did not arrive, doubled up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LAST_PAUSE: Duration = Duration::from_secs(30);
/// A connection serves no longer, since its token is the one that was there when it began.
const LONGEST_CONNECTION: Duration = Duration::from_secs(120);
/// What is left at the end gets so long.
const LAST_FLUSH: Duration = Duration::from_secs(2);
const LARGEST_RECEIPT: usize = 64 << 10;

/// The thread that sends. Dropped, it sends what is left, for a short time.
pub struct Outcomes {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Outcomes {
    /// Sends what comes to this shelf.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(settings: Settings, shelf: Arc<Shelf>) -> std::io::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let sender = Sender {
            settings,
            shelf,
            operator: None,
            pause: Pause::new(FIRST_PAUSE, LAST_PAUSE),
            failing: false,
        };
        let run = move || match crate::workers::runtime() {
            Ok(runtime) => runtime.block_on(sender.run(stopped)),
            Err(error) => tracing::error!(%error, "records cannot be sent"),
        };
        let thread = std::thread::Builder::new().name("outcomes".to_owned()).spawn(run)?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Outcomes {
    fn drop(&mut self) {
        // Whoever does not run any more needs not to be told.
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Sender {
    settings: Settings,
    shelf: Arc<Shelf>,
    /// A connection that may still serve.
    operator: Option<(Connection, Instant)>,
    pause: Pause,
    /// Whether the last batch did not arrive; said once.
    failing: bool,
}

impl Sender {
    async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        loop {
            let sent = tokio::select! {
                sent = self.turn() => sent,
                _ = stopped.wait_for(|stopped| *stopped) => break,
            };
            if let Err(pause) = sent {
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    _ = stopped.wait_for(|stopped| *stopped) => break,
                }
            }
        }
        // A batch that was on its way when this was stopped is sent again: the operator knows its lines.
        let last = async { while self.send().await == Ok(true) {} };
        let _ = tokio::time::timeout(LAST_FLUSH, last).await;
    }

    /// Waits for something to send, and sends it; or says when to try again.
    async fn turn(&mut self) -> Result<(), Duration> {
        while self.shelf.is_empty() {
            self.shelf.written.notified().await;
        }
        let gather = if self.shelf.is_urgent() { GATHER_URGENT } else { GATHER };
        tokio::select! {
            () = tokio::time::sleep(gather) => {}
            () = self.urgent() => {}
        }
        while self.send().await? {}
        Ok(())
    }

    async fn urgent(&self) {
        while !self.shelf.is_urgent() {
            self.shelf.written.notified().await;
        }
    }

    /// Sends one batch; whether there was one.
    async fn send(&mut self) -> Result<bool, Duration> {
        let Some(batch) = self.shelf.take(LARGEST_BODY) else { return Ok(false) };
        let mut held = Held { shelf: Arc::clone(&self.shelf), batch, sent: false };
        let body = Bytes::from(std::mem::take(&mut held.batch.body));
        let posted = if body.is_empty() {
            Ok(OutcomesReceipt::default())
        } else {
            tokio::time::timeout(PATIENCE, self.post(body)).await.unwrap_or(Err(CallError::Late))
        };
        match posted {
            Ok(receipt) => {
                held.sent = true;
                drop(held);
                self.received(&receipt);
                Ok(true)
            }
            Err(unsent) => {
                drop(held);
                Err(self.failed(&unsent))
            }
        }
    }

    async fn post(&mut self, body: Bytes) -> Result<OutcomesReceipt, CallError> {
        let serves = |(connection, begun): &(Connection, Instant)| {
            !connection.is_closed() && begun.elapsed() < LONGEST_CONNECTION
        };
        let (mut connection, begun) = match self.operator.take().filter(serves) {
            Some(open) => open,
            None => (Connection::open(&self.settings).await?, Instant::now()),
        };
        let Settings { namespace, pod_name, .. } = &self.settings;
        let of_a_name = |letter: &char| letter.is_ascii_alphanumeric() || "-.".contains(*letter);
        let pod: String = pod_name.chars().filter(of_a_name).collect();
        let path = format!("/v1/namespaces/{namespace}/outcomes?sidecar={pod}");
        let request = connection
            .request(Method::POST, &path)
            .header(header::CONTENT_TYPE, "application/x-ndjson")
            .body(Full::new(body))?;
        let response = connection.send(request).await?;
        // It has said that it has them, whatever becomes of the words.
        let Ok(body) = Limited::new(response.into_body(), LARGEST_RECEIPT).collect().await else {
            return Ok(OutcomesReceipt::default());
        };
        self.operator = Some((connection, begun));
        Ok(serde_json::from_slice(&body.to_bytes()).unwrap_or_default())
    }

    fn received(&mut self, receipt: &OutcomesReceipt) {
        let measured = self.shelf.measured();
        measured.sent.inc_by(receipt.stored.saturating_add(receipt.repeated));
        measured.refused.inc_by(receipt.refused);
        for refusal in &receipt.refusals {
            tracing::warn!(line = refusal.line, message = refusal.message, "the operator refuses a record");
        }
        if std::mem::take(&mut self.failing) {
            tracing::info!("records arrive at the operator again");
        }
        self.pause.reset();
    }

    /// When to try again.
    fn failed(&mut self, unsent: &CallError) -> Duration {
        self.shelf.measured().failed.inc();
        if std::mem::replace(&mut self.failing, true) {
            tracing::debug!("{unsent}");
        } else {
            tracing::warn!(operator = %self.settings.operator, "records wait: {unsent}");
        }
        self.pause.after(unsent.retry_after())
    }
}

/// Segments on their way. Whatever ends this before the operator has them, they are sent again.
struct Held {
    shelf: Arc<Shelf>,
    batch: Batch,
    sent: bool,
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.sent {
            self.shelf.sent(&self.batch);
        } else {
            self.shelf.put_back(&self.batch);
        }
    }
}
