//! A `pricing` object, whose keys differ by vendor while their meanings do not.

use serde::Deserialize;
use serde_json::value::RawValue;
use vox_contracts::UsdPerMTok;
use vox_contracts::entry::{HourPrice, LongContextPrice, Pricing};
use vox_contracts::price::{Stated, Unit};

use crate::object::Object;
use crate::read::{charge, fixed, price, price_text, warn_once};

/// How many prompt lengths, and how many times of the day, may have prices of their own; an entry holds no more.
const MAX_CONDITIONS: usize = 16;

/// The keys that are read. Prices stay JSON text until they are decimals.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Prices<'a> {
    #[serde(borrow)]
    prompt: Option<&'a RawValue>,
    #[serde(borrow)]
    completion: Option<&'a RawValue>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    #[serde(borrow)]
    output: Option<&'a RawValue>,
    #[serde(borrow, alias = "cache_read", alias = "cached_input")]
    input_cache_read: Option<&'a RawValue>,
    #[serde(borrow, alias = "cache_write")]
    input_cache_write: Option<&'a RawValue>,
    #[serde(borrow)]
    request: Option<&'a RawValue>,
    #[serde(borrow)]
    image: Option<&'a RawValue>,
    /// A share (0 to 1) that is taken off every price.
    #[serde(borrow)]
    discount: Option<&'a RawValue>,
    #[serde(borrow)]
    overrides: Option<Vec<Object<Override<'a>>>>,
    /// What the prices are per, where the vendor says so in the row.
    pub(super) unit: Option<String>,
    /// Charged by the hour: zero per token is then not free.
    #[serde(borrow, alias = "duration_per_hour")]
    hourly: Option<&'a RawValue>,
}

/// Other prices under a condition.
#[derive(Debug, Deserialize)]
struct Override<'a> {
    min_prompt_tokens: Option<u64>,
    #[serde(borrow)]
    prompt: Option<&'a RawValue>,
    #[serde(borrow)]
    completion: Option<&'a RawValue>,
    #[serde(borrow)]
    input_cache_read: Option<&'a RawValue>,
    #[serde(borrow)]
    utc_start: Option<&'a RawValue>,
    #[serde(borrow)]
    utc_end: Option<&'a RawValue>,
}

impl Override<'_> {
    fn has_hours(&self) -> bool {
        self.utc_start.is_some() || self.utc_end.is_some()
    }

    /// Input, output and cached input, where they are replaced.
    fn read(&self, unit: Unit) -> Result<[Option<UsdPerMTok>; 3], String> {
        Ok([
            fixed(price("pricing.overrides.prompt", self.prompt, unit)?),
            fixed(price("pricing.overrides.completion", self.completion, unit)?),
            fixed(price("pricing.overrides.input_cache_read", self.input_cache_read, unit)?),
        ])
    }
}

