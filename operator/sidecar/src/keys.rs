//! Keys of the upstreams, from mounted files. A key is never logged, never in an error text, and empty in `Debug`.

use std::collections::HashMap;
use std::fmt;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use http::HeaderValue;
use vox_contracts::generated::providers::AuthStyle;

/// A refused key is not shown again for so long, unless its file changes.
const REFUSED_MS: u64 = 60_000;
/// No key is longer; a larger file is something else.
const MAX_BYTES: u64 = 16 << 10;

/// All keys that snapshots name.
#[derive(Debug)]
pub struct Keys {
    folder: PathBuf,
    cells: Mutex<HashMap<String, Arc<Key>>>,
}

/// One key, as its file has it now.
pub struct Key {
    file: Option<PathBuf>,
    value: ArcSwapOption<Headers>,
    /// What the file was when it was last read; a mounted Secret changes through a symbolic link.
    seen: Mutex<Option<Stamp>>,
    /// What is wrong with it, as it was told last.
    told: Mutex<Option<NoKey>>,
    /// Counts the values.
    generation: AtomicU64,
    /// The value that was refused, and until when it is not shown.
    refused: AtomicU64,
    refused_until_ms: AtomicU64,
}

/// Why a file has no key to show. Nothing of its content is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoKey {
    /// There is no such file.
    #[error("the file is not there")]
    Missing,
    /// It is there and cannot be read.
    #[error("the file cannot be read")]
    Unreadable,
    /// It has nothing but space.
    #[error("the file is empty")]
    Empty,
    /// It is something else than a key.
    #[error("the file is longer than {MAX_BYTES} bytes, which no key is")]
    TooLong,
    /// A header cannot carry it.
    #[error(
        "there is a line break, a NUL or another control character within the key; a Secret must hold the key alone, on one line"
    )]
    Control,
}

/// One key in the forms in which headers carry it; `HeaderValue` hides what is marked as sensitive.
struct Headers {
    bearer: HeaderValue,
    plain: HeaderValue,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    seconds: i64,
    nanoseconds: i64,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Keys {
    /// Keys below this folder.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, cells: Mutex::default() }
    }

    /// The key in this file, relative to the folder. A name that would leave the folder is a key that is missing.
    pub fn key(&self, credential: &str) -> Arc<Key> {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let cell = cells.entry(credential.to_owned()).or_insert_with(|| {
            let inside = Path::new(credential).components().all(|part| matches!(part, Component::Normal(_)));
            let key = Key::new(inside.then(|| self.folder.join(credential)));
            key.look();
            Arc::new(key)
        });
        Arc::clone(cell)
    }

    /// Looks at each file and takes what has changed. Forgets keys that no snapshot has any more.
    pub fn refresh(&self) {
        let cells: Vec<Arc<Key>> = {
            let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
            cells.retain(|_, key| Arc::strong_count(key) > 1);
            cells.values().map(Arc::clone).collect()
        };
        cells.iter().for_each(|key| key.look());
    }
}

impl Key {
    fn new(file: Option<PathBuf>) -> Self {
        Self {
            file,
            value: ArcSwapOption::empty(),
            seen: Mutex::new(None),
            told: Mutex::new(None),
            generation: AtomicU64::new(1),
            refused: AtomicU64::new(0),
            refused_until_ms: AtomicU64::new(0),
        }
    }

    /// Why there is none to show.
    #[must_use]
    pub fn problem(&self) -> Option<NoKey> {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is one to show.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.value.load().is_some()
    }

    /// Whether the upstream refused this very value not long ago.
    #[must_use]
    pub fn is_refused(&self, now_ms: u64) -> bool {
        self.refused.load(Relaxed) == self.generation.load(Relaxed)
            && now_ms < self.refused_until_ms.load(Relaxed)
    }

    /// The value as a header wants it, and which value it is.
    #[must_use]
    pub fn header(&self, style: AuthStyle) -> Option<(HeaderValue, u64)> {
        let generation = self.generation.load(Relaxed);
        let value = self.value.load();
        let headers = value.as_ref()?;
        let header = if style == AuthStyle::Bearer { &headers.bearer } else { &headers.plain };
        Some((header.clone(), generation))
    }

    /// The upstream said that this value is no key of its own.
    pub fn refuse(&self, generation: u64, now_ms: u64) {
        self.refused_until_ms.store(now_ms.saturating_add(REFUSED_MS), Relaxed);
        self.refused.store(generation, Relaxed);
    }

