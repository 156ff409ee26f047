//! Records that wait on disk until someone fetches them: lines of JSON in segment files, bounded in bytes. A full
//! desk or disk costs records, never requests, and what is lost is counted.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use memchr::{memchr, memchr_iter, memrchr};
use prometheus_client::metrics::counter::Counter;

/// More bytes do not wait for the writer.
const WAITING: usize = 4 << 20;
/// So many are written at once, whatever the time.
const BATCH: usize = 256 << 10;
/// Fewer wait so long for others: waking the writer costs a worker more than anything else that it does with a record.
const LINGER: Duration = Duration::from_millis(200);
/// The spool is divided into so many segments, so that dropping the oldest loses only a part.
const SEGMENTS: u64 = 16;

/// Takes records, in whatever way they travel on.
pub trait Records: Send + Sync {
    /// Takes one line of JSON without its line end; never waits for a disk.
    fn put(&self, line: &[u8]);

    /// Writes what has been taken, and takes no more.
    fn close(&self);
}

/// Records in segment files.
pub struct Spool {
    desk: Arc<Desk>,
    writer: Mutex<Option<JoinHandle<()>>>,
    dropped: Counter,
}

/// Where lines wait for the writer.
#[derive(Default)]
struct Desk {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    /// Each with its line end.
    lines: Vec<u8>,
    closed: bool,
}

impl Desk {
    fn open(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there was room for it. The writer is woken by the first line and by a full batch only.
    fn put(&self, line: &[u8]) -> bool {
        let mut waiting = self.open();
        let before = waiting.lines.len();
        let after = before.saturating_add(line.len()).saturating_add(1);
        if waiting.closed || after > WAITING {
            return false;
        }
        waiting.lines.extend_from_slice(line);
        waiting.lines.push(b'\n');
        drop(waiting);
        if before == 0 || (before < BATCH && after >= BATCH) {
            self.changed.notify_one();
        }
        true
    }

    /// Takes what waits once it is enough or has waited long enough; whether more may come.
    fn take(&self, lines: &mut Vec<u8>) -> bool {
        let idle = |waiting: &mut Waiting| waiting.lines.is_empty() && !waiting.closed;
        let waiting = self.changed.wait_while(self.open(), idle).unwrap_or_else(PoisonError::into_inner);
        let few = |waiting: &mut Waiting| waiting.lines.len() < BATCH && !waiting.closed;
        let waited = self.changed.wait_timeout_while(waiting, LINGER, few);
        let (mut waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut waiting.lines, lines);
        !waiting.closed
    }
}

impl Spool {
    /// Begins to write below this folder, at most so many bytes in all.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(folder: PathBuf, bytes: u64, dropped: Counter) -> std::io::Result<Self> {
        let desk = Arc::new(Desk::default());
        let (lines, counter) = (Arc::clone(&desk), dropped.clone());
        let writer = move || Writer::new(folder, bytes, counter).run(&lines);
        let writer = std::thread::Builder::new().name("spool".to_owned()).spawn(writer)?;
        Ok(Self { desk, writer: Mutex::new(Some(writer)), dropped })
    }
}

impl Records for Spool {
    fn put(&self, line: &[u8]) {
        if !self.desk.put(line) {
            self.dropped.inc();
        }
    }

    fn close(&self) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            self.desk.open().closed = true;
            self.desk.changed.notify_one();
            // It ends after what it has been given; a writer that is gone has said why.
            let _ = writer.join();
        }
    }
}

struct Segment {
    path: PathBuf,
    bytes: u64,
    lines: u64,
}

struct Writer {
    folder: PathBuf,
    segment_bytes: u64,
    /// Oldest first; the last one is written to while `file` is open.
    segments: VecDeque<Segment>,
    file: Option<File>,
    next: u64,
    dropped: Counter,
    /// Whether the last write failed; said once.
    failing: bool,
}

impl Writer {
    fn new(folder: PathBuf, bytes: u64, dropped: Counter) -> Self {
        let segments = found(&folder);
        let last = segments.iter().filter_map(|segment| number(&segment.path)).max();
        let next = last.map_or(1, |last| last.saturating_add(1));
        let segment_bytes = (bytes / SEGMENTS).max(1);
        Self { folder, segment_bytes, segments, file: None, next, dropped, failing: false }
    }

    fn run(mut self, desk: &Desk) {
        let mut lines = Vec::new();
        loop {
            lines.clear();
            let more = desk.take(&mut lines);
            let mut rest = lines.as_slice();
            while !rest.is_empty() {
                match self.write(rest) {
                    Ok(left) => {
                        rest = left;
                        self.failing = false;
                    }
                    Err(error) => {
                        self.lost(rest, &error);
                        break;
                    }
                }
            }
            if !more {
                return;
            }
        }
    }

