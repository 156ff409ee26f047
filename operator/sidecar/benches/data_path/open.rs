//! The open loop: requests are due at a steady rate whatever becomes of those before, and a latency begins when its
//! request was due. Threads that block send more punctually than an event loop, whose timer counts milliseconds.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::client::Line;
use crate::machine::Spread;

/// What is sent.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    /// Requests a second.
    pub(crate) rate: f64,
    pub(crate) time: Duration,
    /// The first requests do not count: connections are opened.
    pub(crate) ignored: Duration,
    /// The most requests under way.
    pub(crate) threads: usize,
}

/// What became of it.
#[derive(Default)]
pub(crate) struct Seen {
    /// Of good answers, since the request was due.
    pub(crate) times: Vec<Duration>,
    /// How much later than due the generator itself sent.
    pub(crate) late: Vec<Duration>,
    pub(crate) failed: usize,
    pub(crate) attempts: u64,
}

impl Seen {
    pub(crate) fn spread(&self) -> Spread {
        Spread::of(self.times.clone())
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.times.extend(other.times);
        self.late.extend(other.late);
        self.failed += other.failed;
        self.attempts += other.attempts;
    }
}

pub(crate) fn run(address: SocketAddr, request: &[u8], plan: Plan) -> Seen {
    let total = (plan.rate * plan.time.as_secs_f64()) as u32;
    let interval = Duration::from_secs_f64(1.0 / plan.rate);
    let begun = Instant::now() + Duration::from_millis(20);
    let turn = Mutex::new(0_u32);
    let worker = || {
        let (mut seen, mut line) = (Seen::default(), Line::new(address));
        loop {
            // Whoever has the lock waits until its request is due; all others wait for the lock, or for an answer.
            let Ok(mut next) = turn.lock() else { return seen };
            if *next == total {
                return seen;
            }
            let due = begun + interval * *next;
            *next += 1;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            drop(next);
            let late = due.elapsed();
            let answer = line.ask(request);
            if due.saturating_duration_since(begun) < plan.ignored {
                continue;
            }
            seen.late.push(late);
            match answer {
                Ok(answer) if answer.status == 200 => {
                    seen.times.push(due.elapsed());
                    seen.attempts += answer.attempts;
                }
                Ok(answer) => {
                    seen.failed += 1;
                    seen.attempts += answer.attempts;
                }
                Err(_) => seen.failed += 1,
            }
        }
    };
    let mut all = Seen::default();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..plan.threads).map(|_| scope.spawn(worker)).collect();
        for thread in threads {
            all.add(thread.join().unwrap());
        }
    });
    all
}
