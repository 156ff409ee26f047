//! The Docker engine: the one that answers, or one of our own.

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::paths::Paths;
use crate::run::{Cmd, say};
use crate::{daemon, host, packages};

/// An engine that answers.
#[derive(Debug, Clone)]
pub struct Engine {
    /// The value of `DOCKER_HOST`, if the harness started it; otherwise the user's own settings lead to it.
    host: Option<String>,
}

/// What `docker info` says, as far as it matters here.
#[derive(Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "PascalCase", default)]
pub struct Info {
    /// The engine's version; empty where none answers.
    pub server_version: String,
    /// Where it keeps its data.
    pub docker_root_dir: String,
    /// Why no engine answers: old clients end well all the same.
    pub server_errors: Option<Vec<String>>,
}

impl Info {
    /// Reads the answer to `docker info --format '{{json .}}'`.
    pub fn parse(json: &str) -> Option<Self> {
        let info: Self = serde_json::from_str(json).ok()?;
        let errors = info.server_errors.as_ref().is_some_and(|errors| !errors.is_empty());
        (!errors && !info.server_version.is_empty()).then_some(info)
    }
}

impl Engine {
    /// The engine that answers now, if one does: ours before the user's, because a stopped shell's
    /// `DOCKER_HOST` may still name ours.
    pub fn running(paths: &Paths) -> Option<Self> {
        let ours = Self { host: Some(paths.docker_host()) };
        if daemon::is_alive(paths) && ours.info().is_some() {
            return Some(ours);
        }
        if std::env::var("DOCKER_HOST").is_ok_and(|host| host == paths.docker_host()) {
            return None;
        }
        Some(Self { host: None }).filter(|engine| engine.info().is_some())
    }

    /// The engine that answers, started if none does. Says whether it had to be started.
    pub fn ensure(paths: &Paths) -> Result<(Self, bool)> {
        if let Some(engine) = Self::running(paths) {
            return Ok((engine, false));
        }
        if std::env::consts::OS != "linux" || !host::is_root() {
            bail!(
                "no Docker engine answers, and starting one takes root on Linux: start Docker (Docker Desktop, or `sudo systemctl start docker`) and try again"
            );
        }
        packages::ensure(paths, packages::ENGINE)?;
        // Where the package has just been installed, it may have started an engine: then that one is the
        // user's.
        if let Some(engine) = Self::running(paths) {
            return Ok((engine, false));
        }
        let ours = Self { host: Some(paths.docker_host()) };
        daemon::start(paths, &|| ours.info().is_some())?;
        Ok((ours, true))
    }

    /// The engine that answers, or a word on how to get one.
    pub fn require(paths: &Paths) -> Result<Self> {
        Self::running(paths).context("no Docker engine answers: run `vox-e2e up` first")
    }

    /// Whether the harness started it.
    pub fn is_ours(&self) -> bool {
        self.host.is_some()
    }

    /// What to set `DOCKER_HOST` to, if anything.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// What it says of itself.
    pub fn info(&self) -> Option<Info> {
        Info::parse(&self.docker(["info", "--format", "{{json .}}"]).limit(15).output().ok()?)
    }

    /// Its client.
    pub fn docker<S: AsRef<std::ffi::OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Cmd {
        self.reaching(Cmd::new("docker").args(args))
    }

    /// A program that has to reach this engine, such as kind.
    pub fn reaching(&self, command: Cmd) -> Cmd {
        match &self.host {
            Some(host) => command.env("DOCKER_HOST", host),
            None => command,
        }
    }

    /// Whether it has an image.
    pub fn has_image(&self, name: &str) -> bool {
        self.docker(["image", "inspect", "--format", "{{.Id}}", name]).succeeds()
    }

    /// Tries to get an image from its registry; a machine without a network is told apart within half a
    /// minute.
    pub fn pull(&self, paths: &Paths, name: &str) -> bool {
        say(format!("pulling {name}"));
        let pull = self.docker(["pull", name]).limit(1200).first_line_within(30);
        let pulled = pull.show(&paths.log("pull")).is_ok();
        if !pulled {
            say(format!("{name} cannot be pulled here"));
        }
        pulled
    }

    /// Builds an image from a folder with a Dockerfile: with BuildKit where the client has it, otherwise
    /// with the classic builder.
    pub fn build(&self, paths: &Paths, folder: &std::path::Path, args: &[&str], tag: &str) -> Result<()> {
        let build_kit = self.docker(["buildx", "version"]).succeeds();
        let build = self.docker(["build", "--tag", tag]).args(args).arg(folder).limit(600);
        let build = if build_kit { build } else { build.env("DOCKER_BUILDKIT", "0") };
        build.show(&paths.log("docker-build")).with_context(|| format!("failed to build the image {tag}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_that_answers_says_its_version() {
        let info =
            Info::parse(r#"{"ServerVersion":"20.10.24","DockerRootDir":"/x","Driver":"overlay2"}"#).unwrap();
        assert_eq!((info.server_version.as_str(), info.docker_root_dir.as_str()), ("20.10.24", "/x"));
    }

    #[test]
    fn a_client_without_an_engine_is_no_engine() {
        let alone = r#"{"ServerVersion":"","ServerErrors":["Cannot connect to the Docker daemon"]}"#;
        assert_eq!(Info::parse(alone), None);
        assert_eq!(Info::parse(r#"{"ClientInfo":{}}"#), None);
        assert_eq!(Info::parse("Cannot connect"), None);
    }
}
