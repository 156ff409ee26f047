//! Where snapshots come from, and what happens without one.

use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::fake::{GOOD, Step, Upstream, piece, whole};
use crate::house::{House, folder, put, snapshot, until, upstream};

#[test]
fn without_a_snapshot_the_gateway_says_so_and_is_not_ready() {
    let house = House::open(folder(), &["--operator", "http://127.0.0.1:1"]);
    let answer = house.ask();
    assert_eq!((answer.status(), answer.json()["error"]["code"].as_str()), (503, Some("no_snapshot")));
    assert_ne!(answer.header("retry-after"), "");
    assert_eq!(house.get("/readyz").status(), 503);
    assert_eq!(house.get("/healthz").status(), 200);
    assert!(house.get("/metrics").body.contains("vox_sidecar_snapshot_age_seconds -1"));
}

#[test]
fn two_default_policies_are_refused_by_their_names() {
    let (one, two) = (snapshot(1, vec![], &json!({"name": "a"})), snapshot(1, vec![], &json!({"name": "b"})));
    let policies = one.policies.into_iter().chain(two.policies).collect();
    let both = vox_routing::Snapshot::seal("shop".to_owned(), 1, policies).unwrap();
    let folder = folder();
    let file = folder.join("s.json");
    put(&file, &both.write().unwrap());
    let house = House::open(folder.clone(), &["--snapshot", file.to_str().unwrap()]);
    until("it is read", || house.ask().body.contains("no_policy"));
    let answer = house.ask();
    assert_eq!(answer.status(), 503);
    assert!(answer.body.contains("a, b"), "{}", answer.body);
    // Named, it serves.
    let house = House::open(folder, &["--snapshot", file.to_str().unwrap(), "--policy", "b"]);
    house.until_ready();
}

#[test]
fn a_lone_policy_serves_whether_it_is_the_default_or_not() {
    let lone = snapshot(1, vec![], &json!({"default": false}));
    let folder = folder();
    let file = folder.join("s.json");
    put(&file, &lone.write().unwrap());
    House::open(folder, &["--snapshot", file.to_str().unwrap()]).until_ready();
}

#[test]
fn a_new_snapshot_serves_while_requests_are_under_way() {
    let house = House::serving(1, |_, _| [vec![Step::Wait(100)], whole(200, "", GOOD)].concat());
    let url = house.upstreams[0].url();
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let answers = (0..12).map(|_| house.ask());
                    answers
                        .map(|answer| (answer.status(), answer.header("x-vox-model").to_owned()))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        std::thread::sleep(std::time::Duration::from_millis(300));
        let new = snapshot(2, vec![upstream("new", &url, None)], &json!({}));
        put(&house.folder.join("snapshot.json"), &new.write().unwrap());
        let answers: Vec<_> = asking.into_iter().flat_map(|asking| asking.join().unwrap()).collect();
        assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
        assert!(answers.iter().any(|(_, model)| model == "up0/model-a"));
        assert!(answers.iter().any(|(_, model)| model == "new/model-a"));
    });
}

#[test]
fn the_last_good_snapshot_serves_while_the_operator_is_away() {
    let up = Upstream::start(&Arc::default(), |_, _| whole(200, "", GOOD));
    let folder = folder();
    std::fs::create_dir_all(folder.join("state")).unwrap();
    let last = snapshot(7, vec![upstream("up", &up.url(), None)], &json!({}));
    put(&folder.join("state/snapshot.json"), &last.write().unwrap());
    let house = House::open(folder, &["--operator", "http://127.0.0.1:1"]);
    house.until_ready();
    assert_eq!(house.ask().status(), 200);
    assert!(house.get("/metrics").body.contains("vox_sidecar_snapshot_version 7"));
}