impl Prices<'_> {
    /// Whether the keys are those of prices per token (`prompt`) and not per million (`input`).
    pub(super) fn is_per_token(&self) -> bool {
        self.prompt.is_some() || self.completion.is_some()
    }

    /// Reads all of them.
    pub(super) fn read(&self, unit: Unit) -> Result<Pricing, String> {
        let input = price("pricing.prompt", self.prompt.or(self.input), unit)?;
        let output = price("pricing.completion", self.completion.or(self.output), unit)?;
        if [input, output].contains(&Some(Stated::Dynamic)) {
            return Ok(Pricing { dynamic: true, ..Pricing::default() });
        }
        let (input, output) = (fixed(input), fixed(output));
        let by_the_hour = self.hourly.is_some_and(|raw| !is_zero(raw));
        if by_the_hour && [input, output].iter().all(|price| price.is_none_or(UsdPerMTok::is_free)) {
            return Ok(Pricing::default());
        }
        // Until 2026 OpenRouter wrote "0" for the cache of every model that has none; read as a price, it would make
        // cached input look free.
        let dear = input.is_some_and(|price| !price.is_free());
        let cache = |field: &str, raw: Option<&RawValue>| -> Result<Option<UsdPerMTok>, String> {
            Ok(fixed(price(field, raw, unit)?).filter(|price| !(dear && price.is_free())))
        };
        let mut pricing = Pricing {
            input_usd_per_mtok: input,
            output_usd_per_mtok: output,
            cache_read_usd_per_mtok: cache("pricing.input_cache_read", self.input_cache_read)?,
            cache_write_usd_per_mtok: cache("pricing.input_cache_write", self.input_cache_write)?,
            request_usd: charge("pricing.request", self.request)?,
            image_usd: charge("pricing.image", self.image)?,
            dynamic: false,
            long_context: self.long_context(unit)?,
            batch: None,
            hours: self.hours(unit)?,
        };
        if let Some(discount) = self.discount {
            apply_discount(&mut pricing, discount)?;
        }
        Ok(pricing)
    }

    /// Later overrides win per key.
    fn long_context(&self, unit: Unit) -> Result<Vec<LongContextPrice>, String> {
        let mut steps: Vec<LongContextPrice> = Vec::new();
        for change in self.overrides.iter().flatten().filter(|change| !change.has_hours()) {
            let Some(above) = change.min_prompt_tokens.filter(|above| *above > 0) else { continue };
            let [input, output, cache_read] = change.read(unit)?;
            let room = steps.len() < MAX_CONDITIONS;
            match steps.iter_mut().find(|step| step.above_input_tokens == above) {
                Some(step) => {
                    step.input_usd_per_mtok = input.or(step.input_usd_per_mtok);
                    step.output_usd_per_mtok = output.or(step.output_usd_per_mtok);
                    step.cache_read_usd_per_mtok = cache_read.or(step.cache_read_usd_per_mtok);
                }
                None if room => steps.push(LongContextPrice {
                    above_input_tokens: above,
                    input_usd_per_mtok: input,
                    output_usd_per_mtok: output,
                    cache_read_usd_per_mtok: cache_read,
                }),
                None => return Err(format!("pricing.overrides: more than {MAX_CONDITIONS} prompt lengths")),
            }
        }
        steps.sort_by_key(|step| step.above_input_tokens);
        Ok(steps)
    }

    /// Prices that hold at hours of the day; times that are none are no reason to lose the model.
    fn hours(&self, unit: Unit) -> Result<Vec<HourPrice>, String> {
        let mut hours = Vec::new();
        for change in self.overrides.iter().flatten().filter(|change| change.has_hours()) {
            let (Some(utc_start), Some(utc_end)) = (time(change.utc_start), time(change.utc_end)) else {
                warn_once("hours of a price", "an override whose utc_start or utc_end is no HHMM");
                continue;
            };
            let [input_usd_per_mtok, output_usd_per_mtok, cache_read_usd_per_mtok] = change.read(unit)?;
            if hours.len() == MAX_CONDITIONS {
                return Err(format!("pricing.overrides: more than {MAX_CONDITIONS} hours"));
            }
            hours.push(HourPrice {
                utc_start,
                utc_end,
                above_input_tokens: change.min_prompt_tokens.filter(|above| *above > 0),
                input_usd_per_mtok,
                output_usd_per_mtok,
                cache_read_usd_per_mtok,
            });
        }
        Ok(hours)
    }
}

fn is_zero(raw: &RawValue) -> bool {
    price_text(raw)
        .ok()
        .and_then(|text| text.parse::<rust_decimal::Decimal>().ok())
        .is_some_and(|n| n.is_zero())
}

/// `HHMM`, as a text or a number, made `HH:MM`; midnight at the end of a day is that of the next.
fn time(raw: Option<&RawValue>) -> Option<String> {
    let digits: u32 = raw?.get().trim_matches('"').parse().ok()?;
    let (hour, minute) = (digits / 100, digits % 100);
    match (hour, minute) {
        (24, 0) => Some("00:00".to_owned()),
        (0..24, 0..60) => Some(format!("{hour:02}:{minute:02}")),
        _ => None,
    }
}

