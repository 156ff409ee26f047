//! Model servers at their limit, and routes that wait for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use serde_json::{Value, json};

use crate::fake::{GOOD, Message, Step, whole};
use crate::house::{House, ended, question};

/// A policy whose chats wait so long.
fn waits(millis: u64) -> Value {
    json!({"routes": [{"category": "chat", "fallBack": {"waitWhenBusyMs": millis}}]})
}

fn busy() -> Vec<Step> {
    whole(503, "", "{\"error\":\"server busy, please try again\"}")
}

/// The first so many requests find it busy.
fn busy_at_first(count: usize) -> impl Fn(usize, &Message) -> Vec<Step> + Send + Sync + Clone {
    move |number, _| if number < count { busy() } else { whole(200, "", GOOD) }
}

/// A request of a category.
fn ask(house: &House, category: &str) -> Message {
    let category = format!("x-vox-category: {category}\r\n");
    house.send("POST", "/v1/chat/completions", &category, &question(false).to_string())
}

#[test]
fn a_busy_server_is_asked_again_where_the_route_waits_and_each_try_is_on_record() {
    let house = House::with(1, &waits(10_000), &[], busy_at_first(2));
    let answer = ask(&house, "chat");
    assert_eq!((answer.status(), answer.body.as_str()), (200, GOOD));
    assert_eq!(answer.header("x-vox-attempts"), "3");
    let records = house.records();
    let classes: Vec<_> = (0..3).map(|number| ended(&records[0], number)).collect();
    assert_eq!(classes, ["overloaded", "overloaded", "ok"]);
}

#[test]
fn a_limit_of_a_second_is_waited_for_as_well() {
    let limited = whole(429, "retry-after: 1\r\n", "");
    let script = move |number, _: &Message| if number == 0 { limited.clone() } else { whole(200, "", GOOD) };
    let house = House::with(1, &waits(10_000), &[], script);
    assert_eq!(ask(&house, "chat").header("x-vox-attempts"), "2");
}

#[test]
fn where_no_route_waits_a_busy_server_is_not_asked_again() {
    let house = House::with(1, &waits(10_000), &[], busy_at_first(1));
    let answer = ask(&house, "parsing");
    assert_eq!((answer.status(), answer.header("x-vox-attempts")), (503, "1"));
    assert_eq!(house.calls(), 1);
}

#[test]
fn nobody_waits_while_somebody_else_is_left() {
    let house = House::with(2, &waits(10_000), &[], busy_at_first(1));
    let answer = ask(&house, "chat");
    assert_eq!((answer.status(), answer.header("x-vox-attempts")), (200, "2"));
    assert!(house.upstreams.iter().all(|upstream| upstream.requests().len() == 1));
}

#[test]
fn a_request_that_comes_while_everybody_is_busy_waits_for_its_turn() {
    let house = House::with(1, &waits(10_000), &[], busy_at_first(1));
    assert_eq!(ask(&house, "parsing").status(), 503);
    let refused = ask(&house, "parsing");
    assert!(refused.body.contains("AtCapacity"), "{}", refused.body);
    let answer = ask(&house, "chat");
    assert_eq!((answer.status(), answer.header("x-vox-attempts")), (200, "1"));
}

#[test]
fn who_waits_longer_than_is_declared_is_told_so_after_the_last_try() {
    let house = House::with(1, &waits(600), &[], |_, _| busy());
    let answer = ask(&house, "chat");
    assert_eq!(
        (answer.status(), answer.json()["error"]["code"].as_str()),
        (503, Some("all_attempts_failed"))
    );
    let tries = house.calls();
    assert!(tries > 1, "{tries}");
    assert_eq!(answer.header("x-vox-attempts"), tries.to_string());
    assert!(answer.body.contains(&format!("({tries})")), "{}", answer.body);
}

#[test]
fn a_longer_wait_than_is_declared_is_not_begun() {
    let house = House::with(1, &waits(600), &[], |_, _| whole(503, "retry-after: 60\r\n", ""));
    assert_eq!(ask(&house, "chat").header("x-vox-attempts"), "1");
    let next = ask(&house, "chat");
    assert_eq!(next.json()["error"]["code"], "no_candidate", "{}", next.body);
}

#[test]
fn a_crowd_is_served_one_by_one_by_a_server_with_one_place() {
    let under_way = Arc::new(AtomicUsize::new(0));
    // The place is taken for as long as the answer takes to begin.
    let script = move |_: usize, _: &Message| {
        if under_way.fetch_add(1, SeqCst) > 0 {
            under_way.fetch_sub(1, SeqCst);
            return busy();
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
        under_way.fetch_sub(1, SeqCst);
        whole(200, "", GOOD)
    };
    let house = House::with(1, &waits(60_000), &[], script);
    std::thread::scope(|scope| {
        let crowd: Vec<_> = (0..8).map(|_| scope.spawn(|| ask(&house, "chat").status())).collect();
        assert!(crowd.into_iter().all(|one| one.join().unwrap() == 200));
    });
}
