//! Streams: what is added to the first piece and to each of them, and many at once.

use std::time::Duration;

use crate::answer::{Answer, Frame, now_ns};
use crate::client::{Line, ask, connect};
use crate::machine::{Spread, Stolen, alone, median, part};
use crate::settings::Settings;
use crate::stand::{DIRECT, Stand, Subject};

/// Streams of a round of which only the first piece counts.
const FIRST: usize = 200;
/// Pieces of the streams of a round whose pieces count, at a pace at which none waits for the one before.
const PIECES: usize = 250;
const PACE_MS: u64 = 2;
/// Many at once: pieces of each, and their pace.
const MANY_PIECES: usize = 40;
const MANY_PACE_MS: u64 = 100;
/// A stream stalls when a piece comes later than so many times the pace after the one before.
const STALL: u64 = 10;

/// Of one round: to the first piece, from the upstream's writing a piece to its arrival, and between two of them.
#[derive(Clone, Copy)]
struct Round {
    first: Spread,
    travel: Spread,
    gap: Spread,
}

pub(crate) fn measure(settings: &Settings, stand: &Stand) {
    part(&format!(
        "streams, one at a time: {} rounds of {FIRST} first pieces, and of {PIECES} pieces every {PACE_MS} ms",
        settings.rounds
    ));
    let mut stolen = Stolen::default();
    let mut seen: Vec<Vec<Round>> = vec![Vec::new(); stand.subjects.len()];
    let mut lines: Vec<_> = stand.subjects.iter().map(|subject| Line::new(subject.address)).collect();
    for _ in 0..settings.rounds {
        stolen.during(|| {
            for (place, subject) in stand.subjects.iter().enumerate() {
                seen[place].push(round(&mut lines[place], subject));
            }
        });
    }
    print(stand, &seen);
    println!("{}", stolen.text());
    many(settings, stand);
}

fn nanoseconds(from: u64, to: u64) -> Duration {
    Duration::from_nanos(to.saturating_sub(from))
}

fn round(line: &mut Line, subject: &Subject) -> Round {
    let request = subject.stream(1, 0);
    line.ask(&request).unwrap();
    let first = (0..FIRST).map(|_| {
        let begun = now_ns();
        let answer = line.ask(&request).unwrap();
        nanoseconds(begun, answer.frames[0].arrived_ns)
    });
    let first = Spread::of(first.collect());
    let frames = line.ask(&subject.stream(PIECES, PACE_MS)).unwrap().frames;
    let travel = frames.iter().map(|frame| nanoseconds(frame.written_ns, frame.arrived_ns));
    Round { first, travel: Spread::of(travel.collect()), gap: Spread::of(gaps(&frames).collect()) }
}

fn gaps(frames: &[Frame]) -> impl Iterator<Item = Duration> {
    frames.windows(2).map(|pair| nanoseconds(pair[0].arrived_ns, pair[1].arrived_ns))
}

fn print(stand: &Stand, seen: &[Vec<Round>]) {
    println!(
        "{:<26}{:>22} {:>22} {:>22} {:>22}",
        "µs, p50 / p99", "first piece", "added", "added to each's way", "added between two"
    );
    let direct = &seen[stand.place(DIRECT)];
    for (place, subject) in stand.subjects.iter().enumerate() {
        let of = |pick: &dyn Fn(&Round) -> f64| median(seen[place].iter().map(pick));
        let added = |pick: &dyn Fn(&Round) -> f64| {
            median(seen[place].iter().zip(direct).map(|(own, direct)| pick(own) - pick(direct)))
        };
        let both = |one: f64, other: f64| format!("{one:.0} / {other:.0}");
        print!("{:<26}{:>22}", subject.name, both(of(&|one| one.first.p50), of(&|one| one.first.p99)));
        if subject.name != DIRECT {
            print!(
                " {:>22} {:>22} {:>22}",
                both(added(&|one| one.first.p50), added(&|one| one.first.p99)),
                both(added(&|one| one.travel.p50), added(&|one| one.travel.p99)),
                both(added(&|one| one.gap.p50), added(&|one| one.gap.p99)),
            );
        }
        println!();
    }
}

/// What became of many streams.
#[derive(Default)]
struct Many {
    lost: usize,
    unended: usize,
    stalled: usize,
    longest: Duration,
    travel: Vec<Duration>,
}

fn many(settings: &Settings, stand: &Stand) {
    let streams = settings.streams;
    part(&format!("{streams} streams at once, {MANY_PIECES} pieces each, every {MANY_PACE_MS} ms"));
    println!(
        "{:<26}{:>12} {:>14} {:>10} {:>18} {:>24}",
        "of all pieces",
        "pieces lost",
        "without end",
        "stalled",
        "longest gap, ms",
        "each's way, ms, p50/p99"
    );
    let mut stolen = Stolen::default();
    for subject in &stand.subjects {
        let seen = stolen.during(|| at_once(subject, streams));
        let travel = Spread::of(seen.travel);
        println!(
            "{:<26}{:>12} {:>14} {:>10} {:>18.0} {:>24}",
            subject.name,
            seen.lost,
            seen.unended,
            seen.stalled,
            seen.longest.as_secs_f64() * 1000.0,
            format!("{:.2} / {:.2}", travel.p50 / 1000.0, travel.p99 / 1000.0),
        );
    }
    println!("stalled: no piece for {} ms; {}", STALL * MANY_PACE_MS, stolen.text());
}

fn at_once(subject: &Subject, streams: usize) -> Many {
    let request = subject.stream(MANY_PIECES, MANY_PACE_MS);
    let begun = now_ns();
    let answers: Vec<Option<Answer>> = alone(async {
        let mut clients = tokio::task::JoinSet::new();
        for _ in 0..streams {
            let (address, request) = (subject.address, request.clone());
            clients.spawn_local(async move {
                let mut stream = connect(address).await.ok()?;
                ask(&mut stream, &request, &mut vec![0; 4 << 10]).await.ok()
            });
        }
        clients.join_all().await
    });
    let mut seen = Many::default();
    for answer in &answers {
        let frames = answer.as_ref().map(|answer| answer.frames.as_slice()).unwrap_or_default();
        seen.lost += MANY_PIECES.saturating_sub(frames.len());
        seen.unended += usize::from(!answer.as_ref().is_some_and(|answer| answer.ended));
        let first = frames.first().map(|frame| nanoseconds(begun, frame.arrived_ns));
        let longest = gaps(frames).chain(first).max().unwrap_or_default();
        seen.stalled += usize::from(longest > Duration::from_millis(STALL * MANY_PACE_MS));
        seen.longest = seen.longest.max(longest);
        seen.travel.extend(frames.iter().map(|frame| nanoseconds(frame.written_ns, frame.arrived_ns)));
    }
    seen
}
