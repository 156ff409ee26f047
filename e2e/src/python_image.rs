//! The image with what the demo needs of Python: a model server with a small model, and the official clients.

use anyhow::{Context as _, Result};

use crate::built_image::BuiltImage;
use crate::engine::Engine;
use crate::paths::Paths;

/// What the image is made from where it can be pulled.
const PUBLISHED_BASE: &str = "python:3.11-slim";
/// The image, however it is made.
pub const BUILT: BuiltImage =
    BuiltImage { what: "demo's Python", name: "vox.local/demo-python", version: "3.11", folder: "python" };

/// The name of the image, which the engine has afterwards.
pub fn ensure(paths: &Paths, engine: &Engine) -> Result<String> {
    let built = BUILT.tag(paths)?;
    if engine.has_image(&built) || BUILT.load(paths, engine)? {
        return Ok(built);
    }
    if engine.has_image(PUBLISHED_BASE) || engine.pull(paths, PUBLISHED_BASE) {
        engine.build(paths, &BUILT.sources(paths), &[], &built)?;
    } else {
        BUILT.build(paths, engine).context("failed to build the image of the demo's Python")?;
    }
    Ok(built)
}
