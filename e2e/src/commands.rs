//! What each command does, in order.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::args::{Args, Command};
use crate::cluster::{Clusters, NAMES};
use crate::engine::Engine;
use crate::lock::Lock;
use crate::paths::Paths;
use crate::run::{elapsed, say};
use crate::tools::{self, Tools};
use crate::{collector, daemon, database, host, images, node_image, status};

/// How long to wait for another harness: a first build of the node image takes a quarter of an hour.
const PATIENCE: Duration = Duration::from_secs(1200);

/// Does what the command line asks for.
pub fn run(args: Args) -> Result<()> {
    elapsed();
    let paths = Paths::from_env()?;
    let external = args.kubeconfig.map(|file| std::path::absolute(&file).unwrap_or(file));
    match (args.command, external) {
        (Command::Env, external) => env(&paths, external.as_deref()),
        (Command::Status | Command::Up { .. }, Some(file)) => check_external(&paths, &file),
        (Command::Status, None) => status::print(&paths),
        (Command::Down, Some(file)) => {
            say(format!("the cluster of {} is not ours: nothing to take down", file.display()));
            Ok(())
        }
        (Command::Load { .. }, Some(file)) => bail!(
            "cannot load images into the cluster of {}: push them to a registry that it pulls from, and set VOX_OPERATOR_IMAGE, VOX_SIDECAR_IMAGE and VOX_WIRE_IMAGE to their names",
            file.display()
        ),
        (command, _) => locked(&paths, command),
    }
}

/// Commands that change something, one at a time. What takes long and changes nothing of ours comes
/// before the lock.
fn locked(paths: &Paths, command: Command) -> Result<()> {
    match command {
        Command::Up { clusters } => {
            let _lock = Lock::take(paths)?;
            begin(paths)?;
            up(paths, usize::from(clusters))
        }
        Command::Down => {
            let _lock = Lock::take(paths)?;
            begin(paths)?;
            down(paths)
        }
        Command::Images => {
            let release = images::compile(paths)?;
            let _lock = Lock::wait(paths, PATIENCE)?;
            begin(paths)?;
            images::build(paths, &Engine::ensure(paths)?.0, &release)
        }
        Command::Load { images: named } => {
            let _lock = Lock::wait(paths, PATIENCE)?;
            begin(paths)?;
            let (engine, tools) = (Engine::require(paths)?, Tools::ensure(paths)?);
            images::load(&Clusters { paths, engine: &engine, tools: &tools }, &named)
        }
        Command::Database => {
            println!("{}", database(paths)?);
            Ok(())
        }
        Command::Collector => {
            let _lock = Lock::wait(paths, PATIENCE)?;
            println!("{}", collector::ensure(paths)?.display());
            Ok(())
        }
        Command::Status | Command::Env => Ok(()),
    }
}

/// Every test program may ask for the database at once; when it is there, nobody has to wait for anybody.
fn database(paths: &Paths) -> Result<String> {
    if let Some(url) = Engine::running(paths).and_then(|engine| database::answering(&engine)) {
        return Ok(url);
    }
    let _lock = Lock::wait(paths, PATIENCE)?;
    begin(paths)?;
    database::ensure(paths, &Engine::ensure(paths)?.0)
}

/// Ends what a killed run left at work and removes its scratch files: it would go on changing what we
/// look at.
fn begin(paths: &Paths) -> Result<()> {
    let leftovers = host::leftovers_of_runs();
    if !leftovers.is_empty() {
        say(format!("ending {} processes that a killed run left", leftovers.len()));
        host::kill(&leftovers)?;
    }
    host::remove(&paths.work())
}

fn up(paths: &Paths, count: usize) -> Result<()> {
    let (engine, _) = Engine::ensure(paths)?;
    let image = node_image::ensure(paths, &engine)?;
    let tools = Tools::ensure(paths)?;
    let clusters = Clusters { paths, engine: &engine, tools: &tools };
    let wanted = &NAMES[..count];
    for name in clusters.names()?.iter().filter(|name| !wanted.contains(&name.as_str())) {
        if clusters.readiness(name).is_err() {
            say(format!("{name}: broken, and not asked for; deleting it"));
            clusters.delete(name)?;
        }
    }
    for name in wanted {
        let made = clusters.ensure(name, &image)?;
        say(format!("{name}: ready{}", if made { "" } else { ", kept as it was" }));
    }
    say(format!("up in {:.1} s; for a shell: eval \"$(vox-e2e env)\"", elapsed().as_secs_f64()));
    Ok(())
}

