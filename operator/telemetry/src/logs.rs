//! Where log lines go: standard error, redacted, as text or as JSON.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{IsTerminal as _, Write as _, stderr};
use std::panic::PanicHookInfo;

use clap::{Args, ValueEnum};
use tracing::Dispatch;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::redact::Redacting;

/// The database's notices ("already exists, skipping") tell nobody anything; whoever wants them names the target.
const QUIET: &str = "sqlx::postgres::notice=warn";

/// What to log and how.
#[derive(Debug, Clone, Args)]
pub struct Logging {
    /// Which messages to log: a level (`info`), or levels by module (`info,vox_routing=debug`).
    #[arg(long, env = "VOX_LOG", default_value = "info", global = true)]
    pub log: String,
    /// One JSON object a line, or text for people.
    #[arg(long, env = "VOX_LOG_FORMAT", default_value = "json", value_enum, global = true)]
    pub log_format: LogFormat,
}

/// How to write log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Starts logging to standard error, panics included. A filter that cannot be read is replaced by `info`, and that is
/// logged.
pub fn start(logging: &Logging) {
    catch_panics();
    let (filter, problem) = match EnvFilter::try_new(format!("{QUIET},{}", logging.log)) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new(format!("{QUIET},info")), Some(error)),
    };
    // Whoever has set one up before has one.
    let _ = tracing::dispatcher::set_global_default(lines(
        logging.log_format,
        filter,
        stderr,
        stderr().is_terminal(),
    ));
    if let Some(error) = problem {
        tracing::warn!(%error, "failed to read the log filter; logging at info");
    }
}

/// The pipeline of all programs, to any place: one call of the writer is one line, without secrets.
pub fn lines<W>(format: LogFormat, filter: EnvFilter, writer: W, colours: bool) -> Dispatch
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Clean(writer));
    match format {
        LogFormat::Json => {
            lines.json().flatten_event(true).with_current_span(true).with_span_list(false).finish().into()
        }
        LogFormat::Text => lines.with_ansi(colours).finish().into(),
    }
}

/// Makes writers that redact.
struct Clean<M>(M);

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Clean<M> {
    type Writer = Redacting<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Redacting(self.0.make_writer())
    }
}

/// What panics say goes out redacted, too.
pub fn catch_panics() {
    std::panic::set_hook(Box::new(|panic| {
        // With standard error closed there is nobody to tell.
        let _ = Redacting(stderr().lock()).write_all(told(panic).as_bytes());
    }));
}

fn told(panic: &PanicHookInfo<'_>) -> String {
    let thread = std::thread::current();
    let mut told = format!("thread '{}' {panic}\n", thread.name().unwrap_or("<unnamed>"));
    let trace = Backtrace::capture();
    if trace.status() == BacktraceStatus::Captured {
        told.push_str(&trace.to_string());
    }
    told
}
