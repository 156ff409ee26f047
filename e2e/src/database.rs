//! A PostgreSQL for the store's tests: one container, on a loopback port, with nothing worth keeping in it.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::engine::Engine;
use crate::paths::Paths;
use crate::run::say;
use crate::{host, postgres_image};

const CONTAINER: &str = "vox-database";
/// User, password and database: reachable from this machine only, and empty after every start.
const NAME: &str = "vox";
const LIMIT: Duration = Duration::from_secs(60);

/// The database's URL; started if it does not run.
pub fn ensure(paths: &Paths, engine: &Engine) -> Result<String> {
    let image = postgres_image::ensure(paths, engine)?;
    if running_image(engine).as_deref() != Some(image.as_str()) {
        remove(engine)?;
        start(engine, &image)?;
    }
    let ready = [
        "exec",
        CONTAINER,
        "pg_isready",
        "--quiet",
        "--host=127.0.0.1",
        "--username",
        NAME,
        "--dbname",
        NAME,
    ];
    // Over TCP: while the image prepares the database, the server listens on a Unix socket only.
    if !host::wait_until(LIMIT, || engine.docker(ready).succeeds()) {
        let log = engine.docker(["logs", "--tail", "20", CONTAINER]).output().unwrap_or_default();
        bail!(
            "failed to start the database: no answer after {} s; its log ends with\n{log}",
            LIMIT.as_secs()
        );
    }
    url(engine).context("failed to learn the database's port")
}

/// The URL of the database, if it answers.
pub fn answering(engine: &Engine) -> Option<String> {
    url(engine).filter(|_| answers(engine))
}

/// Asks over TCP: while the image prepares the database, the server listens on a Unix socket only.
fn answers(engine: &Engine) -> bool {
    let ready = [
        "exec",
        CONTAINER,
        "pg_isready",
        "--quiet",
        "--host=127.0.0.1",
        "--username",
        NAME,
        "--dbname",
        NAME,
    ];
    engine.docker(ready).succeeds()
}

/// The URL of the database, if it runs.
pub fn url(engine: &Engine) -> Option<String> {
    running_image(engine)?;
    let address = engine.docker(["port", CONTAINER, "5432/tcp"]).output().ok()?;
    let address = address.lines().find(|line| line.starts_with("127.0.0.1:"))?;
    Some(format!("postgres://{NAME}:{NAME}@{address}/{NAME}"))
}

/// Takes the database away, if it is there.
pub fn remove(engine: &Engine) -> Result<()> {
    engine.docker(["rm", "--force", "--volumes", CONTAINER]).output().map(drop).or_else(|error| {
        // Old engines call it an error when there is nothing to remove.
        if error.to_string().contains("No such container") { Ok(()) } else { Err(error) }
    })
}

fn running_image(engine: &Engine) -> Option<String> {
    let format = "{{.State.Running}} {{.Config.Image}}";
    let text = engine.docker(["container", "inspect", "--format", format, CONTAINER]).output().ok()?;
    text.strip_prefix("true ").map(str::to_owned)
}

fn start(engine: &Engine, image: &str) -> Result<()> {
    say(format!("starting the database ({image})"));
    let run = ["run", "--detach", "--name", CONTAINER, "--publish", "127.0.0.1::5432", "--shm-size=256m"];
    let run = engine.docker(run).args(["--tmpfs", "/var/lib/postgresql/data"]);
    let run = ["USER", "PASSWORD", "DB"]
        .iter()
        .fold(run, |run, what| run.arg("--env").arg(format!("POSTGRES_{what}={NAME}")));
    // Tests make many databases and connections, and nothing has to outlive a crash.
    let run = run.args([
        image,
        "postgres",
        "-c",
        "fsync=off",
        "-c",
        "full_page_writes=off",
        "-c",
        "max_connections=300",
    ]);
    run.output().map(drop).context("failed to start the database")
}
