//! How long passes of the roll-up take beside a plain aggregate of the same calls in the same database: `make bench`.
//!
//! - `BENCH_CALLS`: how many calls, over 29 days (default 1,000,000; for 10,000,000 the database takes 8 GB)
//! - `BENCH_ROUNDS`: how often each is measured, in turns (default 3)
//!
//! Figures, not tests. The ratio counts; absolute times are this machine's.

#![allow(clippy::unwrap_used)]

use std::time::Instant;

use sqlx::{Connection as _, PgConnection};
use vox_store::Store;
use vox_store::scoreboard::{Pass, Rules};

const DATABASE: &str = "bench_roll_up";
/// By the day, as ingest keeps them.
const PARTITIONS: &str = "
    DO $$ DECLARE parent text; day date; BEGIN
        FOREACH parent IN ARRAY ARRAY['llm_interaction', 'llm_attempt', 'llm_feedback'] LOOP FOR ago IN 0..30 LOOP
            day := (now() AT TIME ZONE 'UTC')::date + 1 - ago;
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                parent || to_char(day, '_YYYYMMDD'), parent, day, day + 1);
        END LOOP; END LOOP;
    END $$";
/// $1 calls over the last $2 seconds, as they came in: 20 models, 5 categories; 94 of a hundred are answered, and 3 of a hundred by
/// the second model that was tried.
const CALLS: &str = "
    INSERT INTO llm_interaction (day, decision, trace, interaction, started_at, ingested_at, namespace, policy, policy_generation,
        snapshot, sidecar, endpoint, category, complexity, streamed, asked, outcome, status, model_key, deployment, provider, served,
        latency_ms, first_token_ms, decided_us, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
        reasoning_tokens, cost_pusd, cache_savings_pusd, context_utilisation, attempts, finish, signal, picks)
    SELECT (at AT TIME ZONE 'UTC')::date, id, id, id, at, at + interval '1 second', 'shop', 'main', 3, 42,
        'checkout-7f9c6d5b8-abcde', 'chat',
        (ARRAY['codegen','chat','review','writing','parsing'])[1 + (r * 4.999)::int % 5], 5, true, 'vox/auto',
        CASE WHEN s < 0.94 THEN 'answered' WHEN s < 0.97 THEN 'failed' WHEN s < 0.98 THEN 'cut' ELSE 'cancelled' END, 200,
        'openrouter/maker/model-' || m, 'hub/maker/model-' || m, 'openrouter', 'maker/model-' || m,
        (400 * exp(2 * q))::bigint + m * 10, (100 * exp(1.5 * q))::bigint, 35, (r * 4000)::bigint, (s * 800)::bigint, 0, 0, 0,
        ((r * 4000)::bigint * 1000000 + (s * 800)::bigint * 4000000) * (1 + m), 0, r * 0.9,
        CASE WHEN q < 0.03 THEN 2 ELSE 1 END, 'stop', CASE WHEN q > 0.99 THEN 'invalid_json' END,
        ARRAY['hub/maker/model-1', 'hub/maker/model-2']
    FROM (SELECT now() - $2 * (1 - n::float8 / $1) * interval '1 second' AS at, random() AS r, random() AS s, random() AS q,
        (random() * 19)::int AS m, gen_random_uuid() AS id FROM generate_series(1, $1) AS n) AS made";
/// Of the calls of the last $1 seconds.
const TRIES: &str = "
    INSERT INTO llm_attempt (day, decision, number, model_key, deployment, outcome, started_ms, latency_ms)
    SELECT day, decision, 1, 'openrouter/maker/model-0', 'hub/maker/model-0', 'failed', 0, 100
    FROM llm_interaction
    WHERE attempts = 2 AND day >= (now() - $1 * interval '1 second')::date AND started_at >= now() - $1 * interval '1 second'
    ON CONFLICT DO NOTHING";
/// On one in $2 of the calls of the last $1 seconds; it comes a minute later.
const FEEDBACK: &str = "
    INSERT INTO llm_feedback (day, feedback, decision_day, decision, namespace, received_at, ingested_at, thumb)
    SELECT day, gen_random_uuid(), day, decision, 'shop', started_at, least(started_at + interval '1 minute', now()),
        CASE WHEN random() < 0.8 THEN 1 ELSE -1 END
    FROM llm_interaction
    WHERE random() * $2 < 1 AND day >= (now() - $1 * interval '1 second')::date
        AND started_at >= now() - $1 * interval '1 second'";
/// On ten calls of any day, now.
const LATE_FEEDBACK: &str = "
    INSERT INTO llm_feedback (day, feedback, decision_day, decision, namespace, received_at, thumb)
    SELECT current_date, gen_random_uuid(), day, decision, 'shop', now(), 1 FROM llm_interaction TABLESAMPLE SYSTEM (1)
    ORDER BY random() LIMIT 10";
