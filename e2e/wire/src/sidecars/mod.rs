//! Stands in for sidecars: as many as one likes in one process, each with a pod and a token of its own, which follow the
//! operator's snapshots over TLS. Measures how long a change of a policy takes to the last of them, and how long they take
//! to come back when the operator is killed. Runs in a pod; `e2e/bench-sidecars` puts it there.

mod cluster;
mod connect;
mod document;
mod figures;
mod fleet;
mod prepare;
mod stream;
mod usage;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::{Value, json};
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::{Instant, sleep};

use cluster::Cluster;
use connect::Server;
use figures::{Spread, ms, percentile};
use fleet::Fleet;
use stream::Shared;

/// The longest that anything may take.
const PATIENCE: Duration = Duration::from_secs(180);
/// Between two changes: what is measured is one change, not a queue of them.
const BETWEEN: Duration = Duration::from_millis(400);

/// What is simulated and measured.
#[derive(Debug, Args)]
pub struct Sidecars {
    /// Where the sidecars live; the pod that runs this lives there too.
    #[arg(long, env = "NAMESPACE")]
    namespace: String,
    /// How many sidecars.
    #[arg(long, default_value_t = 1000)]
    count: usize,
    /// How many changes are measured, for each set of catalogs.
    #[arg(long, default_value_t = 30)]
    changes: u32,
    /// The policy that is changed; it is made if it is not there.
    #[arg(long, default_value = "fleet")]
    policy: String,
    /// Sources that the policy names, separated by commas; each set is measured by itself.
    #[arg(long = "catalogs", required = true)]
    catalogs: Vec<String>,
    /// Where the operator lives.
    #[arg(long, default_value = "vox-system")]
    operator_namespace: String,
    /// Kill the operator at the end, and measure how long it takes until all have a change that was made meanwhile.
    #[arg(long)]
    kill: bool,
}

impl Sidecars {
    /// Measures and prints.
    ///
    /// # Errors
    /// When something is missing, takes longer than three minutes, or must not be: a version that goes back, a digest that does
    /// not match.
    pub async fn run(&self, print: impl Fn(&str)) -> anyhow::Result<()> {
        let mut cluster = Cluster::of_pod()?;
        let first = self.catalogs.first().context("no catalogs")?;
        let generation = self.apply(&mut cluster, first, 0).await?;
        let authority = prepare::authority(&mut cluster, &self.namespace).await?;
        let begun = Instant::now();
        let tokens = prepare::tokens(&cluster, &self.namespace, self.count).await?;
        print(&format!(
            "{} pods that are never scheduled, each with a token: {:.1} s",
            self.count,
            begun.elapsed().as_secs_f64()
        ));

        let (events, told) = unbounded_channel();
        let address = format!("vox-operator.{}.svc:8443", self.operator_namespace);
        let shared = Shared {
            operator: Server::new(&address, authority.as_bytes())?,
            namespace: self.namespace.clone(),
            policy: self.policy.clone(),
            events,
            known: Default::default(),
            reader: Default::default(),
        };
        let begun = Instant::now();
        let mut fleet = Fleet::start(Arc::new(shared), told, tokens);
        let since = fleet.all_have(generation, PATIENCE).await?;
        print(&format!(
            "all connected, with tokens that the operator had not seen: {}",
            spread(begun, &since)
        ));
        print(&format!("on the way: {:?}", std::mem::take(&mut fleet.ends)));

        for catalogs in &self.catalogs {
            self.measure(&mut cluster, &mut fleet, catalogs, &print).await?;
        }
        if self.kill {
            self.kill(&mut cluster, &mut fleet, &print).await?;
        }
        if !fleet.wrong.is_empty() {
            bail!("{}", fleet.wrong.join("; "));
        }
        print(
            "every version was newer than the one before, every digest matched, and all got the same bytes",
        );
        Ok(())
    }

