//! What goes on while the user waits, on stderr: one line that is rewritten on a terminal, else a line per change.

use std::future::Future;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use vox_telemetry::redact;

/// Nobody wonders about less.
const SILENT: Duration = Duration::from_secs(1);

/// Shows what is being waited for.
pub(crate) struct Progress {
    since: Instant,
    terminal: bool,
    shown: String,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { since: Instant::now(), terminal: io::stderr().is_terminal(), shown: String::new() }
    }

    /// Says what is going on now.
    pub(crate) fn tell(&mut self, text: &str) {
        if self.since.elapsed() < SILENT || text == self.shown {
            return;
        }
        text.clone_into(&mut self.shown);
        if self.terminal { write(&format!("\r\x1b[2K{text} …")) } else { say(text) }
    }

    /// Waits for `work`, and says so when it takes long.
    pub(crate) async fn during<T>(text: &str, work: impl Future<Output = T>) -> T {
        let mut progress = Self::new();
        let mut work = std::pin::pin!(work);
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(SILENT) => progress.tell(text),
        }
        work.await
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.terminal && !self.shown.is_empty() {
            write("\r\x1b[2K");
        }
    }
}

/// A line for the user that is no result.
pub(crate) fn say(line: &str) {
    write(&format!("{line}\n"));
}

fn write(text: &str) {
    // With stderr closed there is nobody to tell.
    // What others say of an error can carry a key.
    let _ = io::stderr().lock().write_all(redact(text).as_bytes());
}