fn down(paths: &Paths) -> Result<()> {
    match (Engine::running(paths), Tools::find(paths)?) {
        (Some(engine), tools) => {
            if let Some(tools) = tools {
                let clusters = Clusters { paths, engine: &engine, tools: &tools };
                for name in clusters.names()? {
                    say(format!("{name}: deleting"));
                    clusters.delete(&name)?;
                }
            }
            database::remove(&engine)?;
            if engine.is_ours() {
                empty(paths, &engine)?;
            }
        }
        (None, _) if daemon::is_known(paths) => {
            // Its containers would come back with the next engine, so they have to be deleted through one.
            say("our engine does not answer; starting it to take everything down");
            return match Engine::ensure(paths) {
                Ok(_) => down(paths),
                Err(error) => {
                    say(format!("{error:#}"));
                    daemon::stop(paths)?;
                    host::remove(&paths.data_root())
                }
            };
        }
        (None, _) => say("no engine answers: nothing to take down"),
    }
    daemon::stop(paths)?;
    for name in NAMES {
        std::fs::remove_file(paths.kubeconfig(name)).ok();
    }
    say(format!("down in {:.1} s; builds stay in {}", elapsed().as_secs_f64(), paths.cache.display()));
    Ok(())
}

/// On an engine of our own nothing stays but images: containers, networks and volumes have no other owner.
fn empty(paths: &Paths, engine: &Engine) -> Result<()> {
    let containers = engine.docker(["ps", "--all", "--quiet"]).output().unwrap_or_default();
    if !containers.is_empty() {
        engine.docker(["rm", "--force", "--volumes"]).args(containers.lines()).succeeds();
    }
    engine.docker(["network", "prune", "--force"]).succeeds();
    engine.docker(["volume", "prune", "--force"]).succeeds();
    engine.docker(["image", "prune", "--force"]).succeeds();
    images::forget_older(paths, engine)
}

fn check_external(paths: &Paths, file: &Path) -> Result<()> {
    let tools = Tools::ensure(paths)?;
    let version = tools.kubectl(file, ["version"]).output();
    let version = version.with_context(|| format!("failed to reach the cluster of {}", file.display()))?;
    let server = version.lines().find(|line| line.starts_with("Server")).unwrap_or("it answers");
    say(format!("the cluster of {}: {server}", file.display()));
    Ok(())
}

/// Lines for `eval`: a shell, a Makefile and CI take the same ones.
fn env(paths: &Paths, external: Option<&Path>) -> Result<()> {
    let mut lines: Vec<(String, String)> = Vec::new();
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    match external {
        Some(file) => lines.push(("KUBECONFIG".to_owned(), text(file.to_path_buf()))),
        None => {
            lines.push(("KUBECONFIG".to_owned(), text(paths.kubeconfig(NAMES[0]))));
            for (name, letter) in NAMES.iter().zip(["A", "B"]) {
                if paths.kubeconfig(name).exists() {
                    lines.push((format!("VOX_KUBECONFIG_{letter}"), text(paths.kubeconfig(name))));
                }
            }
            if daemon::is_alive(paths) {
                lines.push(("DOCKER_HOST".to_owned(), paths.docker_host()));
            }
        }
    }
    lines.extend(images::recorded(paths));
    for (name, value) in lines {
        println!("export {name}={}", quoted(&value));
    }
    let bin = tools::folder(paths)?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    if bin.is_dir() && !std::env::split_paths(&path).any(|folder| folder == bin) {
        println!("export PATH={}:\"$PATH\"", quoted(&text(bin)));
    }
    Ok(())
}

/// A word that every shell reads as it is.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        let output =
            crate::run::Cmd::new("sh").args(["-c", &format!("printf %s {}", quoted("a b'c$d"))]).output();
        assert_eq!(output.unwrap(), "a b'c$d");
    }
}
