//! What a request costs in the sidecar, beside a bare pass-through of the same library, in one run.
//!
//! `cargo bench -p vox-sidecar` (`-- 20000` for another number of requests a round). Upstream, bare proxy and sidecar are
//! processes with one worker each; the sidecar shows a key, has a day's budget, and writes records, metrics and
//! explanations as ever. Rounds alternate between all of them; what is printed are medians over the rounds: CPU time of
//! the process (its threads' `schedstat`), its ratio to the bare proxy's of the same round, voluntary and involuntary
//! context switches. Latencies of a shared machine say little, so they stand beside the time that was stolen from it.
//! Syscalls are counted by `strace` in a run of their own, where it is installed and may attach.

// A measurement ends at its first surprise.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::cast_precision_loss)]

mod client;
mod process;
mod roles;

use std::net::SocketAddr;

use bytes::Bytes;
use client::Load;
use process::Server;
use serde_json::json;

const ROUNDS: usize = 5;
/// Pieces of a streamed answer, each a write of the upstream's own.
const CHUNKS: usize = 100;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|one| !one.starts_with("--")).collect();
    match arguments.first().map(String::as_str) {
        Some("upstream") => alone(roles::serve(None)),
        Some("proxy") => alone(roles::serve(Some(arguments[1].parse().unwrap()))),
        Some(count) => alone(measure(count.parse().unwrap())),
        None => alone(measure(8_000)),
    }
}

fn alone<F: Future<Output = ()>>(work: F) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build_local(tokio::runtime::LocalOptions::default()).unwrap().block_on(work);
}

/// One row: who is asked for what, and which row it is compared with.
struct Case<'a> {
    name: &'static str,
    server: Option<&'a Server>,
    address: SocketAddr,
    path: &'static str,
    body: Bytes,
    beside: Option<usize>,
    stream: bool,
    rounds: Vec<Round>,
}

/// What one round of a case took, a request or, of streams, a piece.
struct Round {
    cpu_us: f64,
    voluntary: f64,
    involuntary: f64,
    load: Load,
}

async fn measure(requests: usize) {
    let (_upstream, upstream) = Server::start(&["upstream"]);
    let (proxy, bare) = Server::start(&["proxy", &upstream.to_string()]);
    let (sidecar, vox) = process::sidecar(upstream);
    let chat = |stream: bool| {
        let messages = [json!({"role": "user", "content": "word ".repeat(400)})];
        json!({"model": "vox/auto", "stream": stream, "max_tokens": 500, "messages": messages})
            .to_string()
            .into()
    };
    let case = |name, server, address, path, stream, beside| Case {
        name,
        server,
        address,
        path,
        body: chat(stream),
        beside,
        stream,
        rounds: Vec::new(),
    };
    let (openai, anthropic) = ("/v1/chat/completions", "/v1/messages");
    let mut cases = [
        case("bare proxy", Some(&proxy), bare, openai, false, None),
        case("pass-through", Some(&sidecar), vox, openai, false, Some(0)),
        case("translated", Some(&sidecar), vox, anthropic, false, Some(0)),
        case("direct", None, upstream, openai, false, None),
        case("stream, bare proxy", Some(&proxy), bare, openai, true, None),
        case("stream, pass-through", Some(&sidecar), vox, openai, true, Some(4)),
        case("stream, translated", Some(&sidecar), vox, anthropic, true, Some(4)),
        case("stream, direct", None, upstream, openai, true, None),
    ];
    println!(
        "{ROUNDS} rounds of {requests} requests of {} bytes over {} connections, instant upstream, 100 candidates; \
         streams of {CHUNKS} pieces, counted by the piece",
        cases[0].body.len(),
        client::CONNECTIONS
    );
    let stolen = process::stolen_ms();
    for case in &cases {
        client::load(case.address, case.path, &case.body, requests / 10).await;
    }
    for _ in 0..ROUNDS {
        for case in &mut cases {
            let count = if case.stream { requests / 10 } else { requests };
            case.rounds.push(round(case, count).await);
        }
    }
    let stolen = process::stolen_ms() - stolen;
    for case in &cases {
        print(case, &cases);
    }
    println!("stolen from the machine in all rounds: {stolen} ms; resident: {}", sidecar.resident());
    for case in cases.iter().filter(|case| !case.stream) {
        let Some(server) = case.server else { continue };
        let count = requests / 4;
        let calls = server.syscalls(client::load(case.address, case.path, &case.body, count)).await;
        match calls {
            Some(calls) => println!("{:<22} {:.2} syscalls a request", case.name, calls / count as f64),
            None => println!("{:<22} syscalls not counted: no strace, or it may not attach", case.name),
        }
    }
}

async fn round(case: &Case<'_>, requests: usize) -> Round {
    let before = case.server.map(Server::spent).unwrap_or_default();
    let load = client::load(case.address, case.path, &case.body, requests).await;
    let after = case.server.map(Server::spent).unwrap_or_default();
    let units = (if case.stream { requests * CHUNKS } else { requests }) as f64;
    let each = |before: u64, after: u64| after.saturating_sub(before) as f64 / units;
    Round {
        cpu_us: each(before.cpu_ns, after.cpu_ns) / 1000.0,
        voluntary: each(before.voluntary, after.voluntary),
        involuntary: each(before.involuntary, after.involuntary),
        load,
    }
}

fn print(case: &Case<'_>, cases: &[Case<'_>]) {
    let median_of = |pick: fn(&Round) -> f64| median(case.rounds.iter().map(pick).collect());
    let mut line = format!("{:<22}", case.name);
    if case.server.is_some() {
        line += &format!(
            "{:>7.2} µs CPU, switches {:.2} voluntary {:.2} involuntary, ",
            median_of(|round| round.cpu_us),
            median_of(|round| round.voluntary),
            median_of(|round| round.involuntary),
        );
    }
    if let Some(beside) = case.beside {
        let pairs = case.rounds.iter().zip(&cases[beside].rounds);
        let ratio = median(pairs.map(|(own, bare)| own.cpu_us / bare.cpu_us).collect());
        line += &format!("{ratio:.2} x {}, ", cases[beside].name);
    }
    println!(
        "{line}{:.0} req/s, first byte p50 {:.0} µs p99 {:.0} µs",
        median_of(|round| round.load.rate),
        median_of(|round| round.load.p50_us),
        median_of(|round| round.load.p99_us),
    );
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
