//! Arguments of the commands that decide: `vox chat`, `vox model explain` and `vox policy`.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args as ClapArgs, Subcommand};
use vox_contracts::TaskCategory;
use vox_contracts::traffic::MOST_HOURS;
use vox_routing::Cost;

fn category() -> impl clap::builder::TypedValueParser<Value = TaskCategory> {
    PossibleValuesParser::new(TaskCategory::NAMES).try_map(|name| name.parse::<TaskCategory>())
}

/// What a request says of itself, beside its text.
#[derive(Debug, Clone, Default, ClapArgs)]
pub(crate) struct HintArgs {
    /// The kind of work. Default: what the text looks like.
    #[arg(long, value_parser = category())]
    pub(crate) category: Option<TaskCategory>,
    /// How hard it is. Default: what the text looks like.
    #[arg(long, value_name = "1-10", value_parser = clap::value_parser!(u8).range(1..=10))]
    pub(crate) complexity: Option<u8>,
    /// No model that may cost more for this request, at its worst case.
    #[arg(long, value_name = "USD")]
    pub(crate) max_usd: Option<Cost>,
    /// Only this one: an alias of the policy, a deployment's id, a model's id, vox/<category>, or vox/<identity>, which is one
    /// model at any of its servers. Default: vox/auto.
    #[arg(long, visible_alias = "force-model", value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// The longest answer, in tokens; also bounds what it may cost.
    #[arg(long, value_name = "TOKENS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_tokens: Option<u64>,
    /// What the model is told first.
    #[arg(long, value_name = "TEXT")]
    pub(crate) system: Option<String>,
}

/// Which gateway.
#[derive(Debug, Clone, Default, ClapArgs)]
pub(crate) struct GatewayArgs {
    /// The gateway's URL. Default: a port-forward to --pod, else to a pod of the gateway's Service.
    #[arg(long, env = "VOX_GATEWAY_URL", hide_env_values = true, value_name = "URL")]
    pub(crate) gateway: Option<String>,
    /// The sidecar of this pod of the namespace, rather than a shared gateway.
    #[arg(long, value_name = "NAME")]
    pub(crate) pod: Option<String>,
    /// The gateway's Service in the namespace. Default: the only one with label vox.dev/gateway=enabled.
    #[arg(long, value_name = "NAME")]
    pub(crate) service: Option<String>,
}

/// `vox chat`.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct ChatArgs {
    /// What to ask; - reads it from the standard input. Default: on a terminal a conversation, line by line.
    #[arg(value_name = "PROMPT")]
    pub(crate) prompt: Option<String>,
    #[command(flatten)]
    pub(crate) hints: HintArgs,
    #[command(flatten)]
    pub(crate) gateway: GatewayArgs,
    /// Print the answer when it is complete.
    #[arg(long)]
    pub(crate) no_stream: bool,
}

/// `vox feedback`.
#[derive(Debug, Clone, ClapArgs)]
#[group(id = "judgement", required = true, multiple = true, args = ["thumb", "score", "abstain"])]
pub(crate) struct FeedbackArgs {
    /// The decision's id: an answer carries it in x-vox-decision, and `vox chat` prints it.
    #[arg(value_name = "DECISION")]
    pub(crate) decision: String,
    /// What a person thinks of the answer.
    #[arg(long, value_enum)]
    pub(crate) thumb: Option<Thumb>,
    /// How good it was, from -1 (useless) to 1 (perfect); says more than a thumb.
    #[arg(long, value_name = "-1..1", allow_negative_numbers = true)]
    pub(crate) score: Option<f64>,
    /// The model declined to answer. With a --confidence below 0.5 it is kept from this kind of work for ten minutes.
    #[arg(long)]
    pub(crate) abstain: bool,
    /// How sure the model was.
    #[arg(long, value_name = "0..1", requires = "abstain")]
    pub(crate) confidence: Option<f64>,
    #[command(flatten)]
    pub(crate) gateway: GatewayArgs,
}

/// What a person presses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Thumb {
    /// Good.
    Up,
    /// Bad.
    Down,
}

/// `vox model explain`.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct ExplainArgs {
    /// What would be asked; - reads it from the standard input.
    #[arg(value_name = "TEXT", required_unless_present = "decision")]
    pub(crate) text: Option<String>,
    #[command(flatten)]
    pub(crate) hints: HintArgs,
    /// The cheapest that may.
    #[arg(long, conflicts_with_all = ["live", "decision"])]
    pub(crate) force_cost: bool,
    /// Which policy decides. Default: the namespace's only one, or its default.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["live", "decision"])]
    pub(crate) policy: Option<String>,
    /// Decide from this snapshot, as a gateway keeps it in its state folder, and ask no cluster.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["live", "decision"])]
    pub(crate) snapshot: Option<PathBuf>,
    /// Ask the gateway, which also knows keys, circuits and the day's budget. It calls nobody.
    #[arg(long)]
    pub(crate) live: bool,
    /// Explain this real call; its answer named it in x-vox-decision.
    #[arg(long, value_name = "ID", conflicts_with_all = ["text", "live"])]
    pub(crate) decision: Option<String>,
    #[command(flatten)]
    pub(crate) gateway: GatewayArgs,
    /// Also print who set each figure: bootstrap, discovered, observed, contract or policy.
    #[arg(long)]
    pub(crate) show_layers: bool,
    /// All candidates, and all that were stopped.
    #[arg(long)]
    pub(crate) all: bool,
}