    fn lost(&mut self, lines: &[u8], error: &std::io::Error) {
        self.dropped.inc_by(count(lines));
        self.file = None;
        if !std::mem::replace(&mut self.failing, true) {
            tracing::warn!(folder = %self.folder.display(), %error, "records cannot be written and are lost");
        }
    }

    /// Writes as many whole lines as the segment has room for, and says what is left.
    fn write<'a>(&mut self, lines: &'a [u8]) -> std::io::Result<&'a [u8]> {
        let first = memchr(b'\n', lines).map_or(lines.len(), |end| end.saturating_add(1));
        let room = |last: &Segment| usize::try_from(self.segment_bytes.saturating_sub(last.bytes)).ok();
        let mut room = self.segments.back().and_then(room).unwrap_or(0);
        if self.file.is_none() || first > room {
            self.open()?;
            room = usize::try_from(self.segment_bytes).unwrap_or(usize::MAX);
        }
        let fitting = lines
            .get(..room)
            .map_or(Some(lines.len()), |fitting| memrchr(b'\n', fitting).map(|end| end.saturating_add(1)));
        // A line that is longer than a segment has one of its own.
        let (now, later) = lines.split_at_checked(fitting.unwrap_or(first)).unwrap_or((lines, &[]));
        if let (Some(file), Some(segment)) = (&mut self.file, self.segments.back_mut()) {
            file.write_all(now)?;
            segment.bytes = segment.bytes.saturating_add(u64::try_from(now.len()).unwrap_or(u64::MAX));
            segment.lines = segment.lines.saturating_add(count(now));
        }
        Ok(later)
    }

    fn open(&mut self) -> std::io::Result<()> {
        self.file = None;
        fs::create_dir_all(&self.folder)?;
        while u64::try_from(self.segments.len()).is_ok_and(|count| count >= SEGMENTS) {
            let Some(oldest) = self.segments.pop_front() else { break };
            // Whoever fetched it may have removed it already.
            if fs::remove_file(&oldest.path).is_ok() {
                self.dropped.inc_by(oldest.lines);
            }
        }
        let path = self.folder.join(format!("{:012}.jsonl", self.next));
        self.next = self.next.saturating_add(1);
        self.file = Some(OpenOptions::new().create(true).append(true).open(&path)?);
        self.segments.push_back(Segment { path, bytes: 0, lines: 0 });
        Ok(())
    }
}

/// Segments of an earlier run, oldest first.
fn found(folder: &Path) -> VecDeque<Segment> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut segments: Vec<Segment> = entries
        .map(|entry| entry.path())
        .filter(|path| number(path).is_some())
        .map(|path| {
            let content = fs::read(&path).unwrap_or_default();
            let bytes = u64::try_from(content.len()).unwrap_or(u64::MAX);
            Segment { path, bytes, lines: count(&content) }
        })
        .collect();
    segments.sort_by(|one, other| one.path.cmp(&other.path));
    segments.into()
}

fn count(lines: &[u8]) -> u64 {
    u64::try_from(memchr_iter(b'\n', lines).count()).unwrap_or(u64::MAX)
}

fn number(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.strip_suffix(".jsonl")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("vox-spool-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    fn lines(folder: &Path) -> Vec<String> {
        found(folder)
            .iter()
            .flat_map(|segment| {
                let text = fs::read_to_string(&segment.path).unwrap();
                text.lines().map(str::to_owned).collect::<Vec<_>>()
            })
            .collect()
    }

    #[test]
    fn what_was_put_is_there_after_closing_in_its_order() {
        let folder = folder("order");
        for run in 0..2 {
            let spool = Spool::start(folder.clone(), 1 << 20, Counter::default()).unwrap();
            (0..3).for_each(|line| spool.put(format!("{run}-{line}").as_bytes()));
            spool.close();
        }
        assert_eq!(lines(&folder), ["0-0", "0-1", "0-2", "1-0", "1-1", "1-2"]);
    }

    #[test]
    fn a_full_spool_drops_the_oldest_and_counts_them() {
        let folder = folder("full");
        let dropped = Counter::default();
        let spool = Spool::start(folder.clone(), 16 * 100, dropped.clone()).unwrap();
        (0..1000).for_each(|line| spool.put(format!("{line:09}").as_bytes()));
        spool.close();
        let kept = lines(&folder);
        assert_eq!(kept.last().unwrap(), "000000999");
        assert_eq!(u64::try_from(kept.len()).unwrap() + dropped.get(), 1000);
        assert!(kept.len() <= 160 && kept.len() >= 150, "{}", kept.len());
    }

    #[test]
    fn a_folder_that_cannot_be_written_costs_records_only() {
        let file = folder("file");
        fs::write(&file, "").unwrap();
        let dropped = Counter::default();
        let spool = Spool::start(file, 1 << 20, dropped.clone()).unwrap();
        spool.put(b"x");
        spool.close();
        assert_eq!(dropped.get(), 1);
    }
}
