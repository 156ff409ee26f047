use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::endpoint::Signal;

/// What is measured of the way to a collector.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// Calls whose spans a collector took.
    pub exported: Counter,
    dropped: Family<[(&'static str, &'static str); 1], Counter>,
    /// Calls whose spans wait.
    pub waiting: Gauge,
    requests: Family<[(&'static str, &'static str); 2], Counter>,
    rejected: Family<[(&'static str, &'static str); 1], Counter>,
}

impl Measured {
    /// Puts them where they are scraped.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("otlp_calls_exported", "Calls whose spans a collector took", self.exported.clone());
        registry.register(
            "otlp_calls_dropped",
            "Calls whose spans no collector got, by cause",
            self.dropped.clone(),
        );
        registry.register(
            "otlp_calls_waiting",
            "Calls whose spans wait for a collector",
            self.waiting.clone(),
        );
        registry.register(
            "otlp_requests",
            "Requests to a collector, by signal and result",
            self.requests.clone(),
        );
        registry.register(
            "otlp_rejected",
            "Spans or data points that a collector left out of what it took",
            self.rejected.clone(),
        );
    }

    /// So many calls are not exported. Causes: `full` (too many wait), `late` (tried for too long), `refused`.
    pub fn dropped(&self, cause: &'static str, calls: usize) {
        if calls > 0 {
            self.dropped.get_or_create(&[("cause", cause)]).inc_by(u64::try_from(calls).unwrap_or(u64::MAX));
        }
    }

    /// A request has ended. Results: `taken`, `later`, `refused`, `unreached`.
    pub fn request(&self, signal: Signal, result: &'static str) {
        self.requests.get_or_create(&[("signal", signal.as_str()), ("result", result)]).inc();
    }

    /// So many spans or data points were left out.
    pub fn rejected(&self, signal: Signal, count: u64) {
        if count > 0 {
            self.rejected.get_or_create(&[("signal", signal.as_str())]).inc_by(count);
        }
    }
}
