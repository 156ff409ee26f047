//! The replay bench (`make bench-replay DIR=…`): tables of questions × models × cost × correctness, played through what
//! really decides, stores, rolls up and learns, as if each question had come in as a request. What of it is real and what is
//! not: docs/benchmarks.md.
//!
//! - `VOX_REPLAY_DIR`: the folder of the tables, `*.csv`
//! - `VOX_REPLAY_SEEDS`: how many orders of the questions are played (default 5)
//! - `VOX_REPLAY_PASSES`: how often each order goes through all questions (default 1): more calls than a table has
//! - `VOX_REPLAY_REPORT`: the file that the report goes to; else it is printed

// Clippy knows test functions, not their helpers.
#![allow(clippy::unwrap_used, clippy::panic)]

mod report;
mod synthetic;
mod table;
mod world;

use std::path::{Path, PathBuf};

use table::Table;
use world::Rules;

use crate::serve::tests::database;

const SEEDS: u32 = 5;

/// Numbers that look random and are the same for the same seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    /// 0 to 1.
    fn share(&mut self) -> f64 {
        f64::from(u32::try_from(self.next() >> 32).unwrap()) / f64::from(u32::MAX)
    }

    fn shuffle(&mut self, places: &mut [usize]) {
        for last in (1..places.len()).rev() {
            places.swap(last, self.below(last + 1));
        }
    }
}

/// The frozen rules that are played.
fn rules() -> [Rules; 5] {
    let rules = |name, mode, explored, quality_first| Rules { name, mode, explored, quality_first };
    [
        rules("rule (the default)", "rule", None, false),
        rules("rule, 5 % explored", "rule", Some("5%"), false),
        rules("bounds, 5 % explored", "bounds", Some("5%"), false),
        rules("rule, 5 % explored, quality first", "rule", Some("5%"), true),
        rules("bounds, 5 % explored, quality first", "bounds", Some("5%"), true),
    ]
}

#[tokio::test]
#[ignore = "a bench: make bench-replay"]
async fn bench() {
    let number = |name: &str, default: u32| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse().ok())
            .filter(|number| *number > 0)
            .unwrap_or(default)
    };
    let (seeds, passes) = (number("VOX_REPLAY_SEEDS", SEEDS), number("VOX_REPLAY_PASSES", 1));
    let report = match std::env::var("VOX_REPLAY_DIR").map(PathBuf::from) {
        Ok(folder) => played(&folder, seeds, passes).await,
        Err(_) => Err("name a folder of tables: make bench-replay DIR=…".to_owned()),
    };
    let text = report.clone().unwrap_or_else(|refused| format!("{refused}\n"));
    match std::env::var("VOX_REPLAY_REPORT") {
        Ok(file) => std::fs::write(file, &text).unwrap(),
        Err(_) => print!("{text}"),
    }
    assert!(report.is_ok(), "{text}");
}

/// All tables of a folder, each by itself.
async fn played(folder: &Path, seeds: u32, passes: u32) -> Result<String, String> {
    let mut text = String::new();
    for table in Table::all(folder)? {
        let mut lines = report::baselines(&table, seeds);
        for (number, rules) in rules().iter().enumerate() {
            let mut runs = Vec::new();
            for seed in 0..seeds {
                let name = format!("replay_{number}_{seed}");
                let url = database(&name).await.ok_or("VOX_TEST_DATABASE_URL names no database")?;
                runs.push(world::play(&url, &table, rules, u64::from(seed), passes).await);
            }
            lines.push(report::Line::of(&format!("vox {}", rules.name), &table, &runs));
        }
        text.push_str(&report::text(&table, seeds, passes, &lines));
    }
    Ok(text)
}

/// Our own table, which stands in the repository.
fn own() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../e2e/replay")
}

#[test]
fn the_table_of_our_own_making_is_what_its_generator_makes() {
    let file = own().join("synthetic.csv");
    let made = synthetic::csv();
    if std::env::var("VOX_REPLAY_WRITE").is_ok() {
        std::fs::write(&file, &made).unwrap();
    }
    assert!(std::fs::read_to_string(file).unwrap() == made, "VOX_REPLAY_WRITE=1 writes it anew");
}

/// Not how well, which the bench says; but that what happened is taken up at all.
#[tokio::test]
async fn what_happened_comes_back_and_the_choice_is_better_for_it() {
    let Some(url) = database("replay_learns").await else { return };
    let table = Table::all(&own()).unwrap().remove(0);
    let [.., bounds] = rules();
    let run = world::play(&url, &table, &bounds, 1, 1).await;
    let random = report::random(&table, 1);
    assert!(run.quality > random.quality, "{} and by chance {}", run.quality, random.quality);
    let half = run.taken.len() / 2;
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let (early, late) = (mean(&run.taken[..half / 2]), mean(&run.taken[half..]));
    assert!(late > early, "{late} late and {early} early");
}
