use std::time::Instant;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use vox_store::outcome::Stored;

use super::Labels;

/// What is measured of sidecars' records.
pub(super) struct Outcomes {
    lines: Family<Labels<1>, Counter>,
    refused: Family<Labels<1>, Counter>,
    batch_seconds: Histogram,
    penalties: Counter,
    orphans: Gauge,
}

impl Outcomes {
    pub(super) fn new(seconds: fn() -> Histogram) -> Self {
        Self {
            lines: Family::default(),
            refused: Family::default(),
            batch_seconds: seconds(),
            penalties: Counter::default(),
            orphans: Gauge::default(),
        }
    }

    pub(super) fn register(&self, r: &mut Registry) {
        r.register("outcome_lines", "Lines of sidecars that were taken, new or repeated", self.lines.clone());
        r.register("outcome_lines_refused", "Lines that were not taken, by reason", self.refused.clone());
        r.register_with_unit(
            "outcome_batch",
            "Time to read and write a batch of lines",
            Unit::Seconds,
            self.batch_seconds.clone(),
        );
        r.register("outcome_penalties", "Penalties made of unsure abstentions", self.penalties.clone());
        r.register(
            "feedback_without_call",
            "Feedback of the last week whose call has not come within a day, as the leader counts it",
            self.orphans.clone(),
        );
    }

    pub(super) fn batch(&self, stored: &Stored, refused: impl Iterator<Item = &'static str>, begun: Instant) {
        self.batch_seconds.observe(begun.elapsed().as_secs_f64());
        for (result, lines) in [("stored", stored.stored), ("repeated", stored.repeated)] {
            self.lines.get_or_create(&Labels([("result", result.to_owned())])).inc_by(lines);
        }
        for reason in refused {
            self.refused.get_or_create(&Labels([("reason", reason.to_owned())])).inc();
        }
        self.penalties.inc_by(stored.penalties);
    }

    pub(super) fn orphans(&self, count: u64) {
        self.orphans.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}
