//! The one place where the program reads its arguments and environment (rows 41–44). Nothing here is secret: secrets come
//! from mounted files, and only their paths stand here.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};
use vox_otlp::{Client, Endpoint, Headers};
use vox_telemetry::Logging;

/// The Vox operator.
#[derive(Debug, Parser)]
#[command(name = "vox-operator", version)]
pub struct Args {
    /// What to log and how.
    #[command(flatten)]
    pub logging: Logging,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve, and reconcile while holding the lease.
    Run(Box<RunSettings>),
    /// Discover the models of one source, once; what a source's Job runs.
    Discover(DiscoverSettings),
    /// Compute the whole scoreboard anew from what happened and end; what the chart's CronJob runs.
    Rollup(DatabaseSettings),
    /// Bring the database's schema up to date and end.
    Migrate(DatabaseSettings),
    /// Print the reference page of all settings.
    #[command(hide = true)]
    Reference,
}

/// Where the database is.
#[derive(Debug, Clone, ClapArgs)]
pub struct DatabaseSettings {
    /// File that holds the database's URL, `postgres://user:password@host:port/database`; a mounted Secret.
    #[arg(long, env = "VOX_DATABASE_URL_FILE")]
    pub database_url_file: PathBuf,
    /// How many connections to hold at most.
    #[arg(long, env = "VOX_DATABASE_CONNECTIONS", default_value_t = 8)]
    pub database_connections: u32,
}

/// How long history is kept in the database.
#[derive(Debug, Clone, ClapArgs)]
pub struct RetentionSettings {
    /// For how many days to keep the record of a discovery run; a source's newest, and its newest good one, stay.
    #[arg(long, env = "VOX_RETENTION_ATTEMPTS_DAYS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..))]
    pub retention_attempts_days: u16,
    /// For how many days to keep which models each revision of a catalog added, removed and repriced.
    #[arg(long, env = "VOX_RETENTION_CHANGES_DAYS", default_value_t = 400, value_parser = clap::value_parser!(u16).range(1..))]
    pub retention_changes_days: u16,
    /// For how many days to keep finished calls, their tries and what was thought of them.
    #[arg(long, env = "VOX_RETENTION_INTERACTIONS_DAYS", default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..))]
    pub retention_interactions_days: u16,
}

/// Where what happened is exported to.
#[derive(Debug, Clone, ClapArgs)]
pub struct OtlpSettings {
    /// Base URL of an OpenTelemetry collector's receiver for OTLP over HTTP, as in `http://collector.observability:4318`;
    /// `/v1/traces` and `/v1/metrics` are appended. Unset: nothing is exported.
    #[arg(long, env = "VOX_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<Endpoint>,
    /// Folder with a file for each header of a request, named as the header is; a mounted Secret.
    #[arg(long, env = "VOX_OTLP_HEADERS_DIR")]
    pub otlp_headers: Option<PathBuf>,
    /// File with the certificates of the authorities that the collector's certificate may be of, PEM. Unset: the public ones.
    #[arg(long, env = "VOX_OTLP_CA_FILE")]
    pub otlp_ca: Option<PathBuf>,
}

impl OtlpSettings {
    /// A client of the collector, where one is named.
    #[must_use]
    pub fn client(&self) -> Option<Client> {
        let endpoint = self.otlp_endpoint.clone()?;
        let headers = self.otlp_headers.clone().map_or(Headers::None, Headers::Folder);
        Some(Client::new(vox_otlp::Settings { endpoint, headers, ca: self.otlp_ca.clone() }))
    }
}

/// What the injector puts into pods.
#[derive(Debug, Clone, ClapArgs)]
pub struct InjectionSettings {
    /// Image of the sidecar. Unset: no pod gets one.
    #[arg(long, env = "VOX_SIDECAR_IMAGE")]
    pub sidecar_image: Option<String>,
    /// Pull policy of that image.
    #[arg(long, env = "VOX_SIDECAR_IMAGE_PULL_POLICY", default_value = "IfNotPresent")]
    pub sidecar_image_pull_policy: String,
    /// The sidecar's resources, as JSON of a container's `resources`.
    #[arg(long, env = "VOX_SIDECAR_RESOURCES", default_value = "{}", value_parser = json)]
    pub sidecar_resources: serde_json::Value,
    /// Whether sidecars refuse requests whose session begins with none of the contract's prefixes.
    #[arg(long, env = "VOX_SIDECAR_STRICT_SESSIONS", default_value_t = false, action = clap::ArgAction::Set)]
    pub sidecar_strict_sessions: bool,
    /// Name of the webhook configurations in which to keep the authority of the operator's certificate. Unset: none.
    #[arg(long, env = "VOX_WEBHOOK_CONFIGURATION")]
    pub webhook_configuration: Option<String>,
    /// Where the API server asks about pods, over TLS, without a credential.
    #[arg(long, env = "VOX_LISTEN_ADMISSION", default_value = "0.0.0.0:8444")]
    pub listen_admission: SocketAddr,
}

fn json(text: &str) -> Result<serde_json::Value, serde_json::Error> {
    serde_json::from_str(text)
}

