//! What is said of a model that a policy names and that leaves: the operator writes it, and the command line tells it.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::LeavingModel;
use crate::conditions::reasons;

impl LeavingModel {
    /// A sentence for people. A day that has passed by `now` (in UTC) is told as past.
    pub fn sentence(&self, now: Timestamp) -> String {
        let Self { model, named_by, .. } = self;
        let date =
            |before: &str| self.date.as_ref().map(|date| format!("{before}{date}")).unwrap_or_default();
        let what = match self.reason.as_str() {
            reasons::MODELS_REMOVED if self.date.is_some() => format!("is gone{}", date(" since ")),
            reasons::MODELS_REMOVED => "is in none of its catalogs".to_owned(),
            reasons::MODELS_SUSPECT => format!("is missing from its provider's list{}", date(" since ")),
            _ if self.has_passed(now) => format!("is deprecated by its provider{}", date(" and ended on ")),
            _ => format!("is deprecated by its provider{}", date(" and ends on ")),
        };
        let instead = self.replaced_by.as_ref().map(|id| format!("; its provider names {id} instead"));
        format!("{model}, which {named_by} names, {what}{}", instead.unwrap_or_default())
    }

    /// Whether its day lies before today's.
    fn has_passed(&self, now: Timestamp) -> bool {
        let today = now.to_zoned(TimeZone::UTC).date();
        let day = self.date.as_deref().and_then(|date| date.parse::<jiff::civil::Date>().ok());
        day.is_some_and(|day| day < today)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_that_lies_behind_is_told_as_one() {
        let old = LeavingModel {
            model: "hub/old".to_owned(),
            reason: reasons::MODELS_DEPRECATED.to_owned(),
            named_by: "aliases[fast]".to_owned(),
            date: Some("2026-11-01".to_owned()),
            replaced_by: None,
        };
        for (now, expected) in [
            ("2026-10-31T23:00:00Z", "ends on 2026-11-01"),
            ("2026-11-01T23:59:59Z", "ends on 2026-11-01"),
            ("2026-11-02T00:00:00Z", "ended on 2026-11-01"),
        ] {
            let sentence = old.sentence(now.parse().unwrap());
            assert!(sentence.ends_with(expected), "{now}: {sentence}");
        }
    }
}
