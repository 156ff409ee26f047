//! The processes that are measured, and what the kernel says about them.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A process; it ends with its value.
pub(crate) struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a process has used so far.
#[derive(Default, Clone, Copy)]
pub(crate) struct Spent {
    pub(crate) cpu_ns: u64,
    pub(crate) voluntary: u64,
    pub(crate) involuntary: u64,
}

impl Server {
    /// This program in another role; it says where it listens.
    pub(crate) fn role(role: &[&str]) -> (Self, SocketAddr) {
        let own = std::env::current_exe().unwrap();
        let mut child = Command::new(own).args(role).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        (Self(child), line.trim().parse().unwrap())
    }

    /// Another program, which writes what it has to say into this file; nothing where it is not installed.
    pub(crate) fn program(mut command: Command, log: &Path) -> Option<Self> {
        let log = std::fs::File::create(log).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        command.spawn().ok().map(Self)
    }

    /// All its threads together.
    pub(crate) fn spent(&self) -> Spent {
        let mut spent = Spent::default();
        for task in std::fs::read_dir(format!("/proc/{}/task", self.0.id())).unwrap() {
            let task = task.unwrap().path();
            let schedule = std::fs::read_to_string(task.join("schedstat")).unwrap_or_default();
            spent.cpu_ns += schedule.split(' ').next().and_then(|time| time.parse().ok()).unwrap_or(0);
            let status = std::fs::read_to_string(task.join("status")).unwrap_or_default();
            spent.voluntary += number(&status, "voluntary_ctxt_switches:");
            spent.involuntary += number(&status, "nonvoluntary_ctxt_switches:");
        }
        spent
    }

    /// Resident memory in kB.
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap_or_default();
        number(&status, "VmRSS:")
    }

    /// How many system calls it makes meanwhile; nothing when they cannot be counted.
    pub(crate) fn syscalls(&self, meanwhile: impl FnOnce()) -> Option<f64> {
        let report = self.watched("strace", &["-f", "-c"], meanwhile)?;
        let total = report.lines().find(|line| line.ends_with("total"))?;
        total.split_whitespace().nth(3)?.parse().ok()
    }

    /// How many instructions it takes meanwhile; nothing on a machine without counters.
    pub(crate) fn instructions(&self, meanwhile: impl FnOnce()) -> Option<f64> {
        let counting = ["stat", "-x,", "-e", "instructions"];
        // Without counters, nothing need be run.
        let probe = Command::new("perf").args(counting).arg("true").output().ok()?;
        instructions(&String::from_utf8_lossy(&probe.stderr))?;
        instructions(&self.watched("perf", &counting, meanwhile)?)
    }

    /// What a tool reports that is attached meanwhile.
    fn watched(&self, tool: &str, arguments: &[&str], meanwhile: impl FnOnce()) -> Option<String> {
        let report = std::env::temp_dir().join(format!("vox-data-path-{}.{tool}", std::process::id()));
        let mut tool = Command::new(tool)
            .args(arguments)
            .arg("-o")
            .arg(&report)
            .args(["-p", &self.0.id().to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        std::thread::sleep(Duration::from_millis(700));
        meanwhile();
        // It writes its report when it is interrupted.
        let _ = Command::new("kill").args(["-INT", &tool.id().to_string()]).stderr(Stdio::null()).status();
        let _ = tool.wait();
        let text = std::fs::read_to_string(&report).ok()?;
        let _ = std::fs::remove_file(&report);
        Some(text)
    }
}

fn instructions(report: &str) -> Option<f64> {
    report.lines().find(|line| line.contains("instructions"))?.split(',').next()?.parse().ok()
}

/// CPU time of this process, threads that have ended included.
pub(crate) fn own_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name before the last parenthesis may hold blanks.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

fn number(status: &str, name: &str) -> u64 {
    let line = status.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}
