//! What the user may type. The reference page and the completions are made from this.

mod import;
mod routing;
mod scoreboard;
mod since;
mod telemetry;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use jiff::SignedDuration;
use vox_contracts::{ModelTier, StrengthTag};

pub(crate) use import::{ImportCommand, ImportLitellmArgs};
pub(crate) use routing::{
    ChatArgs, ExplainArgs, FeedbackArgs, GatewayArgs, HintArgs, PolicyCommand, PolicyDiffArgs,
    PolicyEvaluateArgs, PolicyTestArgs, Thumb,
};
pub(crate) use scoreboard::{
    DoctorArgs, FailOn, Group, PricingCommand, Report, ScoreboardCommand, TraceArgs, WindowArgs,
};

pub(crate) use since::Since;
pub(crate) use telemetry::{TelemetryCommand, TelemetryTestArgs};

use crate::cluster::SourceName;
use crate::output::Format;
use crate::reference;

/// Vox decides which language model serves which request. This command asks its sources to discover models, shows what
/// they found and when, says which model would serve and why, and talks to it.
#[derive(Debug, Parser)]
#[command(name = "vox", version, subcommand_required = true, arg_required_else_help = true)]
#[command(after_help = reference::exit_statuses())]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// A namespace's name as Kubernetes has them (RFC 1123): another one would be asked for where letters are changed.
fn namespace(name: &str) -> Result<String, &'static str> {
    let of_a_name = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'-';
    if (1..=63).contains(&name.len()) && name.bytes().all(of_a_name) {
        Ok(name.to_owned())
    } else {
        Err("a namespace has 1 to 63 of the letters a-z, 0-9 and -")
    }
}

/// Options of every command.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// How to print the result; json and yaml have stable field names.
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Table, value_name = "FORMAT")]
    pub(crate) output: Format,
    /// Namespace of the sources, the policies and the gateway. Default: the context's.
    #[arg(short, long, global = true, conflicts_with = "all_namespaces", value_parser = namespace)]
    pub(crate) namespace: Option<String>,
    /// The sources of all namespaces.
    #[arg(short = 'A', long, global = true)]
    pub(crate) all_namespaces: bool,
    /// Kubeconfig file, or several separated as in PATH. Default: ~/.kube/config, or the ServiceAccount inside a pod.
    #[arg(long, global = true, env = "KUBECONFIG", hide_env_values = true, value_name = "FILE")]
    pub(crate) kubeconfig: Option<OsString>,
    /// Context of the kubeconfig. Default: the current one.
    #[arg(long, global = true)]
    pub(crate) context: Option<String>,
    /// Namespace of the operator. Default: wherever its pods are found.
    #[arg(
        long,
        global = true,
        env = "VOX_OPERATOR_NAMESPACE",
        hide_env_values = true,
        value_name = "NAMESPACE"
    )]
    pub(crate) operator_namespace: Option<String>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Ask sources to discover their models now, and wait for what they find; also as `vox model discover`.
    ///
    /// Without --force only sources whose catalog is stale or was never fetched are asked. A provider is never asked
    /// more often than the source's minimum interval, also with --force.
    Discover(DiscoverArgs),
    /// The schedules of the sources.
    #[command(subcommand)]
    Scheduled(ScheduledCommand),
    /// What the sources have found.
    #[command(subcommand)]
    Catalog(CatalogCommand),
    /// Check the cluster, the operator, its database, and all sources, schedules, policies and keys; one line each, with what
    /// to do.
    ///
    /// Each line begins with a severity: OK, INFO (nothing to do), WARN (works, and will not for ever), FAIL (does not work).
    /// Looks at the objects of all namespaces when it may, and unless --namespace says otherwise. What it may not see is
    /// WARN, with what to ask an administrator for. No Secret is read. Exit status: 0 where nothing is FAIL, or with
    /// --fail-on warn where nothing is WARN or FAIL either; 1 for FAIL; 6 for WARN; 3 when the cluster cannot be reached.
    Doctor(DoctorArgs),
    /// Which model works for which task here, with how many samples, at what cost per success.
    #[command(subcommand)]
    Scoreboard(ScoreboardCommand),
    /// One turn of a user: its calls, and every try of each.
    ///
    /// The operator answers this, over a port-forward to one of its pods: it takes verb create on pods/portforward in the
    /// operator's namespace.
    Trace(TraceArgs),
    /// Whether what happened arrives at an OpenTelemetry collector.
    #[command(subcommand)]
    Telemetry(TelemetryCommand),
    /// Checks for a checkout of the project.
    #[command(subcommand)]
    Ci(CiCommand),
    /// Print the completion script of a shell.
    Completion {
        /// Which shell.
        shell: Shell,
    },
    /// Print the version of this command.
    Version,
    /// Ask the best allowed model, through a gateway; the answer comes as it is written.
    ///
    /// Which model answered, what it cost and the decision's id stand on the standard error, so that the answer can be piped.
    Chat(Box<ChatArgs>),
    /// Say how good an answer was, through a gateway of the call's namespace: the scoreboard counts it, once a call.
    Feedback(FeedbackArgs),
    /// Which model would serve, and why; and what models really cost.
    #[command(subcommand)]
    Model(ModelCommand),
    /// Policies before they are applied.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Objects from the configuration of another gateway.
    #[command(subcommand)]
    Import(ImportCommand),
    /// Print the reference page of this command.
    #[command(hide = true)]
    Reference {
        /// Print nothing; exit with status 1 when this file differs from the page.
        #[arg(long, value_name = "FILE")]
        check: Option<PathBuf>,
    },
}

