//! How much is measured: environment variables, so that `make bench` passes them on.

use std::time::Duration;

/// All figures of a run.
pub(crate) struct Settings {
    /// `BENCH_ROUNDS`: how often everything that is compared is measured, in turns.
    pub(crate) rounds: usize,
    /// `BENCH_REQUESTS`: requests of a round where CPU time is counted.
    pub(crate) requests: usize,
    /// `BENCH_RATE`: requests a second of the open loops.
    pub(crate) rate: f64,
    /// `BENCH_OPEN_SECONDS`: how long a round of an open loop takes.
    pub(crate) open: Duration,
    /// `BENCH_FRONTIER_MS`: how long each point of the sweep takes.
    pub(crate) point: Duration,
    /// `BENCH_STREAMS`: streams at once.
    pub(crate) streams: usize,
    /// `BENCH_MEMORY_SECONDS`: how long the memory of the sidecar is watched under load; 600 for the figure of ten minutes.
    pub(crate) memory: Duration,
}

impl Settings {
    pub(crate) fn read() -> Self {
        Self {
            rounds: number("BENCH_ROUNDS", 3),
            requests: number("BENCH_REQUESTS", 8_000),
            rate: f64::from(number("BENCH_RATE", 1_000_u32)),
            open: Duration::from_secs(number("BENCH_OPEN_SECONDS", 3)),
            point: Duration::from_millis(number("BENCH_FRONTIER_MS", 350)),
            streams: number("BENCH_STREAMS", 512),
            memory: Duration::from_secs(number("BENCH_MEMORY_SECONDS", 40)),
        }
    }
}

fn number<T: std::str::FromStr>(name: &str, default: T) -> T {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")),
        Err(_) => default,
    }
}