/// Settings of `run`.
#[derive(Debug, Clone, ClapArgs)]
pub struct RunSettings {
    /// Namespace of the operator itself: its lease and its certificate live there.
    #[arg(long, env = "VOX_NAMESPACE")]
    pub namespace: String,
    /// Name of its pod, which holds the lease.
    #[arg(long, env = "VOX_POD_NAME")]
    pub pod_name: String,
    /// Name of its Service; Jobs call `https://<service>.<namespace>.svc:8443`.
    #[arg(long, env = "VOX_SERVICE", default_value = "vox-operator")]
    pub service: String,
    /// Image of the discovery Jobs: the operator's own.
    #[arg(long, env = "VOX_IMAGE")]
    pub image: String,
    /// Pull policy of that image.
    #[arg(long, env = "VOX_IMAGE_PULL_POLICY", default_value = "IfNotPresent")]
    pub image_pull_policy: String,
    /// Names of the Secrets to pull that image with, comma separated; they must exist in the sources' namespaces.
    #[arg(long, env = "VOX_IMAGE_PULL_SECRETS", value_delimiter = ',')]
    pub image_pull_secrets: Vec<String>,
    /// Where the database is.
    #[command(flatten)]
    pub database: DatabaseSettings,
    /// How long history is kept.
    #[command(flatten)]
    pub retention: RetentionSettings,
    /// Where what happened is exported to.
    #[command(flatten)]
    pub otlp: OtlpSettings,
    /// Secret with the operator's certificate (`tls.crt`, `tls.key`) and its authority's (`ca.crt`).
    #[arg(long, env = "VOX_TLS_SECRET", default_value = "vox-operator-tls")]
    pub tls_secret: String,
    /// Whether the operator makes and renews that Secret itself; false where cert-manager does.
    #[arg(long, env = "VOX_TLS_MANAGED", default_value_t = true, action = clap::ArgAction::Set)]
    pub tls_managed: bool,
    /// Name of the lease that one replica holds.
    #[arg(long, env = "VOX_LEASE", default_value = "vox-operator")]
    pub lease: String,
    /// How many objects of one kind to reconcile at the same time.
    #[arg(long, env = "VOX_CONCURRENCY", default_value_t = 8)]
    pub concurrency: u16,
    /// How many discovery Jobs may run at the same time before the operator starts another one itself. Runs by schedule
    /// are not counted; their jitter spreads them.
    #[arg(long, env = "VOX_RUNS_AT_ONCE", default_value_t = 16)]
    pub runs_at_once: usize,
    /// What the injector puts into pods.
    #[command(flatten)]
    pub injection: InjectionSettings,
    /// Where Jobs and sidecars reach the control API, over TLS.
    #[arg(long, env = "VOX_LISTEN", default_value = "0.0.0.0:8443")]
    pub listen: SocketAddr,
    /// Where probes and metrics are served, in clear.
    #[arg(long, env = "VOX_LISTEN_HEALTH", default_value = "0.0.0.0:8080")]
    pub listen_health: SocketAddr,
    /// Where the command line reads catalogs. Keep it on loopback: it asks for no credential, `kubectl port-forward` and
    /// its RBAC are the way in.
    #[arg(long, env = "VOX_LISTEN_ADMIN", default_value = "127.0.0.1:8081")]
    pub listen_admin: SocketAddr,
}

/// Settings of `discover`. The operator sets all of them in the Job that it makes.
#[derive(Debug, Clone, ClapArgs)]
pub struct DiscoverSettings {
    /// Namespace of the source.
    #[arg(long, env = "VOX_SOURCE_NAMESPACE")]
    pub source_namespace: String,
    /// Name of the source.
    #[arg(long, env = "VOX_SOURCE_NAME")]
    pub source_name: String,
    /// Name of the Job: all its pods are one run.
    #[arg(long, env = "VOX_RUN")]
    pub run: String,
    /// The operator's URL.
    #[arg(long, env = "VOX_OPERATOR_URL")]
    pub operator_url: String,
    /// Certificate of the operator's authority, PEM. Public.
    #[arg(long, env = "VOX_OPERATOR_CA")]
    pub operator_ca: String,
    /// File with the ServiceAccount token for the operator.
    #[arg(long, env = "VOX_TOKEN_FILE", default_value = "/var/run/secrets/vox.dev/token/token")]
    pub token_file: PathBuf,
    /// File with the provider's API key; unset when the source names no credential.
    #[arg(long, env = "VOX_CREDENTIAL_FILE")]
    pub credential_file: Option<PathBuf>,
    /// What the credential file is a mount of (`Secret shop/openrouter, key apiKey`), for error messages.
    #[arg(long, env = "VOX_CREDENTIAL_NAME", default_value = "the credential")]
    pub credential_name: String,
    /// Wait so long before anything else: this source's part of the jitter, in seconds.
    #[arg(long, env = "VOX_DELAY_SECONDS", default_value_t = 0)]
    pub delay_seconds: u64,
    /// How long to keep asking an operator or database that is away, in seconds.
    #[arg(long, env = "VOX_PATIENCE_SECONDS", default_value_t = 600)]
    pub patience_seconds: u64,
}
