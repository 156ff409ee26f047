//! Values of an event that has been checked against the contract, as columns take them.

use serde_json::{Map, Value};
use uuid::{Uuid, Variant};

use super::refused::Refused;
use super::row::Tokens;

/// No text of a record is longer, in bytes.
const LONGEST: usize = 1024;
/// The end of the year 9998 UTC. A `UUIDv7` reaches further, and what reads dates does not: one row beyond it would stop the
/// roll-up of all.
pub(super) const LAST_MS: i64 = 253_370_764_799_999;
/// No number is larger: what programs agree on in JSON (RFC 8259, section 6), and what a percentile keeps exactly.
const LARGEST: i64 = 1 << 53;
/// No call has more tokens. So many fit into a sum of them that no number of calls can overflow it: one that does would stop
/// the roll-up of all.
const MOST_TOKENS: i64 = 1_000_000_000;
/// Places of a pico-USD after the point.
const PLACES: usize = 12;

/// The attributes of one event. What is taken out is moved.
pub(super) struct Attributes(pub(super) Map<String, Value>);

type Taken<T> = Result<Option<T>, Refused>;

impl Attributes {
    fn get(&self, name: &'static str) -> Option<&Value> {
        self.0.get(name)
    }

    pub(super) fn text(&mut self, name: &'static str) -> Taken<String> {
        match self.0.get_mut(name).map(Value::take) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.len() <= LONGEST => Ok(Some(text)),
            Some(_) => Err(Refused::Value(name)),
        }
    }

    pub(super) fn needed(&mut self, name: &'static str) -> Result<String, Refused> {
        self.text(name)?.filter(|text| !text.is_empty()).ok_or(Refused::Missing(name))
    }

    /// A number that is never negative and fits its column.
    pub(super) fn number<T: TryFrom<i64>>(&self, name: &'static str) -> Taken<T> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = value.as_i64().filter(|number| (0..=LARGEST).contains(number));
        number.and_then(|number| T::try_from(number).ok()).map(Some).ok_or(Refused::Value(name))
    }

    pub(super) fn flag(&self, name: &'static str) -> bool {
        self.get(name).and_then(Value::as_bool).unwrap_or_default()
    }

    /// A share, 0 to 1.
    pub(super) fn share(&self, name: &'static str) -> Taken<f64> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let share = value.as_f64().filter(|share| (0.0..=1.0).contains(share));
        share.map(Some).ok_or(Refused::Value(name))
    }

    /// An amount of USD, in pico-USD.
    pub(super) fn money(&self, name: &'static str) -> Taken<i64> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.as_str().and_then(pico_usd).map(Some).ok_or(Refused::Value(name))
    }

    /// Any UUID.
    pub(super) fn uuid(&self, name: &'static str) -> Taken<Uuid> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.as_str().and_then(|text| text.parse().ok()).map(Some).ok_or(Refused::Value(name))
    }

    /// A `UUIDv7`, which has to be there.
    pub(super) fn id(&self, name: &'static str) -> Result<Uuid, Refused> {
        self.uuid(name).ok().flatten().filter(|id| is_v7(*id)).ok_or(Refused::Id(name))
    }

    /// Texts, at most so many.
    pub(super) fn texts(&mut self, name: &'static str, most: usize) -> Result<Vec<String>, Refused> {
        let Some(Value::Array(values)) = self.0.get_mut(name).map(Value::take) else { return Ok(Vec::new()) };
        if values.len() > most {
            return Err(Refused::Value(name));
        }
        let text = |value| match value {
            Value::String(text) if text.len() <= LONGEST => Ok(text),
            _ => Err(Refused::Value(name)),
        };
        values.into_iter().map(text).collect()
    }

    pub(super) fn tokens(&self) -> Result<Tokens, Refused> {
        let count = |name| match self.number(name)? {
            Some(count) if count > MOST_TOKENS => Err(Refused::Value(name)),
            count => Ok(count),
        };
        Ok(Tokens {
            input: count("gen_ai.usage.input_tokens")?,
            output: count("gen_ai.usage.output_tokens")?,
            cache_read: count("vox.usage.cache_read_tokens")?,
            cache_write: count("vox.usage.cache_write_tokens")?,
            reasoning: count("vox.usage.reasoning_tokens")?,
        })
    }
}

/// Whether it is a `UUIDv7` of a time that can be one.
pub(super) fn is_v7(id: Uuid) -> bool {
    let of_a_time = i64::try_from(id.as_u128() >> 80).is_ok_and(|ms| ms <= LAST_MS);
    id.get_version_num() == 7 && id.get_variant() == Variant::RFC4122 && of_a_time
}

/// A plain decimal of USD, rounded up to whole pico-USD; nothing where it is none or does not fit.
fn pico_usd(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let (kept, rest) = fraction.split_at(fraction.len().min(PLACES));
    let below: i64 = format!("{kept:0<PLACES$}").parse().ok()?;
    let above = whole.parse::<i64>().ok()?.checked_mul(1_000_000_000_000)?;
    above.checked_add(below)?.checked_add(i64::from(rest.bytes().any(|byte| byte != b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_read_exactly_and_rounded_up() {
        for (text, amount) in [
            ("0", Some(0)),
            ("0.003", Some(3_000_000_000)),
            ("12.5", Some(12_500_000_000_000)),
            ("0.000000000001", Some(1)),
            ("0.0000000000001", Some(1)),
            ("0.0000000000000", Some(0)),
            ("99999999", None),
            ("-1", None),
            ("1e3", None),
            ("+1", None),
            (".5", None),
            ("", None),
        ] {
            assert_eq!(pico_usd(text), amount, "{text}");
        }
    }
}
