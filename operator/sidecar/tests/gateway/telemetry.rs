//! What a finished request leaves behind: names of the contract, ids of one turn, and the trace.

use std::io::{BufReader, Write as _};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;
use vox_sidecar::ids::now_ms;

use crate::fake::{GOOD, LAST, Message, Step, chunk, end, piece, read, stream_head, whole};
use crate::house::{House, is_of_the_contract, question, tried, turn};

/// An id of version 7, as a client makes one for a turn.
const TURN: &str = "019ac0de-89ab-7cde-8f01-23456789abcd";
const DIGITS: &str = "019ac0de89ab7cde8f0123456789abcd";
const CALLER: &str = "0af7651916cd43dd8448eb211c80319c";

fn answering() -> House {
    House::serving(1, |_, _| whole(200, "", GOOD))
}

/// What the upstream was shown, and the line that was written, for a request with these headers.
fn asked(headers: &str) -> (Message, Value) {
    let house = answering();
    let answer = house.send("POST", "/v1/chat/completions", headers, &question(false).to_string());
    assert_eq!(answer.status(), 200, "{answer:?}");
    let shown = house.upstreams[0].requests()[0].clone();
    (shown, house.records().remove(0))
}

fn trace_of(message: &Message) -> String {
    message.header("traceparent").split('-').nth(1).unwrap_or_default().to_owned()
}

fn simple(id: &Value) -> String {
    let id: Uuid = id.as_str().unwrap().parse().unwrap();
    assert_eq!(id.get_version_num(), 7, "{id}");
    id.simple().to_string()
}

#[test]
fn a_line_says_what_was_asked_who_served_and_what_it_used_with_the_contracts_names() {
    let script = |number, _: &Message| if number == 0 { whole(503, "", "") } else { whole(200, "", GOOD) };
    let house = House::serving(2, script);
    let body = json!({
        "model": "vox/auto", "max_tokens": 50, "temperature": 0.5, "response_format": {"type": "json_object"},
        "messages": [{"role": "user", "content": "hi"}],
    });
    let answer = house.chat(&body);
    let ports: Vec<u16> = house.upstreams.iter().map(|upstream| upstream.address.port()).collect();
    let records = house.records();
    let record = &records[0];
    assert_eq!(record["event"], "vox.model.response");
    for (name, value) in [
        ("gen_ai.operation.name", json!("chat")),
        ("gen_ai.request.model", json!("vox/auto")),
        ("gen_ai.request.max_tokens", json!(50)),
        ("gen_ai.request.temperature", json!(0.5)),
        ("gen_ai.output.type", json!("json")),
        ("gen_ai.provider.name", json!("vllm")),
        ("gen_ai.response.id", json!("c")),
        ("gen_ai.response.model", json!("m-really")),
        ("gen_ai.response.finish_reasons", json!(["stop"])),
        ("gen_ai.usage.input_tokens", json!(1000)),
        ("gen_ai.usage.output_tokens", json!(100)),
        ("server.address", json!("127.0.0.1")),
        ("vox.endpoint", json!("chat")),
        ("vox.request.stream", json!(false)),
        ("vox.policy", json!("shop/p")),
        ("vox.policy.generation", json!(3)),
        ("vox.snapshot.version", json!(1)),
        ("vox.outcome", json!("answered")),
        ("vox.client.status_code", json!(200)),
        ("vox.attempts", json!(2)),
        ("vox.cost_usd", json!("0.003")),
        ("vox.deployment", json!(answer.header("x-vox-model"))),
        ("vox.decision.id", json!(answer.header("x-vox-decision"))),
    ] {
        assert_eq!(turn(record, name), value, "{name}: {record:#}");
    }
    assert!(turn(record, "vox.request.input_tokens").is_u64(), "another policy has to be asked with it");
    let port = turn(record, "server.port").as_u64().unwrap();
    assert!(ports.iter().any(|one| u64::from(*one) == port), "{port}");
    assert_eq!(
        (tried(record, 0, "error.type"), tried(record, 0, "vox.http.status_code")),
        (json!("overloaded"), json!(503))
    );
    assert_eq!(
        (tried(record, 1, "vox.attempt.number"), tried(record, 1, "vox.attempt.outcome")),
        (json!(2), json!("succeeded"))
    );
    assert_eq!(tried(record, 1, "vox.route_kind"), "openai-compatible");
}

