//! What Prometheus scrapes. Labels come from closed vocabularies and from the snapshot, never from a request.

use std::fmt::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::ids::now_ms;
use crate::record::{Name, Outcome};
use crate::spool::Measured;

type OneLabel = [(&'static str, &'static str); 1];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabels {
    upstream: Name,
    class: &'static str,
}

impl EncodeLabelValue for Name {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        encoder.write_str(self)
    }
}

/// All metrics of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<OneLabel, Counter>,
    /// Those of `requests` that have been counted, by outcome: looking one up in the family costs more than counting.
    ended: [OnceLock<Counter>; Outcome::COUNT],
    attempts: Family<AttemptLabels, Counter>,
    /// Requests under way.
    pub in_flight: Gauge,
    decision_time: Histogram,
    added_latency: Histogram,
    snapshot_version: Gauge,
    snapshot_age: Gauge,
    snapshot_received_ms: AtomicU64,
    snapshots_refused: Family<OneLabel, Counter>,
    /// Connections to the operator that ended.
    pub feed_reconnects: Counter,
    /// Records on their way to the operator.
    pub spool: Measured,
    /// Requests whose session begins with no prefix of the contract.
    pub sessions_unregistered: Counter,
    /// Retries that the retry budget did not allow.
    pub retries_withheld: Counter,
    spent: Gauge<f64, AtomicU64>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("vox_sidecar");
        // A decision takes microseconds; what the gateway adds, up to milliseconds.
        let decision_time = Histogram::new(exponential_buckets(1e-6, 2.0, 14));
        let added_latency = Histogram::new(exponential_buckets(1e-5, 2.0, 16));
        let metrics = Self {
            requests: Family::default(),
            ended: Default::default(),
            attempts: Family::default(),
            in_flight: Gauge::<i64, AtomicI64>::default(),
            decision_time,
            added_latency,
            snapshot_version: Gauge::default(),
            snapshot_age: Gauge::default(),
            snapshot_received_ms: AtomicU64::new(0),
            snapshots_refused: Family::default(),
            feed_reconnects: Counter::default(),
            spool: Measured::default(),
            sessions_unregistered: Counter::default(),
            retries_withheld: Counter::default(),
            spent: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register("requests", "Finished requests by outcome", metrics.requests.clone());
        registry.register("attempts", "Attempts by upstream and class", metrics.attempts.clone());
        registry.register("in_flight", "Requests under way", metrics.in_flight.clone());
        let seconds = |registry: &mut Registry, name: &str, help: &str, histogram: &Histogram| {
            registry.register_with_unit(name, help, Unit::Seconds, histogram.clone());
        };
        seconds(&mut registry, "decision", "Time of a decision", &metrics.decision_time);
        seconds(
            &mut registry,
            "added_latency",
            "Time from a request's body to its answer's first byte, without the upstream's",
            &metrics.added_latency,
        );
        registry.register(
            "snapshot_version",
            "Version of the snapshot that decides; 0 without one",
            metrics.snapshot_version.clone(),
        );
        registry.register_with_unit(
            "snapshot_age",
            "Time since that snapshot came; -1 without one",
            Unit::Seconds,
            metrics.snapshot_age.clone(),
        );
        registry.register(
            "snapshots_refused",
            "Snapshots not taken, by reason",
            metrics.snapshots_refused.clone(),
        );
        registry.register(
            "feed_reconnects",
            "Connections to the operator that ended",
            metrics.feed_reconnects.clone(),
        );
        metrics.spool.register(&mut registry);
        registry.register(
            "sessions_unregistered",
            "Requests whose session begins with no prefix of the contract",
            metrics.sessions_unregistered.clone(),
        );
        registry.register(
            "retries_withheld",
            "Retries that the retry budget did not allow",
            metrics.retries_withheld.clone(),
        );
        registry.register("spent_today_usd", "Spent by this sidecar since 00:00 UTC", metrics.spent.clone());
        Self { registry, ..metrics }
    }
}

impl Metrics {
    /// A request ended this way.
    pub fn request(&self, outcome: Outcome) {
        let looked_up = || self.requests.get_or_create_owned(&[("outcome", outcome.as_str())]);
        if let Some(counter) = self.ended.get(outcome as usize) {
            counter.get_or_init(looked_up).inc();
        }
    }

    /// An attempt ended this way.
    pub fn attempt(&self, upstream: &Name, class: &'static str) {
        self.attempts.get_or_create(&AttemptLabels { upstream: upstream.clone(), class }).inc();
    }

    /// A decision took so long.
    pub fn decided(&self, time: Duration) {
        self.decision_time.observe(time.as_secs_f64());
    }

    /// The gateway itself took so long.
    pub fn added(&self, time: Duration) {
        self.added_latency.observe(time.as_secs_f64());
    }

    /// This snapshot decides from now on.
    pub fn snapshot(&self, version: u64) {
        self.snapshot_version.set(i64::try_from(version).unwrap_or(i64::MAX));
        self.snapshot_received_ms.store(now_ms(), std::sync::atomic::Ordering::Relaxed);
    }

    /// A snapshot was not taken.
    pub fn snapshot_refused(&self, reason: &'static str) {
        self.snapshots_refused.get_or_create(&[("reason", reason)]).inc();
    }

    /// Spent today, in USD.
    pub fn spent(&self, pico_usd: u64) {
        // Metrics are floats; the account itself is exact.
        #[allow(clippy::cast_precision_loss)]
        self.spent.set(pico_usd as f64 / 1e12);
    }

    /// The text that Prometheus reads.
    #[must_use]
    pub fn text(&self) -> String {
        let received = self.snapshot_received_ms.load(std::sync::atomic::Ordering::Relaxed);
        let age = now_ms().saturating_sub(received) / 1000;
        self.snapshot_age.set(if received == 0 { -1 } else { i64::try_from(age).unwrap_or(i64::MAX) });
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
#[path = "../../telemetry/tests/metrics_page/mod.rs"]
mod metrics_page;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::Kind;

    #[test]
    fn the_page_of_metrics_has_every_one_of_the_sidecar() {
        let metrics = Metrics::default();
        metrics.request(Outcome::Answered);
        metrics.attempt(&Name::from("hub"), "ok");
        metrics.snapshot_refused("digest");
        metrics.spool.dropped(Kind::Call, "full", 1);
        metrics_page::is_of(&metrics.text(), |row| row.starts_with("vox_sidecar_"));
    }
}
