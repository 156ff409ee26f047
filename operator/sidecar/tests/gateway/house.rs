//! A sidecar that runs, with its folders and its snapshot.

use std::collections::BTreeSet;
use std::io::{BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use clap::Parser as _;
use serde_json::{Value, json};
use vox_contracts::generated::telemetry::{validate_attempt_of_turn, validate_event_strict};
use vox_routing::snapshot::{Deployment, PolicySnapshot, Snapshot, Upstream as UpstreamSpec};
use vox_sidecar::config::Args;
use vox_sidecar::spool::unsealed;
use vox_sidecar::{Running, start_workers};

use crate::fake::{Message, Step, Upstream, read};

/// An empty folder of one's own.
pub(crate) fn folder() -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, SeqCst);
    let folder = std::env::temp_dir().join(format!("vox-sidecar-{}-{number}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(folder.join("keys")).unwrap();
    folder
}

/// An upstream as a snapshot has it.
pub(crate) fn upstream(name: &str, url: &str, credential: Option<&str>) -> UpstreamSpec {
    serde_json::from_value(json!({
        "name": name, "provider": "vllm", "baseUrl": url, "route": "openai-compatible",
        "auth": if credential.is_some() { "bearer" } else { "none" }, "credential": credential, "local": false,
    }))
    .unwrap()
}

/// A model that can do everything.
pub(crate) fn deployment(upstream: &str) -> Deployment {
    serde_json::from_value(json!({
        "id": format!("{upstream}/model-a"), "upstream": upstream,
        "entry": {
            "model_id": "model-a", "provider": "vllm", "context_length_tokens": 200_000, "max_output_tokens": 8000,
            "input_modalities": ["text", "image"], "output_modalities": ["text"],
            "pricing": {"input_usd_per_mtok": "2", "output_usd_per_mtok": "10"},
            "supports": {"tools": true, "json_mode": true, "json_schema": true, "streaming": true},
            "strengths": [], "tier": "standard",
        },
    }))
    .unwrap()
}

/// A snapshot of one default policy.
pub(crate) fn snapshot(version: u64, upstreams: Vec<UpstreamSpec>, policy: &Value) -> Snapshot {
    let mut full = json!({"name": "p", "generation": 3, "default": true});
    full.as_object_mut().unwrap().extend(policy.as_object().unwrap().clone());
    let mut deployments: Vec<_> = upstreams.iter().map(|upstream| deployment(&upstream.name)).collect();
    deployments.sort_by(|one, other| one.id.cmp(&other.id));
    let deployments = deployments.into_iter().map(std::sync::Arc::new).collect();
    let policy = PolicySnapshot { policy: serde_json::from_value(full).unwrap(), upstreams, deployments };
    Snapshot::seal("shop".to_owned(), version, vec![policy]).unwrap()
}

/// Writes beside and renames, as the sidecar may read at any moment.
pub(crate) fn put(file: &Path, content: &[u8]) {
    let beside = file.with_extension("new");
    std::fs::write(&beside, content).unwrap();
    std::fs::rename(beside, file).unwrap();
}

/// A sidecar on loopback.
pub(crate) struct House {
    pub(crate) folder: PathBuf,
    pub(crate) address: SocketAddr,
    pub(crate) metrics_address: SocketAddr,
    pub(crate) running: Option<Running>,
    pub(crate) upstreams: Vec<Upstream>,
}

impl House {
    /// With this folder and these arguments beyond the usual ones.
    pub(crate) fn open(folder: PathBuf, more: &[&str]) -> Self {
        let path = |name: &str| folder.join(name).display().to_string();
        let (keys, state) = (path("keys"), path("state"));
        let usual = [
            "vox-sidecar",
            "--listen",
            "127.0.0.1:0",
            "--listen-metrics",
            "127.0.0.1:0",
            "--namespace",
            "shop",
            "--keys",
            &keys,
            "--state",
            &state,
            "--workers",
            "2",
            "--drain",
            "2s",
            "--connect-timeout",
            "2s",
        ];
        let settings = Args::parse_from(usual.iter().chain(more)).settings;
        let running = start_workers(settings).unwrap();
        let (address, metrics_address) = (running.address, running.metrics_address);
        Self { folder, address, metrics_address, running: Some(running), upstreams: Vec::new() }
    }

    /// Serving from a snapshot file, with so many upstreams that play one script together.
    pub(crate) fn serving(
        count: usize,
        script: impl Fn(usize, &Message) -> Vec<Step> + Send + Sync + Clone + 'static,
    ) -> Self {
        Self::with(count, &json!({}), &[], script)
    }

    /// The same with a policy and arguments.
    pub(crate) fn with(
        count: usize,
        policy: &Value,
        more: &[&str],
        script: impl Fn(usize, &Message) -> Vec<Step> + Send + Sync + Clone + 'static,
    ) -> Self {
        let requests = Arc::default();
        let upstreams: Vec<_> = (0..count).map(|_| Upstream::start(&requests, script.clone())).collect();
        let folder = folder();
        let specs = upstreams.iter().enumerate();
        let specs = specs.map(|(number, one)| upstream(&format!("up{number}"), &one.url(), None)).collect();
        put(&folder.join("snapshot.json"), &snapshot(1, specs, policy).write().unwrap());
        let file = folder.join("snapshot.json").display().to_string();
        let arguments: Vec<&str> = ["--snapshot", &file].into_iter().chain(more.iter().copied()).collect();
        let mut house = Self::open(folder.clone(), &arguments);
        house.upstreams = upstreams;
        house.until_ready();
        house
    }

    /// With one upstream that is spoken to in this way.
    pub(crate) fn speaking(
        route: &str,
        more: &[&str],
        script: impl Fn(usize, &Message) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let server = Upstream::start(&Arc::default(), script);
        let mut spec = upstream("up0", &server.url(), None);
        spec.route = serde_json::from_value(json!(route)).unwrap();
        let folder = folder();
        put(&folder.join("snapshot.json"), &snapshot(1, vec![spec], &json!({})).write().unwrap());
        let file = folder.join("snapshot.json").display().to_string();
        let arguments: Vec<&str> = ["--snapshot", &file].into_iter().chain(more.iter().copied()).collect();
        let mut house = Self::open(folder.clone(), &arguments);
        house.upstreams = vec![server];
        house.until_ready();
        house
    }

    /// With what it last knew of an operator at this address, and one upstream.
    pub(crate) fn following(
        operator: SocketAddr,
        folder: PathBuf,
        policy: &Value,
        script: impl Fn(usize, &Message) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let server = Upstream::start(&Arc::default(), script);
        std::fs::create_dir_all(folder.join("state")).unwrap();
        std::fs::write(folder.join("token"), "t\n").unwrap();
        let served = snapshot(7, vec![upstream("up", &server.url(), None)], policy);
        put(&folder.join("state/snapshot.json"), &served.write().unwrap());
        let (url, token) = (format!("http://{operator}"), folder.join("token").display().to_string());
        let mut house = Self::open(folder, &["--operator", &url, "--token-file", &token]);
        house.upstreams = vec![server];
        house.until_ready();
        house
    }

    pub(crate) fn until_ready(&self) {
        until("ready", || self.get("/readyz").status() == 200);
    }

    /// A connection on which this request was sent.
    pub(crate) fn connect(&self, method: &str, path: &str, headers: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        // A server that has refused a long body may not read it to its end.
        let _ = stream.write_all(body.as_bytes());
        stream
    }

    pub(crate) fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> Message {
        let stream = self.connect(method, path, headers, body);
        read(&mut BufReader::new(stream)).unwrap()
    }

    pub(crate) fn get(&self, path: &str) -> Message {
        self.send("GET", path, "", "")
    }

    pub(crate) fn chat(&self, body: &Value) -> Message {
        self.send("POST", "/v1/chat/completions", "", &body.to_string())
    }

    /// A question of no interest.
    pub(crate) fn ask(&self) -> Message {
        self.chat(&question(false))
    }

    /// Stops, and gives what was written down. Every line is as the contract says.
    pub(crate) fn records(mut self) -> Vec<Value> {
        drop(self.running.take());
        let mut files: Vec<_> = std::fs::read_dir(self.folder.join("state/spool"))
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        let lines = files.iter().map(|file| unsealed(&std::fs::read(file).unwrap()));
        let text: String = lines.map(|(lines, _)| String::from_utf8(lines).unwrap()).collect();
        let mut lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        // Kinds have files of their own.
        let time = |line: &Value| line["startedUnixMs"].as_u64().or(line["receivedUnixMs"].as_u64());
        lines.sort_by_key(time);
        lines.iter().for_each(is_of_the_contract);
        lines
    }

    pub(crate) fn calls(&self) -> usize {
        self.upstreams.iter().map(|upstream| upstream.requests().len()).sum()
    }
}

/// Refuses a line of the spool that `model-telemetry.v1.yaml` does not know.
pub(crate) fn is_of_the_contract(line: &Value) {
    let members: BTreeSet<_> = line.as_object().unwrap().keys().map(String::as_str).collect();
    if line["kind"] == "feedback" {
        return;
    }
    assert_eq!(
        members,
        BTreeSet::from(["attempts", "attributes", "event", "kind", "startedUnixMs"]),
        "{line:#}"
    );
    assert_eq!((&line["kind"], line["startedUnixMs"].is_u64()), (&json!("call"), true), "{line:#}");
    let turn = line["attributes"].as_object().unwrap();
    let checked = validate_event_strict(line["event"].as_str().unwrap(), turn);
    checked.unwrap_or_else(|error| panic!("{error}: {line:#}"));
    let attempts = line["attempts"].as_array().unwrap();
    for attempt in attempts {
        assert_eq!(attempt["event"], "vox.model.attempt");
        let checked =
            validate_attempt_of_turn("vox.model.attempt", turn, attempt["attributes"].as_object().unwrap());
        checked.unwrap_or_else(|error| panic!("{error}: {line:#}"));
    }
    assert_eq!(turn["vox.attempts"], attempts.len(), "{line:#}");
}

/// An attribute of a turn.
pub(crate) fn turn(record: &Value, name: &str) -> Value {
    record["attributes"][name].clone()
}

/// An attribute of one of its attempts.
pub(crate) fn tried(record: &Value, number: usize, name: &str) -> Value {
    record["attempts"][number]["attributes"][name].clone()
}

/// How an attempt ended: `ok`, `cancelled`, or the class of its failure.
pub(crate) fn ended(record: &Value, number: usize) -> Value {
    let outcome = tried(record, number, "vox.attempt.outcome");
    match outcome.as_str() {
        Some("succeeded") => json!("ok"),
        Some("failed") => tried(record, number, "error.type"),
        _ => outcome,
    }
}

/// A question of no interest.
pub(crate) fn question(stream: bool) -> Value {
    json!({"model": "vox/auto", "stream": stream, "messages": [{"role": "user", "content": "the secret plan"}]})
}

/// Waits for something that is about to happen.
pub(crate) fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !happened() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it did not happen: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
