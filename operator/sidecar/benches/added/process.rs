//! The processes that are measured, and what the kernel says about them.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use vox_routing::{Deployment, PolicySnapshot, Snapshot};

/// A process; it ends with its value.
pub(crate) struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a process has used so far.
#[derive(Default)]
pub(crate) struct Spent {
    pub(crate) cpu_ns: u64,
    pub(crate) voluntary: u64,
    pub(crate) involuntary: u64,
}

impl Server {
    /// This program in another role; it says where it listens.
    pub(crate) fn start(role: &[&str]) -> (Self, SocketAddr) {
        let own = std::env::current_exe().unwrap();
        let mut child = Command::new(own).args(role).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        (Self(child), line.trim().parse().unwrap())
    }

    /// All its threads together.
    pub(crate) fn spent(&self) -> Spent {
        let mut spent = Spent::default();
        for task in std::fs::read_dir(format!("/proc/{}/task", self.0.id())).unwrap() {
            let task = task.unwrap().path();
            let schedule = std::fs::read_to_string(task.join("schedstat")).unwrap_or_default();
            spent.cpu_ns += schedule.split(' ').next().and_then(|time| time.parse().ok()).unwrap_or(0);
            let status = std::fs::read_to_string(task.join("status")).unwrap_or_default();
            spent.voluntary += number(&status, "voluntary_ctxt_switches:");
            spent.involuntary += number(&status, "nonvoluntary_ctxt_switches:");
        }
        spent
    }

    /// Resident memory.
    pub(crate) fn resident(&self) -> String {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        format!("{} kB", number(&status, "VmRSS:"))
    }

    /// How many system calls it makes meanwhile; nothing when they cannot be counted.
    pub(crate) async fn syscalls<T>(&self, meanwhile: impl Future<Output = T>) -> Option<f64> {
        let report = std::env::temp_dir().join(format!("vox-added-{}.strace", std::process::id()));
        let mut strace = Command::new("strace")
            .args(["-f", "-c", "-o"])
            .arg(&report)
            .args(["-p", &self.0.id().to_string()])
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        meanwhile.await;
        // It writes its report when it is interrupted.
        let _ = Command::new("kill").args(["-INT", &strace.id().to_string()]).status();
        let _ = strace.wait();
        let text = std::fs::read_to_string(&report).ok()?;
        let _ = std::fs::remove_file(&report);
        let total = text.lines().find(|line| line.ends_with("total"))?;
        total.split_whitespace().nth(3)?.parse().ok()
    }
}

fn number(status: &str, name: &str) -> u64 {
    let line = status.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}

/// What other tenants took from this machine so far.
pub(crate) fn stolen_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/stat").unwrap();
    // Linux counts in hundredths of a second.
    stat.lines().next().unwrap().split_whitespace().nth(8).unwrap().parse::<u64>().unwrap() * 10
}

/// A snapshot of a hundred candidates, of which one is cheapest; all are the upstream.
fn snapshot(upstream: SocketAddr) -> Snapshot {
    let deployments = (0..100).map(|number| -> Deployment {
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
    });
    let policy = json!({"name": "p", "generation": 1, "default": true, "budget": {"perDay": "1000000"}});
    let upstreams = json!([{
        "name": "up", "provider": "vllm", "baseUrl": format!("http://{upstream}/v1"),
        "route": "openai-compatible", "auth": "bearer", "credential": "up",
    }]);
    let policy = PolicySnapshot {
        policy: serde_json::from_value(policy).unwrap(),
        upstreams: serde_json::from_value(upstreams).unwrap(),
        deployments: deployments.map(Arc::new).collect(),
    };
    Snapshot::seal("shop".to_owned(), 1, vec![policy]).unwrap()
}

/// The sidecar with one worker, a key and a budget.
pub(crate) fn sidecar(upstream: SocketAddr) -> (Server, SocketAddr) {
    let folder = std::env::temp_dir().join(format!("vox-added-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("keys")).unwrap();
    std::fs::write(folder.join("keys/up"), "a-key").unwrap();
    std::fs::write(folder.join("s.json"), snapshot(upstream).write().unwrap()).unwrap();
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_vox-sidecar"))
        .args(["--workers", "1", "--log", "warn", "--listen-metrics", "127.0.0.1:0"])
        .args(["--listen", &address.to_string()])
        .arg("--snapshot")
        .arg(folder.join("s.json"))
        .arg("--keys")
        .arg(folder.join("keys"))
        .arg("--state")
        .arg(folder.join("state"))
        .spawn()
        .unwrap();
    let server = Server(child);
    // The snapshot is read within the first moments.
    std::thread::sleep(Duration::from_secs(2));
    (server, address)
}
