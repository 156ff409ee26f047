//! The image of the evaluation database: the official one where it can be pulled, otherwise one that is
//! built here and behaves like it.

use anyhow::{Context as _, Result};

use crate::built_image::BuiltImage;
use crate::engine::Engine;
use crate::paths::Paths;

/// The official image.
pub const PUBLISHED: &str = "postgres:17";
/// The one that is built here.
pub const BUILT: BuiltImage =
    BuiltImage { what: "PostgreSQL", name: "vox.local/postgres", version: "15", folder: "postgres" };

/// The name of an image that the engine has; got, built or loaded if it has none.
pub fn ensure(paths: &Paths, engine: &Engine) -> Result<String> {
    let built = BUILT.tag(paths)?;
    for name in [PUBLISHED, &built] {
        if engine.has_image(name) {
            return Ok(name.to_owned());
        }
    }
    // A file in the cache says that pulling has failed here before.
    if BUILT.load(paths, engine)? {
        return Ok(built);
    }
    if engine.pull(paths, PUBLISHED) {
        return Ok(PUBLISHED.to_owned());
    }
    BUILT.build(paths, engine).context("failed to build the PostgreSQL image")?;
    Ok(built)
}
