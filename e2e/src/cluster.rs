//! kind clusters: healthy ones are kept, all others are made anew.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::engine::Engine;
use crate::node_image::NodeImage;
use crate::paths::Paths;
use crate::run::{Cmd, say};
use crate::tools::Tools;
use crate::{diagnose, host, volumes};

/// What all our clusters' names begin with.
pub const PREFIX: &str = "vox-";
/// Their names, in the order in which they are made.
pub const NAMES: [&str; 2] = ["vox-a", "vox-b"];
/// A node that was started again needs half a minute until its pods are there.
const RECOVERY: Duration = Duration::from_secs(90);
/// A new cluster's DNS is there after 30 s; on a busy machine it takes longer.
const READY: Duration = Duration::from_secs(240);

/// All that working on clusters takes.
#[derive(Debug)]
pub struct Clusters<'a> {
    /// Where things are kept.
    pub paths: &'a Paths,
    /// The engine they run on.
    pub engine: &'a Engine,
    /// kind and kubectl.
    pub tools: &'a Tools,
}

/// What the engine says of a cluster's node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Whether it runs.
    pub running: bool,
    /// The image it was made from.
    pub image: String,
}

/// What to do with a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// There is none: make it.
    Make,
    /// It may be healthy: give it time, keep it if it is.
    Check,
    /// It cannot become what is wanted: delete it and make it.
    Replace(&'static str),
}

/// Judges a cluster by its node and by whether we can talk to it; whether it answers is asked later.
pub fn judge(node: Option<&Node>, wanted_image: &str, has_kubeconfig: bool) -> Verdict {
    match node {
        None => Verdict::Make,
        Some(node) if node.image != wanted_image => Verdict::Replace("it was made from another node image"),
        Some(node) if !node.running => Verdict::Replace("its node does not run"),
        Some(_) if !has_kubeconfig => Verdict::Replace("it was not completed"),
        Some(_) => Verdict::Check,
    }
}

impl Clusters<'_> {
    /// The names of the clusters that are there, whole or broken.
    pub fn names(&self) -> Result<Vec<String>> {
        let names =
            self.kind(["get", "clusters", "--quiet"]).output().context("failed to list the clusters")?;
        Ok(names.lines().filter(|name| self.is_ours(name)).map(str::to_owned).collect())
    }

    /// On an engine of our own everything with our prefix is ours; on the user's engine only the two
    /// names are.
    fn is_ours(&self, name: &str) -> bool {
        NAMES.contains(&name) || (self.engine.is_ours() && name.starts_with(PREFIX))
    }

    /// Brings one cluster up. Says whether it had to be made.
    pub fn ensure(&self, name: &str, image: &NodeImage) -> Result<bool> {
        match judge(self.node(name).as_ref(), &image.name, self.paths.kubeconfig(name).exists()) {
            Verdict::Make => {}
            Verdict::Replace(reason) => {
                say(format!("{name}: {reason}; making it anew"));
                self.delete(name)?;
            }
            Verdict::Check => match self.recover(name) {
                Ok(()) => return self.complete(name, image).map(|()| false),
                Err(error) => {
                    say(format!("{name}: {error:#}; making it anew"));
                    self.delete(name)?;
                }
            },
        }
        self.make(name, image)?;
        Ok(true)
    }

    fn make(&self, name: &str, image: &NodeImage) -> Result<()> {
        say(format!("{name}: making the cluster"));
        // The kubeconfig gets its name when the cluster is complete, so that a killed run leaves no
        // cluster that looks whole.
        let part = self.unfinished_kubeconfig(name);
        std::fs::remove_file(&part).ok();
        let create = self.kind(["create", "cluster", "--retain", "--name", name, "--image", &image.name]);
        let create = create.arg("--kubeconfig").arg(&part).limit(420);
        create.show(&self.paths.log(&format!("kind-{name}"))).with_context(|| {
            format!("failed to make the cluster {name}{}", diagnose::node(self.engine, name))
        })?;
        std::fs::rename(&part, self.paths.kubeconfig(name)).context("failed to keep the kubeconfig")?;
        let complete = self.wait_ready(name, READY).and_then(|()| self.complete(name, image));
        complete.inspect_err(|_| drop(std::fs::remove_file(self.paths.kubeconfig(name)))).with_context(|| {
            let pods = diagnose::pods(self.tools, &self.paths.kubeconfig(name));
            format!("failed to make the cluster {name}{pods}{}", diagnose::node(self.engine, name))
        })
    }

    fn complete(&self, name: &str, image: &NodeImage) -> Result<()> {
        if image.built { volumes::ensure(self, name) } else { Ok(()) }
    }

    /// Deletes a cluster, however broken.
    pub fn delete(&self, name: &str) -> Result<()> {
        let kubeconfig = self.paths.kubeconfig(name);
        let delete = self.kind(["delete", "cluster", "--name", name]).arg("--kubeconfig").arg(&kubeconfig);
        delete.limit(120).output().with_context(|| format!("failed to delete the cluster {name}"))?;
        for file in [kubeconfig, self.unfinished_kubeconfig(name)] {
            std::fs::remove_file(file).ok();
        }
        Ok(())
    }

    fn unfinished_kubeconfig(&self, name: &str) -> std::path::PathBuf {
        self.paths.kubeconfig(name).with_extension("part")
    }

    fn recover(&self, name: &str) -> Result<()> {
        // Engines give addresses in the order in which containers start, and a control plane is made for
        // one address. kind's own image adapts itself; ours would wait for ever.
        match (self.readiness(name), self.address(name), self.address_made_for(name)) {
            (Err(_), Some(now), Some(then)) if now != then => {
                bail!("its node was made for the address {then} and now has {now}")
            }
            _ => self.wait_ready(name, RECOVERY),
        }
    }

    fn address(&self, name: &str) -> Option<String> {
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        self.engine.docker(["container", "inspect", "--format", format, &node_name(name)]).output().ok()
    }

    fn address_made_for(&self, name: &str) -> Option<String> {
        let read = ["exec", &node_name(name), "cat", "/etc/kubernetes/manifests/kube-apiserver.yaml"];
        advertised_address(&self.engine.docker(read).output().ok()?).map(str::to_owned)
    }

    fn wait_ready(&self, name: &str, limit: Duration) -> Result<()> {
        let mut reason = self.readiness(name);
        if reason.is_ok() {
            return Ok(());
        }
        say(format!("{name}: waiting for nodes and DNS"));
        host::wait_until(limit, || {
            // A node that has ended will not become ready.
            let gone = self.node(name).is_none_or(|node| !node.running);
            reason = if gone { Err(anyhow::anyhow!("its node does not run")) } else { self.readiness(name) };
            reason.is_ok() || gone
        });
        reason
    }

    /// Whether a cluster can be used: nodes and DNS are there, and pods can be made (they need the
    /// `default` account).
    pub fn readiness(&self, name: &str) -> Result<()> {
        let kubeconfig = self.paths.kubeconfig(name);
        let get = |args: &[&str]| self.tools.kubectl(&kubeconfig, ["get"]).args(args).limit(20).output();
        let read = |args: &[&str]| -> Result<Value> {
            let text = get(&[args, &["--output=json"]].concat())?;
            serde_json::from_str(&text).context("failed to read kubectl's answer")
        };
        if let Some(node) = unready_node(&read(&["nodes"])?) {
            bail!("node {node} is not ready");
        }
        let dns = read(&["deployment", "coredns", "--namespace=kube-system"])?;
        if dns["status"]["availableReplicas"].as_u64().unwrap_or(0) == 0 {
            bail!("CoreDNS is not available");
        }
        // What the API server tells is 40 s old when a node has just been killed, so kubelet and a pod
        // are asked themselves.
        let node = node_name(name);
        get(&["--raw", &format!("/api/v1/nodes/{node}/proxy/healthz")]).context("kubelet does not answer")?;
        get(&["--raw", "/api/v1/namespaces/kube-system/services/kube-dns:metrics/proxy/metrics"])
            .context("CoreDNS does not answer")?;
        get(&["serviceaccount", "default", "--namespace=default"]).map(drop)
    }

    /// The node of a cluster, as the engine has it.
    pub fn node(&self, name: &str) -> Option<Node> {
        let format = "{{.State.Running}} {{.Config.Image}}";
        let text = self
            .engine
            .docker(["container", "inspect", "--format", format, &node_name(name)])
            .output()
            .ok()?;
        let (running, image) = text.split_once(' ')?;
        Some(Node { running: running == "true", image: image.to_owned() })
    }

    /// kind, reaching the engine.
    pub fn kind<S: AsRef<std::ffi::OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Cmd {
        self.engine.reaching(Cmd::new(&self.tools.kind).args(args))
    }
}

