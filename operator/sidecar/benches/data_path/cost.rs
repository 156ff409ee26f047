//! What a request costs the process in the middle: CPU time, context switches, system calls, instructions. These hold
//! on a busy machine too, as ratios of one round.

use crate::client::{Load, Until, load};
use crate::machine::{Stolen, median, part};
use crate::settings::Settings;
use crate::stand::{BARE, DIRECT, PASSED, Stand, Subject, TRANSLATED};

/// Enough that no server waits for the next request.
const CONNECTIONS: usize = 32;
/// Pieces of a streamed answer, each a write of the upstream's own.
const PIECES: usize = 100;

struct Round {
    cpu_us: f64,
    voluntary: f64,
    involuntary: f64,
    load: Load,
}

/// One row.
struct Case<'a> {
    subject: &'a Subject,
    request: Vec<u8>,
    /// Requests of a round.
    count: usize,
    /// What is counted of a request: itself, or its pieces.
    units: usize,
    rounds: Vec<Round>,
    syscalls: Option<f64>,
    instructions: Option<f64>,
}

pub(crate) fn measure(settings: &Settings, stand: &Stand) {
    part(&format!(
        "cost of a request: {} rounds of {} requests of 2 kB over {CONNECTIONS} connections, instant upstream",
        settings.rounds, settings.requests
    ));
    table(settings, stand, "request", |subject| (subject.question(2_000), settings.requests, 1));
    part(&format!("cost of a piece of a stream: answers in {PIECES} pieces, each written by itself"));
    table(settings, stand, "piece", |subject| {
        (subject.stream(PIECES, 0), settings.requests / PIECES * 4, PIECES)
    });
}

fn table(settings: &Settings, stand: &Stand, unit: &str, ask: impl Fn(&Subject) -> (Vec<u8>, usize, usize)) {
    let mut cases: Vec<Case<'_>> = stand
        .subjects
        .iter()
        .map(|subject| {
            let (request, count, units) = ask(subject);
            let rounds = Vec::new();
            Case { subject, request, count, units, rounds, syscalls: None, instructions: None }
        })
        .collect();
    let mut stolen = Stolen::default();
    for case in &cases {
        load(case.subject.address, &case.request, CONNECTIONS, Until::Requests(case.count / 4));
    }
    for _ in 0..settings.rounds {
        stolen.during(|| cases.iter_mut().for_each(|case| case.round()));
    }
    cases.iter_mut().for_each(Case::count);
    println!(
        "{:<26}{:>9} {:>12} {:>14} {:>12} {:>9} {:>9} {:>13}",
        format!("a {unit}"),
        "CPU µs",
        "x bare proxy",
        "sw. voluntary",
        "involuntary",
        "syscalls",
        "instr.",
        format!("{unit}s/s")
    );
    for case in &cases {
        case.print(&cases[stand.place(BARE)]);
    }
    let (passed, translated) = (&cases[stand.place(PASSED)], &cases[stand.place(TRANSLATED)]);
    println!("translated beside passed through: {:.2} x CPU; {}", translated.ratio(passed), stolen.text());
    let busy = cases.iter().flat_map(|case| &case.rounds).map(|round| round.load.busy).fold(0.0, f64::max);
    let mark = if busy > 0.9 { " [!] it may have limited the rates" } else { "" };
    println!("the load generator was busy at most {:.0} % of its one processor{mark}", busy * 100.0);
    if cases.iter().all(|case| case.syscalls.is_none()) {
        println!("system calls are not counted: strace is not installed, or may not attach");
    } else if cases[0].units > 1 {
        println!("system calls are fewer here than without strace, which slows: more pieces come together");
    }
    if cases.iter().all(|case| case.instructions.is_none()) {
        println!("instructions are not counted: this machine gives perf no counters");
    }
}

/// As many as are sent: the same number on every connection, and one that opens it.
fn sent(count: usize) -> usize {
    (count / CONNECTIONS + 1) * CONNECTIONS
}

impl Case<'_> {
    fn run(&self, count: usize) -> Load {
        load(self.subject.address, &self.request, CONNECTIONS, Until::Requests(count))
    }

    fn round(&mut self) {
        let spent = || self.subject.server.as_ref().map(|server| server.spent()).unwrap_or_default();
        let before = spent();
        let load = self.run(self.count);
        let after = spent();
        assert_eq!(load.failed, 0, "{}: requests failed", self.subject.name);
        let units = (sent(self.count) * self.units) as f64;
        let each = |before: u64, after: u64| after.saturating_sub(before) as f64 / units;
        self.rounds.push(Round {
            cpu_us: each(before.cpu_ns, after.cpu_ns) / 1000.0,
            voluntary: each(before.voluntary, after.voluntary),
            involuntary: each(before.involuntary, after.involuntary),
            load,
        });
    }

    /// Runs of their own, and shorter ones, since tools that watch slow it down.
    fn count(&mut self) {
        let Some(server) = &self.subject.server else { return };
        let count = self.count / 4;
        let units = (sent(count) * self.units) as f64;
        let run = || {
            self.run(count);
        };
        let (syscalls, instructions) = (server.syscalls(run), server.instructions(run));
        self.syscalls = syscalls.map(|count| count / units);
        self.instructions = instructions.map(|count| count / units);
    }

    fn median(&self, pick: fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().map(pick))
    }

    fn ratio(&self, other: &Self) -> f64 {
        let pairs = self.rounds.iter().zip(&other.rounds);
        median(pairs.map(|(own, other)| own.cpu_us / other.cpu_us))
    }

    fn print(&self, bare: &Self) {
        let rate = self.median(|round| round.load.rate) * self.units as f64;
        if self.subject.name == DIRECT {
            println!("{:<26}{rate:>84.0}", self.subject.name);
            return;
        }
        let counted = |count: Option<f64>| count.map_or("-".to_owned(), |count| format!("{count:.2}"));
        println!(
            "{:<26}{:>9.2} {:>12.2} {:>14.3} {:>12.3} {:>9} {:>9} {:>13.0}",
            self.subject.name,
            self.median(|round| round.cpu_us),
            self.ratio(bare),
            self.median(|round| round.voluntary),
            self.median(|round| round.involuntary),
            counted(self.syscalls),
            self.instructions.map_or("-".to_owned(), |count| format!("{count:.0}")),
            rate,
        );
    }
}
