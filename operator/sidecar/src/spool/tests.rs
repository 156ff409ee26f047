use std::fs;
use std::path::Path;

use super::*;

const BOUNDS: Bounds = Bounds { bytes: 1 << 20, age: Duration::from_secs(3600) };

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("vox-spool-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    folder
}

fn spool(folder: &Path, bounds: Bounds) -> (Spool, Measured) {
    let measured = Measured::default();
    (Spool::start(folder.to_owned(), bounds, measured.clone()).unwrap(), measured)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// What is sent next, as lines.
fn next(shelf: &Shelf) -> (Batch, Vec<String>) {
    let batch = shelf.take(1 << 22).unwrap();
    let lines = String::from_utf8(batch.body.clone()).unwrap().lines().map(str::to_owned).collect();
    (batch, lines)
}

#[test]
fn what_was_put_is_there_after_closing_in_its_order() {
    let folder = folder("order");
    for run in 0..2 {
        let (spool, _) = spool(&folder, BOUNDS);
        (0..3).for_each(|line| spool.put(Kind::Answered, format!("{run}-{line}").as_bytes()));
        spool.close();
    }
    let (spool, _) = spool(&folder, BOUNDS);
    assert_eq!(next(&spool.shelf()).1, ["0-0", "0-1", "0-2", "1-0", "1-1", "1-2"]);
}

#[test]
fn a_batch_that_has_arrived_is_gone_and_another_comes_again() {
    let folder = folder("again");
    let (spool, _) = spool(&folder, BOUNDS);
    spool.put(Kind::Call, b"a");
    spool.flush();
    let shelf = spool.shelf();
    let (batch, lines) = next(&shelf);
    assert_eq!(lines, ["a"]);
    shelf.put_back(&batch);
    spool.put(Kind::Feedback, b"b");
    spool.flush();
    let (batch, lines) = next(&shelf);
    assert_eq!(lines, ["a", "b"]);
    shelf.sent(&batch);
    assert!(shelf.is_empty() && shelf.take(1).is_none() && files(&folder).is_empty());
}

#[test]
fn a_line_that_was_not_written_to_its_end_is_skipped_and_counted() {
    let folder = folder("torn");
    let (first, _) = spool(&folder, BOUNDS);
    ["one", "two"].iter().for_each(|line| first.put(Kind::Answered, line.as_bytes()));
    first.close();
    let file = files(&folder).remove(0);
    let whole = fs::read(&file).unwrap();
    // Wherever the second line is cut, the first is there; only the last cut has all but the line end.
    for cut in whole.len() / 2 + 1..whole.len() {
        fs::write(&file, &whole[..cut]).unwrap();
        let (again, measured) = spool(&folder, BOUNDS);
        let (batch, lines) = next(&again.shelf());
        assert_eq!(lines, ["one"], "{cut}");
        again.shelf().sent(&batch);
        assert_eq!(measured.torn.get(), 1, "{cut}");
    }
    let mut changed = whole.clone();
    changed[10] ^= 1;
    fs::write(&file, &changed).unwrap();
    let (again, measured) = spool(&folder, BOUNDS);
    let (batch, lines) = next(&again.shelf());
    assert_eq!(lines, ["two"]);
    again.shelf().sent(&batch);
    assert_eq!(measured.torn.get(), 1);
}

#[test]
fn a_full_spool_gives_up_the_oldest_answered_calls_first_and_counts_them() {
    let folder = folder("full");
    let (spool, measured) = spool(&folder, Bounds { bytes: 16 * 200, ..BOUNDS });
    for line in 0..1000 {
        let kind = if line % 100 == 0 { Kind::Feedback } else { Kind::Answered };
        spool.put(kind, format!("{line:09}").as_bytes());
    }
    spool.close();
    let (_, lines) = next(&spool.shelf());
    assert_eq!(u64::try_from(lines.len()).unwrap() + measured.lost(), 1000);
    let feedback = |line: &&String| line.parse::<u32>().unwrap() % 100 == 0;
    assert_eq!(lines.iter().filter(feedback).count(), 10);
    assert!(lines.contains(&"000000999".to_owned()));
    let bytes: u64 = files(&folder).iter().map(|file| fs::metadata(file).unwrap().len()).sum();
    assert!((2000..=3200).contains(&bytes), "{bytes}");
}

#[test]
fn what_is_too_old_is_given_up_and_counted() {
    let folder = folder("old");
    let (first, _) = spool(&folder, BOUNDS);
    first.put(Kind::Call, b"x");
    first.close();
    let (spool, measured) = spool(&folder, Bounds { age: Duration::ZERO, ..BOUNDS });
    assert!(spool.shelf().take(1 << 20).is_none());
    assert_eq!(measured.lost(), 1);
}

#[test]
fn a_batch_is_no_longer_than_it_may_be() {
    let folder = folder("long");
    let (spool, _) = spool(&folder, Bounds { bytes: 16 * 1000, ..BOUNDS });
    (0..100).for_each(|line| spool.put(Kind::Answered, format!("{line:090}").as_bytes()));
    spool.flush();
    let shelf = spool.shelf();
    let mut all = 0;
    while let Some(batch) = shelf.take(3000) {
        assert!(batch.body.len() <= 3000);
        all += batch.body.iter().filter(|byte| **byte == b'\n').count();
        shelf.sent(&batch);
    }
    assert_eq!(all, 100);
}

#[test]
fn a_folder_that_cannot_be_written_costs_records_only() {
    let file = folder("file");
    fs::write(&file, "").unwrap();
    let (spool, measured) = spool(&file, BOUNDS);
    spool.put(Kind::Answered, b"x");
    spool.close();
    assert_eq!(measured.lost(), 1);
}
