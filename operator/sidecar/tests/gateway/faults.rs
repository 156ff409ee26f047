//! Upstreams that fail before they answer.

use serde_json::json;

use crate::fake::{GOOD, Message, Step, whole};
use crate::house::{House, ended, question, tried, turn};

/// The first attempt meets this, every other one a good answer.
fn first(fault: Vec<Step>) -> impl Fn(usize, &Message) -> Vec<Step> + Send + Sync + Clone {
    move |number, _| if number == 0 { fault.clone() } else { whole(200, "", GOOD) }
}

/// The client sees an answer, and the record the class of what it did not see.
fn falls_back(class: &str, fault: Vec<Step>) {
    let house = House::with(2, &json!({}), &["--header-timeout", "500ms"], first(fault));
    let answer = house.ask();
    assert_eq!(answer.status(), 200, "{class}: {answer:?}");
    assert_eq!(answer.body, GOOD, "{class}");
    assert_eq!(answer.header("x-vox-attempts"), "2", "{class}");
    assert_eq!(answer.header("x-vox-policy"), "p/3");
    let records = house.records();
    assert_eq!(records.len(), 1);
    let record = &records[0];
    assert_eq!(ended(record, 0), class, "{record:#}");
    assert_eq!(ended(record, 1), "ok");
    assert_eq!(turn(record, "vox.outcome"), "answered");
    assert_eq!(turn(record, "vox.decision.id"), answer.header("x-vox-decision"));
    assert_eq!(tried(record, 1, "vox.deployment"), answer.header("x-vox-model"));
    assert_eq!(tried(record, 1, "gen_ai.usage.input_tokens"), 1000);
    // 1,000 tokens at USD 2 and 100 at USD 10 a million.
    assert_eq!(turn(record, "vox.cost_usd"), "0.003");
}

#[test]
fn a_server_error_falls_back() {
    falls_back("server", whole(500, "", "{\"error\":{\"message\":\"x\"}}"));
}

#[test]
fn an_overloaded_server_falls_back() {
    falls_back("overloaded", whole(529, "", ""));
}

#[test]
fn an_error_within_a_200_falls_back() {
    falls_back("upstream_error_in_200", whole(200, "", "{\"error\":{\"message\":\"broken\"}}"));
}

#[test]
fn an_answer_that_is_no_json_falls_back() {
    falls_back("malformed", whole(200, "", "<html>"));
}

#[test]
fn an_empty_answer_falls_back() {
    falls_back("empty", whole(200, "", ""));
}

#[test]
fn a_model_that_is_gone_falls_back() {
    falls_back("not_found", whole(404, "", "{\"error\":{\"message\":\"no such model\"}}"));
}

#[test]
fn a_refused_key_falls_back() {
    falls_back("unauthorised", whole(401, "", "{\"error\":{\"message\":\"bad key\"}}"));
}

#[test]
fn a_conflict_and_a_timeout_of_the_upstreams_own_fall_back() {
    falls_back("conflict", whole(409, "", ""));
    falls_back("timeout", whole(408, "", ""));
}

#[test]
fn an_answer_that_is_cut_falls_back() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{\"id\"";
    falls_back("cut", vec![Step::Send(head.as_bytes().to_vec()), Step::Cut]);
}

#[test]
fn a_connection_that_ends_without_an_answer_falls_back() {
    falls_back("no_answer", vec![Step::Cut]);
}

#[test]
fn nobody_listening_falls_back() {
    // The first upstream of the decision, whichever that is, is the one that is gone.
    let house = House::serving(2, first(whole(200, "", GOOD)));
    let good = house.ask();
    let other = if good.header("x-vox-model") == "up0/model-a" { "up1" } else { "up0" };
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let urls = ["up0", "up1"]
        .map(|name| if name == other { house.upstreams[0].url() } else { format!("http://{gone}") });
    let specs = ["up0", "up1"].iter().zip(&urls).map(|(name, url)| crate::house::upstream(name, url, None));
    let snapshot = crate::house::snapshot(2, specs.collect(), &json!({}));
    crate::house::put(&house.folder.join("snapshot.json"), &snapshot.write().unwrap());
    crate::house::until("the new snapshot", || house.ask().header("x-vox-attempts") == "2");
    let records = house.records();
    assert_eq!(ended(records.last().unwrap(), 0), "connect");
}

/// One upstream with many models and another with one.
fn many_and_one(house: &House, many: &str, one: &str) {
    let specs = [("many", many), ("one", one)].map(|(name, url)| crate::house::upstream(name, url, None));
    let mut snapshot = crate::house::snapshot(2, specs.to_vec(), &json!({}));
    let policy = &mut snapshot.policies[0];
    let of_many = (0..9).map(|number| {
        let mut deployment = crate::house::deployment("many");
        deployment.entry.model_id = format!("model-{number}");
        deployment.id = format!("many/model-{number}");
        std::sync::Arc::new(deployment)
    });
    policy.deployments.splice(0..1, of_many);
    let snapshot = vox_routing::Snapshot::seal(snapshot.namespace, 2, snapshot.policies).unwrap();
    crate::house::put(&house.folder.join("snapshot.json"), &snapshot.write().unwrap());
}