#[test]
fn a_damaged_last_snapshot_is_refused_and_counted() {
    let folder = folder();
    std::fs::create_dir_all(folder.join("state")).unwrap();
    let good = snapshot(7, vec![upstream("up", "http://127.0.0.1:1", None)], &json!({})).write().unwrap();
    let damaged = String::from_utf8(good).unwrap().replace("model-a", "model-b");
    put(&folder.join("state/snapshot.json"), damaged.as_bytes());
    let house = House::open(folder, &["--operator", "http://127.0.0.1:1"]);
    until("it is counted", || {
        house.get("/metrics").body.contains("vox_sidecar_snapshots_refused_total{reason=\"digest\"} 1")
    });
    assert_eq!(house.get("/readyz").status(), 503);
}

#[test]
fn the_operators_stream_is_followed_kept_and_never_goes_back() {
    let up = Upstream::start(&Arc::default(), |_, _| whole(200, "", GOOD));
    let url = up.url();
    let line = move |version| {
        let snapshot = snapshot(version, vec![upstream("up", &url, None)], &json!({}));
        String::from_utf8(snapshot.write().unwrap()).unwrap() + "\n"
    };
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n";
    let versions = Arc::new(Mutex::new(vec![vec![5, 4, 6], vec![6, 8]]));
    let operator = Upstream::start(&Arc::default(), move |_, _| {
        let next = {
            let mut versions = versions.lock().unwrap();
            if versions.is_empty() { vec![] } else { versions.remove(0) }
        };
        let lines =
            next.into_iter().flat_map(|version| [piece("\n"), piece(&line(version)), Step::Wait(100)]);
        [Step::Send(head.as_bytes().to_vec())].into_iter().chain(lines).chain([Step::Cut]).collect()
    });
    let folder = folder();
    std::fs::write(folder.join("token"), "t-1\n").unwrap();
    let (url, token) = (format!("http://{}", operator.address), folder.join("token").display().to_string());
    let house = House::open(folder.clone(), &["--operator", &url, "--token-file", &token]);
    until("the second stream", || house.get("/metrics").body.contains("vox_sidecar_snapshot_version 8"));
    assert_eq!(house.ask().status(), 200);
    let asked = operator.requests();
    assert_eq!(asked[0].first, "GET /v1/namespaces/shop/snapshot?after=0 HTTP/1.1");
    assert_eq!(asked[1].first, "GET /v1/namespaces/shop/snapshot?after=6 HTTP/1.1");
    assert_eq!(asked[0].header("authorization"), "Bearer t-1");
    assert!(house.get("/metrics").body.contains("snapshots_refused_total{reason=\"old\"}"));
    let kept = std::fs::read(folder.join("state/snapshot.json")).unwrap();
    assert_eq!(vox_routing::Snapshot::read(&kept).unwrap().version, 8);
}

#[test]
fn the_operator_is_told_which_keys_are_missing_and_again_when_they_are_there() {
    let keyed = snapshot(5, vec![upstream("up", "http://127.0.0.1:1", Some("p/vllm"))], &json!({}));
    let line = String::from_utf8(keyed.write().unwrap()).unwrap() + "\n";
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n";
    let operator = Upstream::start(&Arc::default(), move |_, _| {
        [Step::Send(head.as_bytes().to_vec()), piece(&line), Step::Wait(15_000)].into()
    });
    let folder = folder();
    std::fs::write(folder.join("token"), "t\n").unwrap();
    let (url, token) = (format!("http://{}", operator.address), folder.join("token").display().to_string());
    let _house = House::open(folder.clone(), &["--operator", &url, "--token-file", &token]);
    until("it is told", || operator.requests().len() == 2);
    std::fs::create_dir_all(folder.join("keys/p")).unwrap();
    put(&folder.join("keys/p/vllm"), b"key");
    until("it is told again", || operator.requests().len() == 3);
    let asked: Vec<String> = operator.requests().iter().map(|request| request.first.clone()).collect();
    let path = "GET /v1/namespaces/shop/snapshot?after=";
    let expected =
        ["0 HTTP/1.1", "5&missing=p/vllm HTTP/1.1", "5 HTTP/1.1"].map(|rest| format!("{path}{rest}"));
    assert_eq!(asked, expected);
}
