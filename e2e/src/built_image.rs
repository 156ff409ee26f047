//! Images of others that are put together on this machine where no registry has them, and kept between runs.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::engine::Engine;
use crate::paths::Paths;
use crate::run::{Cmd, say};
use crate::{content, host, packages};

/// An image that the program `build` of a folder puts together.
pub struct BuiltImage {
    /// What it is, for messages.
    pub what: &'static str,
    /// The image's name without a tag; no registry has it.
    pub name: &'static str,
    /// What its tag begins with; the rest is the key of the folder's content.
    pub version: &'static str,
    /// The folder below `e2e/`, and the one in the cache.
    pub folder: &'static str,
}

impl BuiltImage {
    /// The image's name for the present sources, whether the engine has it or not.
    pub fn tag(&self, paths: &Paths) -> Result<String> {
        Ok(format!("{}:{}-{}", self.name, self.version, content::key(&[&self.sources(paths)])?))
    }

    /// Where its sources are.
    pub fn sources(&self, paths: &Paths) -> PathBuf {
        paths.repo.join("e2e").join(self.folder)
    }

    /// Loads the image from the cache. False when it is not there.
    pub fn load(&self, paths: &Paths, engine: &Engine) -> Result<bool> {
        let file = self.file(paths)?;
        if !file.exists() {
            return Ok(false);
        }
        say(format!("loading the {} image", self.what));
        let load = engine.docker(["load", "--quiet", "--input"]).arg(&file).limit(300);
        load.output().with_context(|| format!("failed to load the {} image", self.what))?;
        Ok(true)
    }

    /// Builds it from packages and keeps it in the cache. Takes root.
    pub fn build(&self, paths: &Paths, engine: &Engine) -> Result<()> {
        packages::ensure(paths, packages::ROOT_FILE_SYSTEM)?;
        say(format!("building the {} image (1-2 minutes)", self.what));
        let work = paths.work().join(self.folder);
        let context = paths.work().join(format!("{}-context", self.folder));
        for folder in [&work, &context] {
            host::remove(folder)?;
            std::fs::create_dir_all(folder).context("failed to make a scratch folder")?;
        }
        let script = Cmd::new(self.sources(paths).join("build")).arg(&context).env("WORK", &work).limit(900);
        script.show(&paths.log(&format!("{}-build", self.folder)))?;
        engine.build(paths, &context, &[], &self.tag(paths)?)?;
        host::remove(&work)?;
        host::remove(&context)?;
        self.save(paths, engine)
    }

    fn save(&self, paths: &Paths, engine: &Engine) -> Result<()> {
        let failed = || format!("failed to keep the {} image", self.what);
        let file = self.file(paths)?;
        let folder = file.parent().with_context(failed)?;
        std::fs::remove_dir_all(folder).ok();
        std::fs::create_dir_all(folder).with_context(failed)?;
        let part = file.with_extension("part");
        let save = engine.docker(["save", "--output"]).arg(&part).arg(self.tag(paths)?).limit(300);
        save.output().with_context(failed)?;
        std::fs::rename(&part, &file).with_context(failed)
    }

    fn file(&self, paths: &Paths) -> Result<PathBuf> {
        let name = self.tag(paths)?.replace(['/', ':'], "-") + ".tar";
        Ok(paths.cache.join(Path::new(self.folder)).join(name))
    }
}