/// Takes the share off the token prices, in decimals. (Charges per request and image are not discounted.)
fn apply_discount(pricing: &mut Pricing, raw: &RawValue) -> Result<(), String> {
    let wrong = || "pricing.discount: not a number from 0 to 1".to_owned();
    let text = price_text(raw).map_err(|_| wrong())?;
    let share: rust_decimal::Decimal = text.parse().map_err(|_| wrong())?;
    let one = rust_decimal::Decimal::ONE;
    if share.is_sign_negative() && !share.is_zero() || share > one {
        return Err(wrong());
    }
    let factor = one - share;
    if factor == one {
        return Ok(());
    }
    let in_steps = pricing.long_context.iter_mut().flat_map(|step| {
        [&mut step.input_usd_per_mtok, &mut step.output_usd_per_mtok, &mut step.cache_read_usd_per_mtok]
    });
    let in_hours = pricing.hours.iter_mut().flat_map(|hour| {
        [&mut hour.input_usd_per_mtok, &mut hour.output_usd_per_mtok, &mut hour.cache_read_usd_per_mtok]
    });
    let plain = [
        &mut pricing.input_usd_per_mtok,
        &mut pricing.output_usd_per_mtok,
        &mut pricing.cache_read_usd_per_mtok,
        &mut pricing.cache_write_usd_per_mtok,
    ];
    for price in plain.into_iter().chain(in_steps).chain(in_hours).filter_map(Option::as_mut) {
        let lower = price.as_decimal().checked_mul(factor).ok_or_else(wrong)?;
        *price = lower.to_string().parse().map_err(|_| wrong())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str, unit: Unit) -> Result<Pricing, String> {
        serde_json::from_str::<Prices<'_>>(json).unwrap().read(unit)
    }

    fn text(price: Option<UsdPerMTok>) -> String {
        price.map_or_else(|| "unknown".to_owned(), |price| price.to_string())
    }

    #[test]
    fn known_free_unknown_and_dynamic_are_told_apart() {
        let known = read(r#"{"prompt":"0.000002","completion":0.00001}"#, Unit::PerToken).unwrap();
        assert_eq!(
            (text(known.input_usd_per_mtok), text(known.output_usd_per_mtok)),
            ("2".into(), "10".into())
        );
        let free = read(r#"{"prompt":"0","completion":"0"}"#, Unit::PerToken).unwrap();
        assert!(free.is_known() && free.input_usd_per_mtok.unwrap().is_free());
        assert_eq!(read("{}", Unit::PerToken).unwrap(), Pricing::default());
        let dynamic = read(r#"{"prompt":"-1","completion":"-1"}"#, Unit::PerToken).unwrap();
        assert!(dynamic.dynamic && !dynamic.is_known());
    }

    #[test]
    fn a_cache_price_of_zero_on_a_dear_model_is_unknown() {
        let json = r#"{"prompt":"0.000001","completion":"0.000001","input_cache_read":"0","input_cache_write":"0.000002"}"#;
        let pricing = read(json, Unit::PerToken).unwrap();
        assert_eq!(text(pricing.cache_read_usd_per_mtok), "unknown");
        assert_eq!(text(pricing.cache_write_usd_per_mtok), "2");
    }

    #[test]
    fn a_discount_is_taken_off_exactly_and_must_be_a_share() {
        let pricing =
            read(r#"{"prompt":"0.000003","completion":"0.000001","discount":0.1}"#, Unit::PerToken).unwrap();
        assert_eq!(text(pricing.input_usd_per_mtok), "2.7");
        for wrong in ["2", "-0.5", "\"half\"", "[]"] {
            let json = format!(r#"{{"prompt":"1","completion":"1","discount":{wrong}}}"#);
            assert!(read(&json, Unit::PerToken).unwrap_err().contains("discount"), "{wrong}");
        }
    }

    #[test]
    fn long_context_prices_ascend_and_later_ones_win() {
        let json = r#"{"prompt":1,"completion":2,"overrides":[
            {"min_prompt_tokens":400000,"prompt":4},
            {"min_prompt_tokens":200000,"prompt":2,"completion":3},
            {"min_prompt_tokens":200000,"completion":5},
            {"min_prompt_tokens":100,"utc_start":"0100","utc_end":"0500","prompt":9},
            {"utc_start":"0100","utc_end":"0500","prompt":9}]}"#;
        let steps = read(json, Unit::PerMTok).unwrap().long_context;
        let shown: Vec<_> = steps
            .iter()
            .map(|s| (s.above_input_tokens, text(s.input_usd_per_mtok), text(s.output_usd_per_mtok)))
            .collect();
        assert_eq!(shown, [(200_000, "2".into(), "5".into()), (400_000, "4".into(), "unknown".into())]);
    }

    #[test]
    fn zero_per_token_is_not_free_when_the_hour_is_charged() {
        let pricing = read(r#"{"input":0,"output":0,"hourly":2.5}"#, Unit::PerMTok).unwrap();
        assert!(!pricing.is_known());
        assert!(read(r#"{"input":0,"output":0,"hourly":0}"#, Unit::PerMTok).unwrap().is_known());
    }
}
