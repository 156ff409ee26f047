//! Segments on disk: written by one thread, sent by another, given up by value and age when there are too many.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use memchr::memchr_iter;
use tokio::sync::Notify;

use super::sealed::{seal, sealed, unsealed};
use super::{Kind, Measured};

/// The spool is divided into at least so many segments, so that giving up the oldest loses only a part.
const SEGMENTS: u64 = 16;
/// No segment is longer, so that several fit into one body.
const LONGEST: u64 = 1 << 20;

/// How much may wait.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// On disk.
    pub bytes: u64,
    /// Since its first line.
    pub age: Duration,
}

/// Segments that are on their way.
#[derive(Debug, Default)]
pub struct Batch {
    taken: Vec<u64>,
    /// Their lines.
    pub body: Vec<u8>,
    /// Lines that were not whole; counted with what arrives.
    torn: u64,
}

#[derive(Debug)]
struct Segment {
    number: u64,
    kind: Kind,
    bytes: u64,
    lines: u64,
    begun: SystemTime,
    /// On its way to the operator: nobody gives it up.
    taken: bool,
}

/// All segments of a folder.
pub struct Shelf {
    folder: PathBuf,
    bounds: Bounds,
    segment_bytes: u64,
    measured: Measured,
    state: Mutex<State>,
    /// Something was written.
    pub(crate) written: Notify,
}

struct State {
    /// Ascending by number; of each kind the last one is written to while its file is open.
    segments: VecDeque<Segment>,
    open: [Option<File>; 3],
    next: u64,
    /// There is feedback that nobody has sent yet.
    urgent: bool,
    /// Whether the last write failed; said once.
    failing: bool,
}

impl Shelf {
    pub(super) fn new(folder: PathBuf, bounds: Bounds, measured: Measured) -> Self {
        let segments = found(&folder);
        let next = segments.back().map_or(1, |last| last.number.saturating_add(1));
        let segment_bytes = (bounds.bytes / SEGMENTS).clamp(1, LONGEST);
        let open = [None, None, None];
        let state = State { segments, open, next, urgent: false, failing: false };
        Self { folder, bounds, segment_bytes, measured, state: Mutex::new(state), written: Notify::new() }
    }

    pub(crate) fn measured(&self) -> &Measured {
        &self.measured
    }

    /// Writes lines, each with its end, as far as there is room.
    pub(super) fn write(&self, kind: Kind, lines: &[u8]) {
        if lines.is_empty() {
            return;
        }
        let mut state = self.open();
        self.expire(&mut state);
        let mut block = Vec::with_capacity(lines.len().saturating_mul(2));
        let mut count = 0_u64;
        let mut begin = 0;
        for end in memchr_iter(b'\n', lines) {
            let line = lines.get(begin..end).unwrap_or_default();
            begin = end.saturating_add(1);
            let room = state.last(kind).map_or(0, |last| self.segment_bytes.saturating_sub(last.bytes));
            if count > 0 && size(block.len().saturating_add(sealed(line.len()))) > room {
                self.flush(&mut state, kind, &mut block, &mut count);
            }
            seal(line, &mut block);
            count = count.saturating_add(1);
        }
        self.flush(&mut state, kind, &mut block, &mut count);
        state.urgent |= kind == Kind::Feedback;
        let waiting: u64 = state.bytes();
        drop(state);
        self.measured.bytes.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        self.written.notify_one();
    }

    fn flush(&self, state: &mut State, kind: Kind, block: &mut Vec<u8>, count: &mut u64) {
        let (bytes, lines) = (size(block.len()), std::mem::take(count));
        if lines == 0 {
            return;
        }
        if self.make_room(state, kind, bytes) {
            if let Err(error) = self.append(state, kind, block, lines) {
                // Whatever was written of it ends there.
                close(&mut state.open, kind);
                self.measured.dropped(kind, "disk", lines);
                if !std::mem::replace(&mut state.failing, true) {
                    tracing::warn!(folder = %self.folder.display(), %error, "records cannot be written and are lost");
                }
            } else {
                state.failing = false;
            }
        } else {
            self.measured.dropped(kind, "full", lines);
        }
        block.clear();
    }

    fn append(&self, state: &mut State, kind: Kind, block: &[u8], lines: u64) -> std::io::Result<()> {
        let bytes = size(block.len());
        let fits = |last: &mut Segment| last.bytes.saturating_add(bytes) <= self.segment_bytes;
        let is_open = state.open.get(kind as usize).is_some_and(Option::is_some);
        if !is_open || !state.last(kind).is_some_and(fits) {
            fs::create_dir_all(&self.folder)?;
            let number = state.next;
            let file = OpenOptions::new().create(true).append(true).open(self.path(number, kind))?;
            state.next = state.next.saturating_add(1);
            let begun = SystemTime::now();
            state.segments.push_back(Segment { number, kind, bytes: 0, lines: 0, begun, taken: false });
            if let Some(open) = state.open.get_mut(kind as usize) {
                *open = Some(file);
            }
        }
        if let Some(Some(file)) = state.open.get_mut(kind as usize) {
            file.write_all(block)?;
        }
        if let Some(last) = state.last(kind) {
            last.bytes = last.bytes.saturating_add(bytes);
            last.lines = last.lines.saturating_add(lines);
        }
        Ok(())
    }

