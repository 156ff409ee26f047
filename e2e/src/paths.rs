//! Where things are kept: what may be lost is state, what was expensive to make is cache.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// The longest path of a Unix socket: `sun_path` has 108 bytes, one of them the closing zero (`unix(7)`).
const SOCKET_PATH_LIMIT: usize = 107;
/// The longest socket path that the engine makes below its exec-root.
const LONGEST_ENGINE_SOCKET: &str = "containerd/containerd-debug.sock";

/// The folders of one user of the harness.
#[derive(Debug, Clone)]
pub struct Paths {
    /// The project's checkout.
    pub repo: PathBuf,
    /// Builds and images, kept between runs.
    pub cache: PathBuf,
    /// Sockets, pid files, kubeconfigs, logs.
    pub state: PathBuf,
}

impl Paths {
    /// From the XDG variables, HOME, and the folder that the program is called in.
    pub fn from_env() -> Result<Self> {
        let paths = Self {
            repo: repository()?,
            cache: xdg("XDG_CACHE_HOME", ".cache")?.join("vox"),
            state: xdg("XDG_STATE_HOME", ".local/state")?.join("vox-e2e"),
        };
        for folder in [&paths.cache, &paths.state, &paths.logs()] {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("failed to make {}", folder.display()))?;
        }
        Ok(paths)
    }

    /// The socket of the engine that the harness starts.
    pub fn socket(&self) -> PathBuf {
        self.state.join("docker.sock")
    }

    /// The same as a value of `DOCKER_HOST`.
    pub fn docker_host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// What the engine keeps while it runs: sockets, network namespaces, containerd's state.
    pub fn exec_root(&self) -> PathBuf {
        self.state.join("exec")
    }

    /// What the engine keeps between runs: mostly images, which take half a minute to load again.
    pub fn data_root(&self) -> PathBuf {
        self.cache.join("engine")
    }

    /// What the harness writes about the engine it started.
    pub fn engine_record(&self) -> PathBuf {
        self.state.join("engine.json")
    }

    /// Logs of the last runs.
    pub fn logs(&self) -> PathBuf {
        self.state.join("logs")
    }

    /// A log by name.
    pub fn log(&self, name: &str) -> PathBuf {
        self.logs().join(format!("{name}.log"))
    }

    /// How to talk to one cluster.
    pub fn kubeconfig(&self, cluster: &str) -> PathBuf {
        self.state.join(format!("{cluster}.kubeconfig"))
    }

    /// The names of the images that were built last.
    pub fn images(&self) -> PathBuf {
        self.state.join("images.env")
    }

    /// Scratch space of builds; emptied when the next run begins.
    pub fn work(&self) -> PathBuf {
        self.cache.join("work")
    }

    /// Sockets have short names; better said before the engine says it.
    pub fn check_socket_length(&self) -> Result<()> {
        let longest = self.exec_root().join(LONGEST_ENGINE_SOCKET);
        if longest.as_os_str().len() > SOCKET_PATH_LIMIT {
            bail!(
                "failed to place the engine's sockets: {} is longer than {SOCKET_PATH_LIMIT} bytes; set XDG_STATE_HOME to a shorter folder",
                longest.display()
            );
        }
        Ok(())
    }
}

fn xdg(variable: &str, default: &str) -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os(variable).map(PathBuf::from).filter(|folder| folder.is_absolute())
    {
        return Ok(folder);
    }
    let home =
        std::env::var_os("HOME").with_context(|| format!("failed to find a home: set HOME or {variable}"))?;
    Ok(Path::new(&home).join(default))
}

/// The checkout: above the folder that the program is called in, else the one it was built from.
fn repository() -> Result<PathBuf> {
    let here = std::env::current_dir().context("failed to read the current folder")?;
    let built_from = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors()
        .chain(built_from.ancestors())
        .find(|folder| folder.join("e2e/node/build").is_file())
        .map(Path::to_path_buf)
        .context("failed to find the project: call vox-e2e from inside its checkout")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(state: &str) -> Paths {
        Paths { repo: "/r".into(), cache: "/c".into(), state: state.into() }
    }

    #[test]
    fn a_socket_path_that_the_kernel_refuses_is_named_before_the_engine_starts() {
        at("/home/someone/.local/state/vox-e2e").check_socket_length().unwrap();
        let error = at(&format!("/{}", "x".repeat(90))).check_socket_length().unwrap_err();
        assert!(error.to_string().contains("XDG_STATE_HOME"), "{error}");
    }
}