/// kind's name for the only node of a cluster.
pub fn node_name(cluster: &str) -> String {
    format!("{cluster}-control-plane")
}

fn advertised_address(manifest: &str) -> Option<&str> {
    manifest.lines().find_map(|line| line.trim().strip_prefix("- --advertise-address="))
}

fn unready_node(nodes: &Value) -> Option<&str> {
    let ready = |node: &Value| {
        let conditions = node["status"]["conditions"].as_array().into_iter().flatten();
        conditions.into_iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
    };
    let items = nodes["items"].as_array().filter(|items| !items.is_empty());
    let Some(items) = items else { return Some("(none yet)") };
    items
        .iter()
        .find(|node| !ready(node))
        .map(|node| node["metadata"]["name"].as_str().unwrap_or("(unnamed)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(running: bool, image: &str) -> Node {
        Node { running, image: image.to_owned() }
    }

    #[test]
    fn only_a_whole_cluster_of_the_right_image_is_given_time() {
        assert_eq!(judge(None, "i", false), Verdict::Make);
        assert_eq!(judge(Some(&node(true, "i")), "i", true), Verdict::Check);
        for (stale, has_kubeconfig) in
            [(node(false, "i"), true), (node(true, "old"), true), (node(true, "i"), false)]
        {
            assert!(matches!(judge(Some(&stale), "i", has_kubeconfig), Verdict::Replace(_)), "{stale:?}");
        }
    }

    #[test]
    fn reads_the_address_that_a_control_plane_is_made_for() {
        let manifest = "  - command:\n    - kube-apiserver\n    - --advertise-address=172.18.0.2\n";
        assert_eq!(advertised_address(manifest), Some("172.18.0.2"));
    }

    #[test]
    fn a_node_is_ready_when_it_says_so() {
        let with = |status: &str| -> Value {
            serde_json::json!({"items": [{"metadata": {"name": "n"}, "status": {"conditions": [
                {"type": "MemoryPressure", "status": "True"}, {"type": "Ready", "status": status}]}}]})
        };
        assert_eq!(unready_node(&with("True")), None);
        assert_eq!(unready_node(&with("Unknown")), Some("n"));
        assert!(unready_node(&serde_json::json!({"items": []})).is_some());
    }
}
