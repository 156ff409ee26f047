//! One harness at a time: two would start two engines and delete each other's clusters.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};

use anyhow::{Context as _, Result, bail};

use crate::paths::Paths;

/// Held until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock, or says who has it.
    pub fn take(paths: &Paths) -> Result<Self> {
        let path = paths.state.join("lock");
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .with_context(|| format!("failed to open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder).ok();
                bail!("another vox-e2e is at work ({}); wait for it or end it", holder.trim());
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("failed to lock {}", path.display()));
            }
        }
        let command: Vec<String> = std::env::args().skip(1).collect();
        file.set_len(0).and_then(|()| file.rewind()).context("failed to empty the lock file")?;
        writeln!(file, "pid {}: {}", std::process::id(), command.join(" "))
            .context("failed to write the lock file")?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_one_is_told_who_has_it() {
        let folder = std::env::temp_dir().join(format!("vox-e2e-lock-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let paths = Paths { repo: folder.clone(), cache: folder.clone(), state: folder.clone() };
        let first = Lock::take(&paths).unwrap();
        let error = Lock::take(&paths).unwrap_err().to_string();
        assert!(error.contains(&format!("pid {}", std::process::id())), "{error}");
        drop(first);
        Lock::take(&paths).unwrap();
        std::fs::remove_dir_all(folder).unwrap();
    }
}
