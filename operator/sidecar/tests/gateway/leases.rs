//! A day's budget that an operator leases: spent to its end and no further, whatever happens to the operator, the sidecar
//! or the clock of the workers.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use vox_contracts::budget::{LeaseAnswer, LeaseRequest};

use crate::fake::{GOOD, Message, Step, Upstream, piece, whole};
use crate::house::{House, folder, snapshot, until, upstream};

/// A request of these tests costs USD 0.003, and at worst a little more than USD 0.08.
const COST: u64 = 3_000_000_000;

/// An operator that grants so much in all, by the leases that it knows.
struct Operator {
    up: Upstream,
    calls: Arc<Mutex<Vec<LeaseRequest>>>,
    away: Arc<AtomicBool>,
    limit: Arc<AtomicU64>,
    /// What it publishes; nothing at first.
    snapshot: Arc<Mutex<Option<String>>>,
}

impl Operator {
    fn start(limit: u64) -> Self {
        let calls: Arc<Mutex<Vec<LeaseRequest>>> = Arc::default();
        let away = Arc::new(AtomicBool::new(false));
        let (limit, snapshot) = (Arc::new(AtomicU64::new(limit)), Arc::<Mutex<Option<String>>>::default());
        let (seen, gone) = (Arc::clone(&calls), Arc::clone(&away));
        let (most, published) = (Arc::clone(&limit), Arc::clone(&snapshot));
        let granted = Mutex::new(std::collections::HashMap::new());
        let up = Upstream::start(&Arc::default(), move |_, request: &Message| {
            if let Some(line) =
                published.lock().unwrap().clone().filter(|_| request.first.contains("/snapshot?"))
            {
                let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
                return vec![Step::Send(head.as_bytes().to_vec()), piece(&line), Step::Wait(30_000)];
            }
            let limit = most.load(SeqCst);
            if !request.first.starts_with("POST /v1/namespaces/shop/policies/p/leases") || gone.load(SeqCst) {
                return vec![Step::Cut];
            }
            assert_eq!(request.header("authorization"), "Bearer t");
            let call: LeaseRequest = serde_json::from_str(&request.body).unwrap();
            let mut granted = granted.lock().unwrap();
            let others: u64 =
                granted.iter().filter(|(id, _)| **id != call.lease).map(|(_, of)| *of).sum::<u64>();
            let mine = granted.entry(call.lease).or_insert(0_u64);
            let wish = call.spent_pico_usd + call.need_pico_usd.max(call.want_pico_usd);
            *mine = if call.settled { call.spent_pico_usd } else { wish.min(limit - others).max(*mine) };
            let answer = LeaseAnswer {
                lease: call.lease,
                day: call.day,
                granted_pico_usd: *mine,
                limit_pico_usd: limit,
                remaining_pico_usd: limit - others - *mine,
                expires_at: 0,
            };
            seen.lock().unwrap().push(call);
            whole(200, "", &serde_json::to_string(&answer).unwrap())
        });
        Self { up, calls, away, limit, snapshot }
    }

    fn calls(&self) -> Vec<LeaseRequest> {
        self.calls.lock().unwrap().clone()
    }
}

/// A sidecar with this operator, a policy of this budget, and an upstream that always answers.
fn open(operator: &Operator, folder: std::path::PathBuf, budget: &Value) -> House {
    let good = |_, _: &Message| [vec![Step::Wait(20)], whole(200, "", GOOD)].concat();
    House::following(operator.up.address, folder, &json!({ "budget": budget }), good)
}

fn code(answer: &Message) -> String {
    answer.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
}

/// Asks until it is refused; says how often it was answered, and with what it was refused.
fn exhaust(house: &House) -> (u64, String) {
    for answered in 0..500 {
        let answer = house.ask();
        if answer.status() != 200 {
            return (answered, code(&answer));
        }
    }
    panic!("the budget has no end");
}

fn kept(house: &House) -> Value {
    serde_json::from_slice(&std::fs::read(house.folder.join("state/lease.json")).unwrap()).unwrap()
}

