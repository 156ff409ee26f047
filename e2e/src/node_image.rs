//! The image of a cluster's node: kind's own where it can be pulled, otherwise one that is built here.

use anyhow::{Context as _, Result};

use crate::engine::Engine;
use crate::paths::Paths;
use crate::run::say;
use crate::{content, packages, tools};

/// kind's own image of the Kubernetes minor version that `node/version` names.
/// Source of the digest: <https://github.com/kubernetes-sigs/kind/releases/tag/v0.31.0>.
pub const PUBLISHED: &str =
    "kindest/node:v1.34.3@sha256:08497ee19eace7b4b5348db5c6a1591d7752b164530a36f855cb0f2bdcbadd48";
/// The name of the image that is built here; no registry has it.
const BUILT: &str = "vox.local/kind-node";

/// An image that the engine has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeImage {
    /// Its name.
    pub name: String,
    /// Whether it was built here; it then lacks a provisioner of volumes.
    pub built: bool,
}

/// The image to make clusters with; got, built or loaded if the engine has none.
pub fn ensure(paths: &Paths, engine: &Engine) -> Result<NodeImage> {
    let (published, built) = (NodeImage { name: PUBLISHED.to_owned(), built: false }, built(paths)?);
    for image in [&published, &built] {
        if engine.has_image(&image.name) {
            return Ok(image.clone());
        }
    }
    let file = file(paths)?;
    // A file in the cache says that pulling has failed here before.
    if !file.exists() && engine.pull(paths, PUBLISHED) {
        return Ok(published);
    }
    if !file.exists() {
        packages::ensure_go()?;
        packages::ensure(paths, packages::NODE_IMAGE)?;
        say("building the node image (3 minutes, and 10 more the first time)");
        let target = file.to_str().context("failed to name the node image: the cache folder is not UTF-8")?;
        tools::build(paths, &["node", target], Some(engine)).context("failed to build the node image")?;
        forget_older(&file);
    }
    say("loading the node image");
    let import = [
        "import",
        "--change",
        "ENV container=docker",
        "--change",
        r#"ENTRYPOINT ["/usr/local/bin/entrypoint"]"#,
    ];
    let import = engine.docker(import).arg(&file).arg(&built.name).limit(600);
    import.output().context("failed to load the node image")?;
    Ok(built)
}

/// The image that is built here from the present sources, whether the engine has it or not.
pub fn built(paths: &Paths) -> Result<NodeImage> {
    Ok(NodeImage { name: format!("{BUILT}:{}-{}", tools::version(paths)?, key(paths)?), built: true })
}

fn file(paths: &Paths) -> Result<std::path::PathBuf> {
    Ok(tools::cache(paths)?.join(format!("node-{}.tar", key(paths)?)))
}

fn key(paths: &Paths) -> Result<String> {
    let node = paths.repo.join("e2e/node");
    content::key(&[&node.join("build"), &node.join("version"), &node.join("rootfs"), &node.join("tools")])
}

/// One file per version is enough: it has a gigabyte.
fn forget_older(current: &std::path::Path) {
    let Some(folder) = current.parent() else { return };
    for file in std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if file != current
            && file.extension().is_some_and(|extension| extension == "tar" || extension == "part")
        {
            std::fs::remove_file(file).ok();
        }
    }
}
