//! What a secret looks like in a text: the key of a provider by its beginning, which is data of the contract; what
//! follows the word `Bearer`; a token of a ServiceAccount, or any other JWT. Pure.

use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use vox_contracts::generated::providers::PROVIDERS;

/// What stands in the place of a token whose issuer nobody knows.
const BEARER: &str = "bearer";
/// What stands in the place of a JWT.
const JWT: &str = "jwt";

/// A secret in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its bytes.
    pub range: Range<usize>,
    /// Whose it is: a provider's name, `bearer` or `jwt`.
    pub whose: &'static str,
    /// Whether hardly anything else looks like that. Names of things that begin like a key and have a hash in them do
    /// not: a log line is better off without them, and nothing is refused because of them.
    pub certain: bool,
}

/// A word by which a secret is found.
struct Sign {
    finder: Finder<'static>,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Key,
    Bearer,
    Jwt,
}

/// Few, and each is looked for many bytes at a time: a line without any costs a fraction of a microsecond.
static SIGNS: LazyLock<Vec<Sign>> = LazyLock::new(|| {
    let prefixes = || PROVIDERS.iter().flat_map(|provider| provider.key_prefixes.iter().copied());
    // Whoever finds `sk-` has found `sk-ant-`.
    let mut shortest: Vec<&'static str> = prefixes()
        .filter(|prefix| !prefixes().any(|other| other != *prefix && prefix.starts_with(other)))
        .collect();
    shortest.sort_unstable();
    shortest.dedup();
    let sign = |word: &'static str, kind| Sign { finder: Finder::new(word), kind };
    let words = ["Bearer", "bearer", "BEARER"].map(|word| sign(word, Kind::Bearer));
    let keys = shortest.into_iter().map(|prefix| sign(prefix, Kind::Key));
    keys.chain(words).chain([sign("eyJ", Kind::Jwt)]).collect()
});

/// The secrets of a text, in their order; those that overlap are one.
#[must_use]
pub fn find(text: &[u8]) -> Vec<Found> {
    let mut found = Vec::new();
    for sign in SIGNS.iter() {
        for at in sign.finder.find_iter(text) {
            found.extend(match sign.kind {
                Kind::Key => key(text, at),
                Kind::Bearer => bearer(text, at.saturating_add(BEARER.len())),
                Kind::Jwt => jwt(text, at),
            });
        }
    }
    if found.len() > 1 { merged(found) } else { found }
}

/// Whether a key of a provider stands in the text, beyond doubt.
#[must_use]
pub fn holds_key(text: &str) -> bool {
    find(text.as_bytes()).iter().any(|found| found.certain)
}

/// A provider's name says more than that it is a token.
fn merged(mut found: Vec<Found>) -> Vec<Found> {
    found.sort_by_key(|one| one.range.start);
    let mut merged: Vec<Found> = Vec::with_capacity(found.len());
    for one in found {
        match merged.last_mut() {
            Some(last) if one.range.start < last.range.end => {
                if last.whose == BEARER || (last.whose == JWT && one.whose != BEARER) {
                    last.whose = one.whose;
                }
                last.range.end = last.range.end.max(one.range.end);
                last.certain |= one.certain;
            }
            _ => merged.push(one),
        }
    }
    merged
}

/// Letters of which keys are made.
fn is_key(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

/// Letters of which keys and tokens in base64 are made.
fn is_base64(byte: u8) -> bool {
    is_key(byte) || matches!(byte, b'+' | b'/' | b'=')
}

/// Letters of a token: RFC 6750, section 2.1.
fn is_token(byte: u8) -> bool {
    is_base64(byte) || matches!(byte, b'.' | b'~')
}

/// Where a run of such letters ends.
fn run(text: &[u8], from: usize, of: fn(u8) -> bool) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    from.saturating_add(rest.iter().position(|byte| !of(*byte)).unwrap_or(rest.len()))
}

