//! One file or folder a command.

mod catalog;
mod chat;
mod ci;
mod completion;
mod discover;
mod doctor;
mod explain;
mod feedback;
mod import;
mod policy;
mod pricing;
mod scheduled;
mod scoreboard;
mod telemetry;
mod trace;

use serde_json::json;

use crate::args::{
    Args, CatalogCommand, CiCommand, Command, ImportCommand, ModelCommand, PricingCommand, ScheduledCommand,
    TelemetryCommand,
};
use crate::cluster::{Cluster, Place};
use crate::error::{Error, Exit};
use crate::reference;

/// Does what the arguments say.
pub(crate) async fn run(args: Args) -> Result<Exit, Error> {
    let Args { global, command } = args;
    let output = global.output;
    match command {
        Command::Discover(args) | Command::Model(ModelCommand::Discover(args)) => {
            Box::pin(discover::run(&Cluster::new(&global).await?, &args, output)).await
        }
        Command::Scheduled(ScheduledCommand::List) => {
            scheduled::list(&Cluster::new(&global).await?, output).await
        }
        Command::Catalog(CatalogCommand::List(args)) => {
            catalog::list(&Cluster::new(&global).await?, args, output).await
        }
        Command::Catalog(CatalogCommand::Show(args)) => {
            catalog::show(&Cluster::new(&global).await?, &args, output).await
        }
        Command::Catalog(CatalogCommand::Diff(args)) => {
            catalog::diff(&Cluster::new(&global).await?, &args, output).await
        }
        Command::Chat(args) => Box::pin(chat::run(&args, &global)).await,
        Command::Feedback(args) => Box::pin(feedback::run(&args, &global)).await,
        Command::Model(ModelCommand::Explain(args)) => Box::pin(explain::run(&args, &global)).await,
        Command::Policy(command) => Box::pin(policy::run(&command, &global)).await,
        Command::Model(ModelCommand::Rollup) => pricing::roll_up(&global).await,
        Command::Model(ModelCommand::Pricing(PricingCommand::Show)) => pricing::show(&global).await,
        Command::Scoreboard(command) => Box::pin(scoreboard::run(&command, &global)).await,
        Command::Trace(args) => Box::pin(trace::run(&args, &global)).await,
        Command::Telemetry(TelemetryCommand::Test(args)) => Box::pin(telemetry::test(&args, &global)).await,
        Command::Doctor(args) => doctor::run(&args, &global, output).await,
        Command::Ci(CiCommand::Contracts { dir }) => ci::contracts(&dir, output),
        Command::Completion { shell } => completion::print(shell),
        Command::Version => {
            let version = env!("CARGO_PKG_VERSION");
            output.print(&json!({ "version": version }), || format!("vox {version}"))?;
            Ok(Exit::Ok)
        }
        Command::Import(ImportCommand::Litellm(args)) => import::litellm(&args, &global),
        Command::Reference { check } => reference::run(check.as_deref()),
    }
}

/// What to say instead of an empty table.
fn none_found(place: &Place) -> String {
    match place {
        Place::All => "there are no sources; examples/ in the project has some to apply".to_owned(),
        Place::Namespace(_) => format!("there are no sources {}; -A shows all namespaces", place.told()),
    }
}
