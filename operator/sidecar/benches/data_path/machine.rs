//! What the machine does meanwhile, and arithmetic on times.

use std::time::{Duration, Instant};

/// A round in which more than this share of the processors' time was stolen is marked.
const MUCH: f64 = 0.02;

/// Microseconds.
#[derive(Clone, Copy, Default)]
pub(crate) struct Spread {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) worst: f64,
}

impl Spread {
    pub(crate) fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |percent: usize| {
            let place = (times.len() * percent / 100).min(times.len().saturating_sub(1));
            times.get(place).map_or(f64::NAN, |time| time.as_secs_f64() * 1e6)
        };
        Self { p50: at(50), p99: at(99), worst: at(100) }
    }
}

/// Runs on this thread alone.
pub(crate) fn alone<F: Future>(work: F) -> F::Output {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build_local(tokio::runtime::LocalOptions::default()).unwrap().block_on(work)
}

pub(crate) fn median(numbers: impl IntoIterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.into_iter().filter(|number| !number.is_nan()).collect();
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Time stolen from the machine, round by round.
#[derive(Default)]
pub(crate) struct Stolen {
    rounds: Vec<f64>,
}

impl Stolen {
    /// Measures what is stolen while this goes on.
    pub(crate) fn during<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let (begun, before) = (Instant::now(), stolen());
        let result = work();
        let share = (stolen().saturating_sub(before)).as_secs_f64() / begun.elapsed().as_secs_f64();
        self.rounds.push(share / cores() as f64);
        result
    }

    /// `stolen 1.2 %`, and how many rounds are marked.
    pub(crate) fn text(&self) -> String {
        let mean = self.rounds.iter().sum::<f64>() / self.rounds.len().max(1) as f64;
        let marked = self.rounds.iter().filter(|share| **share > MUCH).count();
        let mark = if marked > 0 {
            format!(" [!] {marked} of {} rounds above {:.0} %", self.rounds.len(), MUCH * 100.0)
        } else {
            String::new()
        };
        format!("stolen {:.1} %{mark}", mean * 100.0)
    }
}

/// What other tenants took from this machine so far.
fn stolen() -> Duration {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let field = stat.lines().next().and_then(|line| line.split_whitespace().nth(8)?.parse::<u64>().ok());
    // Linux counts in hundredths of a second.
    Duration::from_millis(field.unwrap_or(0) * 10)
}

pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
}

/// How many threads wanted a processor in the last minute, on average: what else the machine had to do.
pub(crate) fn busy() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or("?").to_owned()
}

/// Kernel and processor.
pub(crate) fn name() -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    format!("{} cores, {}, Linux {}", cores(), model.map_or("?", |(_, model)| model), kernel.trim())
}

/// The head of a part of the report.
pub(crate) fn part(text: &str) {
    println!("\n== {text} (load average {})", busy());
}
