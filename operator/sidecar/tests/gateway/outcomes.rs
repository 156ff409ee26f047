//! Records on their way to the operator: each arrives, whatever happens to the operator or to the sidecar.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::fake::{GOOD, LAST, Message, Step, Upstream, chunk, end, piece, stream_head, whole};
use crate::house::{House, folder, is_of_the_contract, turn, until};

const RECEIPT: &str = r#"{"stored":1,"repeated":0,"refused":0}"#;

/// An operator that takes records, after it has answered so often with this.
struct Operator {
    up: Upstream,
    lines: Arc<Mutex<Vec<Value>>>,
    batches: Arc<AtomicUsize>,
}

impl Operator {
    fn start(failures: usize, failing: fn() -> Vec<Step>) -> Self {
        let (lines, batches): (Arc<Mutex<Vec<Value>>>, Arc<AtomicUsize>) = Default::default();
        let (seen, count) = (Arc::clone(&lines), Arc::clone(&batches));
        let up = Upstream::start(&Arc::default(), move |_, request: &Message| {
            if !request.first.starts_with("POST /v1/namespaces/shop/outcomes?sidecar=") {
                return vec![Step::Cut];
            }
            assert_eq!(request.header("authorization"), "Bearer t");
            if count.fetch_add(1, SeqCst) < failures {
                return failing();
            }
            let new = request.body.lines().map(|line| serde_json::from_str(line).unwrap());
            seen.lock().unwrap().extend(new);
            whole(200, "", RECEIPT)
        });
        Self { up, lines, batches }
    }

    fn lines(&self) -> Vec<Value> {
        self.lines.lock().unwrap().clone()
    }
}

/// A sidecar with this operator, and an upstream that always answers.
fn open(operator: &Operator, folder: std::path::PathBuf) -> House {
    House::following(operator.up.address, folder, &json!({}), |_, _| whole(200, "", GOOD))
}

fn waiting(house: &House) -> usize {
    std::fs::read_dir(house.folder.join("state/spool")).map_or(0, Iterator::count)
}

#[test]
fn calls_and_feedback_arrive_and_are_forgotten() {
    let operator = Operator::start(0, Vec::new);
    let house = open(&operator, folder());
    let decision = house.ask().header("x-vox-decision").to_owned();
    let said = json!({"decision": decision, "abstain": true, "confidence": 0.1});
    assert_eq!(house.send("POST", "/vox/v1/feedback", "", &said.to_string()).status(), 202);
    until("both arrive", || operator.lines().len() == 2);
    let lines = operator.lines();
    lines.iter().for_each(is_of_the_contract);
    let call = lines.iter().find(|line| line["kind"] == "call").unwrap();
    let host = house.upstreams[0].address.ip();
    assert_eq!(turn(call, "vox.decision.id"), decision);
    assert_eq!(turn(call, "vox.model.key"), format!("{host}/model-a"));
    let feedback = lines.iter().find(|line| line["kind"] == "feedback").unwrap();
    assert_eq!(feedback["decision"], decision);
    assert_eq!(feedback["id"].as_str().map(|id| id.as_bytes()[14]), Some(b'7'));
    until("they are forgotten", || waiting(&house) == 0);
}