    /// Its file, as far as it has one.
    fn name(&self) -> std::borrow::Cow<'_, str> {
        self.file.as_deref().map(Path::to_string_lossy).unwrap_or_default()
    }

    fn look(&self) {
        let stamp = self.file.as_deref().and_then(stamp);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == stamp && stamp.is_some() {
            return;
        }
        let read = self.file.as_deref().ok_or(NoKey::Missing).and_then(read);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        match &read {
            Ok(_) => tracing::info!(file = %self.name(), "read a key"),
            Err(why) if *told == Some(*why) => {}
            // Keys that are not mounted yet are told where models are passed over for want of them.
            Err(NoKey::Missing) if self.value.load().is_none() => {}
            Err(why) => tracing::warn!(file = %self.name(), "no key to show: {why}"),
        }
        *told = read.as_ref().err().copied();
        drop(told);
        self.value.store(read.ok().map(Arc::new));
        self.generation.fetch_add(1, Relaxed);
        *seen = stamp;
    }
}

fn stamp(file: &Path) -> Option<Stamp> {
    let data = std::fs::metadata(file).ok().filter(std::fs::Metadata::is_file)?;
    Some(Stamp {
        device: data.dev(),
        inode: data.ino(),
        length: data.len(),
        seconds: data.mtime(),
        nanoseconds: data.mtime_nsec(),
    })
}

/// The file without the space around its content.
fn read(file: &Path) -> Result<Headers, NoKey> {
    let unreadable = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => NoKey::Missing,
        _ => NoKey::Unreadable,
    };
    let data = std::fs::metadata(file).map_err(unreadable)?;
    if !data.is_file() {
        return Err(NoKey::Unreadable);
    }
    if data.len() > MAX_BYTES {
        return Err(NoKey::TooLong);
    }
    let text = std::fs::read(file).map_err(unreadable)?;
    let text = text.trim_ascii();
    if text.is_empty() {
        return Err(NoKey::Empty);
    }
    let header = |prefix: &[u8]| {
        let mut value = HeaderValue::from_bytes(&[prefix, text].concat()).map_err(|_| NoKey::Control)?;
        value.set_sensitive(true);
        Ok(value)
    };
    Ok(Headers { bearer: header(b"Bearer ")?, plain: header(b"")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("vox-keys-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_key_is_trimmed_and_shown_in_the_form_of_its_style() {
        let folder = folder("style");
        std::fs::write(folder.join("a"), "  secret-1\n").unwrap();
        let keys = Keys::new(folder);
        let key = keys.key("a");
        assert_eq!(key.header(AuthStyle::Bearer).unwrap().0, "Bearer secret-1");
        assert_eq!(key.header(AuthStyle::XApiKey).unwrap().0, "secret-1");
    }

    #[test]
    fn a_key_does_not_show_in_debug() {
        let folder = folder("debug");
        std::fs::write(folder.join("a"), "secret-1").unwrap();
        let keys = Keys::new(folder);
        let header = keys.key("a").header(AuthStyle::Bearer);
        assert!(!format!("{keys:?} {header:?}").contains("secret-1"));
    }

    #[test]
    fn a_name_that_leaves_the_folder_is_no_key() {
        let folder = folder("escape");
        std::fs::write(folder.join("outside"), "x").unwrap();
        std::fs::create_dir_all(folder.join("in")).unwrap();
        let keys = Keys::new(folder.join("in"));
        assert!(!keys.key("../outside").is_there());
        assert!(!keys.key(folder.join("outside").to_str().unwrap()).is_there());
    }

    #[test]
    fn what_is_wrong_with_a_key_is_told_and_not_the_key() {
        let folder = folder("wrong");
        let long = "x".repeat(20_000);
        let files = [
            ("newline", "secret-1\nsecret-2", NoKey::Control),
            ("nul", "secret-1\0", NoKey::Control),
            ("blank", " \n", NoKey::Empty),
            ("long", long.as_str(), NoKey::TooLong),
        ];
        for (name, content, _) in &files {
            std::fs::write(folder.join(name), content).unwrap();
        }
        let keys = Keys::new(folder);
        for (name, _, why) in files {
            let key = keys.key(name);
            assert_eq!((key.is_there(), key.problem()), (false, Some(why)), "{name}");
            assert!(!why.to_string().contains("secret"));
        }
        assert_eq!(keys.key("none").problem(), Some(NoKey::Missing));
    }

    #[test]
    fn a_refused_key_stays_refused_until_its_file_changes_or_a_minute_has_passed() {
        let folder = folder("refused");
        std::fs::write(folder.join("a"), "one").unwrap();
        let keys = Keys::new(folder.clone());
        let key = keys.key("a");
        let (_, generation) = key.header(AuthStyle::Bearer).unwrap();
        key.refuse(generation, 1_000);
        assert!(key.is_refused(60_999) && !key.is_refused(61_000));
        std::fs::write(folder.join("a"), "another").unwrap();
        keys.refresh();
        assert!(!key.is_refused(1_001));
        assert_eq!(key.header(AuthStyle::Bearer).unwrap().0, "Bearer another");
        std::fs::remove_file(folder.join("a")).unwrap();
        keys.refresh();
        assert!(!key.is_there());
    }
}
