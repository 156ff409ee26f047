//! kind, kubectl and helm: those that fit our clusters where they were built, otherwise the user's own,
//! otherwise built now.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::engine::Engine;
use crate::paths::Paths;
use crate::run::{Cmd, say};
use crate::{host, packages};

/// The programs, by path.
#[derive(Debug, Clone)]
pub struct Tools {
    /// Makes clusters.
    pub kind: PathBuf,
    /// Talks to them.
    pub kubectl: PathBuf,
    /// Installs into them.
    pub helm: PathBuf,
}

/// The Kubernetes version of everything that is built here.
pub fn version(paths: &Paths) -> Result<String> {
    let file = paths.repo.join("e2e/node/version");
    let text =
        std::fs::read_to_string(&file).with_context(|| format!("failed to read {}", file.display()))?;
    Ok(text.trim().to_owned())
}

/// The folder of programs and images built for that version.
pub fn cache(paths: &Paths) -> Result<PathBuf> {
    Ok(paths.cache.join("kind-node").join(version(paths)?))
}

/// The folder of the tools that were built, for PATH.
pub fn folder(paths: &Paths) -> Result<PathBuf> {
    Ok(cache(paths)?.join("bin"))
}

impl Tools {
    /// The tools that are there.
    pub fn find(paths: &Paths) -> Result<Option<Self>> {
        let built = folder(paths)?;
        let find =
            |name: &str| Some(built.join(name)).filter(|file| file.is_file()).or_else(|| host::find(name));
        let found = (find("kind"), find("kubectl"), find("helm"));
        let (Some(kind), Some(kubectl), Some(helm)) = found else { return Ok(None) };
        Ok(Some(Self { kind, kubectl, helm }))
    }

    /// The tools, built if one is missing.
    pub fn ensure(paths: &Paths) -> Result<Self> {
        if let Some(tools) = Self::find(paths)? {
            return Ok(tools);
        }
        packages::ensure_go()?;
        say("building kind, kubectl and helm (4 minutes the first time)");
        build(paths, &["tools"], None).context("failed to build kind, kubectl and helm")?;
        Self::find(paths)?.context("failed to find the tools after building them")
    }

    /// kubectl with a kubeconfig; it gives up on a silent API server after ten seconds.
    pub fn kubectl<S: AsRef<std::ffi::OsStr>>(
        &self,
        kubeconfig: &Path,
        args: impl IntoIterator<Item = S>,
    ) -> Cmd {
        Cmd::new(&self.kubectl).arg("--request-timeout=10s").arg("--kubeconfig").arg(kubeconfig).args(args)
    }
}

/// Runs the build of `e2e/node`, which keeps what it makes in the cache.
pub fn build(paths: &Paths, args: &[&str], engine: Option<&Engine>) -> Result<()> {
    let work = paths.work().join("node");
    host::remove(&work)?;
    std::fs::create_dir_all(&work).context("failed to make a scratch folder")?;
    let command = Cmd::new(paths.repo.join("e2e/node/build")).args(args);
    let command = command.env("CACHE", cache(paths)?).env("WORK", &work).limit(3600);
    let command = match engine {
        Some(engine) => engine.reaching(command),
        None => command,
    };
    let result = command.show(&paths.log("node-build"));
    host::remove(&work)?;
    result
}