fn key(text: &[u8], at: usize) -> Option<Found> {
    if !begins(text.get(..at)?) {
        return None;
    }
    let word = text.get(at..run(text, at, is_key))?;
    let named = PROVIDERS.iter().flat_map(|provider| {
        let fitting = provider.key_prefixes.iter().filter(|prefix| word.starts_with(prefix.as_bytes()));
        fitting.map(|prefix| (prefix.len(), provider.name))
    });
    // The first of those that share a prefix.
    let (length, whose) = named.reduce(|one, other| if other.0 > one.0 { other } else { one })?;
    let (likely, certain) = randomness(word.get(length..)?);
    likely.then(|| Found { range: at..run(text, at, is_base64), whose, certain })
}

/// Whether this looks like the rest of a key, and whether hardly anything else looks like that. Names of things are
/// made of words; keys have a long stretch of letters and digits.
fn randomness(rest: &[u8]) -> (bool, bool) {
    let has = |part: &[u8], of: fn(&u8) -> bool| part.iter().any(of);
    let digit = |part: &[u8]| has(part, u8::is_ascii_digit);
    let mixed = |part: &[u8]| has(part, u8::is_ascii_lowercase) && has(part, u8::is_ascii_uppercase);
    let parts = || rest.split(|byte| matches!(byte, b'-' | b'_'));
    let certain = rest.len() >= 20 && parts().any(|part| part.len() >= 16 && digit(part));
    let odd = |part: &[u8]| match part.len() {
        0..6 => false,
        6..8 => digit(part) && has(part, u8::is_ascii_alphabetic),
        8..16 => digit(part) || mixed(part),
        _ => true,
    };
    let likely = certain || rest.len() >= 40 || (rest.len() >= 10 && parts().any(odd));
    (likely, certain)
}

fn bearer(text: &[u8], from: usize) -> Option<Found> {
    let mut start = run(text, from, |byte| b" \t:='\"\\+".contains(&byte));
    while text.get(start..)?.starts_with(b"%20") {
        start = start.saturating_add(3);
    }
    let end = run(text, start, is_token);
    let token = text.get(start..end)?;
    // "Bearer authentication" is none.
    let secret = token.len() >= 16 || (token.len() >= 8 && token.iter().any(u8::is_ascii_digit));
    (start > from && secret).then_some(Found { range: start..end, whose: BEARER, certain: false })
}

/// `eyJ` is `{"` in base64, as the head of a JWT begins.
fn jwt(text: &[u8], at: usize) -> Option<Found> {
    let end = run(text, at, |byte| is_key(byte) || byte == b'.');
    let token = text.get(at..end)?;
    let secret = token.len() >= 32 || (token.len() >= 20 && token.contains(&b'.'));
    (secret && begins(text.get(..at)?)).then_some(Found { range: at..end, whose: JWT, certain: false })
}

/// Whether a word may begin behind this: the letter before it is no letter of a word, or the end of an escape, as JSON,
/// Rust, URLs and terminals write them.
fn begins(before: &[u8]) -> bool {
    let Some((last, rest)) = before.split_last().filter(|(last, _)| last.is_ascii_alphanumeric()) else {
        return true;
    };
    let hex = |count: usize, mark: &[u8]| {
        let digits = before.len().checked_sub(count).and_then(|at| before.split_at_checked(at));
        digits.is_some_and(|(head, digits)| head.ends_with(mark) && digits.iter().all(u8::is_ascii_hexdigit))
    };
    let terminal = || {
        let figure = |byte: &u8| byte.is_ascii_digit() || *byte == b';';
        rest.iter().rev().find(|byte| !figure(byte)) == Some(&b'[')
    };
    (matches!(last, b'n' | b't' | b'r' | b'b' | b'f' | b'0') && rest.ends_with(b"\\"))
        || (*last == b'm' && terminal())
        || hex(4, b"\\u")
        || hex(2, b"\\x")
        || hex(2, b"%")
}
