//! One harness at a time: two would start two engines and delete each other's clusters.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};

use crate::paths::Paths;
use crate::run::say;

/// What closing the files of a killed process may take.
const CLOSING: Duration = Duration::from_secs(1);

/// Held until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock, or says who has it.
    pub fn take(paths: &Paths) -> Result<Self> {
        let mut taken = Self::try_take(paths)?;
        let begun = Instant::now();
        // A process that was killed just now keeps its lock until the kernel has closed its files.
        while taken.is_err() && begun.elapsed() < CLOSING {
            std::thread::sleep(Duration::from_millis(50));
            taken = Self::try_take(paths)?;
        }
        taken.map_err(|holder| anyhow!("another vox-e2e is at work ({holder}); wait for it or end it"))
    }

    /// Takes the lock as soon as it is free: for commands that several tests give at the same time.
    pub fn wait(paths: &Paths, limit: Duration) -> Result<Self> {
        let mut said = false;
        let mut taken = Self::try_take(paths)?;
        let begun = Instant::now();
        while let Err(holder) = &taken {
            if begun.elapsed() > limit {
                bail!(
                    "another vox-e2e is at work ({holder}), for more than {} s; wait for it or end it",
                    limit.as_secs()
                );
            }
            if !std::mem::replace(&mut said, true) {
                say(format!("waiting for another vox-e2e ({holder})"));
            }
            std::thread::sleep(Duration::from_millis(200));
            taken = Self::try_take(paths)?;
        }
        taken.map_err(anyhow::Error::msg)
    }

    /// The lock, or its holder.
    fn try_take(paths: &Paths) -> Result<Result<Self, String>> {
        let path = paths.state.join("lock");
        let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path);
        let mut file = file.with_context(|| format!("failed to open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder).ok();
                return Ok(Err(holder.trim().to_owned()));
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("failed to lock {}", path.display()));
            }
        }
        let command: Vec<String> = std::env::args().skip(1).collect();
        file.set_len(0).and_then(|()| file.rewind()).context("failed to empty the lock file")?;
        writeln!(file, "pid {}: {}", std::process::id(), command.join(" "))
            .context("failed to write the lock file")?;
        Ok(Ok(Self { _file: file }))
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
        let error = Lock::wait(&paths, Duration::ZERO).unwrap_err().to_string();
        assert!(error.contains("another vox-e2e is at work"), "{error}");
        drop(first);
        Lock::wait(&paths, Duration::ZERO).unwrap();
        std::fs::remove_dir_all(folder).unwrap();
    }
}
