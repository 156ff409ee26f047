//! What clients may ask, what they are told, and what is known of them afterwards.

use serde_json::{Value, json};

use crate::fake::{GOOD, Message, Step, Upstream, whole};
use crate::house::{House, ended, folder, put, question, snapshot, turn, until, upstream};

fn answering() -> House {
    House::serving(1, |_, _| whole(200, "", GOOD))
}

#[test]
fn a_request_passes_byte_for_byte_but_for_the_models_name() {
    let house = answering();
    let body = "{ \"messages\" : [{\"role\":\"user\",\"content\":\"h\\u0069\"}],\n \"model\":\"vox/auto\", \"x\": 1.50 }";
    let answer = house.send("POST", "/v1/chat/completions", "authorization: Bearer client-secret\r\n", body);
    assert_eq!(answer.json()["model"], "m-really");
    let asked = house.upstreams[0].requests()[0].clone();
    assert_eq!(asked.body, body.replace("vox/auto", "model-a"));
    assert_eq!(asked.header("authorization"), "", "the client's credentials are not the upstream's");
    assert_eq!(asked.header("host"), house.upstreams[0].address.to_string());
}

#[test]
fn an_unknown_model_is_refused_in_the_clients_dialect() {
    let house = answering();
    let mut body = question(false);
    body["model"] = json!("no-such");
    let answer = house.chat(&body);
    assert_eq!((answer.status(), answer.json()["error"]["code"].clone()), (404, json!("unknown_model")));
    body["max_tokens"] = json!(5);
    let answer = house.send("POST", "/v1/messages", "", &body.to_string());
    let said = answer.json();
    assert_eq!((&said["type"], &said["error"]["type"]), (&json!("error"), &json!("not_found_error")));
    assert_eq!(house.calls(), 0);
}

#[test]
fn what_is_no_request_is_refused_with_the_place() {
    let house = answering();
    for (headers, body, said) in [
        ("", "{\"model\":", "byte"),
        ("", "[]", "byte"),
        ("x-vox-category: cooking\r\n", "{\"messages\":[]}", "x-vox-category"),
        ("x-vox-max-usd: -1\r\n", "{\"messages\":[]}", "x-vox-max-usd"),
        ("x-vox-complexity: much\r\n", "{\"messages\":[]}", "x-vox-complexity"),
        ("x-vox-interaction: 7\r\n", "{\"messages\":[]}", "x-vox-interaction"),
    ] {
        let answer = house.send("POST", "/v1/chat/completions", headers, body);
        assert_eq!(answer.status(), 400, "{body} {answer:?}");
        assert_eq!(answer.json()["error"]["code"], "malformed_request");
        assert!(answer.body.contains(said), "{}", answer.body);
    }
    assert_eq!(house.calls(), 0);
}

#[test]
fn a_long_body_passes_and_one_that_is_too_long_is_refused() {
    let house = House::with(1, &json!({}), &["--max-body", "20MiB"], |_, _| whole(200, "", GOOD));
    let body = |bytes: usize| {
        // An image: its bytes are not tokens.
        let image = format!("data:image/png;base64,{}", "A".repeat(bytes));
        json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": image}}]}]})
    };
    let long = body((20 << 20) - 300);
    assert_eq!(house.chat(&long).status(), 200);
    assert_eq!(
        house.upstreams[0].requests()[0].body.len(),
        long.to_string().len() + "\"model\":\"model-a\",".len()
    );
    let answer = house.chat(&body(20 << 20));
    assert_eq!((answer.status(), answer.json()["error"]["code"].clone()), (413, json!("body_too_large")));
    let answer = house.send("POST", "/v1/messages", "", &body(20 << 20).to_string());
    assert_eq!(answer.json()["error"]["type"], "request_too_large");
}

#[test]
fn hints_reach_the_decision_from_headers_and_metadata() {
    let house = answering();
    let mut body = question(false);
    body["metadata"] = json!({"vox-category": "review", "vox-complexity": "8"});
    let decided = house.send("POST", "/vox/v1/decide", "", &body.to_string()).json();
    assert_eq!(
        (&decided["decided"]["category"], &decided["decided"]["complexity"]),
        (&json!("review"), &json!(8))
    );
    let headers = "x-vox-category: codegen\r\nx-vox-tool-hints: 2\r\n";
    let decided = house.send("POST", "/vox/v1/decide", headers, &question(false).to_string()).json();
    assert_eq!(decided["decided"]["category"], "codegen");
    assert!(decided["decided"]["complexity"].as_u64().unwrap() >= 7);
    body["model"] = json!("vox/debugging");
    let decided = house.send("POST", "/vox/v1/decide", "", &body.to_string()).json();
    assert_eq!(decided["decided"]["category"], "debugging");
}

