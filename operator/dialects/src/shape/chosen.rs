//! Members by which a client chooses what a policy chooses for it. What is passed through byte for byte would carry them to
//! an upstream that obeys them: to another model, to another host, to an add-on or a tier that is paid beside the prices
//! that are known.

/// Tiers of service that cost no more than the prices that catalogs have: OpenAI's (and Azure's), Groq's, Anthropic's.
const TIERS: &[&str] = &["auto", "default", "flex", "on_demand", "standard", "standard_only"];

/// What a client has chosen with this member, nothing if the policy still decides. Null is what is not there.
///
/// OpenRouter: <https://openrouter.ai/docs/api-reference/parameters>: `models` and `route` name others to fall back to,
/// `provider` which hosts may serve, `preset` all of that by a name, `plugins` what is paid beside the tokens. Other
/// gateways: LiteLLM's `fallbacks`, Vercel's `providerOptions`. Anthropic's `speed` has a price of its own.
pub(super) fn chosen(member: &'static str, raw: &str) -> Option<&'static str> {
    if raw == "null" {
        return None;
    }
    let text = || crate::json::text(raw);
    let allowed = match member {
        "service_tier" => text().is_some_and(|tier| TIERS.contains(&&*tier)),
        "speed" => text().is_some_and(|speed| speed == "standard"),
        _ => false,
    };
    (!allowed).then_some(member)
}
