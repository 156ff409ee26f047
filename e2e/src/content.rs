//! Keys that change when content changes, so that a cached build is never used for other sources.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

/// Twelve hexadecimal digits: short enough for a tag, long enough not to collide by accident.
const KEY_LENGTH: usize = 12;

/// The key of files and folders, with everything below the folders: names, content, and whether a file is
/// a program.
pub fn key(roots: &[&Path]) -> Result<String> {
    let mut digest = Sha256::new();
    for root in roots {
        let mut files = Vec::new();
        collect(root, &mut files)?;
        files.sort();
        for file in files {
            add(&mut digest, root, &file)?;
        }
    }
    let mut key = hex::encode(digest.finalize());
    key.truncate(KEY_LENGTH);
    Ok(key)
}

fn add(digest: &mut Sha256, root: &Path, file: &Path) -> Result<()> {
    let content = std::fs::read(file).with_context(|| format!("failed to read {}", file.display()))?;
    let name = file.strip_prefix(root).unwrap_or(file).to_string_lossy();
    // Lengths keep "ab" + "c" apart from "a" + "bc".
    for part in [name.as_bytes(), &[u8::from(is_program(file))], &content] {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    Ok(())
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let failed = || format!("failed to read {}", path.display());
    if !path.metadata().with_context(failed)?.is_dir() {
        files.push(path.to_path_buf());
        return Ok(());
    }
    for entry in path.read_dir().with_context(failed)? {
        collect(&entry.with_context(failed)?.path(), files)?;
    }
    Ok(())
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o100 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_with_names_and_content_and_nothing_else() {
        let folder = std::env::temp_dir().join(format!("vox-e2e-content-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("inner")).unwrap();
        std::fs::write(folder.join("inner/file"), "one").unwrap();
        let first = key(&[&folder]).unwrap();
        assert_eq!(first.len(), KEY_LENGTH);
        assert_eq!(first, key(&[&folder]).unwrap());
        std::fs::write(folder.join("inner/file"), "two").unwrap();
        let second = key(&[&folder]).unwrap();
        assert_ne!(first, second);
        std::fs::rename(folder.join("inner/file"), folder.join("inner/other")).unwrap();
        assert_ne!(second, key(&[&folder]).unwrap());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
