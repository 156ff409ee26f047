//! Which entries are the same model: the same one at two providers, in two regions or two quantisations has one identity,
//! `family/line-version-size-variant`. The rules are data, in the routing contract's `identity`; here is how they are applied.
//!
//! Two models that are not certainly one have two identities: evidence that is not borrowed costs some calls, evidence of
//! another model costs trust.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Regex, RegexSet};

use crate::ModelCatalogEntry;
use crate::generated::routing::{FAMILIES, IDENTITY_INDEFINITE, IDENTITY_OWN, IDENTITY_RULES, IDENTITY_SIZE};
use crate::inference::infer_family;

/// The longest identity, in bytes. A longer name has none.
pub const MAX_IDENTITY_BYTES: usize = 160;

/// The longest id that is read, in bytes.
const MAX_ID_BYTES: usize = 512;

/// Rules that still change a name after so many turns are given up; real names need four.
const MAX_TURNS: usize = 12;

/// What stands before an id that is an identity of its own.
const OWN: &str = "own/";

/// The contract's rules, compiled.
struct Rules {
    own: Option<Regex>,
    indefinite: Option<Regex>,
    size: Option<Regex>,
    rewrites: Vec<(Regex, &'static str)>,
    /// The patterns of the rewrites, looked for at once: few match a name.
    matching: RegexSet,
}

static RULES: LazyLock<Rules> = LazyLock::new(|| {
    // The checks of the contracts have compiled every pattern; one that does not compile is unreachable.
    let compiled = |pattern: &str| Regex::new(pattern).ok();
    Rules {
        own: compiled(IDENTITY_OWN),
        indefinite: compiled(IDENTITY_INDEFINITE),
        size: compiled(IDENTITY_SIZE),
        rewrites: IDENTITY_RULES
            .iter()
            .filter_map(|rule| Some((compiled(rule.pattern)?, rule.replacement)))
            .collect(),
        matching: RegexSet::new(IDENTITY_RULES.iter().map(|rule| rule.pattern))
            .unwrap_or_else(|_| RegexSet::empty()),
    }
});

impl Rules {
    /// Applies the rewrites until none changes the name; nothing for a name that never settles.
    fn settle(&self, mut name: String) -> Option<String> {
        for _ in 0..MAX_TURNS {
            let Some(rewritten) = self.turn(&name) else { return Some(name) };
            if rewritten.len() > 2 * MAX_ID_BYTES {
                return None;
            }
            name = rewritten;
        }
        None
    }

