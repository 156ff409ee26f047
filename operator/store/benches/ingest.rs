//! What it costs to take sidecars' records, beside a plain `COPY` of the same rows into the same tables, in one run:
//! `cargo bench -p vox-store --bench ingest`. `VOX_TEST_DATABASE_URL` names the Postgres, `BENCH_CALLS` how many calls
//! (default 20000). Rounds alternate. Nothing fails for being slow.

// A measurement ends at its first surprise.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
// Counts become figures.
#![allow(clippy::cast_precision_loss)]

use std::time::{Duration, Instant};

use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use uuid::Uuid;
use vox_store::Store;
use vox_store::outcome::{Batch, day};

const ROUNDS: usize = 3;
/// Bodies under way; a replica of the operator takes up to four.
const AT_ONCE: [usize; 3] = [1, 2, 4];
const TABLES: [&str; 2] = ["llm_interaction", "llm_attempt"];
/// As long as a sidecar's.
const BODY: usize = 1 << 20;

fn line(number: usize) -> String {
    let (decision, turn) = (Uuid::now_v7(), Uuid::now_v7());
    let attempts = if number.is_multiple_of(5) { 2 } else { 1 };
    let tried = |attempt: usize| {
        let good = attempt == attempts;
        let mut attributes = json!({
            "vox.attempt.number": attempt, "vox.attempt.outcome": if good { "succeeded" } else { "failed" },
            "vox.http.status_code": if good { 200 } else { 503 }, "vox.deployment": "up1/model-a",
            "vox.model.key": "vllm.shop.svc/model-a", "gen_ai.provider.name": "vllm", "server.address": "vllm.shop.svc",
            "server.port": 8000, "vox.upstream": "up1", "vox.route_kind": "openai-compatible",
            "vox.span_id": "a9d63b76021aa3b1", "vox.attempt.started_ms": 5, "vox.latency_ms": 200,
        });
        if good {
            let more = json!({"gen_ai.response.model": "m-really", "gen_ai.usage.input_tokens": 1000,
                "gen_ai.usage.output_tokens": 100, "vox.cost_usd": "0.003"});
            attributes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        } else {
            attributes["error.type"] = json!("overloaded");
        }
        json!({"event": "vox.model.attempt", "attributes": attributes})
    };
    json!({"kind": "call", "event": "vox.model.response", "startedUnixMs": 1_795_650_527_485_u64, "attributes": {
        "vox.trace_id": turn, "vox.span_id": "c0ff2a39d26fd6a5", "vox.interaction.id": turn, "vox.decision.id": decision,
        "vox.endpoint": "chat", "gen_ai.operation.name": "chat", "gen_ai.request.model": "vox/auto",
        "gen_ai.request.max_tokens": 50, "gen_ai.request.temperature": 0.5, "vox.request.stream": false,
        "vox.policy": "shop/p", "vox.policy.generation": 3, "vox.snapshot.version": 1, "vox.decision.time_us": 53,
        "vox.task.category": "chat", "vox.task.complexity": 3, "vox.decision.picks": ["up0/model-a", "up1/model-a"],
        "vox.outcome": "answered", "vox.client.status_code": 200, "vox.latency_ms": 7 + number % 1000,
        "vox.attempts": attempts, "vox.cost_usd": "0.003", "gen_ai.provider.name": "vllm",
        "server.address": "vllm.shop.svc", "server.port": 8000, "vox.deployment": "up1/model-a",
        "vox.model.key": "vllm.shop.svc/model-a", "vox.context.utilisation": 0.0055, "gen_ai.response.id": "c",
        "gen_ai.response.model": "m-really", "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 100,
    }, "attempts": (1..=attempts).map(tried).collect::<Vec<_>>()})
    .to_string()
}

/// Lines in bodies as a sidecar sends them.
fn bodies(calls: usize) -> Vec<String> {
    let mut bodies = vec![String::new()];
    for number in 0..calls {
        let line = line(number);
        if bodies.last().unwrap().len() + line.len() > BODY {
            bodies.push(String::new());
        }
        let body = bodies.last_mut().unwrap();
        body.push_str(&line);
        body.push('\n');
    }
    bodies
}

/// So many bodies at once, as the control API takes them: a thread reads lines while the database writes others.
async fn ingest(store: &Store, bodies: &[String], at_once: usize) -> Duration {
    let begun = Instant::now();
    let all = futures::stream::iter(bodies.iter().cloned());
    all.for_each_concurrent(at_once, |body| async move {
        let batch = tokio::task::spawn_blocking(move || Batch::read("shop", body.as_bytes())).await.unwrap();
        assert!(batch.refused.is_empty(), "{:?}", batch.refused.first());
        store.store_outcomes("shop", "pod", &batch).await.unwrap();
    })
    .await;
    begun.elapsed()
}

