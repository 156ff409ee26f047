//! Other programs: started without a terminal, bounded in time, shown while they work, and quoted when
//! they fail.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::host;

/// Set in everything the harness starts for the time of one command, to [`run_name`], so that the next run
/// finds what a killed one left at work.
pub const RUN_MARK: &str = "VOX_E2E_RUN";
/// How many lines of a failed program are quoted.
const QUOTED_LINES: usize = 20;
/// How often the end of a program is looked for.
const TICK: Duration = Duration::from_millis(50);
/// What a grandchild that holds our pipe open may take before we go on without it.
const DRAIN: Duration = Duration::from_secs(1);

/// Tells the user what happens, on standard error: standard output belongs to results.
pub fn say(text: impl AsRef<str>) {
    eprintln!("{:>6.1}s  {}", elapsed().as_secs_f64(), text.as_ref());
}

/// Since the harness began (the first call).
pub fn elapsed() -> Duration {
    static BEGUN: OnceLock<Instant> = OnceLock::new();
    BEGUN.get_or_init(Instant::now).elapsed()
}

/// Names a run by its process: a pid alone may be used again. `None` when the process has ended.
pub fn run_name(pid: u32) -> Option<String> {
    host::start_time(pid).map(|started| format!("{pid}:{started}"))
}

/// The last lines of a log, for a message.
pub fn tail(log: &Path) -> String {
    let text =
        std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    quote(lines[lines.len().saturating_sub(QUOTED_LINES)..].iter().copied())
}

fn quote<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    lines.map(|line| format!("\n  | {line}")).collect()
}

/// A program to run.
#[derive(Debug)]
pub struct Cmd {
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    folder: Option<PathBuf>,
    input: Option<Vec<u8>>,
    limit: Duration,
    first_line_limit: Option<Duration>,
}

/// What a program said.
#[derive(Default)]
struct Said {
    stdout: String,
    last_lines: VecDeque<String>,
    /// Those of the last lines that went to standard error.
    complaints: VecDeque<String>,
}

impl Said {
    fn take(&mut self, line: Line, each: &mut dyn FnMut(&str)) {
        let text = match line {
            Line::Out(text) => {
                self.stdout.push_str(&text);
                self.stdout.push('\n');
                text
            }
            Line::Err(text) => {
                keep(&mut self.complaints, text.clone());
                text
            }
        };
        each(&text);
        keep(&mut self.last_lines, text);
    }

    /// The lines that explain a failure.
    fn quoted(&self, lines: &VecDeque<String>) -> String {
        // What a program wrote to standard output may be data; it explains a failure only if nothing else
        // does.
        let lines = if lines.is_empty() { &self.last_lines } else { lines };
        quote(lines.iter().map(String::as_str))
    }
}

fn keep(lines: &mut VecDeque<String>, line: String) {
    if lines.len() == QUOTED_LINES {
        lines.pop_front();
    }
    lines.push_back(line);
}

enum Line {
    Out(String),
    Err(String),
}

