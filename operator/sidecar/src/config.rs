//! The one place where the program reads its arguments and environment (rows 41–44). Nothing here is secret: keys and
//! tokens come from mounted files, and only their paths stand here.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand};
use vox_telemetry::Logging;

/// The Vox sidecar: an OpenAI- and Anthropic-compatible gateway next to a workload.
#[derive(Debug, Parser)]
#[command(name = "vox-sidecar", version, args_conflicts_with_subcommands = true)]
pub struct Args {
    /// What to log and how.
    #[command(flatten)]
    pub logging: Logging,
    /// Everything else.
    #[command(flatten)]
    pub settings: Settings,
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do instead of serving.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Command {
    /// Print the reference page of all settings.
    #[command(hide = true)]
    Reference,
}

/// Settings of the sidecar.
#[derive(Debug, Clone, ClapArgs)]
pub struct Settings {
    /// Where the workload calls. Loopback: whoever reaches it spends the namespace's money.
    #[arg(long, env = "VOX_LISTEN", default_value = "127.0.0.1:8811")]
    pub listen: SocketAddr,
    /// Where the kubelet probes and Prometheus scrapes.
    #[arg(long, env = "VOX_LISTEN_METRICS", default_value = "0.0.0.0:8812")]
    pub listen_metrics: SocketAddr,
    /// The `RoutingPolicy` that decides. Default: the namespace's default policy.
    #[arg(long, env = "VOX_POLICY")]
    pub policy: Option<String>,
    /// The workload's namespace.
    #[arg(long, env = "VOX_NAMESPACE", default_value = "default")]
    pub namespace: String,
    /// The pod's name, under which the operator keeps what is leased of a day's budget.
    #[arg(long, env = "HOSTNAME", default_value = "unknown", hide_env_values = true)]
    pub pod_name: String,
    /// The operator's URL, which sends snapshots and leases budgets.
    #[arg(long, env = "VOX_OPERATOR_URL", default_value = "https://vox-operator.vox-system.svc:8443")]
    pub operator: String,
    /// File with the certificate of the operator's authority, PEM. Default: the public authorities.
    #[arg(long, env = "VOX_OPERATOR_CA_FILE")]
    pub operator_ca: Option<PathBuf>,
    /// File with the ServiceAccount token for the operator, read anew for each connection.
    #[arg(long, env = "VOX_TOKEN_FILE", default_value = "/var/run/secrets/vox.dev/token/token")]
    pub token_file: PathBuf,
    /// Serve this snapshot file instead of the operator's, and read it again when it changes.
    #[arg(long, env = "VOX_SNAPSHOT_FILE")]
    pub snapshot: Option<PathBuf>,
    /// Folder of the upstreams' keys: mounted Secrets, one file a key.
    #[arg(long, env = "VOX_KEYS_DIR", default_value = "/var/run/vox/keys")]
    pub keys: PathBuf,
    /// Folder for the last good snapshot and for records that wait.
    #[arg(long, env = "VOX_STATE_DIR", default_value = "/var/lib/vox")]
    pub state: PathBuf,
    /// Certificates of public authorities, PEM, for the upstreams' TLS.
    #[arg(long, env = "VOX_CA_BUNDLE", default_value = "/etc/ssl/certs/ca-certificates.crt")]
    pub ca_bundle: PathBuf,
    /// Worker threads. Default: the CPU limit of the container, at least 1.
    #[arg(long, env = "VOX_WORKERS")]
    pub workers: Option<NonZeroUsize>,
    /// The longest request body, in bytes, or with KiB, MiB.
    #[arg(long, env = "VOX_MAX_BODY", default_value = "20MiB", value_parser = size)]
    pub max_body: usize,
    /// The longest answer that is not a stream, and the most that is held back of one that is, in bytes, or with KiB, MiB.
    #[arg(long, env = "VOX_MAX_ANSWER", default_value = "64MiB", value_parser = size)]
    pub max_answer: usize,
    /// The most requests under way, counted from the end of their bodies; further ones are refused at once.
    #[arg(long, env = "VOX_MAX_IN_FLIGHT", default_value_t = 1024)]
    pub max_in_flight: usize,
    /// The most bytes of bodies of requests as far as they have come, and of answers that are read whole until they are
    /// written, in bytes, or with KiB, MiB; further requests are refused. One body may always be as long as --max-body.
    #[arg(long, env = "VOX_MAX_IN_FLIGHT_BYTES", default_value = "64MiB", value_parser = size)]
    pub max_in_flight_bytes: usize,
    /// The most bytes of records that wait on disk. Where they are too many, calls that were answered go first, the oldest
    /// of them before others.
    #[arg(long, env = "VOX_SPOOL_BYTES", default_value = "64MiB", value_parser = size)]
    pub spool_bytes: usize,
    /// For how many days a record may wait on disk.
    #[arg(long, env = "VOX_SPOOL_DAYS", default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..))]
    pub spool_days: u16,
    /// Refuse requests whose session (`x-vox-session`) begins with none of the contract's prefixes. Without this such a session
    /// is left out of the record.
    #[arg(long, env = "VOX_STRICT_SESSIONS", default_value_t = false, action = clap::ArgAction::Set)]
    pub strict_sessions: bool,
    /// How long requests under way may take to end when the sidecar is asked to stop.
    #[arg(long, env = "VOX_DRAIN", default_value = "25s", value_parser = duration)]
    pub drain: Duration,
    /// How long things may take.
    #[command(flatten)]
    pub timeouts: Timeouts,
}

/// How long parts of a request may take. The route's own bound on all attempts together stands above all of them.
#[derive(Debug, Clone, Copy, ClapArgs)]
pub struct Timeouts {
    /// For a request's body to come.
    #[arg(id = "body_timeout", long = "body-timeout", env = "VOX_BODY_TIMEOUT", default_value = "60s", value_parser = duration)]
    pub body: Duration,
    /// To connect, with DNS and TLS.
    #[arg(id = "connect_timeout", long = "connect-timeout", env = "VOX_CONNECT_TIMEOUT", default_value = "5s", value_parser = duration)]
    pub connect: Duration,
    /// From the request to the head of a streamed answer; the least for an answer that is no stream, to its end.
    #[arg(id = "header_timeout", long = "header-timeout", env = "VOX_HEADER_TIMEOUT", default_value = "60s", value_parser = duration)]
    pub header: Duration,
    /// From the head of a streamed answer to its first token.
    #[arg(id = "first_token_timeout", long = "first-token-timeout", env = "VOX_FIRST_TOKEN_TIMEOUT", default_value = "60s", value_parser = duration)]
    pub first_token: Duration,
    /// Between two pieces of a streamed answer, and for a client to take a piece of any answer.
    #[arg(id = "idle_timeout", long = "idle-timeout", env = "VOX_IDLE_TIMEOUT", default_value = "60s", value_parser = duration)]
    pub idle: Duration,
}

impl Settings {
    /// How many workers serve.
    #[must_use]
    pub fn worker_count(&self) -> usize {
        // The standard library reads the cgroup's quota and rounds it down to at least one.
        let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        self.workers.unwrap_or_else(cores).get()
    }
}

/// `250ms`, `5s`, `2m`, or whole seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let number: u64 = number.parse().map_err(|_| "write it as 250ms, 5s or 2m".to_owned())?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" | "" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number.saturating_mul(60))),
        _ => Err("write it as 250ms, 5s or 2m".to_owned()),
    }
}

/// `512KiB`, `20MiB`, or bytes.
fn size(text: &str) -> Result<usize, String> {
    let wrong = || "write it as bytes, 512KiB or 20MiB".to_owned();
    let (number, unit) = split(text);
    let number: usize = number.parse().map_err(|_| wrong())?;
    let scale = match unit {
        "" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        _ => return Err(wrong()),
    };
    number.checked_mul(scale).ok_or_else(wrong)
}

fn split(text: &str) -> (&str, &str) {
    text.split_at(text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations_are_read_with_their_units() {
        assert_eq!(size("20MiB"), Ok(20 << 20));
        assert_eq!(size("7"), Ok(7));
        assert!(size("20MB").is_err() && size("").is_err() && size("99999999999999999999").is_err());
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert!(duration("2h").is_err() && duration("-1s").is_err());
    }

    #[test]
    fn the_arguments_are_consistent() {
        use clap::CommandFactory as _;
        Args::command().debug_assert();
    }
}
