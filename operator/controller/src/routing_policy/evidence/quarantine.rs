//! Sudden falls: who is kept from a category, and who is let back. Judged from the scoreboard's windows and from the calls
//! since; never by time alone.

use jiff::{SignedDuration, Timestamp};
use vox_contracts::generated::routing::{
    MIN_EVIDENCE_CALLS, QUARANTINE_FALLEN_CALLS, QUARANTINE_LEAST_FALL_PER_MILLE, QUARANTINE_PROBES,
    SCOREBOARD_WINDOWS_DAYS,
};
use vox_routing::success_interval;
use vox_store::Store;
use vox_store::evidence::{Probes, QuarantineHeld, Scored};

use super::observations::share;

/// Begins and ends quarantines; those that hold then.
pub(super) async fn pass(
    store: &Store,
    scored: &[Scored],
    now: Timestamp,
) -> vox_store::Result<Vec<QuarantineHeld>> {
    let known = store.quarantines().await?;
    for held in known.iter().filter(|held| held.released_at.is_none()) {
        if speak_for(held, store.probes(held).await?) {
            tracing::info!(model = held.model_key, category = held.category, "a quarantine ends");
            store.release(held, now).await?;
        }
    }
    for fall in falls(scored, &known, now) {
        tracing::warn!(
            model = fall.model_key,
            category = fall.category,
            was_per_mille = fall.was_per_mille,
            is_per_mille = fall.is_per_mille,
            "a model fell suddenly; it is kept from the category until probes speak for it"
        );
        store.quarantine(&fall).await?;
    }
    let mut held = store.quarantines().await?;
    held.retain(|held| held.released_at.is_none());
    Ok(held)
}

/// Enough calls since, and as good as it surely was.
fn speak_for(held: &QuarantineHeld, probes: Probes) -> bool {
    probes.calls >= QUARANTINE_PROBES && share(probes.successes, probes.calls) >= held.low_per_mille
}

/// Models whose shortest window is surely worse than what was before it. `scored` has the windows of one cell together.
fn falls(scored: &[Scored], known: &[QuarantineHeld], now: Timestamp) -> Vec<QuarantineHeld> {
    let same = |a: &Scored, b: &Scored| a.model_key == b.model_key && a.category == b.category;
    let is_known = |fall: &QuarantineHeld| {
        known
            .iter()
            .any(|held| held.model_key == fall.model_key && held.category == fall.category && seen(held, now))
    };
    scored.chunk_by(same).filter_map(|cell| fall(cell, now)).filter(|fall| !is_known(fall)).collect()
}

/// Whether a quarantine holds, or ended so lately that the shortest window may still have what began it.
fn seen(held: &QuarantineHeld, now: Timestamp) -> bool {
    let days = SCOREBOARD_WINDOWS_DAYS.first().copied().unwrap_or(1);
    let window = SignedDuration::from_hours(24 * i64::from(days));
    held.released_at.is_none_or(|released| now.duration_since(released) < window)
}

fn fall(cell: &[Scored], now: Timestamp) -> Option<QuarantineHeld> {
    let of = |days: Option<&u32>| cell.iter().find(|one| Some(&one.window_days) == days);
    let recent = of(SCOREBOARD_WINDOWS_DAYS.first())?;
    let longest = of(SCOREBOARD_WINDOWS_DAYS.last())?;
    let before = Probes {
        calls: longest.calls.saturating_sub(recent.calls),
        successes: longest.successes.saturating_sub(recent.successes),
    };
    if recent.calls < QUARANTINE_FALLEN_CALLS || before.calls < u64::from(MIN_EVIDENCE_CALLS) {
        return None;
    }
    let (was, is) = (share(before.successes, before.calls), share(recent.successes, recent.calls));
    let (low, _) = success_interval(before.calls, was);
    let (_, high) = success_interval(recent.calls, is);
    (high < low && was.saturating_sub(is) >= QUARANTINE_LEAST_FALL_PER_MILLE).then(|| QuarantineHeld {
        model_key: recent.model_key.clone(),
        category: recent.category.clone(),
        since: now,
        was_per_mille: was,
        low_per_mille: low,
        is_per_mille: is,
        released_at: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(window_days: u32, calls: u64, successes: u64) -> Scored {
        Scored {
            model_key: "hub/a".to_owned(),
            category: "chat".to_owned(),
            window_days,
            calls,
            successes,
            p50_latency_ms: None,
            quality: None,
            judged: 0,
            context_above: 0,
        }
    }

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    /// The fall of a model with 97 of 100 successes before, and so many today.
    fn today(calls: u64, successes: u64) -> Option<QuarantineHeld> {
        let cell = [scored(1, calls, successes), scored(30, 100 + calls, 97 + successes)];
        falls(&cell, &[], now()).pop()
    }

    #[test]
    fn a_fall_that_chance_does_not_explain_begins_a_quarantine() {
        let fall = today(20, 8).unwrap();
        assert_eq!((fall.was_per_mille, fall.is_per_mille), (970, 400));
        assert!(today(20, 18).is_none(), "chance explains it");
        assert!(today(19, 0).is_none(), "these are too few");
    }

    #[test]
    fn the_same_fall_begins_no_second_quarantine_while_the_window_has_it() {
        let cell = [scored(1, 20, 8), scored(30, 120, 105)];
        let held = today(20, 8).unwrap();
        assert!(falls(&cell, std::slice::from_ref(&held), now()).is_empty());
        let released = |hours| QuarantineHeld {
            released_at: Some(now() - SignedDuration::from_hours(hours)),
            ..held.clone()
        };
        assert!(falls(&cell, &[released(23)], now()).is_empty());
        assert_eq!(falls(&cell, &[released(25)], now()).len(), 1);
    }

    #[test]
    fn only_enough_calls_that_succeed_end_a_quarantine() {
        let held = today(20, 8).unwrap();
        let speak = |calls, successes| speak_for(&held, Probes { calls, successes });
        assert!(!speak(0, 0) && !speak(9, 9) && !speak(10, 8));
        assert!(speak(10, 10));
    }
}
