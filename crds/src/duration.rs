//! Durations as users write them (`90s`, `1h30m`), in the notation that Kubernetes APIs and CEL's `duration()` share.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use jiff::SignedDuration;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A non-negative duration, kept as the user wrote it. The API server holds it to [`PATTERN`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DurationText(String);

/// What the API server takes: Go's notation without sign, and without units below the millisecond.
pub const PATTERN: &str = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$";

/// A duration that is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("failed to read duration {0:?}: write it like 90s, 10m or 1h30m")]
pub struct DurationError(String);

impl DurationText {
    /// The duration.
    ///
    /// # Errors
    /// When the text is no duration; the API server lets none such through.
    pub fn parse(&self) -> Result<Duration, DurationError> {
        let refused = || DurationError(self.0.clone());
        let signed: SignedDuration = self.0.parse().map_err(|_| refused())?;
        Duration::try_from(signed).map_err(|_| refused())
    }
}

impl fmt::Display for DurationText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Duration> for DurationText {
    /// Whole seconds in the largest units that fit (`1h30m`); parts of a second are dropped.
    fn from(duration: Duration) -> Self {
        let seconds = duration.as_secs();
        let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
        let text: String =
            parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect();
        Self(if text.is_empty() { "0s".to_owned() } else { text })
    }
}

impl JsonSchema for DurationText {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": PATTERN, "maxLength": 32 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_reads_as_a_person_writes_it() {
        for (text, seconds) in [("90s", 90), ("1h30m", 5400), ("36h", 129_600), ("0s", 0)] {
            assert_eq!(DurationText(text.to_owned()).parse().unwrap().as_secs(), seconds, "{text}");
        }
        assert_eq!(DurationText("1.5h".to_owned()).parse().unwrap().as_secs(), 5400);
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "soon", "-5m", "5 parsecs"] {
            assert!(DurationText(text.to_owned()).parse().is_err(), "{text}");
        }
    }

    #[test]
    fn a_duration_is_written_in_its_largest_units() {
        for (seconds, text) in [(0, "0s"), (600, "10m"), (5430, "1h30m30s"), (129_600, "36h")] {
            assert_eq!(DurationText::from(Duration::from_secs(seconds)).to_string(), text);
        }
    }
}
