//! Programs that the harness needs: installed on Debian where it may, named where it may not.

use anyhow::{Context as _, Result, bail};

use crate::host;
use crate::paths::Paths;
use crate::run::{Cmd, say};

/// Programs of the engine that the harness starts itself.
pub const ENGINE: &[&str] = &["docker", "dockerd", "containerd", "runc", "iptables", "ip", "setsid", "jq"];
/// Programs that building a root file system takes.
pub const ROOT_FILE_SYSTEM: &[&str] = &["debootstrap", "tar"];
/// Programs that the node image takes beyond that.
pub const NODE_IMAGE: &[&str] = &["debootstrap", "tar", "gcc"];

/// The Debian packages of programs; C programs also need the headers of the C library.
fn packages(program: &str) -> &'static [&'static str] {
    match program {
        "docker" | "dockerd" => &["docker.io"],
        "containerd" => &["containerd"],
        "runc" => &["runc"],
        "iptables" => &["iptables"],
        "ip" => &["iproute2"],
        "setsid" => &["util-linux"],
        "jq" => &["jq"],
        "debootstrap" => &["debootstrap", "debian-archive-keyring"],
        "gcc" => &["gcc", "libc6-dev"],
        _ => &[],
    }
}

/// Makes sure that programs are there.
pub fn ensure(paths: &Paths, programs: &[&str]) -> Result<()> {
    let missing: Vec<&str> =
        programs.iter().copied().filter(|program| host::find(program).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut wanted: Vec<&str> = missing.iter().flat_map(|program| packages(program)).copied().collect();
    wanted.sort_unstable();
    wanted.dedup();
    let (missing, wanted) = (missing.join(", "), wanted.join(" "));
    if !host::is_root() || host::find("apt-get").is_none() {
        bail!(
            "missing {missing}: install them (on Debian, as root: apt-get install {wanted}), then try again"
        );
    }
    say(format!("installing {wanted}"));
    let apt = |args: &[&str]| {
        let command = Cmd::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive").args(["-q", "-y"]);
        command.args(args).limit(600).show(&paths.log("apt"))
    };
    let mut install = vec!["install", "--no-install-recommends"];
    install.extend(wanted.split(' '));
    apt(&["update"]).and_then(|()| apt(&install)).with_context(|| {
        format!("failed to install {wanted}, which {missing} come with; install them by hand and try again")
    })?;
    match programs.iter().find(|program| host::find(program).is_none()) {
        Some(program) => bail!("failed to find {program} although {wanted} is installed"),
        None => Ok(()),
    }
}

/// Go builds what cannot be downloaded; distributions have versions that are too old, so it is not
/// installed from there.
pub fn ensure_go() -> Result<()> {
    if host::find("go").is_none() {
        bail!(
            "missing go: install Go 1.26 or newer from https://go.dev/dl/ and put it on PATH, then try again"
        );
    }
    Ok(())
}