    async fn measure(
        &self,
        cluster: &mut Cluster,
        fleet: &mut Fleet,
        catalogs: &str,
        print: impl Fn(&str),
    ) -> anyhow::Result<()> {
        let generation = self.apply(cluster, catalogs, 0).await?;
        fleet.all_have(generation, PATIENCE).await?;
        let models = fleet.holds().map_or(0, |holds| holds.models);
        let (bytes, sent) = fleet.bytes;
        print(&format!(
            "== {catalogs}: {models} models, a snapshot of {bytes} bytes that is sent in {sent}, {} sidecars",
            self.count
        ));
        let (used, stages) = self.look(cluster).await?;
        let mut spreads = Vec::new();
        for change in 1..=self.changes {
            sleep(BETWEEN).await;
            let generation = self.apply(cluster, catalogs, change).await?;
            let answered = Instant::now();
            let spread = spread(answered, &fleet.all_have(generation, PATIENCE).await?);
            print(&format!("change {change:>3}: {spread}"));
            spreads.push(spread);
        }
        let (used_after, stages_after) = self.look(cluster).await?;
        for (name, of) in FIGURES {
            let mut all: Vec<Duration> = spreads.iter().map(of).collect();
            all.sort_unstable();
            let (p50, p99) = (ms(percentile(&all, 0.5)), ms(percentile(&all, 0.99)));
            print(&format!(
                "from the API server's answer to the {name} sidecar: p50 {p50:.1} ms, p99 {p99:.1} ms"
            ));
        }
        for line in usage::compare(&used, &used_after, self.changes) {
            print(&line);
        }
        print(&format!("in the operator: {}", usage::means(&stages, &stages_after)));
        Ok(())
    }

    async fn look(&self, cluster: &mut Cluster) -> anyhow::Result<(usage::Usage, usage::Stages)> {
        let stages = usage::stages(cluster, &self.operator_namespace).await?;
        Ok((usage::usage(cluster, &self.operator_namespace).await?, stages))
    }

    async fn kill(
        &self,
        cluster: &mut Cluster,
        fleet: &mut Fleet,
        print: impl Fn(&str),
    ) -> anyhow::Result<()> {
        let pods = format!("/api/v1/namespaces/{}/pods", self.operator_namespace);
        let found =
            cluster.get(&format!("{pods}?labelSelector=app.kubernetes.io/component=operator")).await?;
        let begun = Instant::now();
        for pod in found["items"].as_array().into_iter().flatten() {
            let name = pod["metadata"]["name"].as_str().unwrap_or_default();
            cluster.delete(&format!("{pods}/{name}")).await?;
        }
        let catalogs = self.catalogs.last().context("no catalogs")?;
        let generation = self.apply(cluster, catalogs, self.changes + 1).await?;
        fleet.ends.clear();
        let since = fleet.all_have(generation, PATIENCE).await?;
        print(&format!("== the operator's pod deleted, the policy changed: {}", spread(begun, &since)));
        let mut ends: Vec<_> = fleet.ends.iter().map(|(why, times)| format!("{times} × {why}")).collect();
        ends.sort_unstable();
        print(&format!("streams ended or were refused: {}", ends.join("; ")));
        Ok(())
    }

    /// Applies the policy, which differs in one figure of a route; its generation.
    async fn apply(&self, cluster: &mut Cluster, catalogs: &str, change: u32) -> anyhow::Result<i64> {
        let names: Vec<Value> = catalogs.split(',').map(|name| json!({ "name": name })).collect();
        let policy = json!({
            "apiVersion": "vox.dev/v1alpha1",
            "kind": "RoutingPolicy",
            "metadata": { "name": self.policy, "namespace": self.namespace },
            "spec": {
                "default": true,
                "catalogs": names,
                "routes": [{ "category": "chat", "maxLatencyMs": 8000 + change }],
            },
        });
        let path =
            format!("/apis/vox.dev/v1alpha1/namespaces/{}/routingpolicies/{}", self.namespace, self.policy);
        let applied = cluster.apply(&path, &policy).await?;
        applied["metadata"]["generation"].as_i64().context("the policy has no generation")
    }
}

type Figure = (&'static str, fn(&Spread) -> Duration);
const FIGURES: [Figure; 3] =
    [("first", |spread| spread.first), ("median", |spread| spread.median), ("last", |spread| spread.last)];

/// From a moment until each had it.
fn spread(from: Instant, since: &[Instant]) -> Spread {
    Spread::of(since.iter().map(|since| since.saturating_duration_since(from)).collect())
}
