//! Records that wait on disk until someone fetches them: lines of JSON in segment files, bounded in bytes. A full
//! channel or disk costs records, never requests, and what is lost is counted.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;

use prometheus_client::metrics::counter::Counter;

/// So many lines wait for the writer.
const QUEUE: usize = 4096;
/// The spool is divided into so many segments, so that dropping the oldest loses only a part.
const SEGMENTS: u64 = 16;

/// Takes records, in whatever way they travel on.
pub trait Records: Send + Sync {
    /// Takes one line of JSON without its line end; never waits.
    fn put(&self, line: Vec<u8>);

    /// Writes what has been taken, and takes no more.
    fn close(&self);
}

/// Records in segment files.
pub struct Spool {
    queue: SyncSender<Option<Vec<u8>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    dropped: Counter,
}

impl Spool {
    /// Begins to write below this folder, at most so many bytes in all.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(folder: PathBuf, bytes: u64, dropped: Counter) -> std::io::Result<Self> {
        let (queue, lines) = sync_channel(QUEUE);
        let counter = dropped.clone();
        let writer = move || Writer::new(folder, bytes, counter).run(&lines);
        let writer = std::thread::Builder::new().name("spool".to_owned()).spawn(writer)?;
        Ok(Self { queue, writer: Mutex::new(Some(writer)), dropped })
    }
}

impl Records for Spool {
    fn put(&self, line: Vec<u8>) {
        if self.queue.try_send(Some(line)).is_err() {
            self.dropped.inc();
        }
    }

    fn close(&self) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            // The writer ends at this mark; when it is gone already, so is the need for it.
            let _ = self.queue.send(None);
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
    file: Option<BufWriter<File>>,
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

    fn run(mut self, lines: &Receiver<Option<Vec<u8>>>) {
        loop {
            let line = match lines.try_recv() {
                Ok(line) => line,
                Err(TryRecvError::Disconnected) => None,
                Err(TryRecvError::Empty) => {
                    self.flush();
                    lines.recv().unwrap_or(None)
                }
            };
            let Some(line) = line else {
                self.flush();
                return;
            };
            if let Err(error) = self.write(&line) {
                self.dropped.inc();
                self.file = None;
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!(folder = %self.folder.display(), %error, "records cannot be written and are lost");
                }
            } else {
                self.failing = false;
            }
        }
    }

    fn write(&mut self, line: &[u8]) -> std::io::Result<()> {
        let length = u64::try_from(line.len()).unwrap_or(u64::MAX).saturating_add(1);
        let full =
            self.segments.back().is_none_or(|last| last.bytes.saturating_add(length) > self.segment_bytes);
        if self.file.is_none() || full {
            self.open()?;
        }
        let (Some(file), Some(segment)) = (&mut self.file, self.segments.back_mut()) else { return Ok(()) };
        file.write_all(line)?;
        file.write_all(b"\n")?;
        segment.bytes = segment.bytes.saturating_add(length);
        segment.lines = segment.lines.saturating_add(1);
        Ok(())
    }

    fn open(&mut self) -> std::io::Result<()> {
        self.flush();
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
        self.file = Some(BufWriter::new(OpenOptions::new().create(true).append(true).open(&path)?));
        self.segments.push_back(Segment { path, bytes: 0, lines: 0 });
        Ok(())
    }

    fn flush(&mut self) {
        if let Some(file) = &mut self.file
            && let Err(error) = file.flush()
        {
            tracing::warn!(%error, "records cannot be written");
            self.dropped.inc();
            self.file = None;
        }
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
            let lines = content.iter().filter(|byte| **byte == b'\n').count();
            let [bytes, lines] = [content.len(), lines].map(|count| u64::try_from(count).unwrap_or(u64::MAX));
            Segment { path, bytes, lines }
        })
        .collect();
    segments.sort_by(|one, other| one.path.cmp(&other.path));
    segments.into()
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
            (0..3).for_each(|line| spool.put(format!("{run}-{line}").into_bytes()));
            spool.close();
        }
        assert_eq!(lines(&folder), ["0-0", "0-1", "0-2", "1-0", "1-1", "1-2"]);
    }

    #[test]
    fn a_full_spool_drops_the_oldest_and_counts_them() {
        let folder = folder("full");
        let dropped = Counter::default();
        let spool = Spool::start(folder.clone(), 16 * 100, dropped.clone()).unwrap();
        (0..1000).for_each(|line| spool.put(format!("{line:09}").into_bytes()));
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
        spool.put(b"x".to_vec());
        spool.close();
        assert_eq!(dropped.get(), 1);
    }
}
