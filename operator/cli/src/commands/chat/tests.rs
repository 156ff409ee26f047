//! Conversations with a gateway on loopback.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::args::GatewayArgs;

const DECISION: &str = "01980000-0000-7000-8000-000000000000";

/// Serves each request with the next of these answers, byte for byte, and keeps what was asked.
async fn gateway(answers: Vec<String>) -> (Gateway, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&asked);
    tokio::spawn(async move {
        for answer in answers {
            let (mut wire, _) = listener.accept().await.unwrap();
            let mut request = String::new();
            let mut buffer = vec![0; 65_536];
            // A head and, with a length, its body.
            loop {
                let read = wire.read(&mut buffer).await.unwrap();
                request.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
                let Some((head, body)) = request.split_once("\r\n\r\n") else { continue };
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                    break;
                }
            }
            kept.lock().unwrap().push(request);
            wire.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (Gateway::at(&at).unwrap(), asked)
}

fn stream(events: &[&str]) -> String {
    let body: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-vox-model: hub/one\r\nx-vox-decision: {DECISION}\r\n\
         x-vox-attempts: 2\r\nx-vox-policy: lab@3\r\nconnection: close\r\n\r\n{body}"
    )
}

fn json(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn piece(text: &str) -> String {
    format!(r#"{{"choices":[{{"index":0,"delta":{{"content":"{text}"}}}}]}}"#)
}

fn args(hints: HintArgs) -> ChatArgs {
    // Not streamed: the answer goes to the tests' own output, whole.
    ChatArgs { prompt: None, hints, gateway: GatewayArgs::default(), no_stream: true }
}

fn remembered() -> String {
    let record = r#"{"record":{"startedUnixMs":1,"attributes":{"vox.trace_id":"t","vox.latency_ms":2,"vox.outcome":"answered","vox.client.status_code":200,"vox.cost_usd":"0.002"},"attempts":[]}}"#;
    json("200 OK", record)
}

#[tokio::test]
async fn an_answer_is_put_together_from_its_pieces_and_stays_in_the_conversation() {
    let usage = r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#;
    let first = stream(&[&piece("to the "), &piece("left"), usage, "[DONE]"]);
    let (gateway, asked) =
        gateway(vec![first, remembered(), stream(&[&piece("yes"), "[DONE]"]), remembered()]).await;
    let args = args(HintArgs {
        max_usd: "0.10".parse().ok(),
        category: "chat".parse().ok(),
        complexity: Some(9),
        system: Some("be brief".to_owned()),
        ..HintArgs::default()
    });
    let mut chat = Chat::new(&gateway, &args, Format::Table).unwrap();
    let end = chat.ask("where").await.unwrap();
    assert!(matches!(&end, End::Answered(text) if text == "to the left"), "{end:?}");
    chat.ask("sure").await.unwrap();

    let asked = asked.lock().unwrap();
    for header in ["x-vox-max-usd: 0.1\r\n", "x-vox-category: chat\r\n", "x-vox-complexity: 9\r\n"] {
        assert!(asked[0].contains(header), "{}", asked[0]);
    }
    assert!(asked[1].starts_with(&format!("GET /vox/v1/explain/{DECISION} ")), "{}", asked[1]);
    let body: Value = serde_json::from_str(asked[2].split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!((&body["model"], &body["stream"]), (&json!("vox/auto"), &json!(true)));
    let said: Vec<_> =
        body["messages"].as_array().unwrap().iter().map(|one| one["content"].clone()).collect();
    assert_eq!(said, ["be brief", "where", "to the left", "sure"]);
}

#[tokio::test]
async fn a_refusal_is_told_with_its_code_and_page_and_leaves_no_trace_in_the_conversation() {
    let body =
        r#"{"error":{"message":"no model may serve this request for at most USD 0.1","code":"too_dear"}}"#;
    let (gateway, _) = gateway(vec![json("402 Payment Required", body)]).await;
    let args = args(HintArgs::default());
    let mut chat = Chat::new(&gateway, &args, Format::Table).unwrap();
    let error = chat.ask("where").await.unwrap_err();
    assert_eq!(error.exit(), Exit::No);
    assert_eq!(
        error.to_string(),
        "the gateway says: no model may serve this request for at most USD 0.1 (too_dear); see docs/errors/too_dear.md"
    );
    assert!(chat.messages.is_empty());
}

async fn broken(events: &[&str]) -> Answer {
    let (gateway, _) = gateway(vec![stream(events)]).await;
    let response =
        gateway.send(Method::POST, "/v1/chat/completions", HeaderMap::new(), Bytes::new()).await.unwrap();
    Receiver::new(false).read(response.into_body()).await.unwrap()
}

#[tokio::test]
async fn a_stream_that_ends_without_its_mark_is_an_answer_that_broke_off() {
    let answer = broken(&[&piece("to the")]).await;
    assert_eq!(answer.text, "to the");
    assert_eq!(answer.broken.as_deref(), Some("the stream ended without its last event"));
}

#[tokio::test]
async fn a_stream_that_the_gateway_breaks_off_says_why() {
    let event = r#"{"error":{"message":"the upstream was silent for 60s","code":"all_attempts_failed"}}"#;
    let answer = broken(&[&piece("to"), event]).await;
    assert_eq!(answer.text, "to");
    assert_eq!(
        answer.broken.as_deref(),
        Some("the upstream was silent for 60s (all_attempts_failed); see docs/errors/all_attempts_failed.md")
    );
}

#[tokio::test]
async fn a_broken_answer_does_not_stay_in_the_conversation() {
    let (gateway, _) = gateway(vec![stream(&[&piece("to")]), remembered()]).await;
    let args = args(HintArgs::default());
    let mut chat = Chat::new(&gateway, &args, Format::Table).unwrap();
    assert!(matches!(chat.ask("where").await.unwrap(), End::Cut));
    assert!(chat.messages.is_empty());
}

#[tokio::test]
async fn a_gateway_that_is_not_there_is_named_with_what_to_do() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = Gateway::at(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    let args = args(HintArgs::default());
    let error = Chat::new(&gateway, &args, Format::Table).unwrap().ask("where").await.unwrap_err();
    assert_eq!(error.exit(), Exit::Unreachable);
    assert!(error.to_string().contains("kubectl port-forward"), "{error}");
}

#[test]
fn the_line_below_an_answer_says_who_answered_and_for_how_much() {
    let facts = Facts {
        model: Some("hub/one".to_owned()),
        decision: Some(DECISION.to_owned()),
        policy: None,
        attempts: Some("2".to_owned()),
    };
    assert_eq!(facts.line(None), format!("[hub/one, cost unknown, 2 attempts, decision {DECISION}]"));
    let record: Call = serde_json::from_value(json!({
        "startedUnixMs": 1, "attempts": [],
        "attributes": { "vox.trace_id": "t", "vox.latency_ms": 2, "vox.outcome": "answered", "vox.cost_usd": "0.002" },
    }))
    .unwrap();
    assert!(facts.line(Some(&record)).contains("USD 0.002"));
}
