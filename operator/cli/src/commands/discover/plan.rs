//! Which sources to ask, and why. Pure.

use jiff::Timestamp;
use kube::ResourceExt as _;
use serde::Serialize;
use vox_crds::ModelCatalogSource;
use vox_crds::conditions::types;

use crate::cluster::condition;
use crate::freshness::Freshness;
use crate::table::printable;

/// A source, and what is to be done with it.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) source: ModelCatalogSource,
    pub(super) freshness: Freshness,
    pub(super) decision: Decision,
}

/// Whether a source is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    Ask(&'static str),
    Skip(String),
}

/// A planned source in machine output.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    namespace: String,
    name: String,
    freshness: &'static str,
    last_refresh_time: Option<Timestamp>,
    would_ask: bool,
    reason: String,
}

/// Decides about one source.
pub(super) fn plan(source: ModelCatalogSource, force: bool, now: Timestamp) -> Planned {
    let freshness = Freshness::of(&source, now);
    let decision = decide(&source, freshness, force, now);
    Planned { source, freshness, decision }
}

fn decide(source: &ModelCatalogSource, freshness: Freshness, force: bool, now: Timestamp) -> Decision {
    // The operator leaves a request to these unanswered, so that waiting would be in vain.
    if source.spec.suspend {
        return Decision::Skip("suspended; set spec.suspend to false".to_owned());
    }
    if let Some(message) = stalled(source) {
        return Decision::Skip(format!("stalled: {message}"));
    }
    match freshness {
        _ if force => Decision::Ask("--force"),
        Freshness::Never => Decision::Ask("never fetched"),
        Freshness::Stale(_) => Decision::Ask("stale"),
        Freshness::Fresh(_) => Decision::Skip(format!("{}; --force asks all the same", freshness.told(now))),
    }
}

/// Why nothing happens until a person changes something, if the operator has said so about the spec as it is now.
pub(super) fn stalled(source: &ModelCatalogSource) -> Option<&str> {
    let stalled = condition(source, types::STALLED).filter(|stalled| stalled.status == "True")?;
    (stalled.observed_generation == source.metadata.generation).then_some(stalled.message.as_str())
}

impl Planned {
    pub(super) fn row(&self) -> Row {
        let (would_ask, reason) = match &self.decision {
            Decision::Ask(reason) => (true, (*reason).to_owned()),
            Decision::Skip(reason) => (false, reason.clone()),
        };
        let refreshed = match self.freshness {
            Freshness::Never => None,
            Freshness::Fresh(time) | Freshness::Stale(time) => Some(time),
        };
        Row {
            namespace: self.source.namespace().unwrap_or_default(),
            name: self.source.name_any(),
            freshness: self.freshness.name(),
            last_refresh_time: refreshed,
            would_ask,
            reason,
        }
    }

    pub(super) fn told(&self, now: Timestamp) -> String {
        let name = format!("{}/{}", self.source.namespace().unwrap_or_default(), self.source.name_any());
        match &self.decision {
            Decision::Ask(_) => format!("{name}: would be asked ({})", self.freshness.told(now)),
            // A suspended source may be stale too, which is what a check of freshness is about.
            Decision::Skip(reason) if !self.freshness.is_fresh() => {
                format!("{name}: would not be asked ({}; {})", self.freshness.told(now), printable(reason))
            }
            Decision::Skip(reason) => format!("{name}: would not be asked ({})", printable(reason)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::freshness::tests::source;

    const NOW: i64 = 1_000_000;

    fn planned(source: ModelCatalogSource, force: bool) -> Planned {
        plan(source, force, Timestamp::from_second(NOW).unwrap())
    }

    fn fresh() -> ModelCatalogSource {
        source("a", 8, Some(NOW - 41), NOW + 60)
    }

    #[test]
    fn a_fresh_source_is_asked_by_force_only() {
        let told = |force| planned(fresh(), force).told(Timestamp::from_second(NOW).unwrap());
        assert_eq!(
            told(false),
            "shop/a: would not be asked (fresh, refreshed 41s ago; --force asks all the same)"
        );
        assert_eq!(planned(fresh(), true).decision, Decision::Ask("--force"));
    }

    #[test]
    fn a_stale_source_and_one_never_fetched_are_asked() {
        assert_eq!(planned(source("a", 8, Some(NOW - 99), NOW - 9), false).decision, Decision::Ask("stale"));
        assert_eq!(planned(source("a", 0, None, 0), false).decision, Decision::Ask("never fetched"));
    }

    #[test]
    fn a_suspended_source_is_not_asked_even_by_force() {
        let mut suspended = fresh();
        suspended.spec.suspend = true;
        assert!(
            matches!(planned(suspended, true).decision, Decision::Skip(reason) if reason.contains("spec.suspend"))
        );
    }

    #[test]
    fn a_stalled_source_is_not_asked_until_its_spec_changes() {
        let mut stalled = fresh();
        stalled.metadata.generation = Some(2);
        let condition = |generation: i64| {
            serde_json::from_value(serde_json::json!({
                "type": "Stalled", "status": "True", "reason": "InvalidSpec", "message": "no such zone",
                "observedGeneration": generation, "lastTransitionTime": "2026-01-01T00:00:00Z",
            }))
            .unwrap()
        };
        stalled.status.as_mut().unwrap().conditions.push(condition(2));
        assert!(matches!(planned(stalled.clone(), true).decision, Decision::Skip(_)));
        stalled.metadata.generation = Some(3);
        assert!(matches!(planned(stalled, true).decision, Decision::Ask(_)));
    }
}
