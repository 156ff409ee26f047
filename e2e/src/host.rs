//! The machine, as /proc tells it: processes and mounts, and how to end them.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::run::{Cmd, RUN_MARK, run_name};

/// The number of CAP_SYS_RESOURCE in `linux/capability.h`.
const CAP_SYS_RESOURCE: u32 = 24;

/// Whether privileged containers can have what they ask for: CAP_SYS_RESOURCE is the one that machines lack.
pub fn has_sys_resource() -> bool {
    std::fs::read_to_string("/proc/self/status")
        .is_ok_and(|status| effective_capability(&status, CAP_SYS_RESOURCE))
}

fn effective_capability(status: &str, number: u32) -> bool {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let mask = line.and_then(|line| u64::from_str_radix(line.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> number & 1 == 1)
}

/// Whether this process may install packages, mount and start an engine.
pub fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    uids.and_then(|uids| uids.split_whitespace().nth(1).map(|uid| uid == "0")).unwrap_or(false)
}

/// PATH, and the folders that the PATH of an ordinary shell leaves out.
pub fn path() -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/go/bin"].map(PathBuf::from);
    let folders = std::env::split_paths(&path).chain(more);
    // Only a folder with a colon in its name cannot be joined, and PATH has none of these.
    std::env::join_paths(folders).unwrap_or(path)
}

/// A program in one of these folders.
pub fn find(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&path()).map(|folder| folder.join(program)).find(|candidate| candidate.is_file())
}

/// When a process began, in clock ticks since boot: with the pid, a name that is never used twice.
pub fn start_time(pid: u32) -> Option<u64> {
    parse_start_time(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Field 22 of `/proc/PID/stat`, `None` for a process that has ended and waits for its parent.
fn parse_start_time(stat: &str) -> Option<u64> {
    // The second field is the program's name in parentheses, and may hold spaces and parentheses itself.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    match fields.first()? {
        &"Z" | &"X" => None,
        _ => fields.get(19)?.parse().ok(),
    }
}

/// The command line of a process, words separated by spaces.
pub fn command_line(pid: u32) -> String {
    let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&words).replace('\0', " ")
}

/// Every process but this one and those that it was started by.
pub fn other_processes() -> Vec<u32> {
    let parents: HashMap<u32, u32> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, parent(pid)?)))
        .collect();
    let (mut own, mut next) = (vec![], Some(std::process::id()));
    while let Some(pid) = next.filter(|pid| !own.contains(pid)) {
        own.push(pid);
        next = parents.get(&pid).copied();
    }
    parents.into_keys().filter(|pid| *pid > 1 && !own.contains(pid)).collect()
}

fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// What a killed run of the harness left at work: it would go on changing what the next run looks at.
pub fn leftovers_of_runs() -> Vec<u32> {
    let orphaned = |pid: &u32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        run_of(&environment).is_some_and(|run| !is_alive(&run))
    };
    other_processes().into_iter().filter(orphaned).collect()
}

/// The run that an environment belongs to.
fn run_of(environment: &[u8]) -> Option<String> {
    let mark = format!("{RUN_MARK}=");
    let variables = environment.split(|byte| *byte == 0);
    variables
        .filter_map(|variable| variable.strip_prefix(mark.as_bytes()))
        .map(|run| String::from_utf8_lossy(run).into_owned())
        .next()
}

fn is_alive(run: &str) -> bool {
    let pid = run.split_once(':').and_then(|(pid, _)| pid.parse().ok());
    pid.and_then(run_name).is_some_and(|name| name == run)
}

/// Whether a process is in a cgroup of this name, at any depth, in any hierarchy.
pub fn in_cgroup(pid: u32, name: &str) -> bool {
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    groups.lines().any(|line| line.split(['/', ':']).any(|part| part == name))
}

