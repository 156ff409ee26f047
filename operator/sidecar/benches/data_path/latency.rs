//! What is added to the time of a request: with one at a time, and at a steady rate.

use std::time::{Duration, Instant};

use crate::client::Line;
use crate::machine::{Spread, Stolen, median, part};
use crate::open::{self, Plan, Seen};
use crate::settings::Settings;
use crate::stand::{BARE, DIRECT, Stand};

/// Requests of a round with one at a time.
const SINGLE: usize = 600;
/// Rounds of one at a time, for each round of other parts.
const SINGLE_ROUNDS: usize = 4;
/// A generator that sends later than this measures itself.
const LATE_US: f64 = 500.0;

pub(crate) fn measure(settings: &Settings, stand: &Stand) {
    let rounds = settings.rounds * SINGLE_ROUNDS;
    part(&format!(
        "added latency, one request at a time: {rounds} rounds of {SINGLE} of 2 kB, instant upstream"
    ));
    let mut stolen = Stolen::default();
    let mut seen: Vec<Vec<Spread>> = vec![Vec::new(); stand.subjects.len()];
    let requests: Vec<_> = stand.subjects.iter().map(|subject| subject.question(2_000)).collect();
    let mut lines: Vec<_> = stand.subjects.iter().map(|subject| Line::new(subject.address)).collect();
    for number in 0..=rounds {
        stolen.during(|| {
            for (place, request) in requests.iter().enumerate() {
                let spread = one_at_a_time(&mut lines[place], request);
                // The first round warms up.
                if number > 0 {
                    seen[place].push(spread);
                }
            }
        });
    }
    print(stand, &seen);
    println!("{}", stolen.text());
    steady(settings, stand);
}

fn one_at_a_time(line: &mut Line, request: &[u8]) -> Spread {
    let times = (0..SINGLE).map(|_| {
        let begun = Instant::now();
        let answer = line.ask(request).unwrap();
        assert_eq!(answer.status, 200);
        begun.elapsed()
    });
    Spread::of(times.collect())
}

/// The open loop.
fn steady(settings: &Settings, stand: &Stand) {
    let ignored = Duration::from_millis(500);
    let plan = Plan { rate: settings.rate, time: settings.open + ignored, ignored, threads: 64 };
    part(&format!(
        "{} requests a second, open loop, since each was due: {} rounds of {} s",
        plan.rate,
        settings.rounds,
        settings.open.as_secs()
    ));
    let mut stolen = Stolen::default();
    let mut spreads: Vec<Vec<Spread>> = vec![Vec::new(); stand.subjects.len()];
    let mut all: Vec<Seen> = stand.subjects.iter().map(|_| Seen::default()).collect();
    for _ in 0..settings.rounds {
        for (place, subject) in stand.subjects.iter().enumerate() {
            let seen = stolen.during(|| open::run(subject.address, &subject.question(2_000), plan));
            spreads[place].push(seen.spread());
            all[place].add(seen);
        }
    }
    print(stand, &spreads);
    for (subject, seen) in stand.subjects.iter().zip(&all).filter(|(_, seen)| seen.failed > 0) {
        println!("{}: {} requests failed", subject.name, seen.failed);
    }
    let late = Spread::of(all.iter().flat_map(|seen| seen.late.iter().copied()).collect());
    let mark = if late.p99 > LATE_US { " [!] the machine was too busy for it" } else { "" };
    println!(
        "the generator sent late by p50 {:.0} µs, p99 {:.0} µs{mark}; {}",
        late.p50,
        late.p99,
        stolen.text()
    );
}

/// Medians over the rounds, and of what each round added to the direct path's.
fn print(stand: &Stand, seen: &[Vec<Spread>]) {
    println!(
        "{:<26}{:>9} {:>9} {:>9} {:>12} {:>11} {:>12} {:>11}",
        "µs", "p50", "p99", "worst", "added p50", "x bare", "added p99", "x bare"
    );
    let direct = &seen[stand.place(DIRECT)];
    let added = |place: usize, pick: fn(&Spread) -> f64| {
        median(seen[place].iter().zip(direct).map(|(own, direct)| pick(own) - pick(direct)))
    };
    let bare = stand.place(BARE);
    for (place, subject) in stand.subjects.iter().enumerate() {
        let of = |pick: fn(&Spread) -> f64| median(seen[place].iter().map(pick));
        let worst = seen[place].iter().map(|spread| spread.worst).fold(0.0, f64::max);
        print!("{:<26}{:>9.0} {:>9.0} {worst:>9.0}", subject.name, of(|one| one.p50), of(|one| one.p99));
        if subject.name != DIRECT {
            for pick in [(|one| one.p50) as fn(&Spread) -> f64, |one| one.p99] {
                let (own, of_bare) = (added(place, pick), added(bare, pick));
                // Beside next to nothing, a ratio says nothing.
                let ratio = if of_bare > 1.0 { format!("{:.2}", own / of_bare) } else { "-".to_owned() };
                print!(" {own:>12.0} {ratio:>11}");
            }
        }
        println!();
    }
}
