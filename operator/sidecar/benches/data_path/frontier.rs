//! The frontier: the most requests a second of which 99 % finish within a bound, from one sweep over connections.

use crate::client::{Until, load};
use crate::machine::{Stolen, median, part};
use crate::process::Server;
use crate::settings::Settings;
use crate::stand::{BARE, PASSED, Stand, TRANSLATED};

const CONNECTIONS: [usize; 10] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];
const BOUNDS_MS: [f64; 4] = [1.0, 5.0, 10.0, 50.0];
/// From this share of a processor on, whoever has it is what limits.
const FULL: f64 = 0.9;

/// One point of the sweep.
struct Point {
    rate: f64,
    p99_ms: f64,
    failed: usize,
    client: f64,
    upstream: f64,
    subject: f64,
}

pub(crate) fn measure(settings: &Settings, stand: &Stand) {
    // A sweep takes many points, and three of them tell whether one was an accident.
    let rounds = settings.rounds.min(3);
    part(&format!(
        "frontier: the most requests/s of which 99 % finish within a bound; {rounds} sweeps over {} to {} connections, \
         {} ms a point",
        CONNECTIONS[0],
        CONNECTIONS[CONNECTIONS.len() - 1],
        settings.point.as_millis()
    ));
    let mut stolen = Stolen::default();
    // By subject, then by round.
    let mut sweeps: Vec<Vec<Vec<Point>>> = stand.subjects.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        sweeps.iter_mut().for_each(|sweeps| sweeps.push(Vec::new()));
        for connections in CONNECTIONS {
            stolen.during(|| {
                for (place, sweeps) in sweeps.iter_mut().enumerate() {
                    let point = point(settings, stand, place, connections);
                    sweeps.last_mut().unwrap().push(point);
                }
            });
        }
    }
    print(stand, &sweeps);
    println!("{}", stolen.text());
    limits(stand, &sweeps);
}

fn point(settings: &Settings, stand: &Stand, place: usize, connections: usize) -> Point {
    let subject = &stand.subjects[place];
    let cpu = |server: &Server| server.spent().cpu_ns as f64 / 1e9;
    let spent = || (cpu(&stand.upstream), subject.server.as_ref().map_or(0.0, |server| cpu(server)));
    let request = subject.question(2_000);
    let before = spent();
    let load = load(subject.address, &request, connections, Until::After(settings.point));
    let after = spent();
    let seconds = settings.point.as_secs_f64();
    Point {
        rate: load.rate,
        p99_ms: load.times.p99 / 1000.0,
        failed: load.failed,
        client: load.busy,
        upstream: (after.0 - before.0) / seconds,
        subject: (after.1 - before.1) / seconds,
    }
}

/// The most of a sweep within this bound; zero where no point is.
fn most(sweep: &[Point], bound_ms: f64) -> f64 {
    let within = sweep.iter().filter(|point| point.failed == 0 && point.p99_ms < bound_ms);
    within.map(|point| point.rate).fold(0.0, f64::max)
}

fn print(stand: &Stand, sweeps: &[Vec<Vec<Point>>]) {
    print!("{:<26}", "requests/s (x bare proxy)");
    BOUNDS_MS.iter().for_each(|bound| print!("{:>19}", format!("p99 < {bound} ms")));
    println!();
    let ratio = |one: usize, other: usize, bound: f64| {
        let pairs = sweeps[one].iter().zip(&sweeps[other]);
        median(pairs.map(|(one, other)| most(one, bound) / most(other, bound)))
    };
    let figure = |number: f64, decimals: usize| {
        // Nothing within the bound, or nothing to compare with.
        if number.is_normal() { format!("{number:.decimals$}") } else { "-".to_owned() }
    };
    for (place, subject) in stand.subjects.iter().enumerate() {
        print!("{:<26}", subject.name);
        for bound in BOUNDS_MS {
            let rate = median(sweeps[place].iter().map(|sweep| most(sweep, bound)));
            let beside = figure(ratio(place, stand.place(BARE), bound), 2);
            print!("{:>19}", format!("{} ({beside})", figure(rate, 0)));
        }
        println!();
    }
    print!("{:<26}", "translated x passed");
    for bound in BOUNDS_MS {
        print!("{:>19}", figure(ratio(stand.place(TRANSLATED), stand.place(PASSED), bound), 2));
    }
    println!();
}

/// Whose limit the highest rates were: limits of the rig are nobody's fault.
fn limits(stand: &Stand, sweeps: &[Vec<Vec<Point>>]) {
    for (subject, sweeps) in stand.subjects.iter().zip(sweeps) {
        let points = || sweeps.iter().flatten();
        let failed: usize = points().map(|point| point.failed).sum();
        if failed > 0 {
            println!("{}: {failed} requests failed; points with failures count for nothing", subject.name);
        }
        let Some(top) = points().max_by(|one, other| one.rate.total_cmp(&other.rate)) else { continue };
        let rig =
            if top.client > FULL || top.upstream > FULL { " [!] the rig may have limited it" } else { "" };
        println!(
            "{:<26} busy at its highest rate: itself {:>3.0} %, load generator {:>3.0} %, upstream {:>3.0} % of a processor{rig}",
            subject.name,
            top.subject * 100.0,
            top.client * 100.0,
            top.upstream * 100.0
        );
    }
}
