//! What the operator measures, for Prometheus. Labels are bounded: kinds, closed vocabularies, and the sources and
//! policies themselves.

mod outcomes;
mod scoreboard;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicI64;
use std::time::Instant;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, LabelSetEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use vox_contracts::change::ChangeKind;
use vox_store::outcome::Stored;

use self::outcomes::Outcomes;
use crate::process::resident_bytes;
use scoreboard::ScoreboardMetrics;

/// One label pair list from static names.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub(crate) struct Labels<const N: usize>(pub(crate) [(&'static str, String); N]);

impl<const N: usize> EncodeLabelSet for Labels<N> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.0.encode(encoder)
    }
}

/// Everything that is measured.
pub(crate) struct Metrics {
    registry: Registry,
    reconciles: Family<Labels<2>, Counter>,
    reconcile_seconds: Family<Labels<1>, Histogram, fn() -> Histogram>,
    policy_stages: Family<Labels<1>, Histogram, fn() -> Histogram>,
    backoff: Gauge,
    status_patches: Family<Labels<1>, Counter>,
    leader: Gauge,
    attempts: Family<Labels<1>, Counter>,
    refused_calls: Family<Labels<1>, Counter>,
    models: Family<Labels<2>, Gauge>,
    fresh: Family<Labels<2>, Gauge>,
    last_refresh: Family<Labels<2>, Gauge<i64, AtomicI64>>,
    resident: Gauge,
    quarantines: Gauge,
    schedules_missed: Family<Labels<2>, Counter>,
    changes: Family<Labels<3>, Counter>,
    suspects: Family<Labels<2>, Gauge>,
    programmed: Family<Labels<2>, Gauge>,
    /// Of roll-ups.
    pub(crate) scoreboard: ScoreboardMetrics,
    outcomes: Outcomes,
    /// Of what is exported to a collector.
    pub(crate) otlp: vox_otlp::Measured,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        // From one millisecond to half a minute, the limit of a reconcile being one.
        let seconds: fn() -> Histogram = || Histogram::new(exponential_buckets(0.001, 2.0, 16));
        let mut metrics = Self {
            registry: Registry::with_prefix("vox"),
            reconciles: Family::default(),
            reconcile_seconds: Family::new_with_constructor(seconds),
            policy_stages: Family::new_with_constructor(seconds),
            backoff: Gauge::default(),
            status_patches: Family::default(),
            leader: Gauge::default(),
            attempts: Family::default(),
            refused_calls: Family::default(),
            models: Family::default(),
            fresh: Family::default(),
            last_refresh: Family::default(),
            resident: Gauge::default(),
            quarantines: Gauge::default(),
            schedules_missed: Family::default(),
            changes: Family::default(),
            suspects: Family::default(),
            programmed: Family::default(),
            scoreboard: ScoreboardMetrics::default(),
            outcomes: Outcomes::new(seconds),
            otlp: vox_otlp::Measured::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let r = &mut self.registry;
        r.register("reconcile", "Reconciles by controller and result", self.reconciles.clone());
        r.register_with_unit(
            "reconcile_duration",
            "Time of a reconcile",
            Unit::Seconds,
            self.reconcile_seconds.clone(),
        );
        r.register_with_unit(
            "policy_stage",
            "Time of each stage of a policy's way to sidecars",
            Unit::Seconds,
            self.policy_stages.clone(),
        );
        r.register("objects_in_backoff", "Objects whose last reconcile failed", self.backoff.clone());
        r.register("status_patches", "Writes to a status, by result", self.status_patches.clone());
        r.register("leader", "Whether this replica holds the lease", self.leader.clone());
        r.register("discovery_attempts", "Ended discovery runs, by outcome", self.attempts.clone());
        r.register(
            "control_calls_refused",
            "Calls of the control API that were refused, by reason",
            self.refused_calls.clone(),
        );
        r.register("catalog_models", "Models in the last good catalog", self.models.clone());
        r.register("catalog_fresh", "Whether the catalog is younger than its limit", self.fresh.clone());
        r.register(
            "catalog_last_refresh_timestamp_seconds",
            "When the provider last confirmed the catalog, Unix time",
            self.last_refresh.clone(),
        );
        r.register(
            "catalog_schedules_missed",
            "Scheduled runs that did not happen",
            self.schedules_missed.clone(),
        );
        r.register("catalog_changes", "What happened to models of a catalog, by kind", self.changes.clone());
        r.register(
            "catalog_suspect_models",
            "Models that the provider did not list when it was last asked, and that stay until it misses them again",
            self.suspects.clone(),
        );
        r.register(
            "policy_programmed",
            "Whether the newest generation of a policy serves, its tests hold and all its sources are in it",
            self.programmed.clone(),
        );
        self.scoreboard.register(r);
        r.register(
            "quarantined_models",
            "Models kept from a category since they fell there suddenly",
            self.quarantines.clone(),
        );
        self.outcomes.register(r);
        self.otlp.register(r);
        r.register("process_resident_memory_bytes", "Resident memory of the operator", self.resident.clone());
        r.register("build", "The running program", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
    }

    /// In the text form of OpenMetrics.
    pub(crate) fn encode(&self) -> Result<String, std::fmt::Error> {
        self.resident.set(i64::try_from(resident_bytes().0).unwrap_or(i64::MAX));
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }

    pub(crate) fn reconciled(&self, controller: &'static str, result: &'static str, seconds: f64) {
        let labels = Labels([("controller", controller.to_owned()), ("result", result.to_owned())]);
        self.reconciles.get_or_create(&labels).inc();
        self.reconcile_seconds
            .get_or_create(&Labels([("controller", controller.to_owned())]))
            .observe(seconds);
    }

    /// A stage of a policy's way to sidecars: those of a reconcile, and `read`, from a notice of the database to a document
    /// that is handed to streams.
    pub(crate) fn policy_stage(&self, stage: &'static str, begun: Instant) {
        self.policy_stages
            .get_or_create(&Labels([("stage", stage.to_owned())]))
            .observe(begun.elapsed().as_secs_f64());
    }

    pub(crate) fn in_backoff(&self, objects: usize) {
        self.backoff.set(i64::try_from(objects).unwrap_or(i64::MAX));
    }

    pub(crate) fn status_patched(&self, result: &'static str) {
        self.status_patches.get_or_create(&Labels([("result", result.to_owned())])).inc();
    }

    pub(crate) fn quarantines(&self, hold: usize) {
        self.quarantines.set(i64::try_from(hold).unwrap_or(i64::MAX));
    }

    pub(crate) fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    pub(crate) fn leading(&self) -> bool {
        self.leader.get() == 1
    }

    pub(crate) fn attempt_ended(&self, outcome: &str) {
        self.attempts.get_or_create(&Labels([("outcome", outcome.to_owned())])).inc();
    }

    pub(crate) fn call_refused(&self, reason: &'static str) {
        self.refused_calls.get_or_create(&Labels([("reason", reason.to_owned())])).inc();
    }

    pub(crate) fn schedule_missed(&self, namespace: &str, source: &str) {
        self.schedules_missed.get_or_create(&source_labels(namespace, source)).inc();
    }

    /// A batch was written, with lines that were refused for these reasons.
    pub(crate) fn outcomes(
        &self,
        stored: &Stored,
        refused: impl Iterator<Item = &'static str>,
        begun: Instant,
    ) {
        self.outcomes.batch(stored, refused, begun);
    }

    /// How much feedback has no call.
    pub(crate) fn feedback_without_call(&self, count: u64) {
        self.outcomes.orphans(count);
    }

    /// What an upload changed in a source's catalog.
    pub(crate) fn models_changed(&self, namespace: &str, source: &str, changes: &BTreeMap<ChangeKind, u64>) {
        for (kind, models) in changes {
            self.changes.get_or_create(&change_labels(namespace, source, *kind)).inc_by(*models);
        }
    }

    /// What a source's status says, as numbers.
    pub(crate) fn source(
        &self,
        namespace: &str,
        source: &str,
        (models, suspect): (i64, i64),
        fresh: bool,
        refreshed: Option<i64>,
    ) {
        let labels = source_labels(namespace, source);
        self.models.get_or_create(&labels).set(models);
        self.suspects.get_or_create(&labels).set(suspect);
        self.fresh.get_or_create(&labels).set(i64::from(fresh));
        if let Some(second) = refreshed {
            self.last_refresh.get_or_create(&labels).set(second);
        }
    }

    /// A source that is gone is no longer measured.
    pub(crate) fn forget(&self, namespace: &str, source: &str) {
        let labels = source_labels(namespace, source);
        self.models.remove(&labels);
        self.fresh.remove(&labels);
        self.last_refresh.remove(&labels);
        self.schedules_missed.remove(&labels);
        self.suspects.remove(&labels);
        for kind in ChangeKind::ALL {
            self.changes.remove(&change_labels(namespace, source, *kind));
        }
    }

    /// What a policy's condition `Programmed` says.
    pub(crate) fn policy(&self, namespace: &str, policy: &str, programmed: bool) {
        self.programmed.get_or_create(&policy_labels(namespace, policy)).set(i64::from(programmed));
    }

    /// A policy that is gone is no longer measured.
    pub(crate) fn forget_policy(&self, namespace: &str, policy: &str) {
        self.programmed.remove(&policy_labels(namespace, policy));
    }
}

fn policy_labels(namespace: &str, policy: &str) -> Labels<2> {
    Labels([("namespace", namespace.to_owned()), ("policy", policy.to_owned())])
}

fn source_labels(namespace: &str, source: &str) -> Labels<2> {
    Labels([("namespace", namespace.to_owned()), ("source", source.to_owned())])
}

fn change_labels(namespace: &str, source: &str, kind: ChangeKind) -> Labels<3> {
    let [namespace, source] = source_labels(namespace, source).0;
    Labels([namespace, source, ("change", kind.to_string())])
}

#[cfg(test)]
#[path = "../../telemetry/tests/metrics_page/mod.rs"]
mod metrics_page;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_measured_until_it_is_gone() {
        let metrics = Metrics::new();
        metrics.policy("shop", "fast", false);
        metrics.policy("shop", "slow", true);
        let text = metrics.encode().unwrap();
        assert!(text.contains("vox_policy_programmed{namespace=\"shop\",policy=\"fast\"} 0"), "{text}");
        assert!(text.contains("vox_policy_programmed{namespace=\"shop\",policy=\"slow\"} 1"), "{text}");
        metrics.forget_policy("shop", "fast");
        assert!(!metrics.encode().unwrap().contains("policy=\"fast\""));
    }

