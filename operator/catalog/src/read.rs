//! Single values as vendors write them: ids, prices, times, modalities.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde_json::value::RawValue;
use vox_contracts::ModelCatalogEntry;
use vox_contracts::entry::MAX_ALIASES;
use vox_contracts::price::{Stated, Unit, Usd};
use vox_contracts::text::is_shown;
use vox_contracts::{ProviderType, UsdPerMTok};

use crate::text::clip;

/// The longest id that is taken, in bytes; the longest seen at any provider is below 120.
const MAX_ID_BYTES: usize = 256;
/// The longest name for people, in characters.
const MAX_NAME_CHARS: usize = 200;
/// The longest text about sizes that is kept, in characters.
const MAX_FACT_CHARS: usize = 32;
/// How much of an unknown word is shown, in characters.
const MAX_WORD_CHARS: usize = 64;
/// How many distinct unknown texts are remembered (and so warned about) in a process.
const MAX_UNKNOWN: usize = 1000;

/// An entry that says nothing yet but who serves which model.
pub(crate) fn blank(id: &str, provider: &ProviderType) -> Result<ModelCatalogEntry, String> {
    check_id(id)?;
    Ok(ModelCatalogEntry::bare(id.to_owned(), provider.clone()))
}

/// Why a text is no id.
pub(crate) fn check_id(id: &str) -> Result<(), String> {
    if id.is_empty() {
        return Err("the id is empty".to_owned());
    }
    if id.len() > MAX_ID_BYTES {
        return Err(format!("the id is longer than {MAX_ID_BYTES} bytes"));
    }
    if id.trim() != id || !id.chars().all(is_shown) {
        return Err("the id has control or invisible characters, or white space around it".to_owned());
    }
    Ok(())
}

/// A name for people, unless it says no more than the id.
pub(crate) fn display_name(name: Option<&str>, id: &str) -> Option<String> {
    name.map(|name| clip(name, MAX_NAME_CHARS)).filter(|name| !name.is_empty() && name != id)
}

/// A short fact about weights (`7.6B`, `Q4_K_M`); `unknown` is none.
pub(crate) fn fact(text: &Option<String>) -> Option<String> {
    text.as_deref()
        .map(|text| clip(text, MAX_FACT_CHARS))
        .filter(|text| !text.is_empty() && !text.eq_ignore_ascii_case("unknown"))
}

/// A number of parameters, as model names write it.
pub(crate) fn parameters(count: u64) -> Option<String> {
    let tenths = |of: u64| {
        let tenths = (count + of / 20) / (of / 10);
        if tenths.is_multiple_of(10) {
            (tenths / 10).to_string()
        } else {
            format!("{}.{}", tenths / 10, tenths % 10)
        }
    };
    match count {
        0 | 10_000_000_000_000_000.. => None,
        1_000_000_000.. => Some(format!("{}B", tenths(1_000_000_000))),
        1_000_000.. => Some(format!("{}M", tenths(1_000_000))),
        _ => Some(count.to_string()),
    }
}

/// A number of tokens; vendors write 0 for "unknown".
pub(crate) fn tokens(stated: Option<u64>) -> Option<u64> {
    stated.filter(|tokens| *tokens > 0)
}

/// The text of a price: a JSON string's content, or a JSON number's own digits, which never become a float.
pub(crate) fn price_text(raw: &RawValue) -> Result<Cow<'_, str>, String> {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'"') => serde_json::from_str::<String>(text).map(Cow::Owned).map_err(|error| error.to_string()),
        Some(b'-' | b'0'..=b'9') => Ok(Cow::Borrowed(text)),
        _ => Err("a price must be a decimal text or a number".to_owned()),
    }
}

/// A price per token or per million tokens. Absent is unknown.
pub(crate) fn price(field: &str, raw: Option<&RawValue>, unit: Unit) -> Result<Option<Stated>, String> {
    let Some(raw) = raw else { return Ok(None) };
    let text = price_text(raw).map_err(|reason| format!("{field}: {reason}"))?;
    UsdPerMTok::read(&text, unit).map(Some).map_err(|error| format!("{field}: {error}"))
}

/// A charge in plain USD. Absent and `-1` ("depends") are unknown.
pub(crate) fn charge(field: &str, raw: Option<&RawValue>) -> Result<Option<Usd>, String> {
    let Some(raw) = raw else { return Ok(None) };
    let text = price_text(raw).map_err(|reason| format!("{field}: {reason}"))?;
    match Usd::read(&text) {
        Some(amount) => Ok(Some(amount)),
        None if text.trim() == "-1" => Ok(None),
        None => Err(format!("{field}: failed to read amount {:?}", clip(&text, 40))),
    }
}

/// A fixed price; a dynamic one is no price.
pub(crate) fn fixed(stated: Option<Stated>) -> Option<UsdPerMTok> {
    match stated {
        Some(Stated::Fixed(price)) => Some(price),
        Some(Stated::Dynamic) | None => None,
    }
}

/// Seconds since 1970, as RFC 3339. What is no sensible time is left out: nothing is decided by it.
pub(crate) fn unix_seconds(raw: Option<&RawValue>) -> Option<i64> {
    raw.and_then(|raw| raw.get().parse().ok()).filter(|seconds| *seconds > 0)
}

