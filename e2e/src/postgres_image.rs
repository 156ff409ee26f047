//! The image of the evaluation database: the official one where it can be pulled, otherwise one that is
//! built here and behaves like it.

use anyhow::{Context as _, Result};

use crate::engine::Engine;
use crate::paths::Paths;
use crate::run::{Cmd, say};
use crate::{content, host, packages};

/// The official image.
pub const PUBLISHED: &str = "postgres:17";
/// The name of the image that is built here; no registry has it.
const BUILT: &str = "vox.local/postgres";

/// The name of an image that the engine has; got, built or loaded if it has none.
pub fn ensure(paths: &Paths, engine: &Engine) -> Result<String> {
    let built = built(paths)?;
    for name in [PUBLISHED, &built] {
        if engine.has_image(name) {
            return Ok(name.to_owned());
        }
    }
    let file = paths.cache.join("postgres").join(built.replace(['/', ':'], "-") + ".tar");
    // A file in the cache says that pulling has failed here before.
    if file.exists() {
        say("loading the PostgreSQL image");
        engine
            .docker(["load", "--quiet", "--input"])
            .arg(&file)
            .limit(300)
            .output()
            .context("failed to load the PostgreSQL image")?;
        return Ok(built);
    }
    if engine.pull(paths, PUBLISHED) {
        return Ok(PUBLISHED.to_owned());
    }
    build(paths, engine, &built).context("failed to build the PostgreSQL image")?;
    save(engine, &built, &file)?;
    Ok(built)
}

/// The name of the image that is built here from the present sources, whether the engine has it or not.
pub fn built(paths: &Paths) -> Result<String> {
    Ok(format!("{BUILT}:15-{}", content::key(&[&paths.repo.join("e2e/postgres")])?))
}

fn build(paths: &Paths, engine: &Engine, name: &str) -> Result<()> {
    packages::ensure(paths, packages::ROOT_FILE_SYSTEM)?;
    say("building the PostgreSQL image (1 minute)");
    let (work, context) = (paths.work().join("postgres"), paths.work().join("postgres-context"));
    for folder in [&work, &context] {
        host::remove(folder)?;
        std::fs::create_dir_all(folder).context("failed to make a scratch folder")?;
    }
    let script = Cmd::new(paths.repo.join("e2e/postgres/build")).arg(&context).env("WORK", &work).limit(900);
    script.show(&paths.log("postgres-build"))?;
    engine.build(paths, &context, &[], name)?;
    host::remove(&work)?;
    host::remove(&context)
}

fn save(engine: &Engine, name: &str, file: &std::path::Path) -> Result<()> {
    let folder = file.parent().context("failed to name the cache folder")?;
    std::fs::remove_dir_all(folder).ok();
    std::fs::create_dir_all(folder).context("failed to make the cache folder")?;
    let part = file.with_extension("part");
    engine
        .docker(["save", "--output"])
        .arg(&part)
        .arg(name)
        .limit(300)
        .output()
        .context("failed to keep the PostgreSQL image")?;
    std::fs::rename(&part, file).context("failed to keep the PostgreSQL image")
}
