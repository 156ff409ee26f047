//! What the operator and its database use, as the kubelet counts it, and where the operator says its time goes.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::cluster::Cluster;

/// The kubelet looks every ten to fifteen seconds.
const LOOK: Duration = Duration::from_secs(30);

/// One container's use.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Used {
    cpu_ns: u64,
    memory: u64,
}

/// The use of the namespace's pods, by `app.kubernetes.io/component`.
pub(super) type Usage = BTreeMap<String, Used>;

/// As it is at a look of the kubelet that is newer than this call.
pub(super) async fn usage(cluster: &mut Cluster, namespace: &str) -> anyhow::Result<Usage> {
    let begun = jiff::Timestamp::now();
    let until = Instant::now() + LOOK;
    loop {
        let (usage, oldest) = look(cluster, namespace).await?;
        if oldest.is_some_and(|oldest| oldest >= begun) || Instant::now() > until {
            return Ok(usage);
        }
        sleep(Duration::from_secs(1)).await;
    }
}

async fn look(cluster: &mut Cluster, namespace: &str) -> anyhow::Result<(Usage, Option<jiff::Timestamp>)> {
    let pods = cluster.get(&format!("/api/v1/namespaces/{namespace}/pods")).await?;
    let mut summaries: BTreeMap<String, Value> = BTreeMap::new();
    let (mut usage, mut oldest) = (Usage::new(), None::<jiff::Timestamp>);
    for pod in list(&pods["items"]) {
        let (Some(name), Some(node)) = (pod["metadata"]["name"].as_str(), pod["spec"]["nodeName"].as_str())
        else {
            continue;
        };
        if !summaries.contains_key(node) {
            let summary = cluster.get(&format!("/api/v1/nodes/{node}/proxy/stats/summary")).await?;
            summaries.insert(node.to_owned(), summary);
        }
        let component = pod["metadata"]["labels"]["app.kubernetes.io/component"].as_str().unwrap_or(name);
        let stats = summaries.get(node).context("no summary")?;
        let of_pod =
            |stats: &&Value| stats["podRef"]["name"] == name && stats["podRef"]["namespace"] == namespace;
        for container in list(&stats["pods"]).iter().filter(of_pod).flat_map(|pod| list(&pod["containers"])) {
            let used = usage.entry(component.to_owned()).or_default();
            used.cpu_ns += container["cpu"]["usageCoreNanoSeconds"].as_u64().unwrap_or_default();
            used.memory += container["memory"]["workingSetBytes"].as_u64().unwrap_or_default();
            let time = container["cpu"]["time"].as_str().and_then(|time| time.parse().ok());
            oldest = match (oldest, time) {
                (Some(oldest), Some(time)) => Some(oldest.min(time)),
                (oldest, time) => oldest.or(time),
            };
        }
    }
    Ok((usage, oldest))
}

/// A line for each: CPU between two looks, and memory at the second.
pub(super) fn compare(before: &Usage, after: &Usage, changes: u32) -> Vec<String> {
    let line = |(component, after): (&String, &Used)| {
        let before = before.get(component).copied().unwrap_or_default();
        let cpu = after.cpu_ns.saturating_sub(before.cpu_ns) as f64 / 1e6 / f64::from(changes.max(1));
        let mebibytes = after.memory as f64 / f64::from(1 << 20);
        format!("{component}: {cpu:.0} ms of CPU a change, {mebibytes:.0} MiB")
    };
    after.iter().map(line).collect()
}

/// Sums and counts of the operator's histogram of the stages of a change.
pub(super) type Stages = BTreeMap<String, (f64, f64)>;

/// What the operator measured since it began.
pub(super) async fn stages(cluster: &mut Cluster, namespace: &str) -> anyhow::Result<Stages> {
    let path = format!("/api/v1/namespaces/{namespace}/services/vox-operator:8080/proxy/metrics");
    Ok(parse(&cluster.text(&path).await?))
}

fn parse(metrics: &str) -> Stages {
    let mut stages = Stages::new();
    for line in metrics.lines() {
        let Some(rest) = line.strip_prefix("vox_policy_stage_seconds_") else { continue };
        let Some((head, value)) = rest.rsplit_once(' ') else { continue };
        let Some(stage) = head.split('"').nth(1) else { continue };
        let value: f64 = value.parse().unwrap_or_default();
        if head.starts_with("sum{") {
            stages.entry(stage.to_owned()).or_default().0 = value;
        } else if head.starts_with("count{") {
            stages.entry(stage.to_owned()).or_default().1 = value;
        }
    }
    stages
}

/// The mean of each stage between two looks, in milliseconds.
pub(super) fn means(before: &Stages, after: &Stages) -> String {
    let mean = |(stage, (sum, count)): (&String, &(f64, f64))| {
        let (sum_before, count_before) = before.get(stage).copied().unwrap_or_default();
        let times = count - count_before;
        (times > 0.0).then(|| format!("{stage} {:.1} ms ({times})", (sum - sum_before) * 1000.0 / times))
    };
    after.iter().filter_map(mean).collect::<Vec<_>>().join(", ")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_of_what_came_between_two_looks() {
        let text = |sum, count| {
            parse(&format!(
                "vox_policy_stage_seconds_sum{{stage=\"build\"}} {sum}\nvox_policy_stage_seconds_count{{stage=\"build\"}} {count}\n\
                 vox_policy_stage_seconds_bucket{{le=\"0.001\",stage=\"build\"}} 1\n"
            ))
        };
        assert_eq!(means(&text("1.0", 10), &text("1.5", 20)), "build 50.0 ms (10)");
    }
}