impl Cmd {
    /// A program by name or path; it may take a minute unless [`Cmd::limit`] says otherwise.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            folder: None,
            input: None,
            limit: Duration::from_secs(60),
            first_line_limit: None,
        }
    }

    /// One argument more.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// More arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// A variable of its environment.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// The folder it runs in.
    pub fn folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_path_buf());
        self
    }

    /// What it reads; without this it reads nothing.
    pub fn input(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.input = Some(text.into());
        self
    }

    /// How long it may take.
    pub fn limit(mut self, seconds: u64) -> Self {
        self.limit = Duration::from_secs(seconds);
        self
    }

    /// How long it may be silent at first.
    pub fn first_line_within(mut self, seconds: u64) -> Self {
        self.first_line_limit = Some(Duration::from_secs(seconds));
        self
    }

    /// Runs it and returns what it wrote to standard output, without the white space around it.
    pub fn output(self) -> Result<String> {
        let shown = self.shown();
        let (status, said) = self.finish(&mut |_| {})?;
        if !status.success() {
            bail!("failed to run {shown}: {status}{}", said.quoted(&said.complaints));
        }
        Ok(said.stdout.trim().to_owned())
    }

    /// Whether it can be run and ends well.
    pub fn succeeds(self) -> bool {
        self.finish(&mut |_| {}).is_ok_and(|(status, _)| status.success())
    }

    /// Runs it, shows what it says line by line, and keeps all of it in a log.
    pub fn show(self, log: &Path) -> Result<()> {
        let shown = self.shown();
        let mut file = File::create(log).with_context(|| format!("failed to write {}", log.display()))?;
        let (status, said) = self.finish(&mut |line| {
            if !line.trim().is_empty() {
                eprintln!("         | {line}");
            }
            writeln!(file, "{line}").ok();
        })?;
        if !status.success() {
            bail!("failed to run {shown}: {status}{}", said.quoted(&said.last_lines));
        }
        Ok(())
    }

    fn shown(&self) -> String {
        let program = Path::new(&self.program).file_name().unwrap_or(&self.program);
        let words: Vec<_> = self.args.iter().map(|arg| arg.to_string_lossy()).collect();
        let mut text = format!("{} {}", program.to_string_lossy(), words.join(" "));
        if let Some((end, _)) = text.char_indices().nth(160) {
            text.truncate(end);
            text.push('…');
        }
        text
    }

    fn spawn(&self) -> Result<Child> {
        let mut command = Command::new(&self.program);
        command.args(&self.args).envs(self.env.iter().map(|(name, value)| (name, value)));
        command.env("PATH", host::path());
        command.env(RUN_MARK, run_name(std::process::id()).unwrap_or_default());
        command.stdin(if self.input.is_some() { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command.spawn().with_context(|| format!("failed to run {}", self.program.to_string_lossy()))
    }

    fn finish(mut self, each: &mut dyn FnMut(&str)) -> Result<(ExitStatus, Said)> {
        let mut child = self.spawn()?;
        if let (Some(input), Some(mut stdin)) = (self.input.take(), child.stdin.take()) {
            std::thread::spawn(move || stdin.write_all(&input));
        }
        let (sender, lines) = channel();
        read(child.stdout.take(), sender.clone(), Line::Out);
        read(child.stderr.take(), sender, Line::Err);
        let mut said = Said::default();
        let status = self.follow(&mut child, &lines, &mut said, each)?;
        let ended = Instant::now();
        while ended.elapsed() < DRAIN {
            match lines.recv_timeout(TICK) {
                Ok(line) => said.take(line, each),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        Ok((status, said))
    }

    /// Takes lines until the program ends or is late.
    fn follow(
        &self,
        child: &mut Child,
        lines: &Receiver<Line>,
        said: &mut Said,
        each: &mut dyn FnMut(&str),
    ) -> Result<ExitStatus> {
        let begun = Instant::now();
        loop {
            match lines.recv_timeout(TICK) {
                Ok(line) => said.take(line, each),
                Err(RecvTimeoutError::Timeout) => {}
                // It has closed its outputs, and mostly ends just then.
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(Duration::from_millis(2)),
            }
            if let Some(status) = child.try_wait().context("failed to wait for a program")? {
                return Ok(status);
            }
            let (waited, silent) = (begun.elapsed(), said.last_lines.is_empty());
            if waited > self.limit || (silent && self.first_line_limit.is_some_and(|limit| waited > limit)) {
                child.kill().ok();
                child.wait().ok();
                let quoted = said.quoted(&said.last_lines);
                bail!("failed to run {}: not done after {} s{quoted}", self.shown(), waited.as_secs());
            }
        }
    }
}

fn read(pipe: Option<impl Read + Send + 'static>, lines: Sender<Line>, wrap: fn(String) -> Line) {
    let Some(pipe) = pipe else { return };
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n') {
            let Ok(line) = line else { return };
            if lines.send(wrap(String::from_utf8_lossy(&line).into_owned())).is_err() {
                return;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_standard_output_only() {
        let text = Cmd::new("sh").args(["-c", "echo one; echo noise >&2; echo two"]).output().unwrap();
        assert_eq!(text, "one\ntwo");
    }

    #[test]
    fn what_it_complains_of_explains_a_failure() {
        let error =
            Cmd::new("sh").args(["-c", "echo data; echo why >&2; exit 1"]).output().unwrap_err().to_string();
        assert!(error.ends_with("exit status: 1\n  | why"), "{error}");
    }

    #[test]
    fn reads_what_it_is_given_and_nothing_else() {
        assert_eq!(Cmd::new("cat").input("text").output().unwrap(), "text");
        assert_eq!(Cmd::new("cat").output().unwrap(), "");
    }

    #[test]
    fn a_failure_names_the_program_and_quotes_its_last_lines() {
        let error = Cmd::new("sh").args(["-c", "seq 1 50; exit 3"]).output().unwrap_err().to_string();
        assert!(error.starts_with("failed to run sh -c"), "{error}");
        assert!(
            error.contains("\n  | 31\n") && error.ends_with("| 50") && !error.contains("| 30\n"),
            "{error}"
        );
    }

    #[test]
    fn a_program_that_takes_too_long_is_ended() {
        let error = Cmd::new("sleep").arg("30").limit(0).output().unwrap_err().to_string();
        assert!(error.contains("not done after"), "{error}");
        let error = Cmd::new("sleep").arg("30").first_line_within(0).output().unwrap_err().to_string();
        assert!(error.contains("not done after"), "{error}");
    }

    #[test]
    fn a_grandchild_that_holds_the_pipe_does_not_hold_us() {
        let begun = Instant::now();
        assert_eq!(Cmd::new("sh").args(["-c", "sleep 20 & echo done"]).output().unwrap(), "done");
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
}
