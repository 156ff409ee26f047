//! Pods and tokens for sidecars. A pod with a scheduling gate is never placed on a node and costs nothing, but a token can be
//! bound to it: so the operator is shown a thousand pods and not one that asks a thousand times.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::cluster::Cluster;

/// The ServiceAccount of the simulated pods.
const ACCOUNT: &str = "default";
/// Calls of the API server at the same time.
const AT_ONCE: usize = 8;

/// The operator's authority, which is there as soon as the namespace has a policy.
pub(super) async fn authority(cluster: &mut Cluster, namespace: &str) -> anyhow::Result<String> {
    let path = format!("/api/v1/namespaces/{namespace}/configmaps/vox-authority");
    for _ in 0..60 {
        if let Ok(found) = cluster.get(&path).await
            && let Some(certificates) = found["data"]["ca.crt"].as_str()
        {
            return Ok(certificates.to_owned());
        }
        sleep(Duration::from_secs(1)).await;
    }
    anyhow::bail!("failed to find ConfigMap vox-authority: does the operator run?")
}

/// A token of a pod of its own for each sidecar.
pub(super) async fn tokens(cluster: &Cluster, namespace: &str, count: usize) -> anyhow::Result<Vec<String>> {
    let mut workers = JoinSet::new();
    for worker in 0..AT_ONCE {
        let (mut cluster, namespace) = (cluster.another(), namespace.to_owned());
        workers.spawn(async move {
            let mut tokens = Vec::new();
            for number in (worker..count).step_by(AT_ONCE) {
                tokens.push(token(&mut cluster, &namespace, number).await?);
            }
            anyhow::Ok(tokens)
        });
    }
    let mut tokens = Vec::new();
    while let Some(some) = workers.join_next().await {
        tokens.extend(some?.context("failed to prepare a pod")?);
    }
    Ok(tokens)
}

async fn token(cluster: &mut Cluster, namespace: &str, number: usize) -> anyhow::Result<String> {
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": format!("sidecar-{number:04}"), "labels": { "app.kubernetes.io/name": "vox-fleet" } },
        "spec": {
            "schedulingGates": [{ "name": "vox.dev/simulated" }],
            "containers": [{ "name": "none", "image": "none" }],
        },
    });
    let pod = cluster.create(&format!("/api/v1/namespaces/{namespace}/pods"), &pod).await?;
    cluster.token_of(namespace, ACCOUNT, &pod).await
}
