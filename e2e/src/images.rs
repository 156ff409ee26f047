//! The project's own images: compiled on this machine, wrapped by the Dockerfile at the top, named by
//! their content.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::cluster::{Clusters, node_name};
use crate::engine::Engine;
use crate::paths::Paths;
use crate::run::{Cmd, say};
use crate::{content, host, node_image, postgres_image, python_image};

/// A program that becomes an image.
struct Program {
    /// The crate.
    package: &'static str,
    /// The program, the target in the Dockerfile, and the name of the image.
    name: &'static str,
    /// The variable that names the image.
    variable: &'static str,
    /// Another program in the same image, with its crate.
    beside: Option<(&'static str, &'static str)>,
}

impl Program {
    /// The programs of the image, each with its crate.
    fn parts(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        [(self.package, self.name)].into_iter().chain(self.beside)
    }
}

const PROGRAMS: [Program; 3] = [
    Program {
        package: "vox-controller",
        name: "vox-operator",
        variable: "VOX_OPERATOR_IMAGE",
        beside: Some(("vox-cli", "vox")),
    },
    Program { package: "vox-sidecar", name: "vox-sidecar", variable: "VOX_SIDECAR_IMAGE", beside: None },
    Program { package: "vox-wire", name: "vox-wire", variable: "VOX_WIRE_IMAGE", beside: None },
];
const POSTGRES_VARIABLE: &str = "VOX_POSTGRES_IMAGE";
const PYTHON_VARIABLE: &str = "VOX_PYTHON_IMAGE";
const CERTIFICATES: &str = "ca-certificates.crt";
const DOCKERFILE: &str = "Dockerfile";
/// Where distributions keep the certificates of public authorities, the most common place first.
const CA_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Builds all images from the folder of compiled programs and records their names.
pub fn build(paths: &Paths, engine: &Engine, release: &Path) -> Result<()> {
    let context = gather(paths, release)?;
    let mut record = String::new();
    for program in &PROGRAMS {
        let image = wrap(paths, engine, program, &context)?;
        record.push_str(&format!("{}={image}\n", program.variable));
    }
    host::remove(&context)?;
    record.push_str(&format!("{POSTGRES_VARIABLE}={}\n", postgres_image::ensure(paths, engine)?));
    record.push_str(&format!("{PYTHON_VARIABLE}={}\n", python_image::ensure(paths, engine)?));
    std::fs::write(paths.images(), &record).context("failed to record the images")?;
    print!("{record}");
    Ok(())
}

/// Compiles the programs without a dynamic loader, for an image that has none. Returns their folder.
pub fn compile(paths: &Paths) -> Result<PathBuf> {
    let triple = host_triple()?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| paths.cache.join("target"), PathBuf::from);
    say(format!("compiling {} (minutes the first time)", PROGRAMS.map(|program| program.name).join(", ")));
    let build =
        Cmd::new("cargo").args(["build", "--release", "--locked", "--target", &triple]).folder(&paths.repo);
    let build = PROGRAMS
        .iter()
        .flat_map(Program::parts)
        .fold(build, |build, (package, name)| build.args(["--package", package, "--bin", name]));
    let build =
        build.env("RUSTFLAGS", "-C target-feature=+crt-static").env("CARGO_TARGET_DIR", &target).limit(3600);
    build.show(&paths.log("cargo")).context("failed to compile the project's programs")?;
    Ok(target.join(triple).join("release"))
}

fn host_triple() -> Result<String> {
    let text =
        Cmd::new("rustc").arg("-vV").output().context("failed to ask rustc for this machine's target")?;
    let triple =
        text.lines().find_map(|line| line.strip_prefix("host: ")).context("failed to read rustc's target")?;
    if !triple.ends_with("-linux-gnu") {
        bail!("failed to compile for {triple}: images hold Linux programs; run this on Linux");
    }
    Ok(triple.to_owned())
}

/// The folder that the Dockerfile copies from: the programs and the certificates.
fn gather(paths: &Paths, release: &Path) -> Result<PathBuf> {
    let context = paths.work().join("images");
    host::remove(&context)?;
    std::fs::create_dir_all(&context).context("failed to make a scratch folder")?;
    let bundle = CA_BUNDLES.iter().map(Path::new).find(|bundle| bundle.is_file());
    let bundle =
        bundle.context("failed to find certificates of public authorities: install ca-certificates")?;
    let mut files = vec![(bundle.to_path_buf(), CERTIFICATES), (paths.repo.join(DOCKERFILE), DOCKERFILE)];
    files.extend(PROGRAMS.iter().flat_map(Program::parts).map(|(_, name)| (release.join(name), name)));
    for (from, to) in files {
        std::fs::copy(&from, context.join(to))
            .with_context(|| format!("failed to copy {}", from.display()))?;
    }
    Ok(context)
}

