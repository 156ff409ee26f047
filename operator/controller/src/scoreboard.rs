//! The scoreboard's roll-up: of what came in, every few minutes, by the replica that holds the lease; of all windows and what was
//! missed, as a command of its own, which a CronJob runs at night.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use vox_contracts::generated::routing::SCOREBOARD_LIVE;
use vox_contracts::scoreboard::RolledUp;
use vox_store::scoreboard::{Pass, Rules};

use crate::args::DatabaseSettings;
use crate::control_plane::Shared;
use crate::migrate;

/// A pass leaves the database at least so many times as long to others as it took.
const REST: u32 = 4;

/// Rolls up what came in, again and again. A failure is a line in the log and a count, and tried again.
pub(crate) async fn keep(shared: &Shared) -> Infallible {
    let mut wait = SCOREBOARD_LIVE;
    loop {
        tokio::time::sleep(wait).await;
        let begun = Instant::now();
        // What is wrong has been told.
        let _ = pass(shared, Pass::Live).await;
        wait = next(begun.elapsed());
    }
}

/// When the next pass begins after one that took so long.
fn next(took: Duration) -> Duration {
    SCOREBOARD_LIVE.max(took.saturating_mul(REST))
}

/// One pass, with its metrics and its line in the log.
pub(crate) async fn pass(shared: &Shared, pass: Pass) -> vox_store::Result<RolledUp> {
    let done = shared.store.roll_up(pass, &Rules::default()).await;
    match &done {
        Ok(done) => tell(pass, done),
        Err(error) => {
            shared.metrics.scoreboard.failed(pass.name());
            tracing::warn!(
                error = error as &dyn std::error::Error,
                pass = pass.name(),
                "failed to roll the scoreboard up; trying again"
            );
        }
    }
    // Of passes that other processes ran, too.
    if let Ok(passes) = shared.store.roll_ups().await {
        passes.iter().for_each(|pass| shared.metrics.scoreboard.passed(pass));
    }
    done
}

/// `vox-operator rollup`: a full pass, once.
pub(crate) async fn roll_up(settings: &DatabaseSettings) -> anyhow::Result<()> {
    let store = migrate::open(settings)?;
    let done = store.roll_up(Pass::Full, &Rules::default()).await;
    tell(Pass::Full, &done.context("failed to roll the scoreboard up")?);
    store.close().await;
    Ok(())
}

fn tell(pass: Pass, done: &RolledUp) {
    tracing::info!(
        pass = pass.name(),
        rows = done.rows,
        prices = done.prices,
        took_ms = done.took_ms,
        "rolled the scoreboard up"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_that_takes_long_is_followed_by_a_longer_rest() {
        assert_eq!(next(Duration::from_secs(1)), SCOREBOARD_LIVE);
        assert_eq!(next(SCOREBOARD_LIVE), SCOREBOARD_LIVE * REST);
    }
}
