//! What a client can make the sidecar keep, and for how long.

use std::io::{BufReader, Write as _};
use std::net::TcpStream;
use std::sync::atomic::Ordering::SeqCst;

use serde_json::{Value, json};

use crate::fake::{GOOD, Message, Step, chunk, piece, read, stream_head, whole};
use crate::house::{House, question, until};

fn answering(more: &[&str]) -> House {
    House::with(1, &json!({}), more, |_, _| whole(200, "", GOOD))
}

/// A question of about so many bytes, none of which are tokens.
fn long(bytes: usize) -> Value {
    let url = format!("data:image/png;base64,{}", "A".repeat(bytes));
    json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]})
}

fn code(answer: &Message) -> Value {
    answer.json()["error"]["code"].clone()
}

#[test]
fn a_name_that_is_too_long_is_refused_and_quoted_only_in_part() {
    let house = answering(&[]);
    let mut body = question(false);
    body["model"] = json!("x".repeat(5 << 20));
    let answer = house.chat(&body);
    assert_eq!((answer.status(), code(&answer)), (404, json!("unknown_model")));
    assert!(answer.body.len() < 1000, "{} bytes", answer.body.len());
    let mut body = question(false);
    body["metadata"] = json!({"vox-family": "x".repeat(5 << 20)});
    let answer = house.chat(&body);
    assert_eq!((answer.status(), answer.body.len() < 1000), (400, true));
    assert_eq!(house.calls(), 0);
}

#[test]
fn a_member_with_a_long_name_is_quoted_only_in_part() {
    let house = House::speaking("anthropic-messages", &[], |_, _| whole(200, "", GOOD));
    let mut body = question(false);
    body["y".repeat(3 << 20)] = json!(1);
    let answer = house.chat(&body);
    assert_eq!((answer.status(), answer.body.len() < 1000), (400, true), "{}", answer.body.len());
    let feedback = json!({"y".repeat(3 << 20): 1}).to_string();
    let answer = house.send("POST", "/vox/v1/feedback", "", &feedback);
    assert_eq!((answer.status(), answer.body.len() < 2000), (400, true), "{}", answer.body.len());
}

#[test]
fn the_bytes_of_bodies_under_way_are_bounded() {
    let house =
        House::with(1, &json!({}), &["--max-body", "1MiB", "--max-in-flight-bytes", "1MiB"], |number, _| {
            if number == 0 {
                [vec![Step::Wait(4000)], whole(200, "", GOOD)].concat()
            } else {
                whole(200, "", GOOD)
            }
        });
    let first = house.connect("POST", "/v1/chat/completions", "", &long(900_000).to_string());
    until("it is asked", || house.calls() == 1);
    let refused = house.chat(&long(900_000));
    assert_eq!((refused.status(), code(&refused)), (503, json!("overloaded")));
    assert!(refused.body.contains("max-in-flight-bytes") && refused.header("retry-after") == "1");
    let refused = house.send("POST", "/v1/messages", "", &long(900_000).to_string());
    assert_eq!(refused.json()["error"]["type"], "overloaded_error");
    assert_eq!(house.ask().status(), 200, "a short one fits beside it");
    assert_eq!(read(&mut BufReader::new(first)).unwrap().status(), 200);
    assert_eq!(house.chat(&long(900_000)).status(), 200, "what has ended holds nothing");
}

#[test]
fn a_body_that_comes_too_slowly_takes_no_place() {
    // One place beside the one that the question takes: whoever comes while all are taken is refused.
    let house = answering(&["--body-timeout", "400ms", "--max-in-flight", "2"]);
    for path in [
        "/v1/chat/completions",
        "/v1/messages",
        "/v1/messages/count_tokens",
        "/vox/v1/decide",
        "/vox/v1/feedback",
    ] {
        let slow: Vec<_> = (0..4).map(|_| announcing(&house, path, 900, b"{")).collect();
        assert_eq!(house.ask().status(), 200, "{path}");
        for client in slow {
            let late = read(&mut BufReader::new(client)).unwrap();
            let error = &late.json()["error"];
            assert_eq!((late.status(), &error["code"]), (408, &json!("body_timeout")), "{path}");
        }
    }
}