    /// Applies each rewrite once, in order; nothing where that changes nothing.
    fn turn(&self, before: &str) -> Option<String> {
        let mut name = before.to_owned();
        let mut matching = self.matching.matches(&name);
        for (number, (pattern, replacement)) in self.rewrites.iter().enumerate() {
            if matching.iter().any(|one| one == number)
                && let Cow::Owned(rewritten) = pattern.replace_all(&name, *replacement)
                && rewritten != name
            {
                name = rewritten;
                matching = self.matching.matches(&name);
            }
        }
        (name != before).then_some(name)
    }
}

fn holds(pattern: Option<&Regex>, text: &str) -> bool {
    pattern.is_some_and(|pattern| pattern.is_match(text))
}

/// The identity of an entry; none where its id tells no particular model. Adapters and checkpoints of one's own are their
/// own, whatever they are called.
#[must_use]
pub fn of_entry(entry: &ModelCatalogEntry) -> Option<String> {
    if entry.parent.is_some() || entry.training.is_some() {
        return own(&folded(&entry.model_id)?);
    }
    // What a hub counts are all tensors of a repository; a server of one's own counts those of the model that it runs.
    let is_here = entry.provider.info().is_some_and(|info| info.local);
    let parameters = entry.local.as_ref().filter(|_| is_here).and_then(|local| local.parameters.as_deref());
    of_id(&entry.model_id, entry.family.as_deref(), parameters)
}

/// The identity of an id. `family` is who made the model where its name does not tell, `parameters` its size as a server
/// writes it (`70.6B`), for names without one.
#[must_use]
pub fn of_id(id: &str, family: Option<&str>, parameters: Option<&str>) -> Option<String> {
    let rules = &*RULES;
    let id = folded(id)?;
    if holds(rules.own.as_ref(), &id) {
        return own(&id);
    }
    let mut name = rules.settle(id.clone())?;
    if !holds(rules.size.as_ref(), &name)
        && let Some(size) = parameters.and_then(size)
    {
        name = rules.settle(format!("{name}-{size}"))?;
    }
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
    if !name.chars().all(is_name) || !name.contains(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    if holds(rules.own.as_ref(), &name) {
        return own(&id);
    }
    let before = id.rsplit('/').nth(1).filter(|before| !before.is_empty());
    let known = infer_family(&name)
        .or_else(|| before.and_then(written_family))
        .or_else(|| infer_family(with_maker(&id)));
    // Two makers whom no rule knows may have one name for two models: whoever stands before it tells them apart.
    let maker = match known {
        Some(known) => Some(known),
        None => maker(before)?.or(family),
    };
    let identity = bounded(maker.map_or_else(|| name.clone(), |maker| format!("{maker}/{name}")))?;
    (!holds(rules.indefinite.as_ref(), &identity)).then_some(identity)
}

/// Who made the model of an identity; nothing where that is not known, or the identity is an id of its own.
#[must_use]
pub fn family(identity: &str) -> Option<&str> {
    identity.split_once('/').map(|(family, _)| family).filter(|family| format!("{family}/") != OWN)
}

/// A line of models, and which of it: what the identity says beside numbers, and its numbers in order. Of two in one line
/// the greater one is the newer.
#[must_use]
pub fn release(identity: &str) -> (String, Vec<u32>) {
    let (mut line, mut version) = (String::with_capacity(identity.len()), Vec::new());
    for word in identity.split('-') {
        let letters = word.len() - word.trim_start_matches(|c: char| c.is_ascii_lowercase()).len();
        let (letters, digits) = word.split_at(letters.min(word.len()));
        let numbers: Option<Vec<u32>> = digits.split('.').map(|number| number.parse().ok()).collect();
        line.push('-');
        match numbers {
            Some(numbers) if letters.len() <= 2 => {
                // `v3` of one release is `3` of another.
                line.push_str(if letters == "v" { "" } else { letters });
                version.extend(numbers);
            }
            _ => line.push_str(word),
        }
    }
    while line.ends_with('-') {
        line.pop();
    }
    (line.replace("--", "-"), version)
}

/// Lower case, without what stands around it.
fn folded(id: &str) -> Option<String> {
    let id = id.trim();
    (!id.is_empty() && id.len() <= MAX_ID_BYTES).then(|| id.to_ascii_lowercase())
}

fn own(id: &str) -> Option<String> {
    let id = id.strip_prefix(OWN).unwrap_or(id);
    bounded(format!("{OWN}{id}"))
}

fn bounded(identity: String) -> Option<String> {
    (identity.len() <= MAX_IDENTITY_BYTES).then_some(identity)
}

/// The family that stands before the name, as in an identity.
fn written_family(before: &str) -> Option<&'static str> {
    FAMILIES.iter().map(|rule| rule.family).find(|family| *family == before)
}

/// The name with what stands directly before it: a gateway's path before that tells of the gateway.
fn with_maker(id: &str) -> &str {
    let start = id.rmatch_indices('/').nth(1).map_or(0, |(slash, _)| slash + 1);
    id.get(start..).unwrap_or(id)
}

/// Who stands before a name, where a folder of models does not; nothing where that is no name.
fn maker(before: Option<&str>) -> Option<Option<&str>> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    match before.filter(|before| *before != "models") {
        Some(before) if format!("{before}/") == OWN || !before.chars().all(is_name) => None,
        other => Some(other),
    }
}

/// A size as names write it: `70.6B` is `70b`, `494.03M` is `494m`; nothing for what is not one number.
fn size(parameters: &str) -> Option<String> {
    let written = parameters.trim().to_ascii_lowercase();
    let number = written.strip_suffix(['b', 'm'])?;
    let unit = written.get(number.len()..)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let is_number = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) || whole.len() > 6 {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    (!whole.is_empty()).then(|| format!("{whole}{unit}"))
}
