//! `vox telemetry test --endpoint`, from the command line to a collector that answers what a test wants.

// Clippy knows test functions, not their helpers.
#![allow(clippy::unwrap_used)]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

/// A collector that answers each request so. One request a connection.
fn collector(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for wire in listener.incoming() {
            let mut wire = wire.unwrap();
            let _ = wire.read(&mut [0; 8192]).unwrap();
            wire.write_all(format!("HTTP/1.1 {answer}").as_bytes()).unwrap();
        }
    });
    endpoint
}

fn answer(status_and_headers: &str, body: &str) -> &'static str {
    let length = body.len();
    format!("{status_and_headers}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}").leak()
}

fn test(arguments: &[&str], input: &str) -> Output {
    let mut vox = Command::new(env!("CARGO_BIN_EXE_vox"));
    vox.args(["telemetry", "test"]).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut vox = vox.stderr(Stdio::piped()).spawn().unwrap();
    vox.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    vox.wait_with_output().unwrap()
}

fn said(ended: &Output) -> String {
    String::from_utf8_lossy(&ended.stdout).into_owned() + &String::from_utf8_lossy(&ended.stderr)
}

#[test]
fn a_collector_that_takes_both_is_a_success() {
    let endpoint = collector(answer("200 OK", "{}"));
    let ended = test(&["--endpoint", &endpoint], "");
    let said = said(&ended);
    assert_eq!(ended.status.code(), Some(0), "{said}");
    assert!(said.contains("traces    accepted by") && said.contains("of trace "), "{said}");
    let ended = test(&["--endpoint", &endpoint, "-o", "json"], "");
    let report: serde_json::Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!((&report["traces"]["accepted"], &report["metrics"]["accepted"]), (&true.into(), &true.into()));
}

#[test]
fn what_stands_in_the_way_is_told_with_status_one() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let partial = "{\"partialSuccess\":{\"rejectedSpans\":\"1\",\"errorMessage\":\"too old\"}}";
    for (endpoint, words) in [
        (format!("http://{closed}"), "nothing listens there"),
        (collector(answer("401 Unauthorized", "")), "give it the header that it asks for"),
        (collector(answer("404 Not Found", "")), "/v1/traces and /v1/metrics are appended"),
        (collector(answer("200 OK", partial)), "too old"),
        (collector(answer("200 OK", "<html>")), "no OTLP receiver"),
    ] {
        let ended = test(&["--endpoint", &endpoint], "");
        let said = said(&ended);
        assert_eq!(ended.status.code(), Some(1), "{said}");
        assert!(said.contains(words) && said.contains("NOT accepted"), "{words}: {said}");
    }
}

#[test]
fn headers_come_from_the_standard_input_and_are_not_told() {
    let refusal = answer("403 Forbidden", "{\"message\":\"no tenant for Bearer the-secret-token\"}");
    let ended = test(
        &["--endpoint", &collector(refusal), "--headers", "-"],
        "authorization: Bearer the-secret-token\n",
    );
    let said = said(&ended);
    assert!(said.contains("no tenant for") && !said.contains("the-secret-token"), "{said}");
}

#[test]
fn the_url_of_one_signal_is_a_wrong_argument() {
    let ended = test(&["--endpoint", "http://collector:4318/v1/traces"], "");
    let said = said(&ended);
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(said.contains("write the base URL"), "{said}");
}