/// Seconds since 1970 as RFC 3339.
pub(crate) fn rfc3339(seconds: i64) -> Option<String> {
    Timestamp::from_second(seconds).ok().map(|time| time.to_string())
}

/// A date or a time as RFC 3339 has them; anything else is left out.
pub(crate) fn date_or_time(text: Option<&str>) -> Option<String> {
    let text = text?.trim();
    let known = text.parse::<Timestamp>().is_ok() || text.parse::<jiff::civil::Date>().is_ok();
    known.then(|| text.to_owned())
}

/// When a model came, as a date or a time; the first days of 1970 are a server that does not know.
pub(crate) fn model_time(text: Option<&str>) -> Option<String> {
    date_or_time(text).filter(|text| !text.starts_with("1970-01-"))
}

/// Other ids of a model: those that could be ids, each once, none of them the model's own.
pub(crate) fn aliases(raw: Option<&RawValue>, id: &str) -> Vec<String> {
    let listed: Vec<String> = raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
    let mut aliases: Vec<String> = Vec::new();
    for alias in listed.into_iter().filter(|alias| alias != id && check_id(alias).is_ok()) {
        if aliases.len() < MAX_ALIASES && !aliases.contains(&alias) {
            aliases.push(alias);
        }
    }
    aliases.sort_unstable();
    aliases
}

/// What a model reads, in the words of the catalog's schema.
pub(crate) fn input_modalities<'a>(stated: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    modalities(stated, &["text", "image", "audio", "video", "file"])
}

/// What a model writes, in the words of the catalog's schema.
pub(crate) fn output_modalities<'a>(stated: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    modalities(stated, &["text", "image", "audio", "video", "file", "embedding", "rerank", "speech"])
}

/// Words that the schema does not have are left out, and warned about once: the model is still one.
fn modalities<'a>(stated: impl IntoIterator<Item = &'a str>, known: &[&str]) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for word in stated {
        let word = match word {
            "embeddings" => "embedding",
            "pdf" => "file",
            // A transcription is text; that it is one shows in what the model reads.
            "transcription" => "text",
            other => other,
        };
        if !known.contains(&word) {
            warn_once("modality", &clip(word, MAX_WORD_CHARS));
        } else if !kept.iter().any(|have| have == word) {
            kept.push(word.to_owned());
        }
    }
    kept
}

/// Warns about a text that nobody knows, once per distinct text and process.
pub(crate) fn warn_once(what: &'static str, text: &str) {
    static SEEN: Mutex<BTreeSet<(&'static str, String)>> = Mutex::new(BTreeSet::new());
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    if seen.len() < MAX_UNKNOWN && seen.insert((what, text.to_owned())) {
        tracing::warn!(what, text, "a provider's list has a word that this version does not know");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    #[test]
    fn a_json_numbers_digits_never_become_a_float() {
        let number = raw("0.00000001703012");
        let stated = price("p", Some(&number), Unit::PerToken).unwrap();
        assert_eq!(fixed(stated).unwrap().to_string(), "0.01703012");
        let small = raw("2e-06");
        assert_eq!(fixed(price("p", Some(&small), Unit::PerToken).unwrap()).unwrap().to_string(), "2");
    }

    #[test]
    fn known_zero_and_unknown_prices_are_three_things() {
        assert_eq!(price("p", None, Unit::PerToken), Ok(None));
        assert!(fixed(price("p", Some(&raw("\"0\"")), Unit::PerToken).unwrap()).unwrap().is_free());
        assert_eq!(price("p", Some(&raw("\"-1\"")), Unit::PerToken), Ok(Some(Stated::Dynamic)));
        for wrong in ["\"free\"", "true", "[]", "{}", "-2", "\"\""] {
            assert!(price("p", Some(&raw(wrong)), Unit::PerToken).unwrap_err().starts_with("p: "), "{wrong}");
        }
    }

    #[test]
    fn modalities_are_in_the_schemas_words_and_unknown_ones_are_left_out() {
        assert_eq!(output_modalities(["text", "embeddings", "smell", "text", ""]), ["text", "embedding"]);
        assert_eq!(input_modalities(["text", "pdf", "embedding"]), ["text", "file"]);
    }

    #[test]
    fn parameters_are_written_as_in_names() {
        for (count, text) in [
            (8_190_735_360, Some("8.2B")),
            (70_000_000_000, Some("70B")),
            (494_032_768, Some("494M")),
            (22_700_000, Some("22.7M")),
            (512, Some("512")),
            (0, None),
            (u64::MAX, None),
        ] {
            assert_eq!(parameters(count).as_deref(), text, "{count}");
        }
    }

    #[test]
    fn only_real_dates_are_kept() {
        assert_eq!(date_or_time(Some("2026-03-01")).as_deref(), Some("2026-03-01"));
        assert_eq!(date_or_time(Some("2026-03-01T12:00:00Z")).as_deref(), Some("2026-03-01T12:00:00Z"));
        assert_eq!(date_or_time(Some("soon")), None);
        assert_eq!(rfc3339(1_770_219_050).as_deref(), Some("2026-02-04T15:30:50Z"));
    }
}