/// As an hour that passes: all cells have calls that their windows have left behind.
const HOUR: &str = "UPDATE model_scoreboard SET first_at = first_at - interval '1 hour'";
const PLAIN: &str =
    "SELECT model_key, category, count(*), sum(latency_ms) FROM llm_interaction GROUP BY model_key, category";
/// Seconds of the calls that are there first, and of what comes in between two passes.
const ALL: f64 = 29.0 * 86_400.0;
const BETWEEN: f64 = 120.0;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let Ok(url) = std::env::var("VOX_TEST_DATABASE_URL") else {
        println!("the roll-up is not measured: VOX_TEST_DATABASE_URL is not set; `make bench` sets it");
        return;
    };
    let number =
        |name: &str, default: i32| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default);
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
    measure(&store, &mut raw, calls, rounds).await;
    store.close().await;
    run(&mut admin, &format!("DROP DATABASE {DATABASE} WITH (FORCE)")).await;
}

async fn measure(store: &Store, raw: &mut PgConnection, calls: i32, rounds: i32) {
    // A pass is one process.
    run(raw, "SET max_parallel_workers_per_gather = 0").await;
    let between = (f64::from(calls) * BETWEEN / ALL).ceil();
    println!("{calls} calls; of two minutes: {between}");
    let mut passes: [Vec<Pair>; 5] = Default::default();
    for _ in 0..rounds {
        run(raw, "TRUNCATE scoreboard_progress").await;
        passes[0].push(pass(store, raw, Pass::Full).await);
        run(raw, "VACUUM ANALYZE scoreboard_hour, scoreboard_day").await;
        add(raw, between as i32, BETWEEN).await;
        passes[1].push(pass(store, raw, Pass::Full).await);
        add(raw, between as i32, BETWEEN).await;
        run(raw, HOUR).await;
        passes[2].push(pass(store, raw, Pass::Live).await);
        add(raw, between as i32, BETWEEN).await;
        passes[3].push(pass(store, raw, Pass::Live).await);
        run(raw, LATE_FEEDBACK).await;
        passes[4].push(pass(store, raw, Pass::Live).await);
    }
    let names = [
        "the first pass of all",
        "a night",
        "an hour that has passed",
        "two minutes' calls",
        "feedback on ten days",
    ];
    for (name, pairs) in names.iter().zip(passes) {
        let middle_of = |of: fn(&Pair) -> f64| middle(pairs.iter().map(of).collect());
        let [took, plain] = [middle_of(|pair| pair.took), middle_of(|pair| pair.plain)];
        println!(
            "{name:<28} {took:>7.2} s  a plain aggregate {plain:>6.2} s  ({:.2})",
            middle_of(|pair| pair.took / pair.plain)
        );
    }
}

/// Seconds that a pass took, and a plain aggregate: the mean of one right before it and one right after it.
struct Pair {
    took: f64,
    plain: f64,
}

async fn pass(store: &Store, raw: &mut PgConnection, pass: Pass) -> Pair {
    let before = plain(raw).await;
    let begun = Instant::now();
    let done = store.roll_up(pass, &Rules::default()).await.unwrap();
    let took = begun.elapsed().as_secs_f64();
    let plain = (before + plain(raw).await) / 2.0;
    println!(
        "   {}: {} rows, {} prices, {took:.2} s beside {plain:.2} s",
        pass.name(),
        done.rows,
        done.prices
    );
    Pair { took, plain }
}

async fn plain(raw: &mut PgConnection) -> f64 {
    let begun = Instant::now();
    sqlx::query(PLAIN).fetch_all(raw).await.unwrap();
    begun.elapsed().as_secs_f64()
}

/// Calls of the last seconds, with their tries and what was thought of them.
async fn add(raw: &mut PgConnection, calls: i32, seconds: f64) {
    sqlx::query(CALLS).bind(calls).bind(seconds).execute(&mut *raw).await.unwrap();
    sqlx::query(TRIES).bind(seconds).execute(&mut *raw).await.unwrap();
    sqlx::query(FEEDBACK).bind(seconds).bind(20.0).execute(&mut *raw).await.unwrap();
}

async fn fill(raw: &mut PgConnection, calls: i32) {
    run(raw, PARTITIONS).await;
    run(raw, "SELECT setseed(0.5)").await;
    add(raw, calls, ALL).await;
    for table in ["llm_interaction", "llm_attempt", "llm_feedback"] {
        run(raw, &format!("VACUUM ANALYZE {table}")).await;
    }
}

async fn run(connection: &mut PgConnection, statement: &str) {
    sqlx::query(sqlx::AssertSqlSafe(statement.to_owned())).execute(connection).await.unwrap();
}

fn middle(mut all: Vec<f64>) -> f64 {
    all.sort_unstable_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}