#[test]
fn a_dry_run_calls_nobody_and_can_be_explained() {
    let house = answering();
    let answer = house.send("POST", "/vox/v1/decide", "", &question(false).to_string());
    assert_eq!(answer.status(), 200, "{answer:?}");
    let decided = answer.json();
    assert_eq!(decided["decided"]["picks"][0]["deployment"], "up0/model-a");
    assert_eq!(house.calls(), 0);
    let explained = house.get(&format!("/vox/v1/explain/{}", decided["decision"].as_str().unwrap())).json();
    assert_eq!(explained["explanation"], decided["explanation"]);
    assert!(house.records().is_empty(), "a dry run is no call");
}

#[test]
fn a_served_request_can_be_explained_and_an_unknown_one_not() {
    let house = answering();
    let id = house.ask().header("x-vox-decision").to_owned();
    let explained = house.get(&format!("/vox/v1/explain/{id}")).json();
    assert_eq!(ended(&explained["record"], 0), "ok");
    assert!(!explained["explanation"].is_null());
    let unknown = house.get("/vox/v1/explain/0190a0a0-0000-7000-8000-000000000000");
    assert_eq!((unknown.status(), unknown.json()["error"]["code"].clone()), (404, json!("unknown_decision")));
}

#[test]
fn a_request_beyond_its_own_ceiling_is_refused_and_spends_nothing() {
    let house = answering();
    let answer = house.send(
        "POST",
        "/v1/chat/completions",
        "x-vox-max-usd: 0.000001\r\n",
        &question(false).to_string(),
    );
    assert_eq!((answer.status(), answer.json()["error"]["code"].clone()), (402, json!("too_dear")));
    assert_eq!(house.calls(), 0);
}

#[test]
fn a_days_budget_that_is_spent_refuses() {
    // One answer costs USD 0.003; the worst case of the next one, 8,000 tokens of output, is USD 0.08.
    let policy = json!({"budget": {"perDay": "0.0825"}});
    let house = House::with(1, &policy, &[], |_, _| whole(200, "", GOOD));
    assert_eq!(house.ask().status(), 200);
    let refused = house.ask();
    assert_eq!(refused.status(), 402, "{refused:?}");
    assert_eq!(house.calls(), 1);
    assert!(house.get("/metrics").body.contains("vox_sidecar_spent_today_usd 0.003"));
}

#[test]
fn feedback_is_checked_and_written_down() {
    let house = answering();
    let id = house.ask().header("x-vox-decision").to_owned();
    let send = |body: Value| house.send("POST", "/vox/v1/feedback", "", &body.to_string()).status();
    assert_eq!(send(json!({"decision": id, "thumb": "up", "score": 0.5})), 202);
    assert_eq!(send(json!({"decision": id, "score": 1.5})), 400);
    assert_eq!(send(json!({"decision": id})), 400);
    assert_eq!(send(json!({"decision": id, "score": 1, "comment": "x"})), 400);
    let records = house.records();
    assert_eq!(records.len(), 2);
    assert_eq!((&records[1]["kind"], &records[1]["decision"]), (&json!("feedback"), &json!(id)));
}

#[test]
fn models_are_listed_and_found_by_their_names() {
    let house = answering();
    let list = house.get("/v1/models").json();
    let names: Vec<&str> =
        list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert!(names.contains(&"vox/auto") && names.contains(&"up0/model-a"), "{names:?}");
    assert_eq!(house.get("/v1/models/up0/model-a").json()["id"], "up0/model-a");
    assert_eq!(house.get("/v1/models/nobody").status(), 404);
}

#[test]
fn other_methods_and_paths_are_told_what_is_there() {
    let house = answering();
    for (method, path, allowed) in [
        ("GET", "/v1/chat/completions", "POST"),
        ("GET", "/v1/messages", "POST"),
        ("DELETE", "/v1/models", "GET"),
        ("GET", "/vox/v1/decide", "POST"),
    ] {
        let answer = house.send(method, path, "", "");
        assert_eq!((answer.status(), answer.header("allow")), (405, allowed), "{method} {path}");
    }
    assert_eq!(house.send("POST", "/v1/completions", "", "{}").status(), 404);
    let counted = house.send("POST", "/v1/messages/count_tokens", "", &question(false).to_string());
    assert!(counted.json()["input_tokens"].as_u64().unwrap() > 0);
}

#[test]
fn a_trace_goes_on_with_a_span_of_our_own() {
    let house = answering();
    let headers =
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\ntracestate: a=b\r\n";
    house.send("POST", "/v1/chat/completions", headers, &question(false).to_string());
    let asked = house.upstreams[0].requests()[0].clone();
    assert!(asked.header("traceparent").starts_with("00-0af7651916cd43dd8448eb211c80319c-"));
    assert!(!asked.header("traceparent").contains("b7ad6b7169203331"));
    assert_eq!(asked.header("tracestate"), "a=b");
    assert_eq!(turn(&house.records()[0], "vox.caller_trace_id"), "0af7651916cd43dd8448eb211c80319c");
}

