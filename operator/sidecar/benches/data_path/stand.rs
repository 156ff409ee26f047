//! Everything that is compared, on one machine: the upstream, and the bare proxy, nginx and the sidecar before it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use vox_routing::{Deployment, PolicySnapshot, Snapshot};

use crate::client::{Line, post};
use crate::process::Server;

pub(crate) const DIRECT: &str = "direct";
pub(crate) const BARE: &str = "bare proxy";
pub(crate) const NGINX: &str = "nginx";
pub(crate) const PASSED: &str = "sidecar, passed through";
pub(crate) const TRANSLATED: &str = "sidecar, translated";

/// One of those that are compared.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    /// Nothing for the upstream itself: what it uses is the rig's.
    pub(crate) server: Option<Rc<Server>>,
    pub(crate) address: SocketAddr,
    path: &'static str,
}

impl Subject {
    /// A question of so many bytes.
    pub(crate) fn question(&self, bytes: usize) -> Vec<u8> {
        post(self.path, &chat(false, &"word ".repeat(bytes / 5)))
    }

    /// A question of 2 kB that is answered in so many pieces.
    pub(crate) fn stream(&self, pieces: usize, pace_ms: u64) -> Vec<u8> {
        let prompt = format!("pieces={pieces} pace_ms={pace_ms} {}", "word ".repeat(400));
        post(self.path, &chat(true, &prompt))
    }
}

/// What OpenAI's and Anthropic's clients both could send.
fn chat(stream: bool, prompt: &str) -> String {
    let messages = [json!({"role": "user", "content": prompt})];
    json!({"model": "vox/auto", "stream": stream, "max_tokens": 500, "messages": messages}).to_string()
}

/// All that runs. Every part of the report asks for fresh ones, so that none sees what another left behind.
pub(crate) struct Stand {
    pub(crate) upstream: Server,
    pub(crate) upstream_address: SocketAddr,
    pub(crate) subjects: Vec<Subject>,
    folder: PathBuf,
}

impl Drop for Stand {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Stand {
    /// Starts everything.
    pub(crate) fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("vox-data-path-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let (upstream, upstream_address) = Server::role(&["upstream"]);
        let openai = "/v1/chat/completions";
        let subject = |name, server, address, path| Subject { name, server, address, path };
        let mut stand = Self { upstream, upstream_address, subjects: Vec::new(), folder };
        let (proxy, bare) = Server::role(&["proxy", &upstream_address.to_string()]);
        stand.subjects.push(subject(DIRECT, None, upstream_address, openai));
        stand.subjects.push(subject(BARE, Some(Rc::new(proxy)), bare, openai));
        match stand.nginx() {
            Some((nginx, address)) => {
                stand.subjects.push(subject(NGINX, Some(Rc::new(nginx)), address, openai));
            }
            None => println!("nginx is not installed: there is no row of it"),
        }
        let hundred = [Candidates { upstream: "up", path: "/v1", count: 100 }];
        let (sidecar, vox) = stand.sidecar(&hundred, &[]);
        let sidecar = Rc::new(sidecar);
        stand.subjects.push(subject(PASSED, Some(Rc::clone(&sidecar)), vox, openai));
        stand.subjects.push(subject(TRANSLATED, Some(sidecar), vox, "/v1/messages"));
        stand
    }

    /// The subject of this name, and its place.
    pub(crate) fn place(&self, name: &str) -> usize {
        self.subjects.iter().position(|subject| subject.name == name).unwrap_or(0)
    }