/// `vox model`.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// The same as `vox discover`.
    #[command(hide = true)]
    Discover(DiscoverArgs),
    /// Which model would serve a text, and why; nobody is called.
    ///
    /// Decides with the same code as the gateway, from the namespace's snapshot, as if every model could be called and
    /// nothing were spent today. The operator hands the snapshot out over a port-forward to one of its pods: it takes verb
    /// create on pods/portforward in the operator's namespace. With --live or --decision a gateway is asked instead.
    Explain(Box<ExplainArgs>),
    /// Compute the scoreboard and the observed prices anew, now; the operator does so by itself every few minutes.
    Rollup,
    /// What models really cost.
    #[command(subcommand)]
    Pricing(PricingCommand),
}

/// `vox discover`.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct DiscoverArgs {
    /// Only this source; may be repeated. Default: all of the namespace, or with -A of all namespaces.
    #[arg(long = "source", value_name = "[NAMESPACE/]NAME", conflicts_with = "all_namespaces")]
    pub(crate) sources: Vec<SourceName>,
    /// Also ask sources whose catalog is fresh.
    #[arg(long)]
    pub(crate) force: bool,
    /// Wait until every source has answered; the default.
    #[arg(long, overrides_with = "no_wait")]
    pub(crate) wait: bool,
    /// Ask and return at once.
    #[arg(long, overrides_with = "wait")]
    pub(crate) no_wait: bool,
    /// How long to wait in all.
    #[arg(long, default_value = "5m", value_parser = duration, value_name = "DURATION")]
    pub(crate) timeout: Duration,
    /// Ask nobody; print which sources would be asked, and why.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Exit with status 1 when a source is stale or was never fetched, and print which.
    #[arg(long, requires = "dry_run")]
    pub(crate) check_freshness: bool,
}

/// `vox scheduled`.
#[derive(Debug, Subcommand)]
pub(crate) enum ScheduledCommand {
    /// The CronJobs of the sources: when they ran, when they run next, and which runs were missed.
    List,
}

/// `vox catalog`.
#[derive(Debug, Subcommand)]
pub(crate) enum CatalogCommand {
    /// The sources, with the age of their catalogs; with --source the models of that one, as `vox catalog show` has them.
    List(ListArgs),
    /// The models of one source, with their prices.
    ///
    /// The operator answers this, over a port-forward to one of its pods: it takes verb create on pods/portforward in the
    /// operator's namespace.
    Show(ShowArgs),
    /// What changed: models that came, went, are missing, cost or can do something else, or are on their way out.
    ///
    /// Of a source's first catalog only its size is told. The operator answers this, over a port-forward to one of its pods: it
    /// takes verb create on pods/portforward in the operator's namespace.
    Diff(DiffArgs),
}

