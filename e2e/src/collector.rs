//! An OpenTelemetry collector for tests, built from its official Go modules: no registry of images is needed for it.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::paths::Paths;
use crate::run::{Cmd, say};
use crate::{content, host, packages};

/// The program; built when the cache has none of the present sources.
pub fn ensure(paths: &Paths) -> Result<PathBuf> {
    let sources = paths.repo.join("e2e/collector");
    let folder = paths.cache.join("collector");
    let program = folder.join(format!("otelcol-{}", content::key(&[&sources])?));
    if program.is_file() {
        return Ok(program);
    }
    packages::ensure_go()?;
    say("building the OpenTelemetry collector (2 minutes the first time)");
    host::remove(&folder)?;
    std::fs::create_dir_all(&folder).context("failed to make a folder for the collector")?;
    let part = program.with_extension("part");
    let build = Cmd::new("go").args(["build", "-trimpath", "-ldflags", "-s -w", "-o"]).arg(&part).arg(".");
    let build = build.env("CGO_ENABLED", "0").env("GOFLAGS", "-mod=readonly -buildvcs=false");
    build
        .folder(&sources)
        .limit(1200)
        .show(&paths.log("collector-build"))
        .context("failed to build the collector")?;
    std::fs::rename(&part, &program).context("failed to keep the collector")?;
    Ok(program)
}
