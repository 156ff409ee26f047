//! Streams: passed on as they come, tried elsewhere before their first token, ended honestly after it.

use std::io::{BufReader, Read as _};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use serde_json::json;

use crate::fake::{LAST, Message, Step, chunk, end, piece, stream_head, whole};
use crate::house::{House, ended, question, tried, turn, until};

fn good() -> Vec<Step> {
    vec![stream_head(), piece(&chunk("he")), Step::Wait(20), piece(&chunk("llo")), piece(LAST), end()]
}

/// The usage that LAST has, and that the client asked for.
fn with_usage() -> serde_json::Value {
    let mut question = question(true);
    question["stream_options"] = json!({"include_usage": true});
    question
}

#[test]
fn a_stream_passes_byte_for_byte() {
    let house = House::serving(1, |_, _| good());
    let answer = house.chat(&with_usage());
    assert_eq!(answer.body, format!("{}{}{LAST}", chunk("he"), chunk("llo")));
    assert!(answer.whole);
    assert_eq!(answer.header("content-type"), "text/event-stream");
    assert_eq!(answer.header("x-vox-model"), "up0/model-a");
    let record = &house.records()[0];
    assert_eq!(
        (&turn(record, "vox.outcome"), &tried(record, 0, "gen_ai.usage.output_tokens")),
        (&json!("answered"), &json!(2))
    );
    assert_eq!(turn(record, "gen_ai.response.finish_reasons"), json!(["stop"]));
    assert!(tried(record, 0, "vox.time_to_first_token_ms").is_u64());
}

/// Whatever goes wrong before the first token is tried elsewhere, and the client sees one clean stream.
fn falls_back(class: &str, fault: Vec<Step>) {
    let arguments = ["--first-token-timeout", "400ms"];
    let script = move |number, _: &Message| if number == 0 { fault.clone() } else { good() };
    let house = House::with(2, &json!({}), &arguments, script);
    let answer = house.chat(&with_usage());
    assert_eq!(answer.body, format!("{}{}{LAST}", chunk("he"), chunk("llo")), "{class}");
    let records = house.records();
    assert_eq!(ended(&records[0], 0), class, "{:#}", records[0]);
    assert_eq!(records[0]["attempts"].as_array().unwrap().len(), 2);
}

#[test]
fn a_stream_cut_before_its_first_token_falls_back() {
    let role = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
    falls_back("cut", vec![stream_head(), piece(role), Step::Cut]);
}

#[test]
fn a_stream_that_begins_with_an_error_falls_back() {
    let error = "data: {\"error\":{\"message\":\"broken\",\"code\":502}}\n\n";
    falls_back("server", vec![stream_head(), piece(error), end()]);
}

#[test]
fn a_stream_that_stalls_before_its_first_token_falls_back() {
    falls_back("first_token_timeout", vec![stream_head(), Step::Wait(3000)]);
}

#[test]
fn a_stream_of_nothing_falls_back() {
    falls_back("empty", vec![stream_head(), piece("data: [DONE]\n\n"), end()]);
}

#[test]
fn an_error_in_place_of_a_stream_falls_back() {
    falls_back("upstream_error_in_200", whole(200, "", "{\"error\":{\"message\":\"broken\"}}"));
}

/// Whatever goes wrong after the first token ends with an error and without the mark for a good end.
fn breaks(class: &str, fault: Vec<Step>) {
    let house = House::with(2, &json!({}), &["--idle-timeout", "300ms"], move |_, _| fault.clone());
    let answer = house.chat(&question(true));
    assert_eq!(answer.status(), 200);
    assert!(answer.body.starts_with(&chunk("he")), "{}", answer.body);
    assert!(answer.body.contains("\"error\"") && !answer.body.contains("[DONE]"), "{}", answer.body);
    assert_eq!(house.calls(), 1, "nothing is replayed");
    let records = house.records();
    assert_eq!((&turn(&records[0], "vox.outcome"), &ended(&records[0], 0)), (&json!("cut"), &json!(class)));
}

#[test]
fn a_stream_cut_after_its_first_token_says_so() {
    breaks("cut", vec![stream_head(), piece(&chunk("he")), Step::Wait(50), Step::Cut]);
}

#[test]
fn a_stream_that_ends_in_the_middle_says_so() {
    breaks("cut", vec![stream_head(), piece(&chunk("he")), end()]);
}

#[test]
fn a_stream_that_stalls_after_its_first_token_says_so() {
    breaks("idle_timeout", vec![stream_head(), piece(&chunk("he")), Step::Wait(3000)]);
}

