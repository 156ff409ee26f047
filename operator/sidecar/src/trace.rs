//! W3C trace context, level 1: what came in goes on, with a span of our own.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::{Uuid, Variant};

use crate::ids::{self, random};

/// The header's name. Names in such a form need not be read at each look-up.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Flags that are known, and go on as they came: recorded, and (level 2) random. Others are sent as zero, as nobody knows
/// whether they still hold.
const KNOWN: u8 = 0b11;
/// The flag that says that the trace is recorded.
const SAMPLED: u8 = 0b1;
/// Length of a `traceparent` of level 1.
const LENGTH: usize = 55;

/// One place in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Which trace.
    pub trace: u128,
    /// The span within it.
    pub span: u64,
    /// The span that called; 0 where the trace begins here.
    pub parent: u64,
    /// The caller's flags; the lowest bit says that the trace is recorded.
    pub flags: u8,
    /// Whether the trace is the caller's.
    pub caller: bool,
}

impl Span {
    /// Our span for this request: in the caller's trace, or in one that begins with this turn when it sent none that is
    /// valid.
    #[must_use]
    pub fn of_request(headers: &HeaderMap, now_ms: u64) -> Self {
        let mut values = headers.get_all(TRACEPARENT).iter();
        let first = values.next().and_then(|value| value.to_str().ok());
        // Of two nobody knows which one holds.
        match first.filter(|_| values.next().is_none()).and_then(read) {
            Some((trace, parent, flags)) => Self { trace, span: nonzero(), parent, flags, caller: true },
            None => {
                let trace = ids::uuid(now_ms).as_u128();
                Self { trace, span: nonzero(), parent: 0, flags: 1, caller: false }
            }
        }
    }

    /// A span below this one.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { span: nonzero(), parent: self.span, ..*self }
    }

    /// As a `traceparent` header. Each attempt has one: it is put together without the formatter, which costs much more.
    #[must_use]
    pub fn header(&self) -> Option<HeaderValue> {
        let (mut trace, mut span, mut flags) = (Uuid::encode_buffer(), Uuid::encode_buffer(), [0; 2]);
        let trace = Uuid::from_u128(self.trace).simple().encode_lower(&mut trace).as_bytes();
        let span = Uuid::from_u64_pair(self.span, 0).simple().encode_lower(&mut span).as_bytes();
        flags.iter_mut().zip([self.flags >> 4, self.flags & 15]).for_each(|(digit, half)| {
            *digit = b"0123456789abcdef".get(usize::from(half)).copied().unwrap_or(b'0');
        });
        let mut text = Vec::with_capacity(LENGTH);
        let parts: [&[u8]; 6] = [b"00-", trace, b"-", span.get(..16)?, b"-", &flags];
        parts.into_iter().for_each(|part| text.extend_from_slice(part));
        HeaderValue::from_maybe_shared(Bytes::from(text)).ok()
    }

    /// Whether whoever began the trace records it.
    #[must_use]
    pub const fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The turn that the trace is: one that Vox began, here or elsewhere.
    #[must_use]
    pub fn turn(&self) -> Option<Uuid> {
        Some(Uuid::from_u128(self.trace)).filter(|turn| is_turn(*turn))
    }
}

/// Whether this can be the id of a turn: a `UUIDv7`.
#[must_use]
pub fn is_turn(id: Uuid) -> bool {
    id.get_version_num() == 7 && id.get_variant() == Variant::RFC4122
}

/// An id of zeros is invalid.
fn nonzero() -> u64 {
    random().max(1)
}

/// `version-trace-parent-flags`, lower-case hexadecimal; further fields of later versions are skipped.
fn read(text: &str) -> Option<(u128, u64, u8)> {
    let mut parts = text.trim().split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    if !hex(version, 2) || version == "ff" || !hex(trace, 32) || !hex(parent, 16) || !hex(flags, 2) {
        return None;
    }
    if version == "00" && parts.next().is_some() {
        return None;
    }
    let trace = u128::from_str_radix(trace, 16).ok().filter(|trace| *trace != 0)?;
    let parent = u64::from_str_radix(parent, 16).ok().filter(|parent| *parent != 0)?;
    Some((trace, parent, u8::from_str_radix(flags, 16).ok()? & KNOWN))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const PARENT: &str = "b7ad6b7169203331";

    fn of(values: &[&str]) -> Span {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("traceparent", value.parse().unwrap());
        }
        Span::of_request(&headers, 1)
    }

    #[test]
    fn a_callers_trace_goes_on_with_a_new_span_and_its_flags() {
        // Version, flags and what follows them, and the flags that go on.
        for (version, flags, goes_on) in [
            ("00", "00", "00"),
            ("00", "01", "01"),
            ("00", "03", "03"),
            ("00", "ff", "03"),
            ("00", "fc", "00"),
            ("01", "01", "01"),
            ("cc", "01-", "01"),
            ("fe", "01-what-the-future-will-be-like", "01"),
        ] {
            let span = of(&[&format!("{version}-{TRACE}-{PARENT}-{flags}")]);
            assert!(span.caller, "{version} {flags}");
            assert_eq!(span.parent, 0xb7ad_6b71_6920_3331);
            assert_eq!(span.is_sampled(), matches!(goes_on, "01" | "03"), "{flags}");
            assert_ne!(span.span, span.parent);
            let child = span.child();
            assert_eq!((child.parent, child.caller), (span.span, true));
            assert_eq!(child.header().unwrap(), format!("00-{TRACE}-{:016x}-{goes_on}", child.span));
        }
    }

    #[test]
    fn what_is_no_traceparent_begins_a_new_trace_which_is_the_turn() {
        let good = format!("00-{TRACE}-{PARENT}-01");
        let zeros = "0".repeat(32);
        let cases: [&[&str]; 17] = [
            &[],
            &[""],
            &["00"],
            &[&format!("00-{TRACE}-{PARENT}")],
            &[&format!("00-{zeros}-{PARENT}-01")],
            &[&format!("00-{TRACE}-0000000000000000-01")],
            &[&format!("ff-{TRACE}-{PARENT}-01")],
            &[&format!("0-{TRACE}-{PARENT}-01")],
            &[&format!("FE-{TRACE}-{PARENT}-01")],
            &[&format!("00-{}-{PARENT}-01", TRACE.to_uppercase())],
            &[&format!("00-{}-{PARENT}-01", &TRACE[1..])],
            &[&format!("00-{TRACE}-{}-01", &PARENT[1..])],
            &[&format!("00-{TRACE}-{PARENT}-1")],
            &[&format!("00-{TRACE}-{PARENT}-01-x")],
            &[&format!("00-{TRACE}-{PARENT}-01-")],
            &[&format!("cc-{TRACE}-{PARENT}-01.what")],
            &[&good, &good],
        ];
        for values in cases {
            let span = of(values);
            assert_eq!((span.caller, span.parent, span.flags), (false, 0, 1), "{values:?}");
            assert!(span.turn().is_some(), "{values:?}");
        }
    }

    #[test]
    fn a_callers_trace_is_a_turn_only_where_it_is_a_uuid_of_version_seven() {
        assert_eq!(of(&[&format!("00-{TRACE}-{PARENT}-01")]).turn(), None);
        let turn = ids::uuid(1);
        assert_eq!(of(&[&format!("00-{}-{PARENT}-01", turn.simple())]).turn(), Some(turn));
    }
}