    #[test]
    fn what_happened_to_the_models_of_a_source_is_counted_until_it_is_gone() {
        let metrics = Metrics::new();
        let added = BTreeMap::from([(ChangeKind::Added, 2)]);
        metrics.models_changed("shop", "hub", &added);
        metrics.models_changed("shop", "hub", &added);
        let row = "vox_catalog_changes_total{namespace=\"shop\",source=\"hub\",change=\"added\"} 4";
        assert!(metrics.encode().unwrap().contains(row));
        metrics.forget("shop", "hub");
        assert!(!metrics.encode().unwrap().contains("source=\"hub\""));
    }

    #[test]
    fn the_page_of_metrics_has_every_one_of_the_operator() {
        let metrics = Metrics::new();
        metrics.reconciled("routingpolicy", "ok", 0.1);
        metrics.policy_stage("build", Instant::now());
        metrics.status_patched("ok");
        metrics.attempt_ended("Published");
        metrics.call_refused("token");
        metrics.schedule_missed("shop", "hub");
        metrics.source("shop", "hub", (1, 0), true, Some(1));
        metrics.models_changed("shop", "hub", &BTreeMap::from([(ChangeKind::Added, 1)]));
        metrics.policy("shop", "fast", true);
        metrics.outcomes(&Stored::default(), std::iter::once("value"), Instant::now());
        metrics.scoreboard.passed(&vox_store::scoreboard::LastPass {
            kind: "live".to_owned(),
            finished_at: jiff::Timestamp::UNIX_EPOCH,
            took: std::time::Duration::from_secs(1),
            rows: 1,
        });
        metrics.scoreboard.failed("live");
        metrics.otlp.dropped("full", 1);
        metrics.otlp.request(vox_otlp::Signal::Traces, "taken");
        metrics.otlp.rejected(vox_otlp::Signal::Traces, 1);
        metrics_page::is_of(&metrics.encode().unwrap(), |row| {
            row.starts_with("vox_") && !row.starts_with("vox_sidecar_")
        });
    }
}
