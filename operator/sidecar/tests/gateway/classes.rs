//! Each kind of failure is tried elsewhere and named, in the record and in the explanation.

use std::io::{BufReader, Read as _};
use std::net::TcpListener;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::fake::{GOOD, LAST, Message, Step, Upstream, chunk, end, piece, read, stream_head, whole};
use crate::house::{House, deployment, ended, folder, put, question, snapshot, tried, turn, until, upstream};

fn said(status: u16, headers: &str, message: &str) -> Vec<Step> {
    whole(status, headers, &format!("{{\"error\":{{\"message\":{message:?}}}}}"))
}

/// What an upstream does in place of an answer, and the class of it.
fn faults() -> Vec<(&'static str, Vec<Step>)> {
    let cut = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{\"id\"";
    vec![
        ("timeout", said(408, "", "m")),
        ("conflict", said(409, "", "m")),
        ("too_early", said(425, "", "m")),
        ("rate_limited", said(429, "", "m")),
        ("rate_limited", said(429, "retry-after: 7\r\n", "m")),
        ("rate_limited", said(429, "retry-after: Fri, 31 Dec 2999 23:59:59 GMT\r\n", "m")),
        ("quota", whole(429, "", r#"{"error":{"message":"m","code":"insufficient_quota"}}"#)),
        ("server", said(500, "", "m")),
        ("server", whole(502, "", "<html>Bad Gateway</html>")),
        ("overloaded", said(503, "", "m")),
        ("overloaded", said(503, "retry-after: 7\r\n", "m")),
        ("server", said(504, "", "m")),
        ("server", whole(524, "", "")),
        ("overloaded", whole(529, "", "")),
        ("server", said(400, "", "Provider returned error")),
        ("server", whole(400, "", r#"{"error":{"message":"m","type":"server_error"}}"#)),
        (
            "overloaded",
            whole(400, "", r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#),
        ),
        ("rate_limited", whole(413, "", r#"{"error":{"message":"m","code":"rate_limit_exceeded"}}"#)),
        ("context_too_long", said(400, "", "the prompt is too long")),
        ("upstream_error_in_200", said(200, "", "m")),
        ("server", whole(200, "", r#"{"error":{"message":"m","code":500}}"#)),
        ("empty", whole(200, "", "")),
        ("empty", whole(200, "", r#"{"choices":[]}"#)),
        ("malformed", whole(200, "", "<html>")),
        ("malformed", whole(200, "", "{\"choices\":[{\"ind")),
        ("malformed", whole(302, "location: /\r\n", "")),
        ("cut", vec![Step::Send(cut.as_bytes().to_vec()), Step::Cut]),
        ("no_answer", vec![Step::Cut]),
        ("no_answer", vec![Step::Send(b"SSH-2.0-OpenSSH\r\n".to_vec()), Step::Cut]),
    ]
}

/// The attempts of a decision, as `explain` tells them.
fn explained(house: &House, answer: &Message) -> Vec<Value> {
    let told = house.get(&format!("/vox/v1/explain/{}", answer.header("x-vox-decision"))).json();
    told["record"]["attempts"].as_array().unwrap_or(&Vec::new()).clone()
}

/// The first attempt failed in this way, and the second one answered.
fn named(house: House, answer: &Message, class: &str) {
    let told = explained(&house, answer);
    let classes: Vec<_> = (0..told.len()).map(|number| ended(&json!({ "attempts": told }), number)).collect();
    assert_eq!(classes, [json!(class), json!("ok")]);
    let record = &house.records()[0];
    assert_eq!(record["attempts"].as_array(), Some(&told));
    assert_eq!(turn(record, "vox.outcome"), "answered");
}

#[test]
fn every_failure_of_a_whole_answer_is_tried_elsewhere_and_named() {
    for (class, fault) in faults() {
        let what = format!("{class}: {fault:?}");
        let script =
            move |number, _: &Message| if number == 0 { fault.clone() } else { whole(200, "", GOOD) };
        let house = House::serving(2, script);
        let answer = house.ask();
        assert_eq!((answer.status(), answer.body.as_str()), (200, GOOD), "{what}");
        assert_eq!(answer.header("x-vox-attempts"), "2");
        named(house, &answer, class);
    }
}

#[test]
fn every_failure_in_place_of_a_stream_is_tried_elsewhere_and_named() {
    let role = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
    let mut all = faults();
    // Answers in place of streams are read by what they say; an empty or broken one is none.
    all.retain(|(_, fault)| !format!("{fault:?}").contains("200, 79"));
    all.extend([
        ("header_timeout", vec![Step::Wait(5000)]),
        ("first_token_timeout", vec![stream_head(), piece(role), Step::Wait(5000)]),
        ("first_token_timeout", vec![stream_head(), piece(": alive\n\n"), Step::Wait(5000)]),
        ("cut", vec![stream_head(), piece(role), Step::Cut]),
        ("cut", vec![stream_head(), Step::Cut]),
        ("cut", vec![stream_head(), end()]),
        ("cut", vec![stream_head(), piece(role), end()]),
        ("empty", vec![stream_head(), piece(role), piece("data: [DONE]\n\n"), end()]),
        ("malformed", vec![stream_head(), piece("data: {\"choices\":[{\n\n"), end()]),
        (
            "server",
            vec![stream_head(), piece("data: {\"error\":{\"message\":\"m\",\"code\":502}}\n\n"), end()],
        ),
        ("malformed", whole(200, "", GOOD)),
    ]);
    for (class, fault) in all {
        let what = format!("{class}: {fault:?}");
        let good = vec![stream_head(), piece(&chunk("hello")), piece(LAST), end()];
        let script = move |number, _: &Message| if number == 0 { fault.clone() } else { good.clone() };
        let more = ["--header-timeout", "700ms", "--first-token-timeout", "700ms"];
        let house = House::with(2, &json!({}), &more, script);
        let mut asked = question(true);
        asked["stream_options"] = json!({"include_usage": true});
        let answer = house.chat(&asked);
        assert_eq!(answer.body, format!("{}{LAST}", chunk("hello")), "{what}");
        named(house, &answer, class);
    }
}

#[test]
fn a_whole_answer_that_does_not_come_is_tried_elsewhere_while_its_client_still_waits() {
    let script =
        |number, _: &Message| if number == 0 { vec![Step::Wait(10_000)] } else { whole(200, "", GOOD) };
    let house = House::with(2, &json!({}), &["--header-timeout", "200ms"], script);
    let waits = "x-stainless-read-timeout: 3.0\r\n";
    let answer = house.send("POST", "/v1/chat/completions", waits, &question(false).to_string());
    assert_eq!((answer.status(), answer.body.as_str()), (200, GOOD));
    named(house, &answer, "answer_timeout");
}

#[test]
fn the_time_of_all_attempts_ends_with_the_clients() {
    for stream in [false, true] {
        let house = House::with(1, &json!({}), &[], |_, _| vec![Step::Wait(20_000)]);
        let body = question(stream).to_string();
        let answer = house.send("POST", "/v1/chat/completions", "x-stainless-timeout: 1\r\n", &body);
        assert_eq!(answer.status(), 504, "{answer:?}");
        let record = &house.records()[0];
        assert_eq!(ended(record, 0), "total_timeout");
        assert!(tried(record, 0, "vox.assumed_cost_usd").is_string(), "{record:#}");
    }
}

/// Two upstreams of which the one that is asked first is at this URL, and the other one answers.
fn beside(url: &str) -> House {
    let good = Upstream::start(&Arc::default(), |_, _| whole(200, "", GOOD));
    let folder = folder();
    let file = folder.join("snapshot.json");
    let specs = |first: &str, second: &str| vec![upstream("up0", first, None), upstream("up1", second, None)];
    put(&file, &snapshot(1, specs(&good.url(), &good.url()), &json!({})).write().unwrap());
    let file_name = file.display().to_string();
    let mut house = House::open(folder, &["--snapshot", &file_name]);
    house.until_ready();
    let decided = house.send("POST", "/vox/v1/decide", "", &question(false).to_string()).json();
    let first = decided["decided"]["picks"][0]["deployment"] == deployment("up0").id.as_str();
    let specs = if first { specs(url, &good.url()) } else { specs(&good.url(), url) };
    put(&file, &snapshot(2, specs, &json!({})).write().unwrap());
    until("the new snapshot", || house.get("/metrics").body.contains("vox_sidecar_snapshot_version 2"));
    house.upstreams = vec![good];
    house
}

#[test]
fn connections_that_cannot_be_made_are_tried_elsewhere_and_named() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let plain = Upstream::start(&Arc::default(), |_, _| whole(400, "", ""));
    for (class, url) in [
        ("connect", format!("http://{closed}/v1")),
        // A label that is too long has no address, whatever the resolver.
        ("dns", format!("http://{}.example/v1", "a".repeat(70))),
        ("tls", format!("https://{}/v1", plain.address)),
        ("connect_timeout", format!("https://{}/v1", silent.local_addr().unwrap())),
    ] {
        let house = beside(&url);
        let answer = house.ask();
        assert_eq!((answer.status(), answer.body.as_str()), (200, GOOD), "{class}");
        named(house, &answer, class);
    }
}

#[test]
fn the_clients_own_mistakes_are_returned_at_once_in_its_own_dialect() {
    let body = json!({"model": "vox/auto", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
    for status in [400, 413, 422] {
        for (route, path) in [
            ("openai-compatible", "/v1/chat/completions"),
            ("openai-compatible", "/v1/messages"),
            ("anthropic-messages", "/v1/chat/completions"),
            ("anthropic-messages", "/v1/messages"),
            ("gemini", "/v1/chat/completions"),
        ] {
            let error = match route {
                "openai-compatible" => {
                    json!({"error": {"message": "no such member", "type": "invalid_request_error"}})
                }
                "gemini" => {
                    json!({"error": {"code": status, "message": "no such member", "status": "INVALID_ARGUMENT"}})
                }
                _ => {
                    json!({"type": "error", "error": {"type": "invalid_request_error", "message": "no such member"}})
                }
            };
            let house = House::speaking(route, &[], move |_, _| whole(status, "", &error.to_string()));
            let answer = house.send("POST", path, "", &body.to_string());
            assert_eq!(answer.status(), status, "{route} {path}");
            let told = answer.json();
            assert_eq!(told["error"]["message"], "no such member", "{route} {path}");
            assert_eq!(
                told.get("type").is_some_and(|kind| kind == "error"),
                path == "/v1/messages",
                "{told}"
            );
            assert_eq!((house.calls(), turn(&house.records()[0], "vox.outcome")), (1, json!("clientError")));
        }
    }
}

#[test]
fn who_says_that_it_is_full_is_not_asked_again_at_once() {
    let house = House::serving(1, |_, _| whole(503, "", r#"{"error":"server busy, please try again"}"#));
    let answer = house.ask();
    assert_eq!(answer.status(), 503, "{answer:?}");
    let next = house.ask();
    assert!(next.body.contains("AtCapacity"), "{}", next.body);
    assert_eq!(house.calls(), 1);
}

#[test]
fn an_attempt_that_its_client_left_before_an_answer_is_written_down_with_what_it_may_cost() {
    let house = House::serving(1, |_, _| vec![Step::Wait(15_000)]);
    let client = house.connect("POST", "/v1/chat/completions", "", &question(false).to_string());
    until("it is asked", || house.calls() == 1);
    drop(client);
    until("nothing is under way", || house.get("/metrics").body.contains("vox_sidecar_in_flight 0"));
    let record = &house.records()[0];
    assert_eq!(turn(record, "vox.outcome"), "cancelled");
    assert_eq!(
        (&ended(record, 0), &tried(record, 0, "vox.deployment")),
        (&json!("cancelled"), &json!("up0/model-a"))
    );
    assert!(tried(record, 0, "vox.assumed_cost_usd").is_string(), "{record:#}");
}

#[test]
fn a_mistake_that_only_one_of_two_found_is_no_mistake_of_the_clients() {
    let script = |number, _: &Message| match number {
        0 => whole(500, "", ""),
        _ => said(400, "", "the prompt is too long"),
    };
    let answer = House::serving(2, script).ask();
    assert_eq!(
        (answer.status(), answer.json()["error"]["code"].clone()),
        (502, json!("all_attempts_failed"))
    );
}

/// After its first token a stream that fails ends with an error of the client's dialect.
fn ends_with_an_error(route: &str, path: &str, begun: &str, fault: Vec<Step>, class: &str) {
    let mut steps = vec![stream_head(), piece(begun), Step::Wait(30)];
    steps.extend(fault);
    let house = House::speaking(route, &["--idle-timeout", "400ms"], move |_, _| steps.clone());
    let body = json!({
        "model": "vox/auto", "max_tokens": 50, "stream": true, "messages": [{"role": "user", "content": "hi"}],
    });
    let answer = house.send("POST", path, "", &body.to_string());
    let what = format!("{route} {path} {class}: {}", answer.body);
    assert!(!answer.body.contains("[DONE]") && !answer.body.contains("message_stop"), "{what}");
    let last = answer.body.trim_end().rsplit("\n\n").next().unwrap();
    assert_eq!(last.starts_with("event: error\n"), path == "/v1/messages", "{what}");
    let data: Value = serde_json::from_str(last.rsplit("data: ").next().unwrap()).unwrap();
    assert!(data["error"]["message"].is_string(), "{what}");
    assert_eq!(data.get("type").is_some_and(|kind| kind == "error"), path == "/v1/messages", "{what}");
    let record = &house.records()[0];
    assert_eq!((&turn(record, "vox.outcome"), &ended(record, 0)), (&json!("cut"), &json!(class)), "{what}");
    assert!(tried(record, 0, "vox.assumed_cost_usd").is_string(), "{record:#}");
}

#[test]
fn whatever_happens_after_the_first_token_the_client_is_told_in_its_own_dialect() {
    let chat = chunk("he");
    let messages = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"model\":\"m\",\
        \"content\":[],\"usage\":{\"input_tokens\":7}}}\n\nevent: content_block_start\ndata: {\"type\":\
        \"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\nevent: \
        content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\
        \"text\":\"he\"}}\n\n";
    let overloaded = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"}}\n\n";
    let broken = "data: {\"error\":{\"message\":\"m\",\"code\":502}}\n\n";
    for path in ["/v1/chat/completions", "/v1/messages"] {
        for (route, begun, error, class) in [
            ("openai-compatible", chat.as_str(), broken, "server"),
            ("anthropic-messages", messages, overloaded, "overloaded"),
        ] {
            let event = vec![piece(error), end()];
            for (class, fault) in [
                ("cut", vec![Step::Cut]),
                ("cut", vec![piece("data: {\"cho"), Step::Wait(30), Step::Cut]),
                ("cut", vec![end()]),
                ("idle_timeout", vec![Step::Wait(5000)]),
                (class, event),
            ] {
                ends_with_an_error(route, path, begun, fault, class);
            }
        }
    }
}

#[test]
fn a_client_that_goes_away_in_a_stream_leaves_a_record_with_what_it_may_cost() {
    let steps = || {
        let pieces = (0..400).flat_map(|_| [piece(&chunk("x")), Step::Wait(50)]);
        [stream_head()].into_iter().chain(pieces).collect::<Vec<_>>()
    };
    let house = House::serving(1, move |_, _| steps());
    let mut client = house.connect("POST", "/v1/chat/completions", "", &question(true).to_string());
    client.read_exact(&mut [0; 400]).unwrap();
    drop(client);
    until("nothing is under way", || house.get("/metrics").body.contains("vox_sidecar_in_flight 0"));
    let record = &house.records()[0];
    assert_eq!(ended(record, 0), "cancelled");
    assert!(tried(record, 0, "vox.assumed_cost_usd").is_string(), "{record:#}");
}

#[test]
fn a_limited_lone_upstream_is_asked_again_when_it_said() {
    let script = |number, _: &Message| match number {
        0 => said(429, "retry-after: 1\r\n", "slow down"),
        _ => whole(200, "", GOOD),
    };
    let house = House::serving(1, script);
    let mut stream =
        BufReader::new(house.connect("POST", "/v1/chat/completions", "", &question(false).to_string()));
    let answer = read(&mut stream).unwrap();
    assert_eq!((answer.status(), answer.header("retry-after")), (429, "1"));
    until("it is asked again", || house.ask().status() == 200);
    assert_eq!(house.calls(), 2);
}
