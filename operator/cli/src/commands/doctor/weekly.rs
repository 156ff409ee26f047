//! `vox doctor --report weekly`: was local cheaper than remote this week.

use std::net::IpAddr;

use serde::Serialize;
use vox_contracts::ProviderType;
use vox_contracts::price::Usd;
use vox_contracts::scoreboard::{GroupBy, Scoreboard, ScoreboardQuery, ScoreboardRow};

use crate::args::Global;
use crate::cluster::{Cluster, Operator};
use crate::commands::scoreboard::{cost, percent};
use crate::error::{Error, Exit};
use crate::output::Format;
use crate::progress::Progress;
use crate::table::table;

/// A week.
const DAYS: u32 = 7;
/// Ends of host names that no public server has.
const INNER: [&str; 6] = [".svc", ".cluster.local", ".local", ".internal", ".lan", ".home.arpa"];

/// The report in machine output.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Weekly {
    answer: String,
    local: Side,
    remote: Side,
}

/// One of the two.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Side {
    models: usize,
    calls: u64,
    successes: u64,
    /// Absent where that of a call is unknown.
    cost_usd: Option<Usd>,
    cost_per_success_usd: Option<Usd>,
}

impl Side {
    fn of<'a>(rows: impl Iterator<Item = &'a ScoreboardRow>) -> Self {
        let (mut side, mut pico) = (Self::default(), Some(0_i128));
        for row in rows {
            side.models += 1;
            side.calls += row.calls;
            side.successes += row.successes;
            pico = pico.and_then(|sum| sum.checked_add(row.cost_usd?.pico_usd()?));
        }
        side.cost_usd = pico.and_then(Usd::of_pico_usd);
        side.cost_per_success_usd =
            pico.and_then(|sum| Usd::of_pico_usd(sum.checked_div(side.successes.into())?));
        side
    }

    fn told(&self) -> String {
        format!(
            "answered {} of {} calls for {} USD ({} USD each)",
            self.successes,
            self.calls,
            cost(self.cost_usd, "an unknown number of"),
            cost(self.cost_per_success_usd, "?")
        )
    }
}

pub(super) async fn run(global: &Global, output: Format) -> Result<Exit, Error> {
    let cluster = Cluster::new(global).await?;
    let query = ScoreboardQuery {
        window_days: DAYS,
        namespace: global.namespace.clone(),
        group_by: Some(GroupBy::Model),
    };
    let read = async { Operator::find(&cluster).await?.scoreboard(&query).await };
    let board = Progress::during("reading the week from the operator", Box::pin(read)).await?;
    let report = weekly(&board);
    output.print(&report, || text(&report))?;
    Ok(Exit::Ok)
}

fn weekly(board: &Scoreboard) -> Weekly {
    let of = |local: bool| {
        let mine =
            move |row: &&ScoreboardRow| is_local(row.model_key.as_deref().unwrap_or_default()) == local;
        Side::of(board.rows.iter().filter(mine))
    };
    let (local, remote) = (of(true), of(false));
    Weekly { answer: answer(&local, &remote), local, remote }
}

fn answer(local: &Side, remote: &Side) -> String {
    let judgement = match (local.cost_per_success_usd, remote.cost_per_success_usd) {
        _ if local.calls + remote.calls == 0 => {
            return "No call of the last 7 days says anything of a model.".to_owned();
        }
        _ if local.calls == 0 => return format!("No local model was called; remote ones {}.", remote.told()),
        _ if remote.calls == 0 => return format!("No remote model was called; local ones {}.", local.told()),
        (Some(here), Some(there)) => match here.as_decimal().cmp(&there.as_decimal()) {
            std::cmp::Ordering::Less => "local was cheaper",
            std::cmp::Ordering::Greater => "remote was cheaper",
            std::cmp::Ordering::Equal => "neither was cheaper",
        },
        _ => "which was cheaper cannot be told, because costs are unknown or nothing was answered",
    };
    format!(
        "In the last 7 days local models {}, remote ones {}: {judgement} (hardware is not counted).",
        local.told(),
        remote.told()
    )
}

fn text(report: &Weekly) -> String {
    let row = |name: &str, side: &Side| {
        [
            name.to_owned(),
            side.models.to_string(),
            side.calls.to_string(),
            percent(side.successes, side.calls),
            cost(side.cost_usd, "?"),
            cost(side.cost_per_success_usd, "-"),
        ]
    };
    let rows = [row("local", &report.local), row("remote", &report.remote)];
    let headers = ["WHERE", "MODELS", "CALLS", "SUCCESS", "$ TOTAL", "$/SUCCESS"];
    format!("{}\n\n{}", report.answer, table(headers, &rows))
}

/// Whether a model's server is one's own: a provider that the contract calls local, or a host that the world does not know.
fn is_local(model_key: &str) -> bool {
    let server = model_key.split_once('/').map_or(model_key, |(server, _)| server);
    match server.parse::<ProviderType>() {
        Ok(ProviderType::Custom(host)) => is_inner(&host),
        Ok(provider) => provider.info().is_some_and(|info| info.local),
        Err(_) => false,
    }
}

fn is_inner(host: &str) -> bool {
    if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
        return match address {
            IpAddr::V4(address) => address.is_private() || address.is_loopback() || address.is_link_local(),
            IpAddr::V6(address) => {
                address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
            }
        };
    }
    // A host of one word has its port beside it, and is resolved by the cluster.
    !host.contains('.') || INNER.iter().any(|end| host.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::scoreboard::tests::row;

    fn report(rows: Vec<ScoreboardRow>) -> Weekly {
        weekly(&Scoreboard { window_days: DAYS, rolled_up_until: None, rows, tiers: vec![] })
    }

    #[test]
    fn servers_of_ones_own_are_local() {
        for local in
            ["ollama/a", "ollama.shop.svc/a", "vllm:8000/a", "localhost/a", "10.1.2.3/a", "gpu.lan/a"]
        {
            assert!(is_local(local), "{local}");
        }
        for remote in ["openrouter/maker/a", "api.example.com/a", "8.8.8.8/a", "openai/a", ""] {
            assert!(!is_local(remote), "{remote}");
        }
    }

    #[test]
    fn the_week_is_one_sentence_and_a_table() {
        let rows = vec![
            row("ollama.shop.svc/a", 130, 120, Some("0")),
            row("openrouter/maker/a", 900, 800, Some("2")),
            row("openrouter/maker/b", 50, 0, Some("0.4")),
        ];
        insta::assert_snapshot!(text(&report(rows)));
    }

    #[test]
    fn with_an_unknown_cost_nobody_was_cheaper() {
        let rows = vec![row("ollama/a", 1, 1, Some("0")), row("openai/a", 1, 1, None)];
        assert!(report(rows).answer.contains("cannot be told"));
    }

    #[test]
    fn where_only_one_side_was_called_there_is_nothing_to_compare() {
        let only = report(vec![row("openai/a", 2, 1, Some("0.5"))]).answer;
        assert_eq!(
            only,
            "No local model was called; remote ones answered 1 of 2 calls for 0.5 USD (0.5 USD each)."
        );
        assert!(report(vec![]).answer.starts_with("No call"));
    }
}