    /// Gives up what is worth no more than this, the least and oldest first; whether there is room then.
    fn make_room(&self, state: &mut State, kind: Kind, bytes: u64) -> bool {
        while state.bytes().saturating_add(bytes) > self.bounds.bytes {
            let givable = state.segments.iter().filter(|segment| !segment.taken && segment.kind <= kind);
            // Of equal ones the first, which is the oldest.
            let Some(number) = givable.min_by_key(|segment| segment.kind).map(|segment| segment.number)
            else {
                return false;
            };
            self.give_up(state, number, "full");
        }
        true
    }

    fn expire(&self, state: &mut State) {
        let old = |segment: &&Segment| {
            !segment.taken && segment.begun.elapsed().is_ok_and(|age| age > self.bounds.age)
        };
        while let Some(number) = state.segments.iter().find(old).map(|segment| segment.number) {
            self.give_up(state, number, "old");
        }
    }

    fn give_up(&self, state: &mut State, number: u64, cause: &'static str) {
        if let Some(segment) = self.remove(state, number) {
            self.measured.dropped(segment.kind, cause, segment.lines);
        }
    }

    /// Takes a segment out of the list and off the disk.
    fn remove(&self, state: &mut State, number: u64) -> Option<Segment> {
        let place = state.segments.iter().position(|segment| segment.number == number)?;
        let segment = state.segments.remove(place)?;
        let is_last = !state.segments.iter().any(|other| other.kind == segment.kind && other.number > number);
        if is_last {
            close(&mut state.open, segment.kind);
        }
        // Whoever removed it already did what is wanted.
        let _ = fs::remove_file(self.path(number, segment.kind));
        Some(segment)
    }

    /// Whether there is nothing to send.
    pub(crate) fn is_empty(&self) -> bool {
        self.open().segments.is_empty()
    }

    /// Whether somebody waits for what is here.
    pub(crate) fn is_urgent(&self) -> bool {
        self.open().urgent
    }

    /// The oldest segments that fit into so many bytes, and at least one; nothing where there is none.
    pub(crate) fn take(&self, most: usize) -> Option<Batch> {
        let mut state = self.open();
        self.expire(&mut state);
        state.open = [None, None, None];
        state.urgent = false;
        let (mut taken, mut bytes) = (Vec::new(), 0_u64);
        for segment in &mut state.segments {
            bytes = bytes.saturating_add(segment.bytes);
            if bytes > size(most) && !taken.is_empty() {
                break;
            }
            segment.taken = true;
            taken.push((segment.number, segment.kind));
        }
        drop(state);
        if taken.is_empty() {
            return None;
        }
        let mut batch = Batch::default();
        for (number, kind) in taken {
            match fs::read(self.path(number, kind)) {
                Ok(content) => {
                    let (lines, torn) = unsealed(&content);
                    batch.body.extend_from_slice(&lines);
                    batch.torn = batch.torn.saturating_add(torn);
                    batch.taken.push(number);
                }
                Err(error) => {
                    tracing::warn!(%error, "a segment of records cannot be read and is lost");
                    self.give_up(&mut self.open(), number, "disk");
                }
            }
        }
        Some(batch)
    }

    /// The operator has it.
    pub(crate) fn sent(&self, batch: &Batch) {
        self.measured.torn.inc_by(batch.torn);
        let mut state = self.open();
        for number in &batch.taken {
            self.remove(&mut state, *number);
        }
        self.measured.bytes.set(i64::try_from(state.bytes()).unwrap_or(i64::MAX));
    }

    /// It has to be sent again.
    pub(crate) fn put_back(&self, batch: &Batch) {
        let mut state = self.open();
        for segment in state.segments.iter_mut().filter(|segment| batch.taken.contains(&segment.number)) {
            segment.taken = false;
        }
    }

    fn open(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, number: u64, kind: Kind) -> PathBuf {
        self.folder.join(format!("{number:012}-{}.jsonl", kind.as_str()))
    }
}

impl State {
    fn last(&mut self, kind: Kind) -> Option<&mut Segment> {
        self.segments.iter_mut().rev().find(|segment| segment.kind == kind)
    }

    fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }
}

fn close(open: &mut [Option<File>; 3], kind: Kind) {
    if let Some(open) = open.get_mut(kind as usize) {
        *open = None;
    }
}

/// Segments of an earlier run, oldest first.
fn found(folder: &Path) -> VecDeque<Segment> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut segments: Vec<Segment> = entries
        .filter_map(|entry| {
            let (number, kind) = named(&entry.path())?;
            let content = fs::read(entry.path()).ok()?;
            let lines = size(memchr_iter(b'\n', &content).count());
            let begun = entry.metadata().and_then(|metadata| metadata.modified()).ok()?;
            Some(Segment { number, kind, bytes: size(content.len()), lines, begun, taken: false })
        })
        .collect();
    segments.sort_by_key(|segment| segment.number);
    segments.into()
}

fn named(path: &Path) -> Option<(u64, Kind)> {
    let (number, kind) = path.file_name()?.to_str()?.strip_suffix(".jsonl")?.split_once('-')?;
    let kind = Kind::ALL.into_iter().find(|known| known.as_str() == kind)?;
    Some((number.parse().ok()?, kind))
}

fn size(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
