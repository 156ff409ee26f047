//! An engine of our own: `dockerd` by hand, in its own folders, found again by pid and ended by pid.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use crate::host;
use crate::network::{self, Before};
use crate::paths::Paths;
use crate::run::{Cmd, RUN_MARK, say, tail};

/// The cgroup of all our containers: what is in it is ours to end, and the folder is ours to remove.
const CGROUP: &str = "vox-e2e";
/// dockerd answers after 3 s; on a machine that has just been woken up it may take longer.
const START_LIMIT: Duration = Duration::from_secs(60);
/// dockerd ends in 1 s when its containers are gone.
const STOP_LIMIT: Duration = Duration::from_secs(20);
/// Where a machine cannot give CAP_SYS_RESOURCE, containers have to start without it.
const LITE_RUNTIME: &str = include_str!("../node/rootfs/usr/local/bin/runc-lite");

/// What is known of the engine that was started, and of the machine before it.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    pid: u32,
    started: u64,
    before: Before,
}

fn record(paths: &Paths) -> Option<Record> {
    serde_json::from_slice(&std::fs::read(paths.engine_record()).ok()?).ok()
}

fn write(paths: &Paths, record: &Record) -> Result<()> {
    let text = serde_json::to_vec(record).context("failed to describe the engine")?;
    let (file, part) = (paths.engine_record(), paths.engine_record().with_extension("part"));
    // At once or not at all: half a record is none.
    std::fs::write(&part, text)
        .and_then(|()| std::fs::rename(&part, &file))
        .context("failed to write the engine's record")
}

/// The pid of our engine, if it is alive.
pub fn pid(paths: &Paths) -> Option<u32> {
    record(paths)
        .filter(|record| host::start_time(record.pid) == Some(record.started))
        .map(|record| record.pid)
}

/// Whether our engine's process is there; it may not answer yet.
pub fn is_alive(paths: &Paths) -> bool {
    pid(paths).is_some()
}

/// Whether there is, or was and was not taken down, an engine of ours.
pub fn is_known(paths: &Paths) -> bool {
    paths.engine_record().exists()
}

/// Starts the engine. What a killed one left behind is cleared away first; data that it cannot start with
/// is given up.
pub fn start(paths: &Paths, answers: &dyn Fn() -> bool) -> Result<()> {
    paths.check_socket_length()?;
    if is_alive(paths) && host::wait_until(Duration::from_secs(10), answers) {
        return Ok(());
    }
    clear(paths)?;
    if let Err(error) = launch(paths, answers) {
        say(format!("{error:#}"));
        say("the engine did not start with what it kept; starting it with nothing");
        clear(paths)?;
        host::remove(&paths.data_root())?;
        if let Err(error) = launch(paths, answers) {
            clear(paths)?;
            return Err(error);
        }
    }
    Ok(())
}

fn launch(paths: &Paths, answers: &dyn Fn() -> bool) -> Result<()> {
    // What the machine was like before the first start counts, not before a start after a crash.
    let before = record(paths).map_or_else(network::before, |record| record.before);
    // Written before there is anything to record, too: whoever kills us must not make us forget what the
    // machine was like.
    let mut record = Record { pid: 0, started: 0, before };
    write(paths, &record)?;
    let log = paths.log("dockerd");
    let pid = spawn(paths, &log)?;
    say(format!("starting the engine (dockerd, pid {pid})"));
    let started = host::start_time(pid)
        .with_context(|| format!("failed to start dockerd: it ended at once{}", tail(&log)))?;
    (record.pid, record.started) = (pid, started);
    write(paths, &record)?;
    let mut alive = true;
    let up = host::wait_until(START_LIMIT, || {
        alive = host::start_time(pid) == Some(started);
        !alive || answers()
    });
    if !alive || !up {
        bail!(
            "failed to start dockerd: {}; its log, {}, ends with{}",
            if alive { "no answer" } else { "it ended" },
            log.display(),
            tail(&log)
        );
    }
    Ok(())
}

