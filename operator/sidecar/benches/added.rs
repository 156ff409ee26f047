//! What a request costs in the sidecar, beside a bare pass-through of the same library, in one run: CPU time, voluntary
//! and involuntary context switches. Latencies of a shared machine say little, so they stand beside the stolen time.
//!
//! `cargo bench -p vox-sidecar` (`-- 20000` for another number of requests).

// A measurement ends at its first surprise.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::convert::Infallible;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use vox_routing::{PolicySnapshot, Snapshot};

const ANSWER: &str = r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1000,"completion_tokens":100,"total_tokens":1100}}"#;
const CONNECTIONS: usize = 8;
const ROUNDS: usize = 3;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|one| !one.starts_with("--")).collect();
    match arguments.first().map(String::as_str) {
        Some("upstream") => alone(serve(None)),
        Some("proxy") => alone(serve(Some(arguments[1].parse().unwrap()))),
        Some(count) => alone(measure(count.parse().unwrap())),
        None => alone(measure(10_000)),
    }
}

fn alone<F: Future<Output = ()>>(work: F) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build_local(tokio::runtime::LocalOptions::default()).unwrap().block_on(work);
}

/// The upstream, or a bare proxy before it: a connection there for each connection here.
async fn serve(upstream: Option<SocketAddr>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        tokio::task::spawn_local(async move {
            let onward = match upstream {
                Some(upstream) => Some(tokio::sync::Mutex::new(connect(upstream).await)),
                None => None,
            };
            let service = service_fn(|request: Request<Incoming>| async {
                let body = request.into_body().collect().await.unwrap().to_bytes();
                let answer = match &onward {
                    Some(onward) => ask(&mut *onward.lock().await, body).await,
                    None => Bytes::from_static(ANSWER.as_bytes()),
                };
                Ok::<_, Infallible>(Response::new(Full::new(answer)))
            });
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn connect(address: SocketAddr) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::task::spawn_local(connection);
    sender
}

async fn ask(sender: &mut SendRequest<Full<Bytes>>, body: Bytes) -> Bytes {
    sender.ready().await.unwrap();
    let request = Request::post("/v1/chat/completions").header("host", "x").body(Full::new(body)).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    response.into_body().collect().await.unwrap().to_bytes()
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Server {
    fn start(role: &[&str]) -> (Self, SocketAddr) {
        let own = std::env::current_exe().unwrap();
        let mut child = Command::new(own).args(role).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        (Self(child), line.trim().parse().unwrap())
    }

    /// CPU time so far in milliseconds, and context switches of all its threads.
    fn spent(&self) -> (u64, u64) {
        let folder = format!("/proc/{}", self.0.id());
        let stat = std::fs::read_to_string(format!("{folder}/stat")).unwrap();
        let fields: Vec<u64> = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .map(|field| field.parse().unwrap_or(0))
            .collect();
        let tasks = std::fs::read_dir(format!("{folder}/task")).unwrap();
        let switches = tasks
            .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("status")).ok())
            .flat_map(|status| {
                let lines = status.lines().filter(|line| line.contains("ctxt_switches"));
                lines
                    .map(|line| line.rsplit('\t').next().unwrap().parse::<u64>().unwrap())
                    .collect::<Vec<_>>()
            })
            .sum();
        // Linux counts in hundredths of a second.
        ((fields[11] + fields[12]) * 10, switches)
    }
}

fn stolen() -> u64 {
    let stat = std::fs::read_to_string("/proc/stat").unwrap();
    stat.lines().next().unwrap().split_whitespace().nth(8).unwrap().parse::<u64>().unwrap() * 10
}

async fn measure(requests: usize) {
    let (_upstream, upstream) = Server::start(&["upstream"]);
    let (proxy, proxy_address) = Server::start(&["proxy", &upstream.to_string()]);
    let (sidecar, sidecar_address) = sidecar(upstream);
    let body = Bytes::from(
        json!({"model": "vox/auto", "messages": [{"role": "user", "content": "word ".repeat(400)}]})
            .to_string(),
    );
    println!(
        "{requests} requests of {} bytes over {CONNECTIONS} connections, instant upstream, 100 candidates",
        body.len()
    );
    for round in 1..=ROUNDS {
        for (name, server, address) in [
            ("bare proxy", Some(&proxy), proxy_address),
            ("vox-sidecar", Some(&sidecar), sidecar_address),
            ("direct", None, upstream),
        ] {
            load(address, &body, requests / 10).await;
            let (before, lost) = (server.map(Server::spent), stolen());
            let (rate, p50, p99) = load(address, &body, requests).await;
            let (after, lost) = (server.map(Server::spent), stolen() - lost);
            let count = u64::try_from(requests).unwrap();
            let own = before.zip(after).map_or_else(
                String::new,
                |((cpu, switches), (cpu_after, switches_after))| {
                    format!(
                        "{:>4} µs CPU, {:.2} switches a request, ",
                        (cpu_after - cpu) * 1000 / count,
                        f64::from(u32::try_from(switches_after - switches).unwrap())
                            / f64::from(u32::try_from(count).unwrap()),
                    )
                },
            );
            println!(
                "round {round} {name:<12} {own}{rate} req/s, p50 {p50:?}, p99 {p99:?}, stolen {lost} ms"
            );
        }
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", sidecar.0.id())).unwrap();
    println!("vox-sidecar {}", status.lines().find(|line| line.starts_with("VmRSS")).unwrap());
}

async fn load(address: SocketAddr, body: &Bytes, requests: usize) -> (u64, Duration, Duration) {
    let begun = Instant::now();
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        let body = body.clone();
        clients.spawn_local(async move {
            let mut sender = connect(address).await;
            let mut times = Vec::new();
            for _ in 0..requests / CONNECTIONS {
                let begun = Instant::now();
                ask(&mut sender, body.clone()).await;
                times.push(begun.elapsed());
            }
            times
        });
    }
    let mut times: Vec<Duration> = clients.join_all().await.into_iter().flatten().collect();
    times.sort();
    let rate = u128::try_from(times.len()).unwrap() * 1000 / begun.elapsed().as_millis().max(1);
    (u64::try_from(rate).unwrap(), times[times.len() / 2], times[times.len() * 99 / 100])
}

/// The sidecar with one worker and a snapshot of a hundred candidates, one of which is cheapest and is the upstream.
fn sidecar(upstream: SocketAddr) -> (Server, SocketAddr) {
    let folder = std::env::temp_dir().join(format!("vox-added-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let deployments: Vec<_> = (0..100)
        .map(|number| {
            serde_json::from_value(json!({
                "id": format!("up/model-{number:03}"), "upstream": "up",
                "entry": {
                    "model_id": format!("model-{number:03}"), "provider": "vllm", "context_length_tokens": 200_000,
                    "max_output_tokens": 8000, "input_modalities": ["text"], "output_modalities": ["text"],
                    "pricing": {"input_usd_per_mtok": format!("{}", number + 1), "output_usd_per_mtok": "10"},
                    "supports": {"tools": true, "json_schema": true, "streaming": true}, "strengths": [], "tier": "standard",
                },
            }))
            .unwrap()
        })
        .map(|deployment: vox_routing::Deployment| std::sync::Arc::new(deployment))
        .collect();
    let policy = PolicySnapshot {
        policy: serde_json::from_value(json!({"name": "p", "generation": 1, "default": true})).unwrap(),
        upstreams: vec![
            serde_json::from_value(json!({
                "name": "up", "provider": "vllm", "baseUrl": format!("http://{upstream}/v1"),
                "route": "openai-compatible", "auth": "none",
            }))
            .unwrap(),
        ],
        deployments,
    };
    let snapshot = Snapshot::seal("shop".to_owned(), 1, vec![policy]).unwrap();
    std::fs::write(folder.join("s.json"), snapshot.write().unwrap()).unwrap();
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_vox-sidecar"))
        .args([
            "--workers",
            "1",
            "--log",
            "warn",
            "--listen",
            &address.to_string(),
            "--listen-metrics",
            "127.0.0.1:0",
        ])
        .arg("--snapshot")
        .arg(folder.join("s.json"))
        .arg("--state")
        .arg(folder.join("state"))
        .spawn()
        .unwrap();
    let server = Server(child);
    // The snapshot is read within the first moments.
    std::thread::sleep(Duration::from_secs(2));
    (server, address)
}