#[test]
fn more_requests_than_may_be_under_way_are_refused() {
    let house = House::with(1, &json!({}), &["--max-in-flight", "1"], |_, _| vec![Step::Wait(15_000)]);
    let _first = house.connect("POST", "/v1/chat/completions", "", &question(false).to_string());
    until("it is asked", || house.calls() == 1);
    let refused = house.ask();
    assert_eq!((refused.status(), code(&refused)), (503, json!("overloaded")));
    assert!(refused.body.contains("1 requests are under way"), "{}", refused.body);
}

/// A connection on which a body of this length was announced, and this beginning of it sent.
fn announcing(house: &House, path: &str, length: usize, begun: &[u8]) -> TcpStream {
    let mut client = TcpStream::connect(house.address).unwrap();
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
    client.write_all(&[head.as_bytes(), begun].concat()).unwrap();
    client
}

#[test]
fn bodies_that_are_only_announced_hold_nothing() {
    let house = answering(&["--max-body", "1MiB", "--max-in-flight-bytes", "2MiB"]);
    let held: Vec<_> = (0..4).map(|_| announcing(&house, "/v1/chat/completions", 1 << 20, b"{")).collect();
    assert_eq!(house.ask().status(), 200);
    drop(held);
}

#[test]
fn answers_that_nobody_reads_are_held_until_the_client_is_gone() {
    // More than the system takes for a client that does not read.
    let long = GOOD.replace("hello", &"x".repeat(16 << 20));
    let house = House::with(
        1,
        &json!({}),
        &["--max-in-flight-bytes", "8MiB", "--max-body", "1KiB"],
        move |number, _| whole(200, "", if number == 0 { &long } else { GOOD }),
    );
    let client = house.connect("POST", "/v1/chat/completions", "", &question(false).to_string());
    client.peek(&mut [0]).unwrap();
    let refused = house.ask();
    assert_eq!((refused.status(), code(&refused)), (503, json!("overloaded")));
    assert_eq!(house.get("/v1/models").status(), 503, "what is long is not told either");
    assert_eq!(house.get("/healthz").status(), 200);
    drop(client);
    until("nothing is held any more", || house.ask().status() == 200);
}

#[test]
fn a_stream_whose_client_does_not_read_ends() {
    let house = House::with(1, &json!({}), &["--idle-timeout", "300ms"], |_, _| {
        let long = chunk(&"x".repeat(64 << 10));
        let pieces = (0..512).map(move |_| piece(&long));
        [stream_head()].into_iter().chain(pieces).chain([Step::Wait(60_000)]).collect()
    });
    let client = house.connect("POST", "/v1/chat/completions", "", &question(true).to_string());
    client.peek(&mut [0]).unwrap();
    until("its place is free", || house.get("/metrics").body.contains("vox_sidecar_in_flight 0"));
    until("its upstream is told", || house.upstreams[0].gone.load(SeqCst) == 1);
    drop(client);
}

#[test]
fn a_body_that_comes_in_time_in_many_pieces_is_read() {
    let house = answering(&[]);
    let body = question(false).to_string();
    let mut client = TcpStream::connect(house.address).unwrap();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    client.write_all(head.as_bytes()).unwrap();
    client.set_nodelay(true).unwrap();
    for piece in body.as_bytes().chunks(9) {
        client.write_all(piece).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    assert_eq!(read(&mut BufReader::new(client)).unwrap().status(), 200);
}

#[test]
fn each_of_several_answers_is_paid() {
    let house = answering(&[]);
    let mut body = question(false);
    body["max_tokens"] = json!(1000);
    // 1,000 tokens of output cost USD 0.01.
    let ceiling = "x-vox-max-usd: 0.03\r\n";
    assert_eq!(house.send("POST", "/v1/chat/completions", ceiling, &body.to_string()).status(), 200);
    body["n"] = json!(5);
    let refused = house.send("POST", "/v1/chat/completions", ceiling, &body.to_string());
    assert_eq!((refused.status(), code(&refused)), (402, json!("too_dear")));
}
