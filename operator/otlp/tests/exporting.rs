//! Lines in, requests out: what arrives, what is tried again, what is given up, and that nobody waits.

// Clippy knows test functions, not their helpers.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{Fake, Seen, answer, client, good};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use vox_otlp::{Client, Exporter, Measured, Offered};

struct Running {
    exporter: Arc<Exporter>,
    measured: Measured,
    end: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

fn run(client: Client) -> Running {
    let measured = Measured::default();
    let exporter = Arc::new(Exporter::new(client, "operator-1".to_owned(), measured.clone()));
    let (end, running) = (CancellationToken::new(), Arc::clone(&exporter));
    let ended = end.clone();
    let task = tokio::spawn(async move { running.run(ended).await });
    Running { exporter, measured, end, task }
}

impl Running {
    async fn end(self) -> Measured {
        self.end.cancel();
        self.task.await.unwrap();
        self.measured
    }

    fn measured(&self) -> String {
        scraped(&self.measured)
    }
}

fn scraped(measured: &Measured) -> String {
    let mut registry = prometheus_client::registry::Registry::default();
    measured.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    text
}

fn line(padding: usize) -> String {
    let id = Uuid::now_v7();
    json!({"kind": "call", "event": "vox.model.response", "startedUnixMs": 1_795_650_527_485_u64, "attributes": {
        "vox.trace_id": id, "vox.decision.id": id, "vox.endpoint": "chat", "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "vox/auto", "vox.outcome": "answered", "vox.latency_ms": 7, "vox.attempts": 1,
        "gen_ai.response.id": "x".repeat(padding),
    }, "attempts": [{"event": "vox.model.attempt", "attributes": {
        "vox.attempt.number": 1, "vox.attempt.outcome": "succeeded", "vox.deployment": "up/m", "vox.upstream": "up",
        "gen_ai.provider.name": "vllm", "vox.attempt.started_ms": 0, "vox.latency_ms": 2,
        "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 1,
    }}]})
    .to_string()
}

/// A body of such lines as a sidecar of this namespace sends it.
fn offered(namespace: &str, lines: &[String]) -> Offered {
    let mut body = String::new();
    let mut places = Vec::new();
    for line in lines {
        places.push(body.len()..body.len() + line.len());
        body.push_str(line);
        body.push('\n');
    }
    Offered { namespace: namespace.to_owned(), sidecar: "pod".to_owned(), body: body.into(), lines: places }
}

fn spans(seen: &[Seen]) -> usize {
    let traces = seen.iter().filter(|seen| seen.path == "/v1/traces");
    let groups = traces.flat_map(|seen| seen.body["resourceSpans"].as_array().unwrap());
    groups.map(|group| group["scopeSpans"][0]["spans"].as_array().unwrap().len()).sum()
}

#[tokio::test]
async fn calls_of_several_pods_go_together_and_keep_whose_they_are() {
    let fake = Fake::start(&[good()]).await;
    let running = run(fake.client());
    running.exporter.offer(offered("shop", &[line(0), line(0)]));
    running.exporter.offer(offered("office", &[line(0)]));
    let seen = fake.wait(1).await;
    let groups = seen[0].body["resourceSpans"].as_array().unwrap();
    assert_eq!((groups.len(), spans(&seen)), (2, 6));
    let of = |group: &Value| group["resource"]["attributes"].to_string();
    assert!(of(&groups[0]).contains("office") && of(&groups[1]).contains("shop"), "{groups:?}");
    assert_eq!(groups[0]["schemaUrl"], "https://opentelemetry.io/schemas/1.37.0");
    assert!(seen[0].head.contains("content-encoding: gzip"), "{}", seen[0].head);
    let measured = running.end().await;
    assert_eq!((measured.exported.get(), measured.waiting.get()), (3, 0));
    let last = fake.seen().pop().unwrap();
    assert_eq!(last.path, "/v1/metrics", "what was counted goes at the end at the latest");
    let metrics = last.body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].as_array().unwrap();
    let names: Vec<&str> = metrics.iter().map(|metric| metric["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["gen_ai.client.operation.duration", "gen_ai.client.token.usage"]);
}

#[tokio::test]
async fn a_collector_that_is_busy_is_asked_again_when_it_says_so() {
    let busy = answer("503 Service Unavailable", "retry-after: 2\r\n", "");
    let fake = Fake::start(&[busy, good()]).await;
    let running = run(fake.client());
    running.exporter.offer(offered("shop", &[line(0)]));
    let seen = fake.wait(2).await;
    let waited = seen[1].at - seen[0].at;
    assert!((2000..3500).contains(&waited.as_millis()), "{waited:?}");
    assert_eq!(seen[0].body, seen[1].body, "the same spans");
    assert_eq!(running.end().await.exported.get(), 1);
}

#[tokio::test]
async fn what_a_collector_refuses_is_not_sent_again_and_what_follows_is() {
    let fake = Fake::start(&[answer("400 Bad Request", "", "no"), good()]).await;
    let running = run(fake.client());
    running.exporter.offer(offered("shop", &[line(0)]));
    fake.wait(1).await;
    running.exporter.offer(offered("shop", &[line(0)]));
    fake.wait(2).await;
    let text = scraped(&running.end().await);
    assert!(text.contains("otlp_calls_dropped_total{cause=\"refused\"} 1"), "{text}");
    assert!(text.contains("otlp_calls_exported_total 1"), "{text}");
    assert!(text.contains("otlp_requests_total{signal=\"traces\",result=\"refused\"} 1"), "{text}");
}

#[tokio::test]
async fn what_a_collector_leaves_out_is_counted_and_not_sent_again() {
    let partial =
        answer("200 OK", "", "{\"partialSuccess\":{\"rejectedSpans\":2,\"errorMessage\":\"too old\"}}");
    let fake = Fake::start(&[partial, good()]).await;
    let running = run(fake.client());
    running.exporter.offer(offered("shop", &[line(0)]));
    fake.wait(1).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(fake.seen().len(), 1);
    let text = running.measured();
    assert!(text.contains("otlp_rejected_total{signal=\"traces\"} 2"), "{text}");
}

#[tokio::test]
async fn while_a_collector_is_away_the_oldest_go_and_the_end_is_not_held_up() {
    let running = run(client("http://127.0.0.1:1"));
    // 24 MiB, of which 16 MiB may wait.
    let lines: Vec<String> = (0..64).map(|_| line(32 << 10)).collect();
    for _ in 0..12 {
        running.exporter.offer(offered("shop", &lines));
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let text = running.measured();
    let dropped =
        text.lines().find_map(|line| line.strip_prefix("otlp_calls_dropped_total{cause=\"full\"} "));
    let dropped: u64 = dropped.unwrap_or_else(|| panic!("{text}")).parse().unwrap();
    assert!((100..700).contains(&dropped), "{text}");
    assert!(running.measured.waiting.get() > 50, "{text}");
    let begun = Instant::now();
    running.end().await;
    assert!(begun.elapsed() < Duration::from_secs(20), "the end is not held up: {:?}", begun.elapsed());
}
