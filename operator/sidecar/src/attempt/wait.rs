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

    /// This one cannot be called now: perhaps because it is busy.
    pub(super) fn note_if_busy(&mut self, served: &Served, pick: &'a Pick) {
        let why = served.unavailable(pick.deployment, now_ms());
        if why.is_some_and(|why| served.busy_until(pick.deployment, why).is_some()) {
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
