//! How long a whole roll-up takes beside a plain aggregate of the same calls in the same database: `make bench`.
//!
//! - `BENCH_CALLS`: how many calls, over 30 days (default 1,000,000)
//! - `BENCH_ROUNDS`: how often each is measured, in turns (default 3)
//!
//! Figures, not tests. The ratio counts; absolute times are this machine's.

#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use sqlx::{Connection as _, PgConnection};
use vox_store::Store;
use vox_store::scoreboard::{Pass, Rules};

const DATABASE: &str = "bench_roll_up";
/// By the day, as ingest keeps them.
const PARTITIONS: &str = "DO $$ BEGIN FOR day IN 0..31 LOOP
    EXECUTE format('CREATE TABLE llm_interaction_d%s PARTITION OF llm_interaction FOR VALUES FROM (%L) TO (%L)', day,
        (now() AT TIME ZONE 'UTC')::date - 30 + day, (now() AT TIME ZONE 'UTC')::date - 29 + day);
    END LOOP; END $$";
/// 20 models, 5 categories; 94 of a hundred are answered, and 3 of a hundred by the second model that was tried.
const CALLS: &str = "
    INSERT INTO llm_interaction (day, decision, trace, interaction, started_at, namespace, policy, policy_generation, snapshot,
        sidecar, endpoint, category, complexity, streamed, asked, outcome, status, model_key, deployment, provider, served,
        latency_ms, first_token_ms, decided_us, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
        reasoning_tokens, cost_pusd, cache_savings_pusd, context_utilisation, attempts, finish, signal, picks)
    SELECT (at AT TIME ZONE 'UTC')::date, id, id, id, at, 'shop', 'main', 3, 42, 'checkout-7f9c6d5b8-abcde', 'chat',
        (ARRAY['codegen','chat','review','writing','parsing'])[1 + (r * 4.999)::int % 5], 5, true, 'vox/auto',
        CASE WHEN s < 0.94 THEN 'answered' WHEN s < 0.97 THEN 'failed' WHEN s < 0.98 THEN 'cut' ELSE 'cancelled' END, 200,
        'openrouter/maker/model-' || m, 'hub/maker/model-' || m, 'openrouter', 'maker/model-' || m,
        (400 * exp(2 * q))::bigint + m * 10, (100 * exp(1.5 * q))::bigint, 35, (r * 4000)::bigint, (s * 800)::bigint, 0, 0, 0,
        ((r * 4000)::bigint * 1000000 + (s * 800)::bigint * 4000000) * (1 + m), 0, r * 0.9,
        CASE WHEN q < 0.03 THEN 2 ELSE 1 END, 'stop', CASE WHEN q > 0.99 THEN 'invalid_json' END,
        ARRAY['hub/maker/model-1', 'hub/maker/model-2']
    FROM (SELECT now() - random() * interval '29 days' AS at, random() AS r, random() AS s, random() AS q,
        (random() * 19)::int AS m, gen_random_uuid() AS id FROM generate_series(1, $1)) AS made";
const TRIES: &str = "
    INSERT INTO llm_attempt (day, decision, number, model_key, deployment, outcome, started_ms, latency_ms)
    SELECT day, decision, 1, 'openrouter/maker/model-0', 'hub/maker/model-0', 'failed', 0, 100
    FROM llm_interaction WHERE attempts = 2";
const FEEDBACK: &str = "
    INSERT INTO llm_feedback (day, feedback, decision_day, decision, namespace, received_at, thumb)
    SELECT day, gen_random_uuid(), day, decision, 'shop', started_at, CASE WHEN random() < 0.8 THEN 1 ELSE -1 END
    FROM llm_interaction WHERE random() < 0.05";
const PLAIN: &str =
    "SELECT model_key, category, count(*), sum(latency_ms) FROM llm_interaction GROUP BY model_key, category";

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let Ok(url) = std::env::var("VOX_TEST_DATABASE_URL") else {
        println!("the roll-up is not measured: VOX_TEST_DATABASE_URL is not set; `make bench` sets it");
        return;
    };
    let number =
        |name: &str, default: i64| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default);
    let (calls, rounds) = (number("BENCH_CALLS", 1_000_000), number("BENCH_ROUNDS", 3).max(1));
    let mut admin = PgConnection::connect(&url).await.unwrap();
    run(&mut admin, &format!("DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")).await;
    run(&mut admin, &format!("CREATE DATABASE {DATABASE}")).await;
    let mut named: url::Url = url.parse().unwrap();
    named.set_path(DATABASE);
    let store = Store::open(named.as_str(), 2).unwrap();
    store.migrate().await.unwrap();
    let mut raw = PgConnection::connect(named.as_str()).await.unwrap();
    fill(&mut raw, calls).await;

    let (mut plain, mut whole, mut live) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let begun = Instant::now();
        sqlx::query(PLAIN).fetch_all(&mut raw).await.unwrap();
        plain.push(begun.elapsed());
        let begun = Instant::now();
        let done = store.roll_up(Pass::Full, &Rules::default()).await.unwrap();
        whole.push(begun.elapsed());
        println!("   {} rows, {} prices", done.rows, done.prices);
    }
    // Nothing came in since, as far as the overlap sees.
    run(&mut raw, "UPDATE scoreboard_rollup SET until = until + interval '10 minutes'").await;
    for _ in 0..rounds {
        let begun = Instant::now();
        store.roll_up(Pass::Live, &Rules::default()).await.unwrap();
        live.push(begun.elapsed());
    }
    let plain = middle(plain);
    println!("{calls} calls: a plain aggregate {plain:.2?}");
    for (name, took) in [("the whole roll-up", middle(whole)), ("a live pass with nothing new", middle(live))]
    {
        println!("{name:<28} {took:>10.2?}  {:.2} x", took.as_secs_f64() / plain.as_secs_f64());
    }
    store.close().await;
    run(&mut admin, &format!("DROP DATABASE {DATABASE} WITH (FORCE)")).await;
}

async fn fill(raw: &mut PgConnection, calls: i64) {
    run(raw, PARTITIONS).await;
    run(raw, "SELECT setseed(0.5)").await;
    sqlx::query(CALLS).bind(calls).execute(&mut *raw).await.unwrap();
    for statement in [
        TRIES,
        FEEDBACK,
        "VACUUM ANALYZE llm_interaction",
        "VACUUM ANALYZE llm_attempt",
        "VACUUM ANALYZE llm_feedback",
    ] {
        run(raw, statement).await;
    }
}

async fn run(connection: &mut PgConnection, statement: &str) {
    sqlx::query(sqlx::AssertSqlSafe(statement.to_owned())).execute(connection).await.unwrap();
}

fn middle(mut all: Vec<Duration>) -> Duration {
    all.sort_unstable();
    all.get(all.len() / 2).copied().unwrap_or_default()
}