fn wrap(paths: &Paths, engine: &Engine, program: &Program, context: &Path) -> Result<String> {
    let files = program.parts().map(|(_, name)| name).chain([CERTIFICATES, DOCKERFILE]);
    let files: Vec<PathBuf> = files.map(|file| context.join(file)).collect();
    let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    let image = format!("{}:{}", program.name, content::key(&files)?);
    if !engine.has_image(&image) {
        say(format!("building {image}"));
        engine.build(paths, context, &["--target", program.name], &image)?;
    }
    Ok(image)
}

/// The variables and images that were recorded last.
pub fn recorded(paths: &Paths) -> Vec<(String, String)> {
    parse(&std::fs::read_to_string(paths.images()).unwrap_or_default())
}

fn parse(record: &str) -> Vec<(String, String)> {
    record
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, image)| (name.to_owned(), image.to_owned()))
        .collect()
}

/// Removes images that were built here from sources that have changed since.
pub fn forget_older(paths: &Paths, engine: &Engine) -> Result<()> {
    let mut current: Vec<String> = recorded(paths).into_iter().map(|(_, image)| image).collect();
    current.extend([
        node_image::built(paths)?.name,
        postgres_image::BUILT.tag(paths)?,
        python_image::BUILT.tag(paths)?,
    ]);
    let there =
        engine.docker(["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"]).output().unwrap_or_default();
    let older: Vec<&str> = there
        .lines()
        .filter(|image| is_built_here(image) && !current.iter().any(|kept| kept == image))
        .collect();
    if !older.is_empty() {
        engine.docker(["image", "rm"]).args(older).succeeds();
    }
    Ok(())
}

fn is_built_here(image: &str) -> bool {
    let repository = image.rsplit_once(':').map_or(image, |(repository, _)| repository);
    repository.starts_with("vox.local/") || PROGRAMS.iter().any(|program| program.name == repository)
}

/// Loads images into all clusters: those that are named, or those that were recorded and are not there yet.
pub fn load(clusters: &Clusters<'_>, named: &[String]) -> Result<()> {
    let recorded: Vec<String> = recorded(clusters.paths).into_iter().map(|(_, image)| image).collect();
    let images = if named.is_empty() { &recorded } else { named };
    if images.is_empty() {
        bail!("nothing to load: build the images with `vox-e2e images` first, or name some");
    }
    if let Some(image) = images.iter().find(|image| !clusters.engine.has_image(image)) {
        bail!(
            "failed to load {image}: the engine does not have it; build it first (`vox-e2e images` builds the project's)"
        );
    }
    let names = clusters.names()?;
    if names.is_empty() {
        bail!("no cluster to load images into: run `vox-e2e up` first");
    }
    for name in names {
        // The tags of recorded images change with their content; a name that somebody gave may stand for
        // something new.
        let there = if named.is_empty() { images_on_node(clusters, &name) } else { Vec::new() };
        let missing: Vec<&String> =
            images.iter().filter(|image| !there.contains(&full_name(image))).collect();
        for image in missing {
            say(format!("{name}: loading {image}"));
            let load = clusters.kind(["load", "docker-image", "--name", &name, image]).limit(600);
            load.output().with_context(|| format!("failed to load {image} into {name}"))?;
        }
    }
    Ok(())
}

fn images_on_node(clusters: &Clusters<'_>, name: &str) -> Vec<String> {
    let list = ["exec", &node_name(name), "ctr", "--namespace=k8s.io", "images", "list", "--quiet"];
    let list = clusters.engine.docker(list).output().unwrap_or_default();
    list.lines().map(str::to_owned).collect()
}

/// An image's name with the registry that Docker leaves out: containerd leaves out nothing.
fn full_name(image: &str) -> String {
    match image.split_once('/') {
        None => format!("docker.io/library/{image}"),
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => image.to_owned(),
        Some(_) => format!("docker.io/{image}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_its_own_record() {
        let record =
            parse("VOX_OPERATOR_IMAGE=vox-operator:0123456789ab\nVOX_POSTGRES_IMAGE=postgres:17\n\n");
        assert_eq!(record.len(), 2);
        assert_eq!(record[0], ("VOX_OPERATOR_IMAGE".to_owned(), "vox-operator:0123456789ab".to_owned()));
    }

    #[test]
    fn only_images_that_are_built_here_are_forgotten() {
        assert!(is_built_here("vox-wire:0123") && is_built_here("vox.local/postgres:15-0"));
        assert!(!is_built_here("postgres:17") && !is_built_here("vox-wire-of-others:1"));
    }

    #[test]
    fn names_an_image_as_containerd_does() {
        assert_eq!(full_name("vox-operator:0123"), "docker.io/library/vox-operator:0123");
        assert_eq!(full_name("team/vox:1"), "docker.io/team/vox:1");
        assert_eq!(full_name("vox.local/postgres:15-0"), "vox.local/postgres:15-0");
        assert_eq!(full_name("localhost/vox:1"), "localhost/vox:1");
    }
}