#[test]
fn a_request_that_nobody_was_asked_about_is_an_error_of_the_contract() {
    let house = answering();
    for (headers, body) in [
        ("", "{".to_owned()),
        ("x-vox-max-usd: 0.000001\r\n", question(false).to_string()),
        ("", json!({"model": "nobody/knows-it", "messages": []}).to_string()),
    ] {
        house.send("POST", "/v1/chat/completions", headers, &body);
    }
    let records = house.records();
    let told: Vec<_> = records.iter().map(|record| (&record["event"], turn(record, "error.type"))).collect();
    let event = &json!("vox.model.error");
    assert_eq!(
        told,
        [(event, json!("malformed_request")), (event, json!("too_dear")), (event, json!("unknown_model"))]
    );
    assert_eq!(turn(&records[2], "gen_ai.request.model"), "nobody/knows-it");
}

#[test]
fn a_stream_leaves_the_same_as_a_whole_answer_and_embeddings_do_too() {
    let house = House::serving(1, |_, request| {
        if request.first.contains("embeddings") {
            let usage = r#""usage":{"prompt_tokens":3,"total_tokens":3}"#;
            return whole(
                200,
                "",
                &format!(r#"{{"object":"list","data":[{{"embedding":[1]}}],"model":"e",{usage}}}"#),
            );
        }
        vec![stream_head(), piece(&chunk("hel")), piece(&chunk("lo")), piece(LAST), end()]
    });
    house.chat(&question(true));
    house.send("POST", "/v1/embeddings", "", &json!({"model": "vox/auto", "input": "hi"}).to_string());
    let records = house.records();
    assert_eq!(turn(&records[1], "gen_ai.operation.name"), "embeddings");
    let record = &records[0];
    assert_eq!(
        (turn(record, "gen_ai.response.id"), turn(record, "gen_ai.response.model")),
        (json!("c"), json!("m"))
    );
    assert_eq!(turn(record, "gen_ai.usage.output_tokens"), 2);
    assert!(turn(record, "vox.time_to_first_token_ms").is_u64());
}

#[test]
fn a_stream_that_breaks_is_an_error_with_what_came_until_then() {
    let house =
        House::serving(1, |_, _| vec![stream_head(), piece(&chunk("hel")), Step::Wait(30), Step::Cut]);
    house.chat(&question(true));
    let record = &house.records()[0];
    assert_eq!((&record["event"], turn(record, "error.type")), (&json!("vox.model.error"), json!("cut")));
    assert_eq!(turn(record, "gen_ai.response.model"), "m");
}

#[test]
fn without_a_callers_trace_the_turn_is_the_trace() {
    let (shown, record) = asked("");
    assert_eq!(trace_of(&shown), simple(&turn(&record, "vox.trace_id")));
    assert_eq!(turn(&record, "vox.interaction.id"), turn(&record, "vox.trace_id"));
    assert_ne!(turn(&record, "vox.decision.id"), turn(&record, "vox.trace_id"));
    assert_eq!(
        (turn(&record, "vox.caller_trace_id"), turn(&record, "vox.parent_span_id")),
        (Value::Null, Value::Null)
    );
    // The upstream is shown the attempt's span, which is below the turn's.
    assert_eq!(shown.header("traceparent").split('-').nth(2).unwrap(), tried(&record, 0, "vox.span_id"));
    assert_ne!(tried(&record, 0, "vox.span_id"), turn(&record, "vox.span_id"));
}

#[test]
fn a_client_that_names_the_turn_makes_the_trace() {
    let (shown, record) = asked(&format!("x-vox-interaction: {TURN}\r\n"));
    assert_eq!(trace_of(&shown), DIGITS);
    assert_eq!(
        (turn(&record, "vox.trace_id"), turn(&record, "vox.interaction.id")),
        (json!(TURN), json!(TURN))
    );
}

#[test]
fn an_id_of_another_version_says_what_belongs_together_and_is_no_trace() {
    let other = TURN.replacen("-7", "-4", 1);
    let (shown, record) = asked(&format!("x-vox-interaction: {other}\r\n"));
    assert_eq!(turn(&record, "vox.interaction.id"), other);
    assert_eq!(trace_of(&shown), simple(&turn(&record, "vox.trace_id")));
}

#[test]
fn a_callers_own_trace_goes_on_and_stands_beside_the_turn() {
    let (shown, record) = asked(&format!(
        "traceparent: 00-{CALLER}-b7ad6b7169203331-00\r\ntracestate: a=b\r\ntracestate: c=d\r\n"
    ));
    assert_eq!(trace_of(&shown), CALLER);
    assert!(shown.header("traceparent").ends_with("-00"), "what is not sampled stays so");
    assert_eq!(shown.headers.iter().filter(|(name, _)| name == "tracestate").count(), 2);
    assert_eq!(turn(&record, "vox.caller_trace_id"), CALLER);
    assert_eq!(turn(&record, "vox.caller_sampled"), false);
    assert_eq!(turn(&record, "vox.parent_span_id"), "b7ad6b7169203331");
    assert_ne!(simple(&turn(&record, "vox.trace_id")), CALLER);
}

#[test]
fn a_callers_trace_that_is_a_turn_is_this_turn() {
    let (shown, record) = asked(&format!("traceparent: 00-{DIGITS}-b7ad6b7169203331-01\r\n"));
    assert_eq!((trace_of(&shown), turn(&record, "vox.trace_id")), (DIGITS.to_owned(), json!(TURN)));
    assert_eq!(turn(&record, "vox.caller_trace_id"), Value::Null);
    assert_eq!(turn(&record, "vox.caller_sampled"), true);
}

#[test]
fn what_belongs_to_no_valid_trace_does_not_go_on() {
    let (shown, record) =
        asked(&format!("traceparent: ff-{CALLER}-b7ad6b7169203331-01\r\ntracestate: a=b\r\n"));
    assert_eq!(trace_of(&shown), simple(&turn(&record, "vox.trace_id")));
    assert_eq!(shown.header("tracestate"), "");
}

#[test]
fn a_turn_begins_when_its_body_is_there_so_that_its_times_add_up() {
    let house = answering();
    let body = question(false).to_string();
    let head =
        format!("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
    let mut stream = TcpStream::connect(house.address).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    sleep(Duration::from_millis(300));
    let sent = now_ms();
    stream.write_all(body.as_bytes()).unwrap();
    read(&mut BufReader::new(stream)).unwrap();
    let record = house.records().pop().unwrap();
    // The clocks of the process are read at different moments.
    assert!(record["startedUnixMs"].as_u64().unwrap() + 5 >= sent, "{record:#}");
}

#[test]
fn a_session_stands_in_the_line_and_one_without_a_registered_prefix_does_not() {
    let (_, record) = asked("x-vox-session: workflow:nightly\r\n");
    assert_eq!(turn(&record, "vox.session.id"), "workflow:nightly");
    for odd in ["nightly", "workflow:", "Workflow:nightly", &format!("chat:{}", "x".repeat(300))] {
        let (_, record) = asked(&format!("x-vox-session: {odd}\r\n"));
        assert_eq!(turn(&record, "vox.session.id"), Value::Null, "{odd}");
    }
}

#[test]
fn a_session_may_stand_in_metadata_and_is_counted_where_it_is_none() {
    let house = answering();
    let mut body = question(false);
    body["metadata"] = json!({"vox-session": "mcp:files"});
    house.chat(&body);
    body["metadata"] = json!({"vox-session": "files"});
    house.chat(&body);
    let metrics = house.get("/metrics").body;
    assert!(metrics.contains("vox_sidecar_sessions_unregistered_total 1"), "{metrics}");
    let records = house.records();
    let sessions: Vec<Value> = records.iter().map(|record| turn(record, "vox.session.id")).collect();
    assert_eq!(sessions, [json!("mcp:files"), Value::Null]);
}

#[test]
fn in_the_strict_profile_an_unregistered_session_is_refused() {
    let house = House::with(1, &json!({}), &["--strict-sessions", "true"], |_, _| whole(200, "", GOOD));
    let sent =
        |headers: &str| house.send("POST", "/v1/chat/completions", headers, &question(false).to_string());
    assert_eq!(sent("x-vox-session: chat:1\r\n").status(), 200);
    assert_eq!(sent("").status(), 200, "a request needs no session");
    let refused = sent("x-vox-session: nightly\r\n");
    assert_eq!(refused.status(), 400);
    assert!(refused.body.contains("workflow:"), "{}", refused.body);
    assert_eq!(house.upstreams[0].requests().len(), 2);
}

#[test]
#[should_panic(expected = "unknown attribute \"vox.prompt\" on vox.model.response")]
fn an_attribute_that_the_contract_does_not_know_is_found() {
    let (_, mut record) = asked("");
    record["attributes"]["vox.prompt"] = json!("the secret plan");
    is_of_the_contract(&record);
}
