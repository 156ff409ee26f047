use serde_json::{Value, json};

use super::*;

const TURN: &str = "01a2151c-a0fd-7882-bfd7-d3a0f1baa846";
const CALLER: &str = "0af7651916cd43dd8448eb211c80319c";

/// A call whose first try failed, as docs/telemetry.md has one.
pub(crate) fn line() -> Value {
    json!({"kind": "call", "event": "vox.model.response", "startedUnixMs": 1_795_650_527_485_u64, "attributes": {
        "vox.trace_id": TURN, "vox.span_id": "c0ff2a39d26fd6a5", "vox.decision.id": "01a2151c-a0fd-78bc-82eb-0663342c5d5d",
        "vox.endpoint": "chat", "gen_ai.operation.name": "chat", "gen_ai.request.model": "vox/auto",
        "gen_ai.request.temperature": 1, "vox.policy": "shop/p", "vox.outcome": "answered", "vox.latency_ms": 7,
        "vox.attempts": 2, "vox.cost_usd": "0.003", "gen_ai.provider.name": "vllm", "server.address": "10.0.0.1",
        "server.port": 8000, "vox.deployment": "up1/maker/model-a", "gen_ai.response.id": "c",
        "gen_ai.response.finish_reasons": ["stop"], "gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 100,
    }, "attempts": [
        {"event": "vox.model.attempt", "attributes": {
            "vox.attempt.number": 1, "vox.attempt.outcome": "failed", "error.type": "overloaded",
            "vox.deployment": "up0/maker/model-a", "vox.upstream": "up0", "gen_ai.provider.name": "vllm",
            "server.address": "10.0.0.1", "server.port": 8000, "vox.span_id": "08a2d7b7a2e86119",
            "vox.attempt.started_ms": 0, "vox.latency_ms": 4,
        }},
        {"event": "vox.model.attempt", "attributes": {
            "vox.attempt.number": 2, "vox.attempt.outcome": "succeeded", "vox.deployment": "up1/maker/model-a",
            "vox.upstream": "up1", "gen_ai.provider.name": "vllm", "vox.span_id": "a9d63b76021aa3b1",
            "vox.attempt.started_ms": 5, "vox.latency_ms": 2, "gen_ai.response.model": "m-really",
            "gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 100,
        }},
    ]})
}

fn spans(line: &Value) -> Vec<Value> {
    let told = read(line.to_string().as_bytes()).unwrap();
    told.spans.iter().map(|span| serde_json::from_str(span.get()).unwrap()).collect()
}

fn attribute(span: &Value, name: &str) -> Value {
    let attributes = span["attributes"].as_array().unwrap();
    let mut found = attributes.iter().filter(|one| one["key"] == name);
    let value = found.next().map_or(Value::Null, |one| one["value"].clone());
    assert!(found.next().is_none(), "{name} stands twice: {span:#}");
    value
}

#[test]
fn a_call_is_a_turn_and_below_it_a_span_for_each_try() {
    let spans = spans(&line());
    let shown: Vec<_> =
        spans.iter().map(|span| (span["name"].as_str().unwrap(), span["kind"].as_u64().unwrap())).collect();
    assert_eq!(shown, [("chat vox/auto", 2), ("chat maker/model-a", 3), ("chat maker/model-a", 3)]);
    assert!(spans.iter().all(|span| span["traceId"] == "01a2151ca0fd7882bfd7d3a0f1baa846"));
    assert_eq!(spans[0].get("parentSpanId"), None);
    assert_eq!(
        (&spans[0]["spanId"], &spans[1]["parentSpanId"]),
        (&json!("c0ff2a39d26fd6a5"), &json!("c0ff2a39d26fd6a5"))
    );
    assert_eq!(spans[2]["spanId"], "a9d63b76021aa3b1");
    let times = |span: &Value| (span["startTimeUnixNano"].clone(), span["endTimeUnixNano"].clone());
    assert_eq!(times(&spans[0]), (json!("1795650527485000000"), json!("1795650527492000000")));
    assert_eq!(times(&spans[2]), (json!("1795650527490000000"), json!("1795650527492000000")));
}

#[test]
fn only_what_failed_has_a_status() {
    let spans = spans(&line());
    assert_eq!(
        (spans[0].get("status"), spans[2].get("status")),
        (None, None),
        "the recovered failure is the try's"
    );
    assert_eq!(spans[1]["status"], json!({"code": 2}));
    assert_eq!(attribute(&spans[1], "error.type"), json!({"stringValue": "overloaded"}));
    let mut cancelled = line();
    cancelled["attempts"][1]["attributes"]["vox.attempt.outcome"] = json!("cancelled");
    let spans = self::spans(&cancelled);
    assert_eq!(
        (&spans[2]["status"], attribute(&spans[2], "error.type")),
        (&json!({"code": 2}), json!({"stringValue": "cancelled"}))
    );
}

