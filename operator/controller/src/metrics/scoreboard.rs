//! What is measured of roll-ups.

use std::sync::atomic::{AtomicI64, AtomicU64};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use vox_store::scoreboard::LastPass;

use super::Labels;

/// By kind of pass, `live` or `full`.
#[derive(Default)]
pub(crate) struct ScoreboardMetrics {
    last_success: Family<Labels<1>, Gauge<i64, AtomicI64>>,
    duration: Family<Labels<1>, Gauge<f64, AtomicU64>>,
    rows: Family<Labels<1>, Gauge<i64, AtomicI64>>,
    failures: Family<Labels<1>, Counter>,
}

impl ScoreboardMetrics {
    pub(super) fn register(&self, r: &mut Registry) {
        r.register(
            "rollup_last_success_timestamp_seconds",
            "When a roll-up of the scoreboard last ended well, by whichever process, Unix time",
            self.last_success.clone(),
        );
        r.register_with_unit(
            "rollup_last_duration",
            "How long the last roll-up that ended well took",
            Unit::Seconds,
            self.duration.clone(),
        );
        r.register("rollup_last_rows", "Rows that it computed", self.rows.clone());
        r.register("rollup_failures", "Roll-ups of this process that failed", self.failures.clone());
    }

    /// The last pass of its kind that ended well.
    pub(crate) fn passed(&self, last: &LastPass) {
        let labels = labels(&last.kind);
        self.last_success.get_or_create(&labels).set(last.finished_at.as_second());
        self.duration.get_or_create(&labels).set(last.took.as_secs_f64());
        self.rows.get_or_create(&labels).set(i64::try_from(last.rows).unwrap_or(i64::MAX));
    }

    pub(crate) fn failed(&self, pass: &str) {
        self.failures.get_or_create(&labels(pass)).inc();
    }
}

fn labels(pass: &str) -> Labels<1> {
    Labels([("pass", pass.to_owned())])
}
