//! `vox discover`: which sources to ask, asking them, and waiting for what they find.

mod outcome;
mod plan;
mod wait;

use jiff::{Timestamp, Unit};
use kube::ResourceExt as _;
use vox_contracts::entry::CatalogSourceRef;
use vox_crds::ModelCatalogSource;

use crate::args::DiscoverArgs;
use crate::cluster::{self, Cluster};
use crate::error::{Error, Exit};
use crate::output::Format;
use crate::progress::{Progress, say};
use outcome::{Outcome, Row};
use plan::{Decision, Planned, plan};

pub(super) async fn run(cluster: &Cluster, args: &DiscoverArgs, output: Format) -> Result<Exit, Error> {
    let sources = Progress::during("reading the sources", Box::pin(selected(cluster, args))).await?;
    let now = Timestamp::now();
    let planned: Vec<Planned> = sources.into_iter().map(|source| plan(source, args.force, now)).collect();
    if planned.is_empty() && output == Format::Table {
        say(&super::none_found(&cluster.place));
    }
    if args.dry_run {
        return dry_run(&planned, args, output, now);
    }
    let rows = Box::pin(ask(cluster, planned, args)).await?;
    output.print(&rows, || rows.iter().map(|row| format!("{}\n", row.told())).collect())?;
    let named = !args.sources.is_empty();
    Ok(rows.iter().map(|row| row.exit(named)).max().unwrap_or(Exit::Ok))
}

/// The named sources, all of which must exist before any is asked; else those of the place.
async fn selected(cluster: &Cluster, args: &DiscoverArgs) -> Result<Vec<ModelCatalogSource>, Error> {
    if args.sources.is_empty() {
        return cluster::list(cluster, &cluster.place).await;
    }
    let mut names: Vec<CatalogSourceRef> = Vec::new();
    for source in &args.sources {
        let name = source.resolve(&cluster.place)?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let mut found = Vec::with_capacity(names.len());
    for name in &names {
        found.push(cluster::get(cluster, name).await?);
    }
    Ok(found)
}

fn dry_run(planned: &[Planned], args: &DiscoverArgs, output: Format, now: Timestamp) -> Result<Exit, Error> {
    let shown: Vec<&Planned> =
        planned.iter().filter(|planned| !args.check_freshness || !planned.freshness.is_fresh()).collect();
    let rows: Vec<plan::Row> = shown.iter().map(|planned| planned.row()).collect();
    output.print(&rows, || shown.iter().map(|planned| format!("{}\n", planned.told(now))).collect())?;
    if !args.check_freshness {
        return Ok(Exit::Ok);
    }
    if output == Format::Table {
        say(&format!("{} of {} sources are fresh", planned.len() - shown.len(), planned.len()));
    }
    Ok(if shown.is_empty() { Exit::Ok } else { Exit::No })
}

async fn ask(cluster: &Cluster, planned: Vec<Planned>, args: &DiscoverArgs) -> Result<Vec<Row>, Error> {
    // Milliseconds, so that two requests in one second are two.
    let now = Timestamp::now();
    let request = now.round(Unit::Millisecond).unwrap_or(now).to_string();
    let mut rows = Vec::with_capacity(planned.len());
    let mut asked = Vec::new();
    for Planned { source, decision, .. } in planned {
        match decision {
            Decision::Skip(reason) => rows.push(Row::new(&source, Outcome::Skipped(reason))),
            Decision::Ask(_) => {
                cluster::request_run(cluster, &reference(&source), &request).await?;
                asked.push(source);
            }
        }
    }
    if args.no_wait {
        rows.extend(asked.iter().map(|source| Row::new(source, Outcome::Asked)));
    } else {
        rows.extend(Box::pin(wait::wait(cluster, asked, &request, args.timeout)).await?);
    }
    rows.sort_by(|a, b| a.key().cmp(&b.key()));
    Ok(rows)
}

fn reference(source: &ModelCatalogSource) -> CatalogSourceRef {
    CatalogSourceRef { namespace: source.namespace().unwrap_or_default(), name: source.name_any() }
}