/// Reading lines alone.
fn reading(bodies: &[String]) -> Duration {
    let begun = Instant::now();
    for body in bodies {
        std::hint::black_box(Batch::read("shop", body.as_bytes()));
    }
    begun.elapsed()
}

async fn rows(connection: &mut PgConnection) -> i64 {
    let statement = "SELECT (SELECT count(*) FROM llm_interaction) + (SELECT count(*) FROM llm_attempt)";
    sqlx::query_scalar(statement).fetch_one(connection).await.unwrap()
}

async fn empty(connection: &mut PgConnection) {
    sqlx::raw_sql("TRUNCATE llm_interaction, llm_attempt; CHECKPOINT").execute(connection).await.unwrap();
}

/// All rows of a table, as COPY writes them.
async fn copied(connection: &mut PgConnection, table: &str) -> Vec<u8> {
    let statement = format!("COPY (SELECT * FROM {table}) TO STDOUT");
    let stream = connection.copy_out_raw(&statement).await.unwrap();
    stream
        .try_fold(Vec::new(), |mut all, piece| async move {
            all.extend_from_slice(&piece);
            Ok(all)
        })
        .await
        .unwrap()
}

async fn copy(connection: &mut PgConnection, tables: &[(&str, Vec<u8>)]) -> Duration {
    let begun = Instant::now();
    for (table, rows) in tables {
        let mut copy = connection.copy_in_raw(&format!("COPY {table} FROM STDIN")).await.unwrap();
        copy.send(rows.as_slice()).await.unwrap();
        copy.finish().await.unwrap();
    }
    begun.elapsed()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let Ok(url) = std::env::var("VOX_TEST_DATABASE_URL") else {
        println!("== ingest is not measured: VOX_TEST_DATABASE_URL is not set");
        return;
    };
    let calls: usize = std::env::var("BENCH_CALLS").map_or(20_000, |calls| calls.parse().unwrap());
    let mut admin = PgConnection::connect(&url).await.unwrap();
    for statement in ["DROP DATABASE IF EXISTS bench_ingest WITH (FORCE)", "CREATE DATABASE bench_ingest"] {
        sqlx::query(AssertSqlSafe(statement)).execute(&mut admin).await.unwrap();
    }
    let mut url: url::Url = url.parse().unwrap();
    url.set_path("bench_ingest");
    let store = Store::open(url.as_str(), 4).unwrap();
    store.migrate().await.unwrap();
    store.keep_partitions(day(Uuid::now_v7()), 90).await.unwrap();
    let mut connection = PgConnection::connect(url.as_str()).await.unwrap();
    println!(
        "== {calls} calls as lines, in bodies of {} KiB: read, checked and stored, a transaction for each body",
        BODY >> 10
    );
    let mut ratios = AT_ONCE.map(|_| Vec::new());
    for round in 1..=ROUNDS {
        let bodies = bodies(calls);
        let mut took = Vec::new();
        for at_once in AT_ONCE {
            empty(&mut connection).await;
            took.push(ingest(&store, &bodies, at_once).await);
        }
        let there = rows(&mut connection).await;
        ingest(&store, &bodies, 1).await;
        assert_eq!(rows(&mut connection).await, there, "what comes again changes nothing");
        let mut tables = Vec::new();
        for table in TABLES {
            tables.push((table, copied(&mut connection, table).await));
        }
        empty(&mut connection).await;
        let plain = copy(&mut connection, &tables).await;
        assert_eq!(rows(&mut connection).await, there);
        let speed = |time: Duration| there as f64 / time.as_secs_f64();
        println!(
            "round {round}: {there} rows: COPY {:.0} rows/s; lines are read at {:.0} rows/s",
            speed(plain),
            speed(reading(&bodies))
        );
        for ((at_once, took), ratios) in AT_ONCE.into_iter().zip(took).zip(&mut ratios) {
            let ratio = speed(took) / speed(plain);
            ratios.push(ratio);
            println!("  ingest, {at_once} at once: {:.0} rows/s, {ratio:.2} of COPY", speed(took));
        }
    }
    for (at_once, ratios) in AT_ONCE.into_iter().zip(&mut ratios) {
        ratios.sort_by(f64::total_cmp);
        println!("median with {at_once} at once: {:.2} of COPY", ratios[ratios.len() / 2]);
    }
    store.close().await;
    drop(connection);
    sqlx::query("DROP DATABASE bench_ingest WITH (FORCE)").execute(&mut admin).await.unwrap();
}