fn spawn(paths: &Paths, log: &Path) -> Result<u32> {
    let output = File::create(log).with_context(|| format!("failed to write {}", log.display()))?;
    let errors = output.try_clone().context("failed to share the engine's log")?;
    // A session of its own, and no file that it inherits but its log: whoever reads our output sees its
    // end when we end.
    let script = r#"for fd in /proc/self/fd/*; do fd=${fd##*/}; [ "$fd" -gt 2 ] && eval "exec $fd>&-"; done 2>/dev/null; exec dockerd "$@""#;
    let mut command = Command::new("setsid");
    command.args(["bash", "-c", script, "dockerd"]).args(arguments(paths)?);
    command
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .env_remove(RUN_MARK)
        .env("PATH", host::path())
        .current_dir("/");
    let child = command.spawn().context("failed to run setsid")?;
    Ok(child.id())
}

fn arguments(paths: &Paths) -> Result<Vec<String>> {
    let mut arguments = vec![
        format!("--host={}", paths.docker_host()),
        format!("--data-root={}", paths.data_root().display()),
        format!("--exec-root={}", paths.exec_root().display()),
        format!("--pidfile={}", paths.state.join("docker.pid").display()),
        // The settings of another engine on this machine are not ours.
        format!("--config-file={}", paths.state.join("daemon.json").display()),
        "--exec-opt=native.cgroupdriver=cgroupfs".to_owned(),
        format!("--cgroup-parent=/{CGROUP}"),
    ];
    std::fs::write(paths.state.join("daemon.json"), "{}").context("failed to write the engine's settings")?;
    if !host::has_sys_resource() {
        let runtime = paths.state.join("runc-lite");
        std::fs::write(&runtime, LITE_RUNTIME).context("failed to write the engine's runtime")?;
        make_program(&runtime)?;
        arguments.push(format!("--add-runtime=lite={}", runtime.display()));
        arguments.push("--default-runtime=lite".to_owned());
    }
    Ok(arguments)
}

fn make_program(file: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755))
        .with_context(|| format!("failed to make {} a program", file.display()))
}

/// Ends our engine and leaves nothing of it: no process, mount, interface, rule or cgroup.
pub fn stop(paths: &Paths) -> Result<()> {
    if let Some(pid) = pid(paths) {
        say(format!("stopping the engine (pid {pid})"));
        Cmd::new("kill").arg(pid.to_string()).succeeds();
        host::wait_until(STOP_LIMIT, || host::start_time(pid).is_none());
    }
    let before = record(paths).map(|record| record.before);
    clear(paths)?;
    if let Some(before) = before {
        network::restore(&before);
    }
    for name in ["engine.json", "daemon.json", "runc-lite"] {
        std::fs::remove_file(paths.state.join(name)).ok();
    }
    Ok(())
}

/// Ends what is left of an engine of ours and takes away what would hinder the next. Images and stopped
/// containers stay.
fn clear(paths: &Paths) -> Result<()> {
    let leftovers: Vec<u32> =
        host::other_processes().into_iter().filter(|pid| is_of_engine(paths, *pid)).collect();
    if !leftovers.is_empty() {
        say(format!("ending {} processes that a killed engine left", leftovers.len()));
        host::kill(&leftovers)?;
        // A shim may have started one more while it was being looked for.
        host::kill(
            &host::other_processes().into_iter().filter(|pid| is_of_engine(paths, *pid)).collect::<Vec<_>>(),
        )?;
    }
    host::unmount_below(&paths.data_root())?;
    host::remove(&paths.exec_root())?;
    for file in ["docker.sock", "docker.pid"] {
        std::fs::remove_file(paths.state.join(file)).ok();
    }
    remove_cgroups();
    Ok(())
}

/// dockerd, containerd and the shims carry our folders in their command lines; what runs in containers is
/// in our cgroup.
fn is_of_engine(paths: &Paths, pid: u32) -> bool {
    if host::in_cgroup(pid, CGROUP) {
        return true;
    }
    let line = host::command_line(pid);
    let program = line.split([' ']).next().and_then(|program| program.rsplit('/').next()).unwrap_or_default();
    let engine = ["dockerd", "containerd", "containerd-shim-runc-v2", "docker-proxy"].contains(&program);
    engine && line.contains(&*paths.exec_root().to_string_lossy())
}

fn remove_cgroups() {
    let controllers =
        std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten().map(|entry| entry.path());
    for folder in controllers
        .map(|controller| controller.join(CGROUP))
        .chain([Path::new("/sys/fs/cgroup").join(CGROUP)])
    {
        remove_cgroup(&folder);
    }
}

/// A cgroup can be removed when no cgroup is in it; its files go with it.
fn remove_cgroup(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_cgroup(&entry.path());
        }
    }
    std::fs::remove_dir(folder).ok();
}
