//! Cron lines by the rules of Kubernetes' CronJob controller: what it would refuse is refused, in words of ours, and what
//! it reads otherwise than our library is written out. Pure.

/// One of the five fields.
struct Field {
    name: &'static str,
    min: u32,
    max: u32,
    /// Names of the values from `min` on.
    names: &'static [&'static str],
    allowed: &'static str,
}

const MONTHS: &[&str] = &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

const FIELDS: [Field; 5] = [
    Field { name: "minute", min: 0, max: 59, names: &[], allowed: "0 to 59, such as 0 or */15" },
    Field { name: "hour", min: 0, max: 23, names: &[], allowed: "0 to 23, such as 3 or 8-17" },
    Field { name: "day of month", min: 1, max: 31, names: &[], allowed: "1 to 31, such as 1 or 1,15" },
    Field { name: "month", min: 1, max: 12, names: MONTHS, allowed: "1 to 12 or JAN to DEC, such as 1-6" },
    Field {
        name: "day of week",
        min: 0,
        max: 6,
        names: WEEKDAYS,
        allowed: "0 to 6 from Sunday on, or SUN to SAT, such as 1-5; Sunday is 0, not 7",
    },
];

/// Lines by name.
const NAMED: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// A line with its values written out: for each field the sorted values, or none where it is a star.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    fields: Vec<Option<Vec<u32>>>,
}

impl Line {
    /// Reads a line.
    ///
    /// # Errors
    /// Says which field is wrong, and what it may be.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let named = NAMED.iter().find(|(name, _)| *name == text).map(|(_, line)| *line);
        let parts: Vec<&str> = named.unwrap_or(text).split_whitespace().collect();
        if parts.len() != FIELDS.len() {
            return Err("write five fields (minute, hour, day of month, month, day of week) such as 0 3 * * *, or one \
                        of @hourly, @daily, @weekly, @monthly, @yearly"
                .to_owned());
        }
        let fields = FIELDS.iter().zip(parts).map(|(field, part)| {
            let wrong = || format!("{} {part:?} is not allowed: {}", field.name, field.allowed);
            values(field, part).ok_or_else(wrong)
        });
        Ok(Self { fields: fields.collect::<Result<_, _>>()? })
    }

    /// The line in the plainest notation: stars and lists of numbers.
    pub(crate) fn plain(&self) -> String {
        let write = |field: &Option<Vec<u32>>| match field {
            None => "*".to_owned(),
            Some(values) => values.iter().map(u32::to_string).collect::<Vec<_>>().join(","),
        };
        self.fields.iter().map(write).collect::<Vec<_>>().join(" ")
    }

    /// Whether a time of day is one of the line's.
    pub(crate) fn has_time(&self, hour: u32, minute: u32) -> bool {
        let has = |at: usize, value: u32| {
            self.fields
                .get(at)
                .is_some_and(|field| field.as_ref().is_none_or(|values| values.contains(&value)))
        };
        has(0, minute) && has(1, hour)
    }

    /// The minutes of a day at which the line runs, sorted.
    pub(crate) fn minutes_of_day(&self) -> Vec<u32> {
        let times = (0..24).flat_map(|hour| (0..60).map(move |minute| (hour, minute)));
        times
            .filter(|(hour, minute)| self.has_time(*hour, *minute))
            .map(|(hour, minute)| hour * 60 + minute)
            .collect()
    }

    /// The line's days, each at midnight.
    pub(crate) fn days(&self) -> String {
        let plain = self.plain();
        let days: Vec<&str> = plain.split(' ').skip(2).collect();
        format!("0 0 {}", days.join(" "))
    }
}

/// The values of a field, `None` where one of its parts is a star: then the other day field decides alone, which also
/// holds for `*/1` and not for `*/2`. The outer `None` is a field that is wrong.
fn values(field: &Field, text: &str) -> Option<Option<Vec<u32>>> {
    let mut all = Vec::new();
    let mut star = false;
    for part in text.split(',') {
        let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
        let width = step.map_or(Some(1), number).filter(|width| *width > 0)?;
        let (from, to) = match range.split_once('-') {
            _ if range == "*" || (range == "?" && field.name.starts_with("day")) => {
                star |= width == 1;
                (field.min, field.max)
            }
            Some((from, to)) => (value(field, from)?, value(field, to)?),
            // N/step runs from N to the end.
            None if step.is_some() => (value(field, range)?, field.max),
            None => (value(field, range)?, value(field, range)?),
        };
        if from > to {
            return None;
        }
        all.extend((from..=to).step_by(usize::try_from(width).ok()?));
    }
    all.sort_unstable();
    all.dedup();
    Some((!star).then_some(all))
}

fn value(field: &Field, text: &str) -> Option<u32> {
    let lower = text.to_ascii_lowercase();
    let named = (field.min..).zip(field.names).find(|(_, name)| **name == lower).map(|(value, _)| value);
    named.or_else(|| number(text)).filter(|value| (field.min..=field.max).contains(value))
}

/// Digits only: a sign is none.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        Line::read(text).unwrap().plain()
    }

    #[test]
    fn a_line_is_written_out() {
        assert_eq!(plain("*/20 8-10 1,15 jan-MAR Mon"), "0,20,40 8,9,10 1,15 1,2,3 1");
        assert_eq!(plain("50/5 3 ? * ?"), "50,55 3 * * *");
        assert_eq!(plain("@weekly"), "0 0 * * 0");
    }

    #[test]
    fn a_star_with_step_one_is_a_star_and_with_step_two_is_a_list() {
        assert_eq!(plain("0 3 */1 * 1"), "0 3 * * 1");
        assert_eq!(plain("0 3 * * */2"), "0 3 * * 0,2,4,6");
    }

    #[test]
    fn what_the_cronjob_controller_refuses_is_refused_with_the_field_and_what_it_may_be() {
        let cases = [
            ("60 3 * * *", "minute"),
            ("0 24 * * *", "hour"),
            ("0 3 0 * *", "day of month"),
            ("0 3 L * *", "day of month"),
            ("0 3 15W * *", "day of month"),
            ("0 3 * 13 *", "month"),
            ("0 3 * * 7", "day of week"),
            ("0 3 * * 1#2", "day of week"),
            ("0 3 * * FRI-MON", "day of week"),
            ("*/0 3 * * *", "minute"),
            ("+5 3 * * *", "minute"),
            ("? 3 * * *", "minute"),
            ("0 3 * * 1,", "day of week"),
        ];
        for (line, field) in cases {
            let error = Line::read(line).unwrap_err();
            assert!(error.starts_with(field) && error.contains("such as"), "{line}: {error}");
        }
        for line in ["0 3 * *", "0 0 3 * * *", "@every 1h", ""] {
            assert!(Line::read(line).unwrap_err().starts_with("write five fields"), "{line}");
        }
    }
}