#[test]
fn no_prompt_and_no_key_is_written_down_or_scraped() {
    let house = keyed("key-1");
    house.ask();
    let scraped = house.get("/metrics").body;
    let (folder, records) = (house.folder.clone(), format!("{:?}", house.records()));
    assert!(!records.is_empty() && folder.exists());
    for secret in ["key-1", "key-2", "the secret plan"] {
        assert!(!records.contains(secret) && !scraped.contains(secret), "{secret}");
    }
}

/// An upstream that takes one key only.
fn keyed(wanted: &'static str) -> House {
    let up = Upstream::start(&std::sync::Arc::default(), move |_, asked: &Message| -> Vec<Step> {
        let right = asked.header("authorization") == format!("Bearer {wanted}");
        if right { whole(200, "", GOOD) } else { whole(401, "", "{\"error\":{\"message\":\"bad key\"}}") }
    });
    let folder = folder();
    put(&folder.join("keys/up"), b"key-1\n");
    let snapshot = snapshot(1, vec![upstream("up", &up.url(), Some("up"))], &json!({}));
    put(&folder.join("snapshot.json"), &snapshot.write().unwrap());
    let file = folder.join("snapshot.json").display().to_string();
    let mut house = House::open(folder, &["--snapshot", &file]);
    house.upstreams = vec![up];
    house.until_ready();
    house
}

#[test]
fn a_key_that_is_refused_is_not_shown_again_until_its_file_changes() {
    let house = keyed("key-2");
    assert_eq!(house.ask().status(), 502);
    assert!(house.ask().body.contains("KeyRefused"));
    assert_eq!(house.calls(), 1);
    put(&house.folder.join("keys/up"), b"key-2\n");
    until("the new key", || house.ask().status() == 200);
    std::fs::remove_file(house.folder.join("keys/up")).unwrap();
    until("the key is missed", || house.ask().body.contains("KeyMissing"));
}

#[test]
fn probes_and_metrics_have_a_port_of_their_own() {
    let house = answering();
    house.ask();
    let text = house.get("/metrics").body;
    for name in [
        "vox_sidecar_requests_total{outcome=\"answered\"} 1",
        "vox_sidecar_attempts_total{upstream=\"up0\",class=\"ok\"} 1",
        "vox_sidecar_decision_seconds_count 1",
        "vox_sidecar_added_latency_seconds_count 1",
        "vox_sidecar_snapshot_version 1",
    ] {
        assert!(text.contains(name), "{name} is not in\n{text}");
    }
    let other =
        House { address: house.metrics_address, running: None, folder: folder(), upstreams: vec![], ..house };
    assert_eq!(other.get("/readyz").status(), 200);
    assert_eq!(other.send("POST", "/v1/chat/completions", "", "{}").status(), 404);
}

#[test]
fn too_much_at_once_is_refused() {
    let house = House::with(1, &json!({}), &["--max-in-flight", "1"], |_, _| {
        [vec![Step::Wait(1500)], whole(200, "", GOOD)].concat()
    });
    let first = house.connect("POST", "/v1/chat/completions", "", &question(false).to_string());
    until("it is asked", || house.calls() == 1);
    let refused = house.ask();
    assert_eq!((refused.status(), refused.json()["error"]["code"].clone()), (503, json!("overloaded")));
    drop(first);
}

#[test]
fn embeddings_of_an_ollama_server_are_asked_for_in_openais_words_below_its_origin() {
    let vector = r#"{"object":"list","model":"embedder","data":[{"object":"embedding","index":0,"embedding":[0.6,0.8]}]}"#;
    let requests = std::sync::Arc::default();
    let server = Upstream::start(&requests, move |_, _| whole(200, "", vector));
    let mut spec = upstream("up0", server.url().trim_end_matches("/v1"), None);
    spec.route = vox_contracts::generated::providers::ChatRouteBackend::Ollama;
    let mut sealed = snapshot(1, vec![spec], &json!({}));
    for deployment in &mut sealed.policies[0].deployments {
        std::sync::Arc::make_mut(deployment).entry.output_modalities = vec!["embedding".to_owned()];
    }
    let sealed = vox_routing::Snapshot::seal("shop".to_owned(), 1, sealed.policies).unwrap();
    let folder = folder();
    put(&folder.join("snapshot.json"), &sealed.write().unwrap());
    let house =
        House::open(folder.clone(), &["--snapshot", &folder.join("snapshot.json").display().to_string()]);
    house.until_ready();
    let body = json!({"model": "vox/embedding", "input": "hello", "encoding_format": "base64"}).to_string();
    let answer = house.send("POST", "/v1/embeddings", "", &body);
    assert_eq!(answer.status(), 200, "{}", answer.body);
    assert_eq!(answer.json()["data"][0]["embedding"], json!([0.6, 0.8]));
    let asked = server.requests()[0].clone();
    assert!(asked.first.starts_with("POST /v1/embeddings "), "{}", asked.first);
    assert_eq!(asked.body, body.replace("vox/embedding", "model-a"));
}
