//! Streams whose frames are divided anywhere, and streams whose end is late.

use std::io::{BufReader, Read as _};

use serde_json::{Value, json};

use crate::fake::{LAST, Message, Step, chunk, end, piece, stream_head, whole};
use crate::house::{House, ended, turn, until};

/// What a provider of messages streams, up to its last word.
fn messages() -> String {
    [
        json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant",
            "model": "m", "content": [], "usage": {"input_tokens": 7, "output_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "he"}}),
    ]
    .iter()
    .map(event)
    .collect()
}

fn event(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap())
}

fn rest() -> String {
    [
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "llo"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}}),
        json!({"type": "message_stop"}),
    ]
    .iter()
    .map(event)
    .collect()
}

/// A house whose upstream speaks this dialect and plays these steps.
fn house(route: &str, steps: Vec<Step>, more: &[&str]) -> House {
    House::speaking(route, more, move |_, _: &Message| steps.clone())
}

/// A question that is passed through as it is: its client asks for usage itself.
fn asked(path: &str) -> String {
    let mut body = json!({
        "model": "vox/auto", "max_tokens": 50, "stream": true, "messages": [{"role": "user", "content": "hi"}],
    });
    if path.ends_with("completions") {
        body["stream_options"] = json!({"include_usage": true});
    }
    body.to_string()
}

const DIALECTS: [(&str, &str); 2] =
    [("openai-compatible", "/v1/chat/completions"), ("anthropic-messages", "/v1/messages")];

/// What a dialect streams, divided before its first word, behind it, and at its end.
fn stream(path: &str) -> String {
    if path.ends_with("messages") {
        format!("{}{}", messages(), rest())
    } else {
        format!("{}{}{LAST}", chunk("he"), chunk("llo"))
    }
}

#[test]
fn a_stream_that_is_divided_anywhere_passes_byte_for_byte() {
    for (route, path) in DIALECTS {
        let all = stream(path);
        for at in (1..all.len()).step_by(23) {
            let (one, two) = all.split_at(at);
            let steps = vec![stream_head(), piece(one), Step::Wait(5), piece(two), end()];
            let answer = house(route, steps, &[]).send("POST", path, "", &asked(path));
            assert_eq!(answer.body, all, "{path} divided at {at}");
        }
    }
}

#[test]
fn the_half_of_a_frame_that_comes_with_the_first_token_is_not_lost() {
    for (route, path) in DIALECTS {
        let all = stream(path);
        let first = all.find("he\"").unwrap();
        let half = first + all[first..].find("data:").unwrap() + 12;
        let (one, two) = all.split_at(half);
        let steps = vec![stream_head(), piece(one), Step::Wait(50), piece(two), end()];
        let answer = house(route, steps, &[]).send("POST", path, "", &asked(path));
        assert_eq!(answer.body, all, "{path}");
    }
}

/// All events of a stream that a client can tell apart, each of which has to be JSON.
fn events(body: &str) -> Vec<Value> {
    let data = body.split("\n\n").filter_map(|event| event.split("data: ").nth(1));
    data.map(|data| serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}"))).collect()
}

#[test]
fn a_stream_that_is_cut_within_a_frame_ends_with_an_event_that_clients_can_read() {
    for (route, path) in DIALECTS {
        let all = stream(path);
        let begun = all.find("llo").unwrap();
        let (begun, _) = all.split_at(begun);
        for pieces in [
            vec![begun.to_owned()],
            vec![begun[..begun.len() - 9].to_owned(), begun[begun.len() - 9..].to_owned()],
        ] {
            let mut steps = vec![stream_head()];
            steps.extend(pieces.iter().flat_map(|text| [piece(text), Step::Wait(30)]));
            steps.push(Step::Cut);
            let answer = house(route, steps, &[]).send("POST", path, "", &asked(path));
            let events = events(&answer.body);
            let last = events.last().unwrap();
            assert!(last.get("error").is_some(), "{path}: {}", answer.body);
            assert!(answer.body.contains("he\"") && !answer.body.contains("message_stop"), "{}", answer.body);
            assert!(!answer.body.contains("[DONE]"), "{}", answer.body);
        }
    }
}