/// Ends processes at once and waits until they are gone.
pub fn kill(pids: &[u32]) -> Result<()> {
    if pids.is_empty() {
        return Ok(());
    }
    let words: Vec<String> = pids.iter().map(u32::to_string).collect();
    // Fails when one of them is already gone, which is as good.
    Cmd::new("kill").arg("-9").args(&words).succeeds();
    if !wait_until(Duration::from_secs(10), || pids.iter().all(|pid| start_time(*pid).is_none())) {
        bail!("failed to end the processes {}: they are still there after 10 s", words.join(" "));
    }
    Ok(())
}

/// Waits for a condition, looking ten times a second.
pub fn wait_until(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    loop {
        if condition() {
            return true;
        }
        if begun.elapsed() > limit {
            return false;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Takes away every mount at or below a folder, the deepest first.
pub fn unmount_below(folder: &Path) -> Result<()> {
    // A mount over a mount shows only after the upper one is gone.
    for _ in 0..5 {
        let found = mounts_below(&std::fs::read_to_string("/proc/mounts").unwrap_or_default(), folder);
        if found.is_empty() {
            return Ok(());
        }
        for mount in found {
            Cmd::new("umount").arg("--lazy").arg(&mount).succeeds();
        }
    }
    bail!("failed to unmount everything below {}: see /proc/mounts", folder.display())
}

fn mounts_below(table: &str, folder: &Path) -> Vec<PathBuf> {
    let points = table.lines().filter_map(|line| line.split(' ').nth(1));
    let mut found: Vec<PathBuf> = points.map(unescape).filter(|point| point.starts_with(folder)).collect();
    found.sort_by_key(|point| std::cmp::Reverse(point.as_os_str().len()));
    found
}

/// `/proc/mounts` writes white space as octal numbers (`fstab(5)`).
fn unescape(point: &str) -> PathBuf {
    point.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\").into()
}

/// Removes a folder and what is in it, never what is mounted in it.
pub fn remove(folder: &Path) -> Result<()> {
    unmount_below(folder)?;
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(anyhow::Error::new(error).context(format!("failed to remove {}", folder.display())))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_capability_from_the_mask() {
        assert!(effective_capability("Name:\tx\nCapEff:\t000001ffffffffff\n", CAP_SYS_RESOURCE));
        assert!(!effective_capability("Name:\tx\nCapEff:\t000001fffeffffff\n", CAP_SYS_RESOURCE));
        assert!(!effective_capability("", CAP_SYS_RESOURCE));
    }

    #[test]
    fn reads_the_start_time_past_any_program_name() {
        let fields = "1 1 1 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 777 9 9";
        assert_eq!(parse_start_time(&format!("12 (a) b) S {fields}")), Some(777));
        assert_eq!(parse_start_time(&format!("12 (a) Z {fields}")), None, "a zombie is not alive");
        assert_eq!(parse_start_time(""), None);
    }

    #[test]
    fn finds_mounts_below_a_folder_the_deepest_first() {
        let table =
            "a /x/state ext4 rw 0 0\nb /x/state/exec/netns\\0401 nsfs rw 0 0\nc /x/stateful ext4 rw 0 0\n";
        assert_eq!(
            mounts_below(table, Path::new("/x/state")),
            [PathBuf::from("/x/state/exec/netns 1"), PathBuf::from("/x/state")]
        );
    }

    #[test]
    fn a_run_is_orphaned_when_its_process_is_gone_or_another() {
        let own = run_name(std::process::id()).unwrap();
        assert!(is_alive(&own));
        assert!(!is_alive(&format!("{own}1")) && !is_alive("") && !is_alive("4294967295:1"));
        assert_eq!(run_of(b"A=1\0VOX_E2E_RUN=5:7\0B=2").as_deref(), Some("5:7"));
        assert_eq!(run_of(b"A=1\0"), None);
    }

    #[test]
    fn knows_itself() {
        assert!(start_time(std::process::id()).is_some());
        assert!(!other_processes().contains(&std::process::id()));
    }
}