#[test]
fn a_provider_that_is_away_with_all_its_models_is_no_outage() {
    let house = House::serving(1, whole_good());
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    many_and_one(&house, &format!("http://{gone}"), &house.upstreams[0].url());
    crate::house::until("the new snapshot", || house.ask().header("x-vox-model") == "one/model-a");
    for _ in 0..20 {
        let answer = house.ask();
        assert_eq!((answer.status(), answer.header("x-vox-model")), (200, "one/model-a"), "{answer:?}");
    }
    // A second model of the upstream that could not be reached is not tried; in the end not even a first one.
    let records = house.records();
    let tries: Vec<_> = records.iter().map(|record| record["attempts"].as_array().unwrap().len()).collect();
    assert!(tries.iter().all(|tries| *tries <= 2), "{tries:?}");
    assert_eq!(tries.last(), Some(&1), "{tries:?}");
}

#[test]
fn a_provider_that_fails_with_all_its_models_is_left_alone_as_a_whole() {
    let bad = House::serving(1, |_, _: &Message| whole(500, "", "{\"error\":{\"message\":\"x\"}}"));
    let house = House::serving(1, whole_good());
    many_and_one(&house, &bad.upstreams[0].url(), &house.upstreams[0].url());
    crate::house::until("the new snapshot", || house.ask().header("x-vox-model") == "one/model-a");
    for _ in 0..10 {
        assert_eq!(house.ask().status(), 200);
    }
    // Ten failures in a row, whichever models they were of, and then one probe a second at most.
    assert!(bad.calls() <= 14, "{}", bad.calls());
}

fn whole_good() -> impl Fn(usize, &Message) -> Vec<Step> + Send + Sync + Clone {
    |_, _: &Message| whole(200, "", GOOD)
}

#[test]
fn a_stalled_stream_falls_back_before_its_first_token() {
    let script = |number, _: &Message| if number == 0 { vec![Step::Wait(3000)] } else { whole(500, "", "") };
    let house = House::with(2, &json!({}), &["--header-timeout", "200ms"], script);
    let answer = house.chat(&question(true));
    assert_eq!(answer.status(), 504, "{answer:?}");
    assert!(answer.body.contains("header_timeout"), "{}", answer.body);
    assert!(!answer.body.contains("DONE"));
}

#[test]
fn the_clients_own_mistake_is_returned_at_once_in_the_upstreams_words() {
    let said = "{\"error\":{\"message\":\"temperature must be below 2\",\"type\":\"invalid_request_error\"}}";
    let house = House::serving(2, move |_, _| whole(400, "", said));
    let answer = house.ask();
    assert_eq!((answer.status(), answer.body.as_str()), (400, said));
    assert_eq!(house.calls(), 1);
    assert_eq!(turn(&house.records()[0], "vox.outcome"), "clientError");
}

#[test]
fn when_all_fail_the_client_hears_who_and_why() {
    let house = House::serving(2, |_, _| whole(500, "", ""));
    let answer = house.ask();
    assert_eq!(answer.status(), 502);
    let error = &answer.json()["error"];
    assert_eq!(error["code"], "all_attempts_failed");
    assert_eq!(error["decision_id"], answer.header("x-vox-decision"));
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("up0/model-a: server (500)") && message.contains("up1/model-a: server (500)"));
}

#[test]
fn a_limit_holds_until_the_retry_after_has_passed_in_either_form() {
    // A date far away: what matters is that it is understood.
    for wait in ["retry-after: 2\r\n", "retry-after: Fri, 31 Dec 2999 23:59:59 GMT\r\n"] {
        let house =
            House::serving(1, move |_, _| whole(429, wait, "{\"error\":{\"message\":\"slow down\"}}"));
        let answer = house.ask();
        assert_eq!(answer.status(), 429, "{answer:?}");
        assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1, "{answer:?}");
        // The next one is refused without a call.
        let next = house.ask();
        assert_eq!(next.json()["error"]["code"], "no_candidate", "{next:?}");
        assert!(next.body.contains("RateLimited"), "{}", next.body);
        assert_eq!(house.calls(), 1);
    }
}

#[test]
fn a_lone_upstream_that_keeps_failing_is_left_alone_and_probed_again() {
    let house =
        House::serving(1, |number, _| if number < 5 { whole(500, "", "") } else { whole(200, "", GOOD) });
    for _ in 0..5 {
        assert_eq!(house.ask().status(), 502);
    }
    assert!(house.ask().body.contains("CircuitOpen"));
    assert_eq!(house.calls(), 5);
    crate::house::until("a probe", || house.ask().status() == 200);
    assert_eq!(house.ask().status(), 200);
}

#[test]
fn retries_are_bounded_when_everything_is_down() {
    let house = House::serving(3, |_, _| whole(409, "", ""));
    for _ in 0..15 {
        house.ask();
    }
    // 15 first attempts, and ten retries of the floor.
    assert_eq!(house.calls(), 25);
}
