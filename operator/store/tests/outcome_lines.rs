//! Lines of a spool as rows: what is taken, and what is refused with which words.

// Clippy knows test functions, not their helpers.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use uuid::Uuid;
use vox_store::outcome::{Batch, Refused};

const DECISION: &str = "01a2151c-a0fd-78bc-82eb-0663342c5d5d";
const TURN: &str = "01a2151c-a0fd-7882-bfd7-d3a0f1baa846";

fn line() -> Value {
    let tried = |number: i64, outcome: &str| {
        json!({"event": "vox.model.attempt", "attributes": {
            "vox.attempt.number": number, "vox.attempt.outcome": outcome, "vox.latency_ms": 4,
            "vox.deployment": "up/m", "vox.model.key": "host/m", "gen_ai.provider.name": "vllm",
            "vox.cost_usd": "0.003", "gen_ai.usage.input_tokens": 10,
        }})
    };
    json!({"kind": "call", "event": "vox.model.response", "startedUnixMs": 1_795_650_527_485_i64, "attributes": {
        "vox.trace_id": TURN, "vox.decision.id": DECISION, "vox.endpoint": "chat", "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "vllm", "gen_ai.request.model": "vox/auto", "vox.policy": "shop/p",
        "vox.task.category": "chat", "vox.outcome": "answered", "vox.latency_ms": 7, "vox.attempts": 2,
        "vox.cost_usd": "0.003", "vox.deployment": "up/m", "vox.model.key": "host/m",
        "vox.decision.picks": ["up/m", "a\"b\\c"], "vox.context.utilisation": 0.5,
        "gen_ai.response.finish_reasons": ["stop"],
    }, "attempts": [tried(1, "failed"), tried(2, "succeeded")]})
}

fn read(line: &Value) -> Batch {
    Batch::read("shop", line.to_string().as_bytes())
}

/// What a line is refused with.
fn refused(line: &Value) -> Refused {
    read(line).refused.pop().unwrap().1
}

fn with(name: &str, value: Value) -> Value {
    let mut line = line();
    line["attributes"][name] = value;
    line
}

#[test]
fn a_call_is_read_with_its_tries() {
    let batch = read(&line());
    assert_eq!(batch.refused, []);
    let call = &batch.calls[0];
    assert_eq!((call.decision.to_string(), call.policy.as_deref()), (DECISION.to_owned(), Some("p")));
    assert_eq!((call.cost_pusd, call.probability, call.interaction), (Some(3_000_000_000), 1.0, call.trace));
    assert_eq!(call.picks, ["up/m", "a\"b\\c"]);
    let outcomes: Vec<_> =
        call.attempts.iter().map(|attempt| (attempt.number, attempt.outcome.as_str())).collect();
    assert_eq!(outcomes, [(1, "failed"), (2, "succeeded")]);
}

#[test]
fn what_was_asked_is_kept_as_far_as_it_decides_and_no_number_of_the_clients_loses_the_call() {
    let mut line = line();
    for (name, value) in [
        ("vox.request.input_tokens", json!(1_200)),
        ("vox.request.needs", json!(["tools", "vision"])),
        ("vox.request.narrowed", json!(true)),
        ("gen_ai.request.max_tokens", json!(500)),
    ] {
        line["attributes"][name] = value;
    }
    let call = &read(&line).calls[0];
    assert_eq!(
        (call.estimated_tokens, call.max_output_tokens, call.narrowed),
        (Some(1_200), Some(500), true)
    );
    assert_eq!(call.needs, ["tools", "vision"]);
    line["attributes"]["gen_ai.request.max_tokens"] = json!(u64::MAX);
    assert_eq!(read(&line).calls[0].max_output_tokens, None);
}

#[test]
fn what_the_contract_does_not_know_is_refused_without_its_text() {
    assert_eq!(
        refused(&with("vox.prompt", json!("the secret plan"))),
        Refused::Attribute("vox.prompt".to_owned())
    );
    let told = refused(&with("The Secret Plan", json!(1))).to_string();
    assert!(!told.contains("Secret"), "{told}");
    let told = refused(&with("vox.outcome", json!("the secret plan"))).to_string();
    assert!(told.contains("vox.outcome") && !told.contains("secret"), "{told}");
    let mut other = line();
    other["event"] = json!("vox.model.discover");
    assert_eq!(refused(&other), Refused::Event);
    other["event"] = json!("the secret plan");
    assert_eq!(refused(&other), Refused::Event);
}

#[test]
fn without_a_turn_there_is_no_row() {
    let mut bare = line();
    bare["attributes"].as_object_mut().unwrap().remove("vox.trace_id");
    assert_eq!(refused(&bare), Refused::Id("vox.trace_id"));
    for other in [TURN.replacen("-7", "-4", 1), TURN.to_uppercase(), TURN.replace('-', "")] {
        assert_eq!(refused(&with("vox.trace_id", json!(other))), Refused::Id("vox.trace_id"));
    }
    assert_eq!(
        refused(&with("vox.decision.id", json!(TURN.replacen("-7", "-4", 1)))),
        Refused::Id("vox.decision.id")
    );
}

#[test]
fn values_that_no_column_takes_are_refused() {
    for (name, value) in [
        ("vox.latency_ms", json!(-1)),
        ("vox.latency_ms", json!(u64::MAX)),
        ("vox.cost_usd", json!("much")),
        ("vox.context.utilisation", json!(1.5)),
        ("vox.task.category", json!("gossip")),
        ("vox.task.complexity", json!(100_000)),
        ("gen_ai.request.model", json!("x".repeat(2000))),
    ] {
        assert_eq!(refused(&with(name, value)).reason(), "value", "{name}");
    }
    assert_eq!(refused(&with("vox.policy", json!("office/p"))), Refused::Namespace);
    assert_eq!(refused(&with("gen_ai.request.model", json!("a\0b"))), Refused::Nul);
    assert_eq!(read(&with("gen_ai.request.model", json!("a\\u0000b"))).refused, [], "that is text");
    assert_eq!(refused(&with("vox.session.id", json!("secret"))), Refused::Session);
}

#[test]
fn a_line_is_refused_alone() {
    let body = format!("{}\n\nnonsense\n{{\"kind\":\"other\"}}\n{}\n", line(), line());
    let batch = Batch::read("shop", body.as_bytes());
    assert_eq!(batch.calls.len(), 2);
    assert_eq!(batch.refused, [(3, Refused::Malformed), (4, Refused::Malformed)]);
    let line = line().to_string();
    assert!(batch.places.iter().all(|place| body[place.clone()] == line));
}

#[test]
fn feedback_is_read_within_its_bounds() {
    let feedback = |more: Value| {
        let mut line = json!({"kind": "feedback", "id": TURN, "receivedUnixMs": 1, "decision": DECISION});
        line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        line
    };
    let good = read(&feedback(json!({"thumb": "down", "score": -0.5})));
    assert_eq!((good.feedback[0].thumb, good.feedback[0].score), (Some(-1), Some(-0.5)));
    assert_eq!(refused(&feedback(json!({"score": 1.1}))), Refused::Value("score"));
    assert_eq!(refused(&feedback(json!({"confidence": -0.1}))), Refused::Value("confidence"));
    assert_eq!(refused(&feedback(json!({"comment": "the secret plan"}))), Refused::Malformed);
    assert_eq!(refused(&feedback(json!({"decision": Uuid::from_u128(7)}))), Refused::Id("decision"));
}