/// `vox catalog diff`.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct DiffArgs {
    /// From when on: a time back from now such as 24h or 7d, or a date or time such as 2026-01-31 or 2026-01-31T12:00:00Z.
    #[arg(long, default_value = "24h", value_parser = Since::read, value_name = "WHEN")]
    pub(crate) since: Since,
    /// Only this source. Default: all of the namespace, or with -A of all namespaces.
    #[arg(long, value_name = "[NAMESPACE/]NAME", conflicts_with = "all_namespaces")]
    pub(crate) source: Option<SourceName>,
}

/// `vox catalog list`.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct ListArgs {
    /// The models of this source instead of the sources.
    #[arg(long, value_name = "[NAMESPACE/]NAME", conflicts_with = "all_namespaces")]
    pub(crate) source: Option<SourceName>,
}

/// `vox catalog show`.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct ShowArgs {
    /// Which source.
    #[arg(value_name = "[NAMESPACE/]NAME")]
    pub(crate) source: SourceName,
    /// Which of its models.
    #[command(flatten)]
    pub(crate) models: ModelFilter,
}

/// Which models of a catalog are shown: those that pass all that is given.
#[derive(Debug, Clone, Default, ClapArgs)]
pub(crate) struct ModelFilter {
    /// Only models whose id contains this, in upper or lower case.
    #[arg(long, value_name = "SUBSTRING")]
    pub(crate) filter: Option<String>,
    /// Only models whose identity, which is the same at every provider, contains this, in upper or lower case.
    #[arg(long, value_name = "SUBSTRING")]
    pub(crate) identity: Option<String>,
    /// Only models of this tier.
    #[arg(long, value_parser = PossibleValuesParser::new(ModelTier::NAMES).try_map(|name| name.parse::<ModelTier>()))]
    pub(crate) tier: Option<ModelTier>,
    /// Only models with this strength.
    #[arg(long, value_parser = PossibleValuesParser::new(StrengthTag::NAMES).try_map(|name| name.parse::<StrengthTag>()))]
    pub(crate) strength: Option<StrengthTag>,
}

/// `vox ci`.
#[derive(Debug, Subcommand)]
pub(crate) enum CiCommand {
    /// Check the contracts of a checkout; print file, JSON pointer and reason of every violation.
    Contracts {
        /// Root of the checkout.
        #[arg(long, default_value = ".")]
        dir: PathBuf,
    },
}

impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Table, Self::Json, Self::Yaml]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(self.name().into())
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let read = text.parse::<SignedDuration>().ok().and_then(|signed| Duration::try_from(signed).ok());
    read.ok_or_else(|| "write it like 90s, 5m or 1h30m".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Args::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_definitions_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn freshness_is_checked_in_a_dry_run_only() {
        assert!(parse("vox discover --check-freshness").is_err());
        assert!(parse("vox discover --dry-run --check-freshness").is_ok());
    }

    #[test]
    fn the_last_of_wait_and_no_wait_counts() {
        let Command::Discover(args) = parse("vox discover --wait --no-wait").unwrap().command else {
            panic!()
        };
        assert!(args.no_wait);
        let Command::Discover(args) = parse("vox discover --no-wait --wait").unwrap().command else {
            panic!()
        };
        assert!(!args.no_wait);
    }

    #[test]
    fn options_of_every_command_may_stand_anywhere() {
        assert_eq!(parse("vox -n shop catalog list").unwrap().global.namespace.as_deref(), Some("shop"));
        assert_eq!(parse("vox catalog list -n shop").unwrap().global.namespace.as_deref(), Some("shop"));
        assert!(parse("vox catalog list -n shop -A").is_err());
    }

    #[test]
    fn a_timeout_is_a_duration() {
        assert!(parse("vox discover --timeout 90s").is_ok());
        assert!(parse("vox discover --timeout soon").unwrap_err().to_string().contains("90s, 5m or 1h30m"));
        assert!(parse("vox discover --timeout=-5m").is_err());
    }

    #[test]
    fn nonsense_as_a_time_is_refused_with_what_to_write() {
        assert!(parse("vox catalog diff --since 7d --source shop/a").is_ok());
        let error = parse("vox catalog diff --since yesterday").unwrap_err().to_string();
        assert!(error.contains("24h"), "{error}");
        assert!(parse("vox catalog diff -A --source shop/a").is_err());
    }

    #[test]
    fn a_misspelt_tier_is_refused_with_the_known_ones() {
        let error = parse("vox catalog show a --tier cheap").unwrap_err().to_string();
        assert!(error.contains("economy"), "{error}");
    }
}