    /// nginx as a plain proxy: one process, connections kept on both sides, no log of accesses.
    fn nginx(&self) -> Option<(Server, SocketAddr)> {
        let (address, upstream, folder) = (free_address(), self.upstream_address, self.folder.display());
        // One worker, and no master that could leave it behind.
        let text = format!(
            "daemon off; master_process off; worker_processes 1; worker_rlimit_nofile 16384;
            pid {folder}/nginx.pid; error_log {folder}/nginx.errors warn;
            events {{ worker_connections 8192; }}
            http {{
              access_log off; tcp_nodelay on; keepalive_requests 1000000000;
              client_max_body_size 20m; client_body_buffer_size 256k;
              client_body_temp_path {folder}/nginx1; proxy_temp_path {folder}/nginx2; fastcgi_temp_path {folder}/nginx3;
              uwsgi_temp_path {folder}/nginx4; scgi_temp_path {folder}/nginx5;
              upstream up {{ server {upstream}; keepalive 1024; keepalive_requests 1000000000; }}
              server {{
                listen {address} backlog=1024;
                location / {{ proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection \"\"; }}
              }}
            }}"
        );
        let file = self.folder.join("nginx.conf");
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-e").arg(self.folder.join("nginx.errors")).arg("-c").arg(file);
        let nginx = Server::program(command, &self.folder.join("nginx.log"))?;
        answers(address, &post("/v1/chat/completions", &chat(false, "x")));
        Some((nginx, address))
    }

    /// The sidecar as it runs in a pod, with everything on: it shows a key, has a day's budget, decides, and writes
    /// records, metrics, explanations and log lines as ever.
    pub(crate) fn sidecar(&self, candidates: &[Candidates], more: &[&str]) -> (Server, SocketAddr) {
        let address = free_address();
        let folder = self.folder.join(address.port().to_string());
        std::fs::create_dir_all(folder.join("keys")).unwrap();
        std::fs::write(folder.join("keys/key"), "a-key").unwrap();
        std::fs::write(folder.join("s.json"), snapshot(self.upstream_address, candidates).write().unwrap())
            .unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_vox-sidecar"));
        command
            .args(["--workers", "1", "--listen", &address.to_string()])
            .args(["--listen-metrics", &free_address().to_string(), "--namespace", "bench"])
            .arg("--snapshot")
            .arg(folder.join("s.json"))
            .arg("--keys")
            .arg(folder.join("keys"))
            .arg("--state")
            .arg(folder.join("state"))
            .args(more);
        let sidecar = Server::program(command, &folder.join("log")).expect("the sidecar does not start");
        answers(address, b"GET /readyz HTTP/1.1\r\nhost: bench\r\n\r\n");
        (sidecar, address)
    }
}

/// Models of one upstream that a decision chooses from; those of an earlier entry are cheaper.
pub(crate) struct Candidates {
    pub(crate) upstream: &'static str,
    pub(crate) path: &'static str,
    pub(crate) count: usize,
}

fn snapshot(address: SocketAddr, candidates: &[Candidates]) -> Snapshot {
    let (mut upstreams, mut deployments) = (Vec::new(), Vec::new());
    for Candidates { upstream, path, count } in candidates {
        upstreams.push(json!({
            "name": upstream, "provider": "vllm", "baseUrl": format!("http://{address}{path}"),
            "route": "openai-compatible", "auth": "bearer", "credential": "key",
        }));
        for number in 0..*count {
            let price = deployments.len() + 1;
            let deployment: Deployment = serde_json::from_value(json!({
                "id": format!("{upstream}/model-{number:03}"), "upstream": upstream,
                "entry": {
                    "model_id": format!("model-{number:03}"), "provider": "vllm", "context_length_tokens": 200_000,
                    "max_output_tokens": 8000, "input_modalities": ["text"], "output_modalities": ["text"],
                    "pricing": {"input_usd_per_mtok": price.to_string(), "output_usd_per_mtok": "10"},
                    "supports": {"tools": true, "json_schema": true, "streaming": true}, "strengths": [],
                    "tier": "standard",
                },
            }))
            .unwrap();
            deployments.push(Arc::new(deployment));
        }
    }
    let policy = json!({"name": "p", "generation": 1, "default": true, "budget": {"perDay": "1000000"}});
    let policy = PolicySnapshot {
        policy: serde_json::from_value(policy).unwrap(),
        upstreams: serde_json::from_value(json!(upstreams)).unwrap(),
        deployments,
    };
    Snapshot::seal("bench".to_owned(), 1, vec![policy]).unwrap()
}

fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Waits until this is answered well.
fn answers(address: SocketAddr, request: &[u8]) {
    let begun = Instant::now();
    while !matches!(Line::new(address).ask(request), Ok(answer) if answer.status == 200) {
        assert!(begun.elapsed() < Duration::from_secs(20), "nobody answers at {address}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
