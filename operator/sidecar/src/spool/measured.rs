use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Kind;

/// What is measured of records on their way to the operator.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    dropped: Family<[(&'static str, &'static str); 2], Counter>,
    /// Lines whose checksum does not fit: the last one of a process that was killed.
    pub torn: Counter,
    /// Lines that the operator has.
    pub sent: Counter,
    /// Lines that the operator refused for good.
    pub refused: Counter,
    /// Batches that did not arrive.
    pub failed: Counter,
    /// Bytes that wait on disk.
    pub bytes: Gauge,
}

impl Measured {
    /// Puts them where they are scraped.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("spool_dropped", "Records that were lost, by kind and cause", self.dropped.clone());
        registry.register("spool_torn", "Records that were not written to their end", self.torn.clone());
        registry.register("spool_sent", "Records that the operator has", self.sent.clone());
        registry.register("spool_refused", "Records that the operator refused", self.refused.clone());
        registry.register("spool_batches_failed", "Batches that did not arrive", self.failed.clone());
        registry.register("spool_bytes", "Bytes of records that wait on disk", self.bytes.clone());
    }

    /// So many records are lost. Causes: `busy` (the writer was behind), `full`, `old`, `disk`.
    pub fn dropped(&self, kind: Kind, cause: &'static str, lines: u64) {
        self.dropped.get_or_create(&[("kind", kind.as_str()), ("cause", cause)]).inc_by(lines);
    }

    /// How many are lost in all.
    #[must_use]
    pub fn lost(&self) -> u64 {
        let causes = ["busy", "full", "old", "disk"];
        let labels =
            Kind::ALL.iter().flat_map(|kind| causes.map(|cause| [("kind", kind.as_str()), ("cause", cause)]));
        labels.filter_map(|labels| self.dropped.get(&labels).map(|counter| counter.get())).sum()
    }
}