/// `vox policy`.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Run a policy's own tests over catalogs, before it is applied; also print who would serve each category.
    ///
    /// The same code decides as in the operator and in the gateway. Without --catalog and --from-cluster the catalog that is
    /// compiled in is used, and no cluster is asked. The rules across fields that only the API server evaluates are not
    /// checked.
    Test(PolicyTestArgs),
    /// Print which categories another model would serve once a policy is applied, and why.
    ///
    /// Compares with what the namespace's gateways decide from now, or with the policy of another file.
    Diff(PolicyDiffArgs),
    /// What a policy would have made of the calls that another one decided: success, cost and latency, with an interval.
    ///
    /// Asks the policy about every logged call of the namespace, over the catalogs and the evidence of the cluster, and weighs
    /// the calls by the probabilities that their decisions were logged with. Where too few of them chose what the policy would,
    /// it says so and estimates nothing. The operator answers, over a port-forward to one of its pods: it takes verb create on
    /// pods/portforward in the operator's namespace. Exit status 1 when no category has an estimate.
    Evaluate(PolicyEvaluateArgs),
}

/// The policy, and what it chooses from.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct PolicyArgs {
    /// The RoutingPolicy, in YAML or JSON; - reads it from the standard input.
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Which one, where the file has several.
    #[arg(long, value_name = "NAME")]
    pub(crate) policy: Option<String>,
    /// The catalog of one source, as `vox catalog show NAME -o json` prints it; may be repeated.
    #[arg(long = "catalog", value_name = "NAME=FILE", value_parser = named_file)]
    pub(crate) catalogs: Vec<(String, PathBuf)>,
    /// The complexity that is asked with. Default: the contract's.
    #[arg(long, value_name = "1-10", value_parser = clap::value_parser!(u8).range(1..=10))]
    pub(crate) complexity: Option<u8>,
}

/// `vox policy test`.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct PolicyTestArgs {
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
    /// The catalogs that the namespace's sources have published.
    #[arg(long, conflicts_with = "catalogs")]
    pub(crate) from_cluster: bool,
}

/// `vox policy diff`.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct PolicyDiffArgs {
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
    /// Compare with this file's policy, over the same catalogs, and not with the cluster.
    #[arg(long, value_name = "FILE", conflicts_with = "snapshot")]
    pub(crate) against: Option<PathBuf>,
    /// Compare with this snapshot, as a gateway keeps it in its state folder.
    #[arg(long, value_name = "FILE", requires = "catalogs")]
    pub(crate) snapshot: Option<PathBuf>,
    /// With --against: over the catalogs that the namespace's sources have published.
    #[arg(long, conflicts_with_all = ["catalogs", "snapshot"])]
    pub(crate) from_cluster: bool,
    /// Also the categories where nothing changes.
    #[arg(long)]
    pub(crate) all: bool,
    /// Exit with status 1 when something changes.
    #[arg(long)]
    pub(crate) exit_code: bool,
}

/// `vox policy evaluate`.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct PolicyEvaluateArgs {
    /// The RoutingPolicy, in YAML or JSON; - reads it from the standard input.
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Which one, where the file has several.
    #[arg(long, value_name = "NAME")]
    pub(crate) policy: Option<String>,
    /// How far back to look, in hours or days.
    #[arg(long, default_value = "7d", value_parser = hours, value_name = "TIME")]
    pub(crate) since: u32,
    /// The policy that decided the calls. Default: the one of the same name.
    #[arg(long, value_name = "NAME")]
    pub(crate) traffic_of: Option<String>,
}

fn hours(text: &str) -> Result<u32, String> {
    let number = |unit| text.strip_suffix(unit).and_then(|number| number.parse::<u32>().ok());
    let hours = number('h').or_else(|| number('d')?.checked_mul(24));
    hours
        .filter(|hours| (1..=MOST_HOURS).contains(hours))
        .ok_or_else(|| format!("write it like 12h or 7d, from 1h to {}d", MOST_HOURS / 24))
}

fn named_file(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => Ok((name.to_owned(), file.into())),
        _ => Err("write it like openrouter=openrouter.json".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_hours_or_days() {
        assert_eq!((hours("12h"), hours("7d")), (Ok(12), Ok(168)));
        for wrong in ["7", "0h", "367d", "1.5d", "-1d", "7w", "4294967295d", ""] {
            assert!(hours(wrong).is_err(), "{wrong}");
        }
    }
}