fn pico(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

#[test]
fn a_lease_is_asked_for_before_it_is_spent_and_given_back_at_the_end() {
    let operator = Operator::start(1_000_000_000_000);
    let mut house = open(&operator, folder(), &json!({"perDay": "1"}));
    for _ in 0..20 {
        assert_eq!(house.ask().status(), 200);
    }
    drop(house.running.take());
    let calls = operator.calls();
    let last = calls.last().unwrap();
    assert!(last.settled && last.spent_pico_usd == 20 * COST, "{last:?}");
    assert!(calls.iter().all(|call| call.lease == last.lease));
    // Whether the first call comes before the first request is a matter of time, and so is whether it suffices.
    assert!(!calls[0].settled && calls[0].spent_pico_usd == 0, "{:?}", calls[0]);
    assert!(calls.len() < 20, "fewer calls than requests: {}", calls.len());
    assert!(!house.folder.join("state/lease.json").exists(), "nobody goes on with what was given back");
}

#[test]
fn what_the_operator_has_is_spent_to_its_end_and_no_further() {
    let limit = 200_000_000_000;
    let operator = Operator::start(limit);
    let house = open(&operator, folder(), &json!({"perDay": "0.2"}));
    let (answered, refused) = exhaust(&house);
    assert_eq!(refused, "budget_spent");
    assert!(answered * COST <= limit && answered > 30, "{answered}");
}

#[test]
fn a_limit_that_is_raised_while_the_day_is_spent_is_taken_up() {
    let operator = Operator::start(100_000_000_000);
    let house = open(&operator, folder(), &json!({"perDay": "0.1"}));
    assert_eq!(exhaust(&house).1, "budget_spent");
    let up = vec![upstream("up", &house.upstreams[0].url(), None)];
    let raised = snapshot(8, up, &json!({"budget": {"perDay": "1"}})).write().unwrap();
    operator.limit.store(1_000_000_000_000, SeqCst);
    *operator.snapshot.lock().unwrap() = Some(String::from_utf8(raised).unwrap() + "\n");
    until("it is taken up", || house.ask().status() == 200);
}

#[test]
fn while_the_operator_is_away_the_lease_is_spent_and_no_more() {
    let operator = Operator::start(10_000_000_000_000);
    let house = open(&operator, folder(), &json!({"perDay": "10"}));
    assert_eq!(house.ask().status(), 200);
    operator.away.store(true, SeqCst);
    let (answered, refused) = exhaust(&house);
    assert_eq!(refused, "no_lease");
    let granted = pico(&kept(&house)["grantedPicoUsd"]);
    assert!(answered > 0 && (answered + 1) * COST <= granted, "{answered} of {granted}");
    let answer = house.ask();
    assert_eq!((answer.status(), answer.header("retry-after")), (503, "2"));
    operator.away.store(false, SeqCst);
    until("the operator is back", || house.ask().status() == 200);
}

#[test]
fn without_an_operator_from_the_start_nothing_is_spent() {
    let operator = Operator::start(0);
    operator.away.store(true, SeqCst);
    let house = open(&operator, folder(), &json!({"perDay": "10"}));
    assert_eq!(code(&house.ask()), "no_lease");
    assert_eq!(house.calls(), 0);
}

#[test]
fn workers_that_race_for_a_lease_spend_no_more_than_it() {
    let operator = Operator::start(1_000_000_000_000);
    let house = open(&operator, folder(), &json!({"perDay": "1"}));
    assert_eq!(house.ask().status(), 200);
    operator.away.store(true, SeqCst);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| while house.ask().status() == 200 {});
        }
    });
    let granted = pico(&kept(&house)["grantedPicoUsd"]);
    let spent = u64::try_from(house.calls()).unwrap() * COST;
    assert!(spent <= granted, "{spent} of {granted}");
}

#[test]
fn after_a_crash_the_sidecar_goes_on_with_its_lease_and_spends_nothing_twice() {
    let operator = Operator::start(1_000_000_000_000);
    let first = open(&operator, folder(), &json!({"perDay": "1"}));
    for _ in 0..5 {
        assert_eq!(first.ask().status(), 200);
    }
    // What a crash leaves.
    let again = folder();
    std::fs::create_dir_all(again.join("state")).unwrap();
    std::fs::copy(first.folder.join("state/lease.json"), again.join("state/lease.json")).unwrap();
    let left = kept(&first);
    assert!(pico(&left["spentPicoUsd"]) >= 5 * COST, "what may be spent is written down before");
    let before = operator.calls().len();
    let second = open(&operator, again, &json!({"perDay": "1"}));
    assert_eq!(second.ask().status(), 200);
    until("it has reported", || operator.calls().len() > before);
    let call = operator.calls()[before].clone();
    assert_eq!(json!(call.lease), left["lease"]);
    assert!(call.spent_pico_usd >= pico(&left["spentPicoUsd"]), "{call:?}");
}

#[test]
fn the_last_settlement_is_tried_again_while_the_operator_is_away_for_a_moment() {
    let operator = Operator::start(1_000_000_000_000);
    let mut house = open(&operator, folder(), &json!({"perDay": "1"}));
    assert_eq!(house.ask().status(), 200);
    operator.away.store(true, SeqCst);
    let (before, running) = (operator.up.requests().len(), house.running.take());
    std::thread::scope(|scope| {
        scope.spawn(|| drop(running));
        let settling = |request: &Message| request.body.contains("\"settled\":true");
        until("it has tried", || operator.up.requests()[before..].iter().any(settling));
        operator.away.store(false, SeqCst);
    });
    assert!(operator.calls().last().unwrap().settled, "{:?}", operator.calls().last());
}

#[test]
fn a_lease_of_yesterday_is_settled_and_a_new_one_taken() {
    let operator = Operator::start(1_000_000_000_000);
    let folder = folder();
    std::fs::create_dir_all(folder.join("state")).unwrap();
    let yesterday = vox_sidecar::ids::now_ms() / 86_400_000 - 1;
    let lease = vox_sidecar::ids::uuid(vox_sidecar::ids::now_ms());
    let old =
        json!({"policy": "p", "day": yesterday, "lease": lease, "grantedPicoUsd": 9, "spentPicoUsd": 4});
    std::fs::write(folder.join("state/lease.json"), old.to_string()).unwrap();
    let house = open(&operator, folder, &json!({"perDay": "1"}));
    assert_eq!(house.ask().status(), 200);
    until("it is settled", || operator.calls().iter().any(|call| call.lease == lease && call.settled));
    let calls = operator.calls();
    let settled = calls.iter().find(|call| call.lease == lease).unwrap();
    let new = calls.iter().find(|call| call.lease != lease).unwrap();
    assert_eq!(settled.spent_pico_usd, 4);
    assert_eq!(settled.day.tomorrow().unwrap(), new.day);
}
