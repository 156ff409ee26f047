//! Volumes for the node image that is built here. Its StorageClass `standard` has no provisioner, so
//! PersistentVolumes are made beforehand, as folders of the node; with kind's own image the provisioner
//! that it brings along does this.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::cluster::{Clusters, node_name};

/// Enough for the tests of one run; released ones are renewed by the next `up`.
const COUNT: usize = 12;
/// Larger than any claim of the chart and the tests; the folder has no limit of its own.
const CAPACITY: &str = "64Gi";
/// Where the folders are, on the node.
const FOLDER: &str = "/var/local/vox-volumes";
/// Only ours are renewed.
const LABEL: &str = "vox.dev/e2e-volume";

/// Makes the volumes that are missing, and makes those anew whose claim is gone: their data would
/// otherwise keep them from being bound again.
pub fn ensure(clusters: &Clusters<'_>, name: &str) -> Result<()> {
    let kubeconfig = clusters.paths.kubeconfig(name);
    let kubectl = |args: &[&str]| clusters.tools.kubectl(&kubeconfig, args);
    let list =
        kubectl(&["get", "persistentvolumes", "--output=json", &format!("--selector={LABEL}")]).output()?;
    let list: Value = serde_json::from_str(&list).context("failed to read the volumes")?;
    let used = |phase: &str| phase == "Available" || phase == "Bound";
    let (kept, spent): (Vec<_>, Vec<_>) = list["items"]
        .as_array()
        .into_iter()
        .flatten()
        .partition(|volume| volume["status"]["phase"].as_str().is_some_and(used));
    for volume in names(&spent) {
        kubectl(&["delete", "persistentvolume", volume]).output().context("failed to renew a volume")?;
    }
    let kept = names(&kept);
    let wanted: Vec<String> = (0..COUNT)
        .map(|number| format!("vox-{number}"))
        .filter(|volume| !kept.contains(&volume.as_str()))
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    // PostgreSQL insists on owning its folder, and a hostPath takes no notice of a pod's fsGroup: 999 is
    // the user of both images of it.
    let script = "for v in \"$@\"; do rm -rf \"$v\" && mkdir -p \"$v\" && chown 999:999 \"$v\" && chmod 0777 \"$v\" || exit 1; done";
    let folders = wanted.iter().map(|volume| format!("{FOLDER}/{volume}"));
    let exec = clusters.engine.docker(["exec", &node_name(name), "sh", "-c", script, "sh"]).args(folders);
    exec.output().context("failed to make the volumes' folders on the node")?;
    let items: Vec<Value> = wanted.iter().map(|volume| manifest(volume)).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    kubectl(&["apply", "--filename=-"])
        .input(list.to_string())
        .output()
        .context("failed to make the volumes")?;
    Ok(())
}

fn names<'a>(volumes: &[&'a Value]) -> Vec<&'a str> {
    volumes.iter().filter_map(|volume| volume["metadata"]["name"].as_str()).collect()
}

fn manifest(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "labels": {LABEL: ""}},
        "spec": {
            "capacity": {"storage": CAPACITY},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "standard",
            "hostPath": {"path": format!("{FOLDER}/{name}"), "type": "Directory"},
        },
    })
}
