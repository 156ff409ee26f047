//! A look at what is there, without touching it.

use anyhow::Result;

use crate::cluster::{Clusters, node_name};
use crate::engine::Engine;
use crate::paths::Paths;
use crate::tools::Tools;
use crate::{daemon, database, images};

/// Prints a short table.
pub fn print(paths: &Paths) -> Result<()> {
    let row = |what: &str, text: &str| println!("{what:<10} {text}");
    let Some(engine) = Engine::running(paths) else {
        row(
            "engine",
            if daemon::is_known(paths) { "ours, not answering: `vox-e2e up` mends it" } else { "none" },
        );
        return Ok(());
    };
    row("engine", &describe(paths, &engine));
    if let Some(tools) = Tools::find(paths)? {
        let clusters = Clusters { paths, engine: &engine, tools: &tools };
        for name in clusters.names()? {
            row("cluster", &format!("{name}  {}", describe_cluster(&clusters, &name)));
        }
    }
    row("database", &database::url(&engine).unwrap_or_else(|| "none".to_owned()));
    for (variable, image) in images::recorded(paths) {
        let state = if engine.has_image(&image) { "built" } else { "gone: run `vox-e2e images`" };
        row("image", &format!("{variable}={image}  {state}"));
    }
    Ok(())
}

fn describe(paths: &Paths, engine: &Engine) -> String {
    let version = engine.info().map(|info| info.server_version).unwrap_or_default();
    match (engine.host(), daemon::pid(paths)) {
        (Some(host), Some(pid)) => format!("ours, {version}, pid {pid}, {host}"),
        _ => format!("the user's, {version}"),
    }
}

fn describe_cluster(clusters: &Clusters<'_>, name: &str) -> String {
    let age = clusters.engine.docker([
        "ps",
        "--all",
        "--format",
        "{{.Status}}",
        "--filter",
        &format!("name=^{}$", node_name(name)),
    ]);
    let age = age.output().unwrap_or_default();
    let ready = clusters.readiness(name).map_or_else(
        |error| format!("not ready ({})", last_line(&error.to_string())),
        |()| "ready".to_owned(),
    );
    format!("{ready}, node {}, KUBECONFIG={}", age.to_lowercase(), clusters.paths.kubeconfig(name).display())
}

/// A table has room for one line, and the last one says most.
fn last_line(text: &str) -> &str {
    text.lines().next_back().unwrap_or_default().trim_start_matches([' ', '|'])
}
