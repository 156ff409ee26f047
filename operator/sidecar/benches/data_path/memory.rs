//! Resident memory: idle, under a steady load with large bodies, whether it grows, and what is given back.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::machine::{Stolen, part};
use crate::open::{self, Plan};
use crate::settings::Settings;
use crate::stand::{BARE, NGINX, PASSED, Stand, Subject};

const BODY: usize = 100_000;
/// How long those that are only compared with are watched.
const BESIDE: Duration = Duration::from_secs(8);
/// How long after the load it is seen what is given back.
const AFTER: Duration = Duration::from_secs(6);
const EVERY: Duration = Duration::from_millis(500);

pub(crate) fn measure(settings: &Settings, stand: &Stand) {
    part(&format!("resident memory, {} requests/s with bodies of {} kB", settings.rate, BODY / 1000));
    std::thread::sleep(Duration::from_secs(2));
    println!(
        "{:<26}{:>8} {:>8} {:>8} {:>16} {:>18} {:>10} {:>8}",
        "MiB", "idle", "steady", "most", "growth kB/min", "after the load", "requests/s", "for s"
    );
    let mut stolen = Stolen::default();
    for name in [BARE, NGINX, PASSED] {
        let Some(subject) = stand.subjects.iter().find(|subject| subject.name == name) else { continue };
        let time = if name == PASSED { settings.memory } else { BESIDE.min(settings.memory) };
        stolen.during(|| watch(settings, subject, time));
    }
    println!("growth: slope of the second half of the time; {}", stolen.text());
}

fn watch(settings: &Settings, subject: &Subject, time: Duration) {
    let Some(server) = &subject.server else { return };
    let resident = || server.resident() as f64 / 1024.0;
    let idle = resident();
    let plan = Plan { rate: settings.rate, time, ignored: Duration::ZERO, threads: 64 };
    let (request, address) = (subject.question(BODY), subject.address);
    let (done, begun) = (AtomicBool::new(false), Instant::now());
    let mut samples = Vec::new();
    let (seen, elapsed) = std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let seen = open::run(address, &request, plan);
            done.store(true, Relaxed);
            (seen, begun.elapsed())
        });
        while !done.load(Relaxed) {
            samples.push((begun.elapsed().as_secs_f64() / 60.0, resident()));
            std::thread::sleep(EVERY);
        }
        load.join().unwrap()
    });
    std::thread::sleep(AFTER);
    let half = &samples[samples.len() / 2..];
    let steady = half.iter().map(|(_, size)| size).sum::<f64>() / half.len() as f64;
    println!(
        "{:<26}{idle:>8.1} {steady:>8.1} {:>8.1} {:>16.0} {:>18.1} {:>10.0} {:>8.0}",
        subject.name,
        samples.iter().map(|(_, size)| *size).fold(0.0, f64::max),
        slope(half) * 1024.0,
        resident(),
        seen.times.len() as f64 / elapsed.as_secs_f64(),
        time.as_secs_f64(),
    );
    if seen.failed > 0 {
        println!("{}: {} requests failed", subject.name, seen.failed);
    }
}

/// Of the line through these points with the least squares.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |pick: fn(&(f64, f64)) -> f64| points.iter().map(pick).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let up: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let along: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    if along > 0.0 { up / along } else { 0.0 }
}
