//! Requests that are none, and HTTP as it is really spoken.

use std::io::{BufReader, Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::fake::{GOOD, Message, read, whole};
use crate::house::{House, question};

const CHAT: &str = "/v1/chat/completions";

fn answering() -> House {
    House::serving(1, |_, _| whole(200, "", GOOD))
}

/// Sends these bytes on a connection of its own, and reads one answer.
fn raw(house: &House, bytes: &[u8]) -> Message {
    let mut stream = TcpStream::connect(house.address).unwrap();
    stream.write_all(bytes).unwrap();
    read(&mut BufReader::new(stream)).unwrap()
}

fn post(house: &House, path: &str, headers: &str, body: &[u8]) -> Message {
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    raw(house, &[head.as_bytes(), body].concat())
}

/// An error of the client's own dialect, with its code, a sentence, and the decision in both places.
fn is_told(answer: &Message, path: &str, status: u16, code: &str, what: &str) {
    let told = answer.json();
    assert_eq!((answer.status(), &told["error"]["code"]), (status, &json!(code)), "{what}: {told}");
    assert!(told["error"]["message"].as_str().is_some_and(|text| text.len() > 20), "{what}: {told}");
    let messages = path == "/v1/messages";
    let id = if messages { &told["request_id"] } else { &told["error"]["decision_id"] };
    assert_eq!(id, answer.header("x-vox-decision"), "{what}: {told}");
    assert_eq!(answer.header("x-vox-decision").len(), 36, "{what}");
    assert_eq!(told.get("type").is_some_and(|kind| kind == "error"), messages, "{what}: {told}");
    assert!(answer.body.len() < 1000, "{what}: {}", answer.body.len());
}

#[test]
fn what_is_no_request_is_told_in_the_clients_dialect_with_the_decision() {
    let house = answering();
    let messages = r#""messages":[{"role":"user","content":"hi"}]"#;
    let deep = format!(r#"{{{messages},"x":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    let unclosed = format!(r#"{{{messages},"x":{}"#, "{\"a\":".repeat(10_000));
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("no end", br#"{"model":"#.to_vec()),
        ("a list", b"[]".to_vec()),
        ("a text", b"\"hi\"".to_vec()),
        ("html", b"<html>".to_vec()),
        ("more behind it", format!("{{{messages}}} x").into_bytes()),
        ("no messages", br#"{"model":"vox/auto"}"#.to_vec()),
        ("messages null", br#"{"messages":null}"#.to_vec()),
        ("messages a text", br#"{"messages":"hi"}"#.to_vec()),
        ("model a number", format!(r#"{{"model":7,{messages}}}"#).into_bytes()),
        ("model a list", format!(r#"{{"model":["a"],{messages}}}"#).into_bytes()),
        ("model twice", format!(r#"{{"model":"a","model":"vox/auto",{messages}}}"#).into_bytes()),
        ("model twice, once escaped", format!(r#"{{"model":"a","mod\u0065l":"b",{messages}}}"#).into_bytes()),
        ("stream twice", format!(r#"{{"stream":true,"stream":false,{messages}}}"#).into_bytes()),
        ("messages twice", format!(r#"{{{messages},{messages}}}"#).into_bytes()),
        ("n twice", format!(r#"{{"n":1,"n":100,{messages}}}"#).into_bytes()),
        ("stream a text", format!(r#"{{"stream":"yes",{messages}}}"#).into_bytes()),
        ("a lone surrogate", format!(r#"{{"model":"\ud800",{messages}}}"#).into_bytes()),
        ("10,000 levels", deep.into_bytes()),
        ("10,000 levels without an end", unclosed.into_bytes()),
        ("no UTF-8", [format!(r#"{{{messages},"x":""#).as_bytes(), b"\xff\xfe\"}"].concat()),
        ("a byte order mark", [b"\xef\xbb\xbf", format!("{{{messages}}}").as_bytes()].concat()),
        ("UTF-16", "{\"messages\":[]}".encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("a NUL in a text", format!("{{{messages},\"x\":\"a\0b\"}}").into_bytes()),
        ("a NUL behind it", format!("{{{messages}}}\0").into_bytes()),
        ("1e400 tokens", format!(r#"{{"max_tokens":1e400,{messages}}}"#).into_bytes()),
        (
            "more tokens than there are",
            format!(r#"{{"max_tokens":99999999999999999999,{messages}}}"#).into_bytes(),
        ),
        ("tokens in words", format!(r#"{{"max_tokens":"many",{messages}}}"#).into_bytes()),
    ];
    for (what, body) in bodies {
        for path in [CHAT, "/v1/messages"] {
            if what.starts_with('n') && what.ends_with("twice") && path != CHAT {
                continue;
            }
            is_told(&post(&house, path, "", &body), path, 400, "malformed_request", what);
        }
    }
    assert_eq!(house.calls(), 0);
}

#[test]
fn odd_numbers_and_unknown_parts_are_for_the_upstream_to_judge() {
    let house = answering();
    let messages = r#""messages":[{"role":"user","content":[{"type":"hologram","x":1}]}]"#;
    for members in [
        r#""max_tokens":-1"#,
        r#""max_tokens":0"#,
        r#""max_tokens":null"#,
        r#""n":2"#,
        r#""model":null"#,
        r#""model":"""#,
        r#""service_tier":"default""#,
        r#""provider":null"#,
    ] {
        let answer = post(&house, CHAT, "", format!("{{{members},{messages}}}").as_bytes());
        assert_eq!(answer.status(), 200, "{members}: {answer:?}");
    }
    let asked = house.upstreams[0].requests();
    assert!(asked[0].body.contains("\"max_tokens\":-1") && asked[0].body.contains("hologram"));
    assert!(asked[4].body.contains("\"model\":\"model-a\""), "{}", asked[4].body);
}

#[test]
fn an_unknown_part_that_cannot_be_translated_is_named() {
    let house = House::speaking("anthropic-messages", &[], |_, _| whole(200, "", GOOD));
    let body = br#"{"messages":[{"role":"user","content":[{"type":"hologram","x":1}]}]}"#;
    let answer = post(&house, CHAT, "", body);
    is_told(&answer, CHAT, 400, "malformed_request", "a hologram");
    assert!(answer.body.contains("/messages/0/content/0"), "{}", answer.body);
    assert_eq!(house.calls(), 0);
}

#[test]
fn a_request_that_no_model_could_take_is_the_clients_mistake() {
    let house = answering();
    let mut body = question(false);
    body["messages"][0]["content"] = json!("x".repeat(1 << 20));
    for path in [CHAT, "/v1/messages"] {
        let answer = post(&house, path, "", body.to_string().as_bytes());
        is_told(&answer, path, 400, "context_length_exceeded", "no model takes as much");
        assert!(answer.body.contains("more than 200000"), "{}", answer.body);
    }
    assert_eq!(house.calls(), 0);
}

#[test]
fn refusals_are_told_in_the_clients_dialect_with_the_decision() {
    let down = House::serving(1, |_, _| whole(500, "", ""));
    let full = House::with(1, &json!({"budget": {"perDay": "0.000001"}}), &[], |_, _| whole(200, "", GOOD));
    let house = House::with(1, &json!({}), &["--max-body", "1KiB"], |_, _| whole(200, "", GOOD));
    for path in [CHAT, "/v1/messages"] {
        let mut body = question(false);
        body["max_tokens"] = json!(100);
        let plain = body.to_string();
        let with = |name: &str, value: Value| {
            let mut body = body.clone();
            body[name] = value;
            body.to_string()
        };
        let told = |house: &House, headers: &str, body: &str, status, code| {
            is_told(&post(house, path, headers, body.as_bytes()), path, status, code, code);
        };
        told(&house, "", &with("model", json!("no-such")), 404, "unknown_model");
        told(&house, "", &with("model", json!("vox/no-such")), 404, "unknown_model");
        for member in ["models", "route", "provider", "plugins", "preset", "service_tier", "speed"] {
            told(&house, "", &with(member, json!("priority")), 400, "malformed_request");
        }
        told(&house, "x-vox-category: cooking\r\n", &plain, 400, "malformed_request");
        told(&house, "x-vox-complexity: 99\r\n", &plain, 400, "malformed_request");
        told(&house, "", &with("x", json!("x".repeat(2000))), 413, "body_too_large");
        told(&house, "content-encoding: gzip\r\n", &plain, 415, "unsupported_encoding");
        told(&house, "x-vox-max-usd: 0.0000001\r\n", &plain, 402, "too_dear");
        told(&full, "", &plain, 402, "too_dear");
        told(&down, "", &plain, 502, "all_attempts_failed");
    }
    for _ in 0..5 {
        down.ask();
    }
    is_told(
        &post(&down, CHAT, "", question(false).to_string().as_bytes()),
        CHAT,
        503,
        "no_candidate",
        "ejected",
    );
}

#[test]
fn http_is_understood_as_clients_speak_it() {
    let house = answering();
    let body = question(false).to_string();
    let length = body.len();
    let chunked = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n",
        &body[..5],
        length - 5,
        &body[5..]
    );
    let cases = [
        ("chunks", chunked),
        ("HTTP/1.0", format!("POST {CHAT} HTTP/1.0\r\ncontent-length: {length}\r\n\r\n{body}")),
        ("a slash", format!("POST {CHAT}/ HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}")),
        (
            "a query",
            format!("POST {CHAT}?beta=true HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}"),
        ),
        (
            "a whole URL",
            format!("POST http://x{CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}"),
        ),
        (
            "identity",
            format!(
                "POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-encoding: identity\r\ncontent-length: {length}\r\n\r\n{body}"
            ),
        ),
        (
            "no media type",
            format!(
                "POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\n\r\n{body}"
            ),
        ),
    ];
    for (what, request) in cases {
        let answer = raw(&house, request.as_bytes());
        assert_eq!((answer.status(), answer.body.as_str()), (200, GOOD), "{what}: {answer:?}");
    }
    let messages = "/v1/messages?beta=true";
    assert_eq!(post(&house, messages, "", body.as_bytes()).status(), 200);
    for (method, path, status) in [("OPTIONS", CHAT, 405), ("HEAD", CHAT, 405), ("HEAD", "/v1/models", 200)] {
        let answer = raw(
            &house,
            format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes(),
        );
        assert_eq!(answer.status(), status, "{method} {path}");
    }
    let nonsense = raw(
        &house,
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n{}",
    );
    assert_eq!(nonsense.status(), 400);
}

#[test]
fn requests_one_behind_the_other_are_answered_in_their_order() {
    let house = answering();
    let body = question(false).to_string();
    let one = format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let mut stream = TcpStream::connect(house.address).unwrap();
    let two = format!("GET /v1/models/nobody HTTP/1.1\r\nhost: x\r\n\r\n{one}");
    stream.write_all(format!("{one}{two}").as_bytes()).unwrap();
    let mut reader = BufReader::new(stream);
    let statuses: Vec<u16> = (0..3).map(|_| read(&mut reader).unwrap().status()).collect();
    assert_eq!(statuses, [200, 404, 200]);
}

#[test]
fn a_client_that_asks_first_is_told_to_go_on() {
    let house = answering();
    let body = question(false).to_string();
    let mut stream = TcpStream::connect(house.address).unwrap();
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(body.as_bytes()).unwrap();
    assert_eq!(read(&mut BufReader::new(stream)).unwrap().status(), 200);
}
