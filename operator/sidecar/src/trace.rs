//! W3C trace context: what came in goes on, with a span of our own.

use std::fmt;

use http::HeaderMap;

use crate::ids::random;

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
}

impl Span {
    /// Our span for this request: in the caller's trace, or in a new one when it sent none that is valid.
    #[must_use]
    pub fn of_request(headers: &HeaderMap) -> Self {
        let caller = headers.get("traceparent").and_then(|value| value.to_str().ok()).and_then(read);
        let (trace, parent, flags) =
            caller.unwrap_or_else(|| ((u128::from(nonzero()) << 64) | u128::from(random()), 0, 1));
        Self { trace, span: nonzero(), parent, flags }
    }

    /// A span below this one.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { span: nonzero(), parent: self.span, ..*self }
    }
}

impl fmt::Display for Span {
    /// As a `traceparent` header.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, self.flags)
    }
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
    Some((trace, parent, u8::from_str_radix(flags, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Span {
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", text.parse().unwrap());
        Span::of_request(&headers)
    }

    #[test]
    fn a_callers_trace_goes_on_with_a_new_span() {
        let span = of("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        assert_eq!(span.trace, 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c);
        assert_eq!(span.parent, 0xb7ad_6b71_6920_3331);
        assert_ne!(span.span, span.parent);
        assert!(span.child().to_string().starts_with("00-0af7651916cd43dd8448eb211c80319c-"));
    }

    #[test]
    fn what_is_no_traceparent_begins_a_new_trace() {
        for text in [
            "",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        ] {
            assert_eq!(of(text).parent, 0, "{text:?}");
        }
    }
}
