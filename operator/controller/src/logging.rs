use tracing_subscriber::EnvFilter;

use crate::args::{LogFormat, Logging};

/// Starts logging to standard error. A filter that cannot be read is replaced by `info`, and that is logged.
pub(crate) fn init(logging: &Logging) {
    // The database's notices ("already exists, skipping") tell nobody anything; whoever wants them names the target.
    let quiet = "sqlx::postgres::notice=warn";
    let (filter, problem) = match EnvFilter::try_new(format!("{quiet},{}", logging.log)) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new(format!("{quiet},info")), Some(error)),
    };
    let lines =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(true);
    match logging.log_format {
        LogFormat::Json => {
            lines.json().flatten_event(true).with_current_span(true).with_span_list(false).init()
        }
        LogFormat::Text => lines.init(),
    }
    if let Some(error) = problem {
        tracing::warn!(%error, "failed to read the log filter; logging at info");
    }
}
