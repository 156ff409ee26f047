//! What all workers share.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use tokio::sync::Notify;
use uuid::Uuid;
use vox_routing::Request;

use crate::config::Settings;
use crate::live::{Recorded, Retries};
use crate::metrics::Metrics;
use crate::problem::Problem;
use crate::record::Record;
use crate::serving::{Lasting, Served};
use crate::spool::Records;

/// So many decisions can be explained later.
const REMEMBERED: usize = 1024;

/// What all workers share.
pub struct App {
    /// The settings.
    pub settings: Settings,
    /// What serves now; nothing before the first snapshot.
    pub serving: ArcSwapOption<Served>,
    /// Something else serves: the one that leases budgets need not wait until it looks again.
    pub changed: Notify,
    /// Why nothing serves.
    pub trouble: ArcSwap<Trouble>,
    /// Keys, failures and accounts.
    pub lasting: Lasting,
    /// What Prometheus scrapes.
    pub metrics: Arc<Metrics>,
    /// Where finished requests are written.
    pub records: Arc<dyn Records>,
    /// The bound on retries.
    pub retries: Retries,
    in_flight: AtomicUsize,
    /// Bytes of bodies that the requests under way hold, and of answers that are not written yet.
    held: AtomicUsize,
    decisions: Mutex<VecDeque<Arc<Remembered>>>,
}

/// Why nothing serves.
#[derive(Debug, Clone)]
pub enum Trouble {
    /// There is nothing to decide from.
    NoSnapshot(String),
    /// Nobody knows which policy decides.
    NoPolicy(String),
}

/// A decision that can be explained.
pub struct Remembered {
    /// Its id.
    pub id: Uuid,
    /// What it was decided from, as long as that is still held: snapshots are large.
    pub served: Weak<Served>,
    /// What was asked for.
    pub request: Request,
    /// The live state that it found.
    pub live: Recorded,
    /// When, in milliseconds since 1970 UTC.
    pub at_ms: u64,
    /// What came of it, once it has ended.
    pub record: OnceLock<Record>,
}

/// A request that comes or is under way; dropped, it is one less.
pub struct InFlight {
    app: Arc<App>,
    /// Whether it has a place among those under way.
    placed: bool,
    /// Bytes of bodies that it holds.
    held: usize,
}

impl App {
    /// Before any snapshot.
    #[must_use]
    pub fn new(
        settings: Settings,
        lasting: Lasting,
        metrics: Arc<Metrics>,
        records: Arc<dyn Records>,
    ) -> Self {
        Self {
            settings,
            serving: ArcSwapOption::empty(),
            changed: Notify::new(),
            trouble: ArcSwap::from_pointee(Trouble::NoSnapshot("none has come yet".to_owned())),
            lasting,
            metrics,
            records,
            retries: Retries::default(),
            in_flight: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            decisions: Mutex::default(),
        }
    }

    /// Why nothing serves.
    #[must_use]
    pub fn problem(&self) -> Problem {
        match &**self.trouble.load() {
            Trouble::NoSnapshot(why) => Problem::no_snapshot(why),
            Trouble::NoPolicy(why) => Problem::no_policy(why.clone()),
        }
    }

    /// One more request whose body is still to come, if there is a place for it now. It takes none before its body is here:
    /// bodies that come slowly would keep all places. Until then only its bytes count.
    #[must_use]
    pub fn arrive(self: &Arc<Self>) -> Option<InFlight> {
        (self.in_flight.load(Relaxed) < self.settings.max_in_flight).then(|| self.holder())
    }

    fn holder(self: &Arc<Self>) -> InFlight {
        InFlight { app: Arc::clone(self), placed: false, held: 0 }
    }

    /// Bytes that count as held until the last of them is written, or the connection is gone. A client that does not read
    /// what it asked for must not be able to have any number of answers kept for it.
    #[must_use]
    pub fn keep(self: &Arc<Self>, bytes: Bytes) -> Bytes {
        let mut holder = self.holder();
        // Counted and not refused: whoever comes next is refused in its place.
        holder.hold(bytes.len());
        Bytes::from_owner(Kept { bytes, _holder: holder })
    }

    /// Whether as much is held as may be.
    #[must_use]
    pub fn holds_too_much(&self) -> bool {
        self.held.load(Relaxed) > self.most_held()
    }

    fn most_held(&self) -> usize {
        self.settings.max_in_flight_bytes.max(self.settings.max_body)
    }

    /// Keeps a decision for a while; the oldest goes.
    pub fn remember(&self, decision: Arc<Remembered>) {
        let mut decisions = self.decisions.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = if decisions.len() >= REMEMBERED { decisions.pop_front() } else { None };
        decisions.push_back(decision);
        // Other workers need not wait until the oldest is taken apart.
        drop(decisions);
        drop(oldest);
    }

    /// A decision that is still kept.
    #[must_use]
    pub fn remembered(&self, id: Uuid) -> Option<Arc<Remembered>> {
        let decisions = self.decisions.lock().unwrap_or_else(PoisonError::into_inner);
        decisions.iter().rev().find(|decision| decision.id == id).cloned()
    }
}

/// Bytes that are counted while they are here.
struct Kept {
    bytes: Bytes,
    _holder: InFlight,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl InFlight {
    /// Its body is here: takes a place among those under way, if there is one.
    #[must_use]
    pub fn enter(&mut self) -> bool {
        if self.app.in_flight.fetch_add(1, Relaxed) >= self.app.settings.max_in_flight {
            self.app.in_flight.fetch_sub(1, Relaxed);
            return false;
        }
        self.app.metrics.in_flight.inc();
        self.placed = true;
        true
    }

    /// So many bytes more of a body are held. False when all requests together hold more than may be.
    pub fn hold(&mut self, bytes: usize) -> bool {
        let before = self.app.held.fetch_add(bytes, Relaxed);
        self.held = self.held.saturating_add(bytes);
        before.saturating_add(bytes) <= self.app.most_held()
    }

    /// Nothing is held any more.
    pub fn release(&mut self) {
        self.app.held.fetch_sub(std::mem::take(&mut self.held), Relaxed);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.release();
        if self.placed {
            self.app.in_flight.fetch_sub(1, Relaxed);
            self.app.metrics.in_flight.dec();
        }
    }
}
