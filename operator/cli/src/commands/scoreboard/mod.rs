//! `vox scoreboard`: what happened, by model and kind of work.

mod csv;
mod show;

use jiff::Timestamp;
use vox_contracts::scoreboard::{Scoreboard, ScoreboardQuery};

use crate::args::{Global, ScoreboardCommand, WindowArgs};
use crate::cluster::{Cluster, Operator};
use crate::error::{Error, Exit};
use crate::output::{Format, print};
use crate::progress::{Progress, say};
use crate::relative::ago;

#[cfg(test)]
pub(in crate::commands) use show::tests;
pub(in crate::commands) use show::{cost, percent};

pub(super) async fn run(command: &ScoreboardCommand, global: &Global) -> Result<Exit, Error> {
    match command {
        ScoreboardCommand::Show(args) => {
            let board = Box::pin(ask(global, args.window, args.group_by.map(Into::into))).await?;
            if board.rows.is_empty() && global.output == Format::Table {
                say(&none(&board));
                return Ok(Exit::Ok);
            }
            global.output.print(&board, || show::text(&board, args.group_by, args.with_cache))?;
            if global.output == Format::Table {
                say(&age(&board, Timestamp::now()));
            }
        }
        ScoreboardCommand::Export(args) => {
            let board = Box::pin(ask(global, args.window, None)).await?;
            print(&csv::write(&board.rows).map_err(|reason| Error::Serialise { format: "csv", reason })?)?;
        }
    }
    Ok(Exit::Ok)
}

async fn ask(
    global: &Global,
    window: WindowArgs,
    group_by: Option<vox_contracts::scoreboard::GroupBy>,
) -> Result<Scoreboard, Error> {
    let cluster = Cluster::new(global).await?;
    let query = ScoreboardQuery { window_days: window.window, namespace: global.namespace.clone(), group_by };
    let read = async { Operator::find(&cluster).await?.scoreboard(&query).await };
    Progress::during("reading the scoreboard from the operator", Box::pin(read)).await
}

fn none(board: &Scoreboard) -> String {
    let days = board.window_days;
    match board.rolled_up_until {
        None => "the scoreboard was never rolled up; vox model rollup does it now".to_owned(),
        Some(_) => format!("no call of the last {days} days that was rolled up says anything of a model"),
    }
}

/// How old what was printed is.
fn age(board: &Scoreboard, now: Timestamp) -> String {
    let days = board.window_days;
    match board.rolled_up_until {
        Some(until) => {
            format!("the last {days} days, rolled up {}; vox model rollup does it now", ago(now, until))
        }
        None => format!("the last {days} days"),
    }
}