#[test]
fn a_try_is_a_genai_client_span_by_itself() {
    let spans = spans(&line());
    for span in &spans[1..] {
        assert_eq!(attribute(span, "gen_ai.operation.name"), json!({"stringValue": "chat"}));
        assert_eq!(attribute(span, "gen_ai.provider.name"), json!({"stringValue": "vllm"}));
        assert_eq!(attribute(span, "gen_ai.request.model"), json!({"stringValue": "maker/model-a"}));
        assert_eq!(attribute(span, "gen_ai.request.temperature"), json!({"doubleValue": 1.0}));
        assert_eq!(attribute(span, "vox.policy"), json!({"stringValue": "shop/p"}));
    }
    assert_eq!(attribute(&spans[1], "server.port"), json!({"intValue": "8000"}));
    assert_eq!(attribute(&spans[1], "gen_ai.response.id"), Value::Null);
    assert_eq!(attribute(&spans[2], "gen_ai.response.id"), json!({"stringValue": "c"}));
    assert_eq!(attribute(&spans[2], "gen_ai.usage.input_tokens"), json!({"intValue": "1000"}));
}

#[test]
fn tokens_and_the_providers_address_stand_on_tries_only() {
    let turn = &spans(&line())[0];
    for name in [
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
        "server.address",
        "server.port",
        "vox.span_id",
    ] {
        assert_eq!(attribute(turn, name), Value::Null, "{name}");
    }
    assert_eq!(attribute(turn, "gen_ai.request.model"), json!({"stringValue": "vox/auto"}));
    assert_eq!(attribute(turn, "vox.cost_usd"), json!({"stringValue": "0.003"}));
}

#[test]
fn a_callers_trace_goes_on() {
    let mut called = line();
    for (name, value) in [("vox.caller_trace_id", CALLER), ("vox.parent_span_id", "b7ad6b7169203331")] {
        called["attributes"][name] = json!(value);
    }
    called["attributes"]["vox.caller_sampled"] = json!(true);
    let spans = self::spans(&called);
    assert!(spans.iter().all(|span| span["traceId"] == CALLER));
    assert_eq!(spans[0]["parentSpanId"], "b7ad6b7169203331");
    assert_eq!((&spans[0]["flags"], &spans[1]["flags"]), (&json!(0x301), &json!(0x101)));
    assert_eq!(attribute(&spans[0], "vox.trace_id"), json!({"stringValue": TURN}));
}

#[test]
fn a_trace_that_the_caller_does_not_record_has_no_spans_and_counts() {
    let mut unrecorded = line();
    unrecorded["attributes"]["vox.caller_trace_id"] = json!(CALLER);
    unrecorded["attributes"]["vox.caller_sampled"] = json!(false);
    let told = read(unrecorded.to_string().as_bytes()).unwrap();
    assert_eq!((told.spans.len(), told.operations.len()), (0, 2));
}

#[test]
fn an_id_that_is_none_spoils_nothing() {
    let mut odd = line();
    for (name, value) in
        [("vox.span_id", "xyz"), ("vox.parent_span_id", "0000000000000000"), ("vox.caller_trace_id", "ABC")]
    {
        odd["attributes"][name] = json!(value);
    }
    odd["attempts"][0]["attributes"].as_object_mut().unwrap().remove("vox.span_id");
    let spans = self::spans(&odd);
    assert_eq!((spans[0].get("parentSpanId"), &spans[0]["traceId"]), (None, &json!(TURN.replace('-', ""))));
    let ids: std::collections::BTreeSet<_> =
        spans.iter().map(|span| span["spanId"].as_str().unwrap()).collect();
    assert!(ids.len() == 3 && ids.iter().all(|id| is_id(id, 16)), "{ids:?}");
    assert_eq!(self::spans(&odd), spans, "and they stay the same");
}

#[test]
fn a_request_that_nobody_was_asked_about_is_a_turn_whose_name_is_no_clients() {
    let refused = json!({"kind": "call", "event": "vox.model.error", "startedUnixMs": 1, "attempts": [], "attributes": {
        "vox.trace_id": TURN, "vox.decision.id": TURN, "vox.endpoint": "chat", "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "somebody/invented-it", "error.type": "unknown_model", "vox.outcome": "clientError",
        "vox.latency_ms": 1, "vox.attempts": 0,
    }});
    let spans = spans(&refused);
    assert_eq!(
        (spans.len(), &spans[0]["name"], &spans[0]["status"]),
        (1, &json!("chat"), &json!({"code": 2}))
    );
}

#[test]
fn metrics_get_what_is_of_few_values() {
    let told = read(line().to_string().as_bytes()).unwrap();
    let [failed, answered] = &told.operations[..] else { panic!("{told:?}") };
    assert_eq!(
        (failed.error.as_deref(), failed.seconds, failed.input_tokens),
        (Some("overloaded"), 0.004, None)
    );
    assert_eq!(
        (answered.error.as_deref(), answered.input_tokens, answered.output_tokens),
        (None, Some(1000), Some(100))
    );
    let names: Vec<&str> = failed.attributes.iter().map(|one| &*one.key).collect();
    assert_eq!(
        names,
        [
            "gen_ai.operation.name",
            "vox.policy",
            "gen_ai.provider.name",
            "server.address",
            "server.port",
            "gen_ai.request.model"
        ]
    );
}
