//! Records that wait on disk until the operator has them: lines in segment files, bounded in bytes and age. A full desk
//! or disk costs records, never requests, and what is lost is counted.

mod measured;
mod sealed;
mod shelf;

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

pub use measured::Measured;
pub use sealed::unsealed;
pub use shelf::{Batch, Bounds, Shelf};

/// More bytes do not wait for the writer.
const WAITING: usize = 4 << 20;
/// So many are written at once, whatever the time.
const BATCH: usize = 256 << 10;
/// Fewer wait so long for others: waking the writer costs a worker more than anything else that it does with a record.
const LINGER: Duration = Duration::from_millis(200);
/// No record is longer, by far.
const LONGEST: usize = 256 << 10;

/// What a record is, in the order in which they are given up where there is no room for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A call that was answered: there are many like it.
    Answered,
    /// A call that was not.
    Call,
    /// What somebody thought of one.
    Feedback,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Answered, Self::Call, Self::Feedback];

    /// Its name in metrics and file names.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Call => "call",
            Self::Feedback => "feedback",
        }
    }
}

/// Takes records, in whatever way they travel on.
pub trait Records: Send + Sync {
    /// Takes one line of JSON without its line end; never waits for a disk.
    fn put(&self, kind: Kind, line: &[u8]);

    /// Writes what has been taken, and takes no more.
    fn close(&self);
}

/// Records in segment files.
pub struct Spool {
    desk: Arc<Desk>,
    writer: Mutex<Option<JoinHandle<()>>>,
    shelf: Arc<Shelf>,
}

/// Where lines wait for the writer.
#[derive(Default)]
struct Desk {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    written: Condvar,
}

/// Lines by their kind, each with its line end.
type Lines = [Vec<u8>; 3];

#[derive(Default)]
struct Waiting {
    lines: Lines,
    bytes: usize,
    /// Somebody waits for what is here: it does not wait for others.
    urgent: bool,
    /// The writer has taken lines and not written them yet.
    writing: bool,
    closed: bool,
}

impl Desk {
    fn open(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there was room for it. The writer is woken by the first line, by feedback and by a full batch only.
    fn put(&self, kind: Kind, line: &[u8]) -> bool {
        let mut waiting = self.open();
        let before = waiting.bytes;
        let after = before.saturating_add(line.len()).saturating_add(1);
        if waiting.closed || after > WAITING || line.len() > LONGEST {
            return false;
        }
        waiting.bytes = after;
        if let Some(lines) = waiting.lines.get_mut(kind as usize) {
            lines.extend_from_slice(line);
            lines.push(b'\n');
        }
        waiting.urgent |= kind == Kind::Feedback;
        drop(waiting);
        if before == 0 || kind == Kind::Feedback || (before < BATCH && after >= BATCH) {
            self.changed.notify_one();
        }
        true
    }

    /// Takes what waits once it is enough or has waited long enough; whether more may come.
    fn take(&self, lines: &mut Lines) -> bool {
        let idle = |waiting: &mut Waiting| waiting.bytes == 0 && !waiting.closed;
        let waiting = self.changed.wait_while(self.open(), idle).unwrap_or_else(PoisonError::into_inner);
        let few = |waiting: &mut Waiting| waiting.bytes < BATCH && !waiting.closed && !waiting.urgent;
        let waited = self.changed.wait_timeout_while(waiting, LINGER, few);
        let (mut waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut waiting.lines, lines);
        (waiting.bytes, waiting.urgent, waiting.writing) = (0, false, true);
        !waiting.closed
    }

    /// What was taken is written.
    fn done(&self) {
        self.open().writing = false;
        self.written.notify_all();
    }

    fn flush(&self) {
        let mut waiting = self.open();
        waiting.urgent = true;
        self.changed.notify_one();
        let unwritten = |waiting: &mut Waiting| waiting.writing || waiting.bytes > 0;
        drop(self.written.wait_while(waiting, unwritten));
    }
}

impl Spool {
    /// Begins to write below this folder, within these bounds.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(folder: PathBuf, bounds: Bounds, measured: Measured) -> std::io::Result<Self> {
        let (desk, shelf) = (Arc::new(Desk::default()), Arc::new(Shelf::new(folder, bounds, measured)));
        let (lines, to) = (Arc::clone(&desk), Arc::clone(&shelf));
        let writer =
            std::thread::Builder::new().name("spool".to_owned()).spawn(move || write(&lines, &to))?;
        Ok(Self { desk, writer: Mutex::new(Some(writer)), shelf })
    }

    /// Where records wait.
    #[must_use]
    pub fn shelf(&self) -> Arc<Shelf> {
        Arc::clone(&self.shelf)
    }

    /// Returns when what has been put is in its files, or lost and counted.
    pub fn flush(&self) {
        self.desk.flush();
    }
}

fn write(desk: &Desk, shelf: &Shelf) {
    let mut lines = Lines::default();
    loop {
        lines.iter_mut().for_each(Vec::clear);
        let more = desk.take(&mut lines);
        for (kind, lines) in Kind::ALL.into_iter().zip(&lines) {
            shelf.write(kind, lines);
        }
        desk.done();
        if !more {
            return;
        }
    }
}

impl Records for Spool {
    fn put(&self, kind: Kind, line: &[u8]) {
        if !self.desk.put(kind, line) {
            self.shelf.measured().dropped(kind, "busy", 1);
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

#[cfg(test)]
mod tests;
