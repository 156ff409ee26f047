use std::sync::Arc;

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;
use vox_routing::{Choice, Cost, Request};

use super::{Line, write};
use crate::record::{Attempt, Name, Outcome, Peer, Record, Tokens};

/// Any text, those among them that JSON cannot have as they are.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[\"\\\\\u{0}-\u{1f}\u{7f}é\u{2028}a]{0,40}", "[a-z/.-]{1,40}"]
}

fn name() -> impl Strategy<Value = Name> {
    text().prop_map(|text| Name::from(text.as_str()))
}

fn tokens() -> impl Strategy<Value = Tokens> {
    (of(any::<u64>()), of(any::<u64>()), of(any::<u64>()), of(any::<u64>()), of(any::<u64>())).prop_map(
        |(input, output, cache_read, cache_write, reasoning)| Tokens {
            input,
            output,
            cache_read,
            cache_write,
            reasoning,
        },
    )
}

fn peer() -> impl Strategy<Value = Arc<Peer>> {
    (name(), name(), name(), any::<u16>()).prop_map(|(upstream, provider, address, port)| {
        Arc::new(Peer { upstream, provider, address, port, route: "openai-compatible" })
    })
}

prop_compose! {
    fn attempt()(
        deployment in name(),
        peer in of(peer()),
        (span, status, started_ms, duration_ms) in any::<(u64, u16, u64, u64)>(),
        class in prop_oneof![Just("ok"), Just("cancelled"), Just("overloaded")],
        first_token_ms in of(any::<u64>()),
        (answer, served, finish) in (of(text()), of(text()), of(text())),
        usage in of(tokens()),
        (cost, assumed) in any::<(Option<u64>, Option<u64>)>(),
    ) -> Attempt {
        Attempt {
            model_key: deployment.clone(), context_tokens: None, cache_savings_usd: None, signal: None,
            deployment, peer, span, status, class, started_ms, duration_ms, first_token_ms, answer, served, finish, usage,
            cost_usd: cost.map(Cost::from_pico_usd), assumed_usd: assumed.map(Cost::from_pico_usd),
        }
    }
}

prop_compose! {
    fn record()(
        (decision, trace, interaction) in any::<(u128, u128, u128)>(),
        (caller_trace, caller_sampled, span, parent) in any::<(Option<u128>, Option<bool>, u64, u64)>(),
        (started_unix_ms, duration_ms, decided_us, snapshot) in any::<(u64, u64, u64, u64)>(),
        (generation, complexity, status) in any::<(i64, u8, u16)>(),
        (stream, json, temperature) in any::<(bool, bool, Option<f64>)>(),
        session in of(text()),
        endpoint in prop_oneof![Just("chat"), Just("messages"), Just("embeddings")],
        outcome in prop_oneof![Just(Outcome::Answered), Just(Outcome::Failed), Just(Outcome::Cancelled)],
        code in of(Just("too_dear")),
        category in of(Just("coding")),
        policy in name(),
        picks in vec(name(), 0..4),
        attempts in vec(attempt(), 0..3),
        cost in of(any::<u64>()),
        probability in of(Just(0.25)),
    ) -> Record {
        Record {
            decision: Uuid::from_u128(decision), trace: Uuid::from_u128(trace),
            interaction: Uuid::from_u128(interaction), caller_trace, caller_sampled, span, parent, session: session.map(Into::into), started_unix_ms, endpoint, policy,
            generation, snapshot, category, complexity, stream, json, temperature, picks, attempts, outcome, status,
            probability, code, duration_ms, decided_us, cost_usd: cost.map(Cost::from_pico_usd),
        }
    }
}

/// What a line has under this name.
fn read<'a>(attributes: &'a Value, name: &str) -> &'a Value {
    attributes.get(name).unwrap_or(&Value::Null)
}

proptest! {
    #[test]
    fn a_cost_is_written_as_it_is_displayed(pico_usd in prop_oneof![any::<u64>(), 0..3_000_000_000_000_u64, Just(0)], zeros in 0..20_u32) {
        let cost = Cost::from_pico_usd(pico_usd / 10_u64.pow(zeros.min(19)) * 10_u64.pow(zeros.min(19)));
        let mut written = Vec::new();
        write::Write::write(&cost, &mut written);
        prop_assert_eq!(String::from_utf8(written).unwrap(), format!("\"{cost}\""));
    }

    #[test]
    fn whatever_the_texts_are_a_line_is_one_and_reads_back_to_them(record in record(), model in text()) {
        let request = Request { choice: Choice::Named(model.clone()), ..Request::default() };
        let line = Line { record: &record, request: Some(&request) }.json();
        prop_assert!(!line.contains(&b'\n'));
        let line: Value = serde_json::from_slice(&line).unwrap();
        let turn = &line["attributes"];
        prop_assert_eq!(read(turn, "gen_ai.request.model"), &json!(model));
        prop_assert_eq!(read(turn, "vox.trace_id"), &json!(record.trace.to_string()));
        prop_assert_eq!(read(turn, "vox.span_id"), &json!(format!("{:016x}", record.span)));
        let trace = record.caller_trace.map(|trace| format!("{trace:032x}"));
        prop_assert_eq!(read(turn, "vox.caller_trace_id"), &json!(trace));
        prop_assert_eq!(read(turn, "vox.cost_usd"), &json!(record.cost_usd));
        prop_assert_eq!(read(turn, "vox.latency_ms"), &json!(record.duration_ms));
        if !record.policy.is_empty() {
            prop_assert_eq!(read(turn, "vox.policy"), &json!(&*record.policy));
            prop_assert_eq!(read(turn, "vox.policy.generation"), &json!(record.generation));
            let picks = record.picks.iter().map(|pick| json!(&**pick)).collect::<Vec<_>>();
            let picks = Some(picks).filter(|picks| !picks.is_empty());
            prop_assert_eq!(read(turn, "vox.decision.picks"), &json!(picks));
            prop_assert_eq!(read(turn, "vox.decision.probability"), &json!(record.probability));
        }
        if let Some(last) = record.attempts.last() {
            prop_assert_eq!(read(turn, "gen_ai.response.id"), &json!(last.answer));
            let finish = last.finish.as_ref().map(|finish| [finish]);
            prop_assert_eq!(read(turn, "gen_ai.response.finish_reasons"), &json!(finish));
        }
        let tries = line["attempts"].as_array().unwrap();
        prop_assert_eq!(tries.len(), record.attempts.len());
        for (attempt, tried) in record.attempts.iter().zip(tries) {
            let tried = &tried["attributes"];
            prop_assert_eq!(read(tried, "vox.deployment"), &json!(&*attempt.deployment));
            let upstream = attempt.peer.as_ref().map(|peer| peer.upstream.to_string());
            prop_assert_eq!(read(tried, "vox.upstream"), &json!(upstream));
            let provider = attempt.peer.as_ref().map(|peer| peer.provider.to_string());
            prop_assert_eq!(read(tried, "gen_ai.provider.name"), &json!(provider));
            if attempt.served.is_some() {
                prop_assert_eq!(read(tried, "gen_ai.response.model"), &json!(attempt.served));
            }
            let input = attempt.usage.and_then(|usage| usage.input);
            prop_assert_eq!(read(tried, "gen_ai.usage.input_tokens"), &json!(input));
            prop_assert_eq!(read(tried, "vox.assumed_cost_usd"), &json!(attempt.assumed_usd));
        }
    }
}