#[test]
fn what_did_not_arrive_comes_again() {
    let failures: [fn() -> Vec<Step>; 3] = [
        || vec![Step::Cut],
        || whole(503, "retry-after: 1\r\n", ""),
        || whole(429, "", r#"{"error":{"code":"TooManyBatches","message":"later"}}"#),
    ];
    for failing in failures {
        let operator = Operator::start(2, failing);
        let house = open(&operator, folder());
        house.ask();
        until("it arrives", || operator.lines().len() == 1);
        assert_eq!(operator.batches.load(SeqCst), 3);
        let told = house.get("/metrics").body;
        assert!(told.contains("vox_sidecar_spool_batches_failed_total 2"), "{told}");
    }
}

#[test]
fn what_waits_when_a_sidecar_ends_is_sent_at_its_end_or_by_the_next_one() {
    let away = Operator::start(usize::MAX, || vec![Step::Cut]);
    let mut first = open(&away, folder());
    for _ in 0..3 {
        assert_eq!(first.ask().status(), 200, "no call fails for a record");
    }
    drop(first.running.take());
    assert!(waiting(&first) > 0);
    let operator = Operator::start(0, Vec::new);
    let mut second = open(&operator, first.folder.clone());
    second.ask();
    drop(second.running.take());
    let lines = operator.lines();
    let ids: BTreeSet<String> = lines.iter().map(|line| turn(line, "vox.decision.id").to_string()).collect();
    assert_eq!(ids.len(), 4);
    assert_eq!(waiting(&second), 0);
}

/// What is told of an answer with this body, to this question.
fn told(body: &str, question: &Value) -> Value {
    let body = body.to_owned();
    let house = House::serving(1, move |_, _| whole(200, "", &body));
    assert_eq!(house.chat(question).status(), 200);
    turn(&house.records()[0], "vox.answer.signal")
}

#[test]
fn what_an_answer_says_against_itself_is_told() {
    let asked = json!({
        "model": "vox/auto", "response_format": {"type": "json_object"},
        "messages": [{"role": "user", "content": "hi"}],
    });
    let answer = |message: Value, finish: &str| {
        json!({"id": "c", "object": "chat.completion", "model": "m", "choices": [
            {"index": 0, "message": message, "finish_reason": finish}]})
        .to_string()
    };
    let text = |text: &str, finish: &str| answer(json!({"role": "assistant", "content": text}), finish);
    let call = |arguments: &str| {
        let call = json!({"id": "a", "type": "function", "function": {"name": "f", "arguments": arguments}});
        answer(json!({"role": "assistant", "content": null, "tool_calls": [call]}), "tool_calls")
    };
    assert_eq!(told(&text("{\"a\": 1}", "stop"), &asked), Value::Null);
    assert_eq!(told(&text("{\"a\": ", "stop"), &asked), "invalid_json");
    assert_eq!(told(&text("{\"a\": ", "length"), &asked), Value::Null);
    assert_eq!(told(&text("no JSON", "stop"), &crate::house::question(false)), Value::Null);
    assert_eq!(told(&call("{\"a\": 1}"), &asked), Value::Null);
    assert_eq!(told(&call("{\"a\": "), &asked), "invalid_tool_arguments");
    let refused = answer(json!({"role": "assistant", "content": null, "refusal": "no"}), "stop");
    assert_eq!(told(&refused, &asked), "refusal");
}

#[test]
fn what_a_stream_says_against_itself_is_told_as_of_a_whole_answer() {
    let streamed = |pieces: &'static [&'static str], asked: &Value| {
        let house = House::serving(1, move |_, _| {
            let said = pieces.iter().map(|text| piece(&chunk(text)));
            [stream_head()].into_iter().chain(said).chain([piece(LAST), end()]).collect()
        });
        assert_eq!(house.chat(asked).status(), 200);
        turn(&house.records()[0], "vox.answer.signal")
    };
    let mut asked = crate::house::question(true);
    assert_eq!(streamed(&["no JSON"], &asked), Value::Null, "nobody asked for it");
    asked["response_format"] = json!({"type": "json_object"});
    assert_eq!(streamed(&["{\"a\"", ": 1}"], &asked), Value::Null);
    assert_eq!(streamed(&["{\"a\"", ": "], &asked), "invalid_json");
}

#[test]
fn what_of_the_context_was_used_and_what_a_cache_saved_is_told() {
    let house = House::serving(1, |_, _| {
        let usage = r#""usage":{"prompt_tokens":99000,"completion_tokens":1000,"prompt_tokens_details":{"cached_tokens":500}}"#;
        whole(200, "", &GOOD.replacen(r#""usage""#, &format!(r#"{usage},"old""#), 1))
    });
    house.ask();
    let records = house.records();
    // The model has no price of its own for cached input.
    let told = ["vox.context.utilisation", "vox.cache_savings_usd"].map(|name| turn(&records[0], name));
    assert_eq!(told, [json!(0.5), Value::Null]);
}
