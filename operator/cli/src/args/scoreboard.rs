//! Arguments of the commands that tell what happened: `vox scoreboard`, `vox model rollup` and `pricing`, `vox trace`.

use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use vox_contracts::scoreboard::GroupBy;

/// `vox scoreboard`.
#[derive(Debug, Subcommand)]
pub(crate) enum ScoreboardCommand {
    /// Which model works for which task here: samples, success, cost per success, latencies, quality.
    ///
    /// All namespaces together, unless --namespace names one. Groups and namespaces are computed from the calls themselves, so
    /// that their percentiles are exact too. The operator answers, over a port-forward to one of its pods: it takes verb
    /// create on pods/portforward in the operator's namespace.
    Show(ScoreboardShowArgs),
    /// Print the scoreboard as CSV, a line for each model and category, unrounded; docs/scoreboard.md documents the columns.
    Export(ScoreboardExportArgs),
}

/// How far back.
#[derive(Debug, Clone, Copy, ClapArgs)]
pub(crate) struct WindowArgs {
    /// How far back to look, in days. 1d, 7d and 30d are kept; others are computed from the calls.
    #[arg(long, default_value = "7d", value_parser = days, value_name = "DAYS")]
    pub(crate) window: u32,
}

/// `vox scoreboard show`.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct ScoreboardShowArgs {
    /// Put rows together; by provider also prints which price classes its calls went to.
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(crate) group_by: Option<Group>,
    /// Also tokens read from and written to caches, and what that saved.
    #[arg(long)]
    pub(crate) with_cache: bool,
    #[command(flatten)]
    pub(crate) window: WindowArgs,
}

/// `vox scoreboard export`.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct ScoreboardExportArgs {
    /// As CSV; there is no other form.
    #[arg(long, required = true)]
    pub(crate) csv: bool,
    #[command(flatten)]
    pub(crate) window: WindowArgs,
}

/// What rows are put together by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Group {
    /// Who serves.
    Provider,
    /// The model, over all categories.
    Model,
    /// The category, over all models.
    Category,
}

impl From<Group> for GroupBy {
    fn from(group: Group) -> Self {
        match group {
            Group::Provider => Self::Provider,
            Group::Model => Self::Model,
            Group::Category => Self::Category,
        }
    }
}

/// `vox model pricing`.
#[derive(Debug, Subcommand)]
pub(crate) enum PricingCommand {
    /// Prices as they were billed, by model, beside what the catalogs list.
    Show,
}

/// `vox trace`.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct TraceArgs {
    /// A turn's id, or that of one of its calls, as an answer's x-vox-decision named it.
    #[arg(value_name = "ID", value_parser = id)]
    pub(crate) id: String,
}

/// `vox doctor`.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct DoctorArgs {
    /// Print this report instead of the checks.
    #[arg(long, value_enum, value_name = "WHICH")]
    pub(crate) report: Option<Report>,
    /// From which severity on the exit status says so: 1 for FAIL, 6 for WARN.
    #[arg(long, value_enum, default_value_t = FailOn::Fail, value_name = "SEVERITY", conflicts_with = "report")]
    pub(crate) fail_on: FailOn,
}

/// From which severity on `vox doctor` does not exit with 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// What works and will not for ever.
    Warn,
    /// What does not work.
    Fail,
}

/// Which report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Report {
    /// What local and remote models answered and cost in the last seven days, and which were cheaper.
    Weekly,
}

fn days(text: &str) -> Result<u32, String> {
    let days = text.strip_suffix('d').and_then(|days| days.parse().ok());
    days.filter(|days| (1..=366).contains(days)).ok_or_else(|| "write it like 7d, from 1d to 366d".to_owned())
}

/// The id is put into a URL's path: it has nothing but digits.
fn id(text: &str) -> Result<String, String> {
    let digits = text.chars().filter(char::is_ascii_hexdigit).count();
    if digits == 32 && text.chars().all(|letter| letter.is_ascii_hexdigit() || letter == '-') {
        return Ok(text.to_ascii_lowercase());
    }
    Err("an id has 32 hexadecimal digits, with or without hyphens".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_whole_days() {
        assert_eq!(days("30d"), Ok(30));
        for wrong in ["30", "0d", "367d", "1.5d", "-1d", "7h", ""] {
            assert!(days(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_id_is_nothing_that_could_lead_elsewhere() {
        assert!(id("0192f0c1-2d4e-7a3b-8c5d-6e7f80912233").is_ok());
        for wrong in
            ["", "../health", "0192f0c1-2d4e-7a3b-8c5d-6e7f8091223", "0192f0c1-2d4e-7a3b-8c5d-6e7f80912233/x"]
        {
            assert!(id(wrong).is_err(), "{wrong}");
        }
    }
}
