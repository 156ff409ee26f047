//! Waiting for those that are busy, where the route declares it and nobody else is left.

use std::time::{Duration, Instant};

use vox_routing::Decision;
use vox_routing::decision::Pick;

use crate::ids::{now_ms, random};
use crate::serving::Served;

/// Those that wait for the same one come one after the other, over this time; doubled by each try.
const SPREAD_MS: u64 = 100;
/// So often.
const DOUBLINGS: u32 = 3;

/// The candidates that one request waits for, best first.
pub(super) struct Wait<'a> {
    /// How long; zero where the route declares nothing.
    limit: Duration,
    deadline: Instant,
    /// Set when the waiting begins.
    until: Option<Instant>,
    tries: u32,
    busy: Vec<&'a Pick>,
}

impl<'a> Wait<'a> {
    pub(super) fn new(decision: &Decision, deadline: Instant) -> Self {
        let limit = Duration::from_millis(decision.wait_when_busy_ms);
        Self { limit, deadline, until: None, tries: 0, busy: Vec::new() }
    }

    /// Whether the route waits at all.
    pub(super) const fn is_declared(&self) -> bool {
        !self.limit.is_zero()
    }

    /// This one is busy.
    pub(super) fn note(&mut self, pick: &'a Pick) {
        if self.is_declared() {
            self.busy.push(pick);
        }
    }

    /// This one could not be called a moment ago: perhaps because it was busy. What kept it may have ended since, and then
    /// it is asked again as well: nobody else would be.
    pub(super) fn note_if_busy(&mut self, served: &Served, pick: &'a Pick) {
        let why = served.unavailable(pick.deployment, now_ms());
        if why.is_none_or(|why| served.busy_until(pick.deployment, why).is_some()) {
            self.note(pick);
        }
    }

    /// The next to be tried again, when its time has come; none when that is too late.
    pub(super) async fn next(&mut self, served: &Served) -> Option<&'a Pick> {
        let at = |pick: &Pick| served.targets.get(pick.deployment).map(|one| one.breaker.available_at_ms());
        let soonest = self.busy.iter().enumerate().filter_map(|(place, pick)| Some((at(pick)?, place)));
        let (at, place) = soonest.min()?;
        let until = *self.until.get_or_insert_with(|| (Instant::now() + self.limit).min(self.deadline));
        let spread = SPREAD_MS << self.tries.min(DOUBLINGS);
        let pause = at.saturating_sub(now_ms()).saturating_add(spread / 4 + random() % spread);
        let again =
            Instant::now().checked_add(Duration::from_millis(pause)).filter(|again| *again < until)?;
        tokio::time::sleep_until(again.into()).await;
        self.tries = self.tries.saturating_add(1);
        Some(self.busy.remove(place))
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use serde_json::json;
    use vox_routing::{PolicySnapshot, Snapshot};

    use super::*;
    use crate::keys::Keys;
    use crate::serving::Lasting;

    fn served() -> Served {
        let upstream = json!({
            "name": "up", "provider": "vllm", "baseUrl": "http://up/v1", "route": "openai-compatible", "auth": "none",
            "credential": null, "local": false,
        });
        let deployment = json!({
            "id": "up/model", "upstream": "up",
            "entry": {
                "model_id": "model", "provider": "vllm", "input_modalities": ["text"], "output_modalities": ["text"],
                "pricing": {}, "supports": {}, "strengths": [], "tier": "standard",
            },
        });
        let policy = PolicySnapshot {
            policy: serde_json::from_value(json!({"name": "p", "generation": 1, "default": true})).unwrap(),
            upstreams: vec![serde_json::from_value(upstream).unwrap()],
            deployments: vec![Arc::new(serde_json::from_value(deployment).unwrap())],
        };
        let snapshot = Snapshot::seal("shop".to_owned(), 1, vec![policy]).unwrap();
        Served::of_snapshot(snapshot, None, &Lasting::new(Keys::new(PathBuf::new()), false)).unwrap()
    }

    /// Whether one that could not be called a moment ago is asked again.
    async fn is_asked_again(served: &Served) -> bool {
        let pick = Pick { deployment: 0, score: 0, worst_case: None };
        let limit = Duration::from_secs(5);
        let deadline = Instant::now() + limit;
        let mut wait = Wait { limit, deadline, until: None, tries: 0, busy: Vec::new() };
        wait.note_if_busy(served, &pick);
        wait.next(served).await.is_some()
    }

    #[tokio::test]
    async fn one_that_is_busy_is_asked_again() {
        let served = served();
        served.targets[0].breaker.begin(now_ms()).unwrap().busy(None, now_ms());
        assert!(is_asked_again(&served).await);
    }

    #[tokio::test]
    async fn one_that_has_become_free_since_it_was_passed_over_is_asked_again() {
        assert!(is_asked_again(&served()).await);
    }

    #[tokio::test]
    async fn one_whose_circuit_is_open_is_not() {
        let served = served();
        (0..5).for_each(|_| served.targets[0].breaker.begin(now_ms()).unwrap().failed(now_ms()));
        assert!(!is_asked_again(&served).await);
    }
}
