//! What a failing primary costs: latency and attempts beside a healthy one's.

use std::time::Duration;

use crate::client::post;
use crate::machine::{Spread, Stolen, median, part};
use crate::open::{self, Plan, Seen};
use crate::settings::Settings;
use crate::stand::{Candidates, Stand};

/// A primary that does not answer is given up after this time; the default is a minute.
const HEADER_TIMEOUT: &str = "250ms";

pub(crate) fn measure(settings: &Settings, stand: &Stand) {
    let plan = Plan {
        rate: settings.rate,
        time: settings.open,
        ignored: Duration::ZERO,
        // As many as wait at once when all of a time-out's requests do.
        threads: 320,
    };
    // The first one is the outage's beginning.
    let rounds = settings.rounds.min(3);
    part(&format!(
        "a primary that fails: streams of one piece, {} a second, open loop; its beginning ({} s), then {rounds} rounds",
        plan.rate,
        plan.time.as_secs()
    ));
    println!("a primary that does not answer is given up after {HEADER_TIMEOUT} (--header-timeout)");
    let kinds = [("healthy", "/v1"), ("answers 503", "/failing/v1"), ("does not answer", "/stalling/v1")];
    let sidecars: Vec<_> = kinds
        .iter()
        .map(|(_, path)| {
            let spare = Candidates { upstream: "spare", path: "/v1", count: 1 };
            let candidates = [Candidates { upstream: "primary", path, count: 1 }, spare];
            stand.sidecar(&candidates, &["--header-timeout", HEADER_TIMEOUT])
        })
        .collect();
    let request = request();
    let mut stolen = Stolen::default();
    let mut begin = Vec::new();
    let mut later: Vec<Vec<Seen>> = kinds.iter().map(|_| Vec::new()).collect();
    for round in 0..=rounds {
        for (place, (_, address)) in sidecars.iter().enumerate() {
            let seen = stolen.during(|| open::run(*address, &request, plan));
            if round == 0 {
                begin.push(seen);
            } else {
                later[place].push(seen);
            }
        }
    }
    println!(
        "{:<26}{:>9} {:>9} {:>9} {:>9} {:>12} {:>10}",
        "µs", "p50", "p99", "worst", "x p99", "attempts", "failed"
    );
    for (place, (kind, _)) in kinds.iter().enumerate() {
        let first = |seen: &Seen| seen.spread();
        row(&format!("{kind}, at first"), &[&begin[place]], first(&begin[place]).p99 / first(&begin[0]).p99);
        let pairs = later[place].iter().zip(&later[0]);
        let ratio = median(pairs.map(|(own, healthy)| own.spread().p99 / healthy.spread().p99));
        row(&format!("{kind}, then"), &later[place].iter().collect::<Vec<_>>(), ratio);
    }
    println!("attempts: per answer; x p99: beside the healthy one's of the same round; {}", stolen.text());
}

fn request() -> Vec<u8> {
    let body = r#"{"model":"vox/auto","stream":true,"max_tokens":500,"messages":[{"role":"user","content":"pieces=1 pace_ms=0 "#;
    post("/v1/chat/completions", &format!("{body}{}\"}}]}}", "word ".repeat(400)))
}

fn row(name: &str, rounds: &[&Seen], ratio: f64) {
    let spreads: Vec<Spread> = rounds.iter().map(|seen| seen.spread()).collect();
    let of = |pick: fn(&Spread) -> f64| median(spreads.iter().map(pick));
    let sum = |pick: fn(&Seen) -> u64| rounds.iter().map(|seen| pick(seen)).sum::<u64>();
    let failed = sum(|seen| seen.failed as u64);
    let answers = sum(|seen| seen.times.len() as u64) + failed;
    println!(
        "{name:<26}{:>9.0} {:>9.0} {:>9.0} {ratio:>9.2} {:>12.3} {failed:>10}",
        of(|one| one.p50),
        of(|one| one.p99),
        spreads.iter().map(|one| one.worst).fold(0.0, f64::max),
        sum(|seen| seen.attempts) as f64 / answers.max(1) as f64,
    );
}
