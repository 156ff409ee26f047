//! What to show when a cluster does not come up: the part that failed, in its own words.

use std::path::Path;

use crate::cluster::node_name;
use crate::engine::Engine;
use crate::tools::Tools;

/// Lines of each log.
const LINES: &str = "12";

/// What the node's programs said last.
pub fn node(engine: &Engine, cluster: &str) -> String {
    let node = node_name(cluster);
    let mut report = String::new();
    for unit in ["kubelet", "containerd", "node-images"] {
        let journal =
            ["exec", &node, "journalctl", "--no-pager", "--output=cat", "--lines", LINES, "--unit", unit];
        if let Ok(text) = engine.docker(journal).limit(15).output() {
            report.push_str(&section(&format!("{unit} on {node}"), &text));
        }
    }
    if report.is_empty() {
        let log = engine.docker(["logs", "--tail", LINES, &node]).limit(15).output().unwrap_or_default();
        report = section(&format!("log of {node}"), &log);
    }
    report
}

/// Pods that are not there, and why.
pub fn pods(tools: &Tools, kubeconfig: &Path) -> String {
    let pods =
        tools.kubectl(kubeconfig, ["get", "pods", "--all-namespaces", "--output=wide"]).limit(15).output();
    let events =
        ["get", "events", "--all-namespaces", "--field-selector=type=Warning", "--sort-by=.lastTimestamp"];
    let events = tools.kubectl(kubeconfig, events).limit(15).output().unwrap_or_default();
    let last: Vec<&str> = events.lines().rev().take(10).collect();
    let last: Vec<&str> = last.into_iter().rev().collect();
    section("pods", &pods.unwrap_or_default()) + &section("warnings", &last.join("\n"))
}

fn section(title: &str, text: &str) -> String {
    if text.trim().is_empty() {
        return String::new();
    }
    let lines: String = text.lines().map(|line| format!("\n  | {line}")).collect();
    format!("\n{title}:{lines}")
}
