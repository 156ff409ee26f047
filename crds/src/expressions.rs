//! CEL expressions that are put together: from the contract's list, or from parts that would be unreadable in one piece.

use vox_contracts::ProviderType;
use vox_contracts::generated::providers::OPENAI_COMPATIBLE;

/// Holds for a spec whose openAICompatible provider is not one of those without a public address, or has an endpoint.
pub(crate) fn has_endpoint_where_none_is_public() -> String {
    let names: Vec<String> = without_address().map(|name| format!("'{name}'")).collect();
    format!(
        "!has(self.provider.openAICompatible) || !has(self.provider.openAICompatible.name) || has(self.endpoint) || \
         !(self.provider.openAICompatible.name in [{}])",
        names.join(", ")
    )
}

/// The OpenAI-compatible providers of the contract that everyone runs at an address of their own.
fn without_address() -> impl Iterator<Item = &'static str> {
    let has_none = |name: &&str| {
        let provider = name.parse::<ProviderType>().ok();
        provider.as_ref().and_then(ProviderType::info).is_some_and(|info| info.base_url.is_none())
    };
    OPENAI_COMPATIBLE.iter().copied().filter(has_none)
}

/// Holds for a URL without a port, or with one that exists. On the text, whose length is bounded: the API server refuses a
/// pattern on `url(self).getPort()`, whose length it cannot bound.
pub(crate) fn has_usable_port() -> String {
    format!("!self.matches('{NO_PORT}')")
}

/// A URL with the port 0, or one above 65535.
const NO_PORT: &str = "^[A-Za-z]+://[^/]*:0*(0|6553[6-9]|655[4-9][0-9]|65[6-9][0-9]{2}|6[6-9][0-9]{3}|[7-9][0-9]{4}|[1-9][0-9]{5,})(/|$)";

/// Holds for a cron line whose fields are in range, as far as a pattern sees it: not that a range ends after it begins.
pub(crate) fn is_cron_line() -> String {
    format!("self.matches('{}')", cron_line())
}

fn cron_line() -> String {
    let fields = [
        field("[0-5]?[0-9]", "[*]"),
        field("[01]?[0-9]|2[0-3]", "[*]"),
        field("0?[1-9]|[12][0-9]|3[01]", "[*?]"),
        field("0?[1-9]|1[0-2]|(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)", "[*]"),
        field("0?[0-6]|(?i:sun|mon|tue|wed|thu|fri|sat)", "[*?]"),
    ];
    format!("^(@(hourly|daily|midnight|weekly|monthly|yearly|annually)|{})$", fields.join(" +"))
}

/// A list of values, ranges and stars, each with a step or without.
fn field(value: &str, star: &str) -> String {
    let part = format!("({star}|({value})(-({value}))?)(/0*[1-9][0-9]?)?");
    format!("{part}(,{part})*")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_providers_without_an_address_are_the_contracts() {
        let names: Vec<_> = without_address().collect();
        assert!(names.contains(&"vllm") && names.contains(&"lm-studio"), "{names:?}");
        assert!(!names.contains(&"groq"), "{names:?}");
    }

    #[test]
    fn a_port_is_one_of_those_that_exist() {
        let no_port = regex::Regex::new(NO_PORT).unwrap();
        for good in [
            "https://x",
            "http://x:1",
            "http://x:8443/v1",
            "http://x:65535",
            "http://[::0]/v1",
            "http://x/a:0/",
        ] {
            assert!(!no_port.is_match(good), "{good}");
        }
        for bad in ["http://x:0", "https://x:65536/v1", "http://[::1]:70000", "http://x:123456/"] {
            assert!(no_port.is_match(bad), "{bad}");
        }
    }

    #[test]
    fn a_cron_line_is_in_range_in_each_field() {
        let line = regex::Regex::new(&cron_line()).unwrap();
        for good in [
            "0 3 * * *",
            "*/15 8-17 1,15 JAN-mar Mon-Fri",
            "05 03 ? * ?",
            "@daily",
            "0  3 * * 0,6",
            "0/20 * * * *",
        ] {
            assert!(line.is_match(good), "{good}");
        }
        for bad in [
            "60 3 * * *",
            "0 24 * * *",
            "0 3 0 * *",
            "0 3 32 * *",
            "0 3 * 13 *",
            "0 3 * * 7",
            "0 3 L * *",
            "0 3 15W * *",
            "0 3 * * 1#2",
            "*/0 3 * * *",
            "0 3 * *",
            "0 0 3 * * *",
            "@every 1h",
            "? 3 * * *",
            "0 3 * * 1,",
        ] {
            assert!(!line.is_match(bad), "{bad}");
        }
    }
}
