//! What the contract says of a roll-up, and the times that follow from it.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, Unit};
use vox_contracts::generated::routing::{
    CONTEXT_UTILISATION_ABOVE_PER_MILLE, PRICING_HIGH_SAMPLES, PRICING_MEDIUM_SAMPLES,
    SCOREBOARD_ROUTING_WINDOW_DAYS, SCOREBOARD_WINDOWS_DAYS,
};
use vox_contracts::{StrengthTag, TaskCategory};

/// What the contract says of a roll-up.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Windows, in days.
    pub windows_days: Vec<u32>,
    /// The window whose calls tell prices, in days.
    pub price_window_days: u32,
    /// A context that is used more than this is crowded.
    pub context_above: f64,
    /// Each category with the strength that it weighs most.
    pub strengths: Vec<(String, String)>,
    /// From how many samples on an observed price has medium and high confidence.
    pub price_samples: [u32; 2],
}

impl Default for Rules {
    fn default() -> Self {
        let strength = |category: &TaskCategory| {
            let first = category.info().strengths.first().copied().unwrap_or(StrengthTag::Generalist);
            (category.as_str().to_owned(), first.as_str().to_owned())
        };
        Self {
            windows_days: SCOREBOARD_WINDOWS_DAYS.to_vec(),
            price_window_days: SCOREBOARD_ROUTING_WINDOW_DAYS,
            context_above: f64::from(CONTEXT_UTILISATION_ABOVE_PER_MILLE) / 1000.0,
            strengths: TaskCategory::ALL.iter().map(strength).collect(),
            price_samples: [PRICING_MEDIUM_SAMPLES, PRICING_HIGH_SAMPLES],
        }
    }
}

impl Rules {
    /// Categories and their strengths, as lists beside each other.
    pub(super) fn categories(&self) -> (Vec<&str>, Vec<&str>) {
        self.strengths.iter().map(|(category, strength)| (category.as_str(), strength.as_str())).unzip()
    }
}

/// When a window of so many days began: on a whole hour, so that calls leave it once an hour and not all the time.
pub(super) fn begin(now: Timestamp, days: u32) -> Timestamp {
    let hour = now
        .round(jiff::TimestampRound::new().smallest(Unit::Hour).mode(jiff::RoundMode::Floor))
        .unwrap_or(now);
    hour.checked_sub((i64::from(days) * 24).hours()).unwrap_or(Timestamp::MIN)
}

/// The last day that counts. A clock that is further ahead is wrong.
pub(super) fn last_day(now: Timestamp) -> Date {
    let today = now.to_zoned(TimeZone::UTC).date();
    today.tomorrow().unwrap_or(today)
}
