//! What the sidecar costs and adds on the data path, beside the upstream called directly, a bare proxy of the same
//! library and nginx, in one run: `cargo bench -p vox-sidecar`, or single parts of it by name,
//! `cargo bench -p vox-sidecar -- cost latency frontier streams failing memory`.
//!
//! How to read it, and its settings: docs/benchmarks.md. Everything is a process with one worker, and rounds alternate
//! between all that is compared. Nothing fails for being slow.

// A measurement ends at its first surprise.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
// Counts become figures.
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

mod answer;
mod client;
mod cost;
mod failing;
mod frontier;
mod latency;
mod machine;
mod memory;
mod open;
mod process;
mod proxy;
mod settings;
mod stand;
mod streams;
mod upstream;

use std::time::Instant;

use settings::Settings;
use stand::Stand;

type Part = (&'static str, fn(&Settings, &Stand));

const PARTS: [Part; 6] = [
    ("cost", cost::measure),
    ("latency", latency::measure),
    ("frontier", frontier::measure),
    ("streams", streams::measure),
    ("failing", failing::measure),
    ("memory", memory::measure),
];

fn main() {
    // Sleeps end within a microsecond, not within fifty; threads inherit it.
    let _ = std::fs::write("/proc/self/timerslack_ns", "1000");
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|one| !one.starts_with("--")).collect();
    match arguments.first().map(String::as_str) {
        Some("upstream") => machine::alone(upstream::serve()),
        Some("proxy") => machine::alone(proxy::serve(arguments[1].parse().unwrap())),
        _ => measure(&arguments),
    }
}

fn measure(names: &[String]) {
    let unknown = names.iter().find(|name| PARTS.iter().all(|(part, _)| part != name));
    assert!(unknown.is_none(), "no such part: {unknown:?}");
    let (settings, begun) = (Settings::read(), Instant::now());
    println!("{}; one worker each; load average {}", machine::name(), machine::busy());
    println!(
        "on in the sidecar: key, day's budget, decision among 100 candidates, record in the spool, metrics, log"
    );
    for (name, part) in PARTS {
        if names.is_empty() || names.iter().any(|one| one == name) {
            part(&settings, &Stand::start());
        }
    }
    println!("\n{} s in all", begun.elapsed().as_secs());
}
