//! From a sidecar's records through the real intake into a real Postgres and to a real OpenTelemetry collector, which prints
//! what it got. `VOX_TEST_COLLECTOR` names its program; `make test` builds it from its official modules.

// Clippy knows test functions, not their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use vox_otlp::{Client, Exporter, Headers, Settings, probe};
use vox_routing::{Choice, Request};
use vox_sidecar::line::Line;
use vox_sidecar::record::{Attempt, Name, Outcome, Peer, Record, Tokens};

use super::*;

const CALLER: u128 = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c;
const TOKEN: &str = "a-token-of-the-test";

/// A collector that asks for a token, and the folder of the test.
struct Collector {
    folder: PathBuf,
    port: u16,
    process: Child,
}

impl Collector {
    fn start() -> Option<Self> {
        let Ok(program) = std::env::var("VOX_TEST_COLLECTOR") else {
            eprintln!("skipped: VOX_TEST_COLLECTOR is not set; `make test` sets it");
            return None;
        };
        let folder = std::env::temp_dir().join(format!("vox-collector-{}", Uuid::now_v7()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("headers")).unwrap();
        fs::write(folder.join("headers/Authorization"), format!("Bearer {TOKEN}\n")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = json!({
            "extensions": {"bearertokenauth": {"token": TOKEN}},
            "receivers": {"otlp": {"protocols": {"http": {
                "endpoint": format!("127.0.0.1:{port}"), "auth": {"authenticator": "bearertokenauth"},
            }}}},
            "exporters": {"debug": {"verbosity": "detailed", "use_internal_logger": false}},
            "service": {
                "extensions": ["bearertokenauth"],
                "telemetry": {"metrics": {"level": "none"}},
                "pipelines": {
                    "traces": {"receivers": ["otlp"], "exporters": ["debug"]},
                    "metrics": {"receivers": ["otlp"], "exporters": ["debug"]},
                },
            },
        });
        fs::write(folder.join("config.yaml"), config.to_string()).unwrap();
        let file = |name: &str| Stdio::from(fs::File::create(folder.join(name)).unwrap());
        let process = Command::new(program)
            .arg(format!("--config=file:{}", folder.join("config.yaml").display()))
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .spawn()
            .unwrap();
        Some(Self { folder, port, process })
    }

    fn client(&self, headers: Headers) -> Client {
        let endpoint = format!("http://127.0.0.1:{}", self.port).parse().unwrap();
        Client::new(Settings { endpoint, headers, ca: None })
    }

    fn with_token(&self) -> Client {
        self.client(Headers::Folder(self.folder.join("headers")))
    }

    /// What it has printed, once that has this text.
    async fn printed(&self, text: &str) -> String {
        let begun = Instant::now();
        loop {
            let printed = fs::read_to_string(self.folder.join("stdout")).unwrap();
            if printed.contains(text) {
                return printed;
            }
            let log = || fs::read_to_string(self.folder.join("stderr")).unwrap_or_default();
            assert!(begun.elapsed() < Duration::from_secs(30), "no {text} in {printed}\n{}", log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn until_ready(&self) {
        let begun = Instant::now();
        while tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
            assert!(begun.elapsed() < Duration::from_secs(30), "the collector does not listen");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// What a gateway writes of a request of a workload with a trace of its own, which a second upstream answered.
fn record() -> Record {
    let peer = |upstream: &str, port| {
        Some(Arc::new(Peer {
            upstream: Name::from(upstream),
            provider: "vllm".into(),
            address: "models.shop".into(),
            port,
            route: "openai-compatible",
        }))
    };
    let attempt = |upstream: &str, port, class, status, span| Attempt {
        deployment: Name::from(&*format!("{upstream}/maker/model-a")),
        peer: peer(upstream, port),
        model_key: Name::from("models.shop/maker/model-a"),
        span,
        status,
        class,
        duration_ms: 4,
        ..Attempt::default()
    };
    let answered = Attempt {
        started_ms: 5,
        answer: Some("answer-1".to_owned()),
        served: Some("model-a-2026".to_owned()),
        finish: Some("stop".to_owned()),
        usage: Some(Tokens { input: Some(1000), output: Some(100), ..Tokens::default() }),
        ..attempt("up1", 8001, "ok", 200, 0x0b)
    };
    Record {
        decision: Uuid::now_v7(),
        trace: Uuid::now_v7(),
        interaction: Uuid::now_v7(),
        caller_trace: Some(CALLER),
        caller_sampled: Some(true),
        span: 0x0c,
        parent: 0x0d,
        session: Some("workflow:nightly".into()),
        started_unix_ms: 1_795_650_527_485,
        endpoint: "chat",
        policy: Name::from("shop/p"),
        generation: 3,
        snapshot: 1,
        category: Some("chat"),
        attempts: vec![attempt("up0", 8000, "overloaded", 503, 0x0a), answered],
        outcome: Outcome::Answered,
        status: 200,
        duration_ms: 9,
        ..Record::default()
    }
}

/// The block that the collector prints of the span with this id.
fn block<'a>(printed: &'a str, id: &str) -> &'a str {
    let id = format!("    ID             : {id}\n");
    let blocks = printed.split("Span #");
    blocks
        .into_iter()
        .find(|block| block.contains(&id))
        .unwrap_or_else(|| panic!("no span {id} in {printed}"))
}

fn has(block: &str, lines: &[&str]) {
    for line in lines {
        assert!(block.contains(line), "no {line:?} in {block}");
    }
}

async fn take_and_offer(store: &Store, exporter: &Exporter, body: String) -> OutcomesReceipt {
    let took = Intake::new().take(store, &Metrics::new(), "shop", "shop-7f9c", body.into()).await.unwrap();
    exporter.offer(took.new);
    took.receipt
}

#[tokio::test]
async fn a_collector_prints_the_spans_of_a_call_in_the_workloads_trace_once() {
    let Some(url) = database("outcomes_exported").await else { return };
    let Some(collector) = Collector::start() else { return };
    collector.until_ready().await;
    let store = Store::open(&url, 4).unwrap();
    store.migrate().await.unwrap();
    let exporter =
        Arc::new(Exporter::new(collector.with_token(), "operator-1".to_owned(), Default::default()));
    let end = CancellationToken::new();
    let running = tokio::spawn({
        let (exporter, end) = (Arc::clone(&exporter), end.clone());
        async move { exporter.run(end).await }
    });
    let request = Request { choice: Choice::Auto, ..Request::default() };
    let line = Line { record: &record(), request: Some(&request) }.json();
    let line = String::from_utf8(line).unwrap();
    let receipt = take_and_offer(&store, &exporter, format!("{line}\n{line}\n")).await;
    assert_eq!((receipt.stored, receipt.repeated, &receipt.refusals), (1, 1, &Vec::new()));
    // The sidecar did not hear of it, and sends it again.
    assert_eq!(take_and_offer(&store, &exporter, line).await.repeated, 1);
    end.cancel();
    running.await.unwrap();

    let printed = collector.printed("gen_ai.client.token.usage").await;
    let trace = format!("{CALLER:032x}");
    assert_eq!(printed.matches(&format!("Trace ID       : {trace}")).count(), 3, "{printed}");
    has(
        block(&printed, "000000000000000c"),
        &[
            "Parent ID      : 000000000000000d",
            "Name           : chat vox/auto",
            "Kind           : Server",
            "Start time     : 2026-11-25 23:48:47.485 +0000 UTC",
            "End time       : 2026-11-25 23:48:47.494 +0000 UTC",
            "Status code    : Unset",
            "vox.session.id: Str(workflow:nightly)",
        ],
    );
    has(
        block(&printed, "000000000000000a"),
        &[
            "Parent ID      : 000000000000000c",
            "Name           : chat maker/model-a",
            "Kind           : Client",
            "Status code    : Error",
            "error.type: Str(overloaded)",
            "server.port: Int(8000)",
        ],
    );
    has(
        block(&printed, "000000000000000b"),
        &[
            "Parent ID      : 000000000000000c",
            "Start time     : 2026-11-25 23:48:47.49 +0000 UTC",
            "Status code    : Unset",
            "gen_ai.provider.name: Str(vllm)",
            "gen_ai.request.model: Str(maker/model-a)",
            "gen_ai.response.model: Str(model-a-2026)",
            "gen_ai.usage.input_tokens: Int(1000)",
        ],
    );
    has(
        &printed,
        &[
            "service.name: Str(vox-sidecar)",
            "k8s.pod.name: Str(shop-7f9c)",
            "Name: gen_ai.client.operation.duration",
            "https://opentelemetry.io/schemas/1.37.0",
        ],
    );
}

#[tokio::test]
async fn a_real_collector_takes_the_test_with_its_token_and_not_without() {
    let Some(collector) = Collector::start() else { return };
    collector.until_ready().await;
    let report = probe(&collector.with_token(), "operator-1").await;
    assert!(report.is_accepted(), "{report:?}");
    let printed = collector.printed("Name: vox.telemetry.test").await;
    assert!(printed.contains(&report.trace_id), "{printed}");
    let refused = probe(&collector.client(Headers::None), "operator-1").await;
    let told = refused.traces.message.unwrap();
    assert!(!refused.traces.accepted && told.contains("401"), "{told}");
    let endpoint = format!("http://127.0.0.1:{}/otlp", collector.port).parse().unwrap();
    let headers = Headers::Folder(Path::new(&collector.folder).join("headers"));
    let elsewhere = probe(&Client::new(Settings { endpoint, headers, ca: None }), "operator-1").await;
    let told = elsewhere.traces.message.unwrap();
    assert!(told.contains("404") && told.contains("appended"), "{told}");
}