#[test]
fn a_frame_that_is_no_text_is_followed_by_an_error_that_clients_can_read() {
    let mut broken = format!("{}data: {{\"x\":\"", chunk("he")).into_bytes();
    broken.extend_from_slice(b"\xff\"}");
    let head = format!("{:x}\r\n", broken.len()).into_bytes();
    let steps = vec![
        stream_head(),
        piece(&chunk("he")),
        Step::Wait(20),
        Step::Send([head.as_slice(), &broken, b"\r\n"].concat()),
        Step::Wait(20),
        piece("\n\n"),
        piece("data: {\"half"),
        end(),
    ];
    let answer = house("openai-compatible", steps, &[]).send(
        "POST",
        "/v1/chat/completions",
        "",
        &asked("completions"),
    );
    let last = answer.body.rsplit("\n\ndata: ").next().unwrap();
    assert!(last.starts_with("{\"error\""), "{}", answer.body);
    assert!(!answer.body.contains("[DONE]"));
}

#[test]
fn a_last_frame_without_its_empty_line_reaches_the_client() {
    let steps = vec![stream_head(), piece(&chunk("he")), Step::Wait(20), piece(LAST.trim_end()), end()];
    let answer = house("openai-compatible", steps, &[]).send(
        "POST",
        "/v1/chat/completions",
        "",
        &asked("completions"),
    );
    assert_eq!(answer.body, format!("{}{}", chunk("he"), LAST.trim_end()));
}

#[test]
fn a_sign_of_life_does_not_wait_for_the_next_event() {
    let steps = vec![
        stream_head(),
        piece(&chunk("he")),
        Step::Wait(20),
        piece(": still here\n"),
        Step::Wait(10_000),
        piece(LAST),
        end(),
    ];
    let house = house("openai-compatible", steps, &[]);
    let client = house.connect("POST", "/v1/chat/completions", "", &asked("completions"));
    let mut reader = BufReader::new(client);
    let mut seen = String::new();
    let begun = std::time::Instant::now();
    while !seen.contains("still here") {
        let mut byte = [0];
        reader.read_exact(&mut byte).unwrap();
        seen.push(char::from(byte[0]));
    }
    assert!(begun.elapsed().as_secs() < 8, "it came with the next event");
}

#[test]
fn a_body_that_stays_open_after_the_end_mark_is_not_waited_for() {
    for (route, path) in DIALECTS {
        let all = stream(path);
        for pieces in [vec![all.as_str()], all.split_inclusive("\n\n").collect()] {
            let mut steps = vec![stream_head()];
            steps.extend(pieces.iter().flat_map(|text| [piece(text), Step::Wait(10)]));
            steps.push(Step::Wait(20_000));
            let house = house(route, steps, &["--idle-timeout", "15s"]);
            let begun = std::time::Instant::now();
            let answer = house.send("POST", path, "", &asked(path));
            assert_eq!((answer.body.as_str(), answer.whole), (all.as_str(), true), "{path}");
            assert!(begun.elapsed().as_secs() < 10, "{path}: {:?}", begun.elapsed());
            let record = &house.records()[0];
            assert_eq!((&turn(record, "vox.outcome"), &ended(record, 0)), (&json!("answered"), &json!("ok")));
        }
    }
}

#[test]
fn the_first_token_of_a_probe_closes_the_circuit() {
    let long = || {
        let pieces = (0..200).flat_map(|_| [piece(&chunk("x")), Step::Wait(50)]);
        [stream_head()].into_iter().chain(pieces).chain([piece(LAST), end()]).collect::<Vec<_>>()
    };
    let house = House::speaking("openai-compatible", &[], move |number, _| match number {
        0..=4 => whole(500, "", ""),
        5 => long(),
        _ => whole(200, "", crate::fake::GOOD),
    });
    for _ in 0..5 {
        assert_eq!(house.ask().status(), 502);
    }
    let mut probe = None;
    until("a probe", || {
        let mut client = house.connect("POST", "/v1/chat/completions", "", &asked("completions"));
        let mut begun = [0; 20];
        client.read_exact(&mut begun).unwrap();
        let good = begun.starts_with(b"HTTP/1.1 200");
        probe = good.then_some(client);
        good
    });
    // The probe goes on, and others are served beside it.
    assert_eq!(house.ask().status(), 200);
    drop(probe);
}