#[test]
fn a_client_that_goes_away_cancels_the_upstream() {
    let steps = || {
        let pieces = (0..400).flat_map(|_| [piece(&chunk("x")), Step::Wait(50)]);
        [stream_head()].into_iter().chain(pieces).collect::<Vec<_>>()
    };
    let house = House::serving(1, move |_, _| steps());
    let mut client = house.connect("POST", "/v1/chat/completions", "", &question(true).to_string());
    client.read_exact(&mut [0; 400]).unwrap();
    drop(client);
    until("the upstream is cancelled", || house.upstreams[0].gone.load(SeqCst) == 1);
    until("nothing is under way", || house.get("/metrics").body.contains("vox_sidecar_in_flight 0"));
    let records = house.records();
    assert_eq!(
        (turn(&records[0], "vox.outcome"), turn(&records[0], "vox.client.status_code")),
        (json!("cancelled"), json!(null))
    );
    assert_eq!(ended(&records[0], 0), "cancelled");
}

#[test]
fn a_client_that_goes_away_before_the_answer_cancels_the_upstream() {
    let house = House::serving(1, |_, _| vec![Step::Wait(15_000)]);
    let client = house.connect("POST", "/v1/chat/completions", "", &question(false).to_string());
    until("it is asked", || house.calls() == 1);
    drop(client);
    until("the upstream is cancelled", || house.upstreams[0].gone.load(SeqCst) == 1);
}

#[test]
fn sixty_four_streams_at_once_lose_no_frame() {
    const FRAMES: usize = 40;
    let steps: Arc<Vec<Step>> = Arc::new(
        [stream_head()]
            .into_iter()
            .chain((0..FRAMES).flat_map(|frame| [piece(&chunk(&format!("t{frame}."))), Step::Wait(5)]))
            .chain([piece(LAST), end()])
            .collect(),
    );
    let house = House::serving(2, move |_, _| steps.to_vec());
    let expected: String =
        (0..FRAMES).map(|frame| chunk(&format!("t{frame}."))).chain([LAST.to_owned()]).collect();
    std::thread::scope(|scope| {
        let streams: Vec<_> = (0..64).map(|_| scope.spawn(|| house.chat(&with_usage()))).collect();
        for stream in streams {
            let answer = stream.join().unwrap();
            assert!(answer.whole);
            assert_eq!(answer.body, expected);
        }
    });
    let records = house.records();
    assert_eq!(records.len(), 64);
    assert!(records.iter().all(|record| turn(record, "vox.outcome") == "answered"));
}

#[test]
fn an_anthropic_client_is_served_by_an_openai_upstream() {
    let house = House::serving(1, |_, _| good());
    let body = json!({
        "model": "vox/auto", "max_tokens": 50, "stream": true, "messages": [{"role": "user", "content": "hi"}],
    });
    let answer = house.send("POST", "/v1/messages", "", &body.to_string());
    assert!(answer.body.contains("event: message_start") && answer.body.contains("event: message_stop"));
    assert!(answer.body.contains("\"text\":\"he\""), "{}", answer.body);
    let asked = house.upstreams[0].requests()[0].clone();
    assert_eq!(asked.first, "POST /v1/chat/completions HTTP/1.1");
    assert_eq!(asked.json()["model"], "model-a");
}

#[test]
fn a_stream_for_an_anthropic_client_that_breaks_ends_with_an_error_event() {
    let house = House::serving(1, |_, _| vec![stream_head(), piece(&chunk("he")), Step::Wait(50), Step::Cut]);
    let body = json!({
        "model": "vox/auto", "max_tokens": 50, "stream": true, "messages": [{"role": "user", "content": "hi"}],
    });
    let answer = house.send("POST", "/v1/messages", "", &body.to_string());
    assert!(answer.body.contains("event: error") && !answer.body.contains("message_stop"), "{}", answer.body);
}

#[test]
fn the_first_token_does_not_wait_for_the_rest() {
    let house = House::serving(1, |_, _| {
        vec![stream_head(), piece(&chunk("he")), Step::Wait(4000), piece(LAST), end()]
    });
    let begun = std::time::Instant::now();
    let client = house.connect("POST", "/v1/chat/completions", "", &question(true).to_string());
    let mut reader = BufReader::new(client);
    let mut seen = String::new();
    while !seen.contains("\"content\":\"he\"") {
        let mut byte = [0];
        reader.read_exact(&mut byte).unwrap();
        seen.push(char::from(byte[0]));
    }
    assert!(begun.elapsed().as_millis() < 2500, "{:?}", begun.elapsed());
}
