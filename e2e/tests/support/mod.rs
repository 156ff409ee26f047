//! What the cluster tests share: kubectl, a wire server of a test's own, and waiting with a bound.

// Each test binary uses its part; and a test may stop where it stands.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Runs a program; its input comes from `input`.
pub fn run(program: &str, arguments: &[&str], input: Option<&str>) -> Output {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} does not start: {error}"));
    if let Some(text) = input {
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    }
    child.wait_with_output().unwrap()
}

/// Runs kubectl and returns what it prints; a failure fails the test with its words.
pub fn kubectl(arguments: &[&str]) -> String {
    let output = run("kubectl", arguments, None);
    assert!(
        output.status.success(),
        "kubectl {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Applies a manifest; the API server's words if it refuses.
pub fn apply(manifest: &str) -> Result<(), String> {
    let output = run("kubectl", &["apply", "-f", "-"], Some(manifest));
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// Asks until the answer is `Some`; fails the test with `what` and the last state after `limit`.
pub fn wait<T>(what: &str, limit: Duration, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(state) if begun.elapsed() > limit => {
                panic!("{what} did not happen within {limit:?}: {state}")
            }
            Err(_) => std::thread::sleep(Duration::from_millis(500)),
        }
    }
}

/// In a policy's spec: the key that [`Stage::key`] makes.
pub const KEYS: &str =
    "credentials: [{ provider: openrouter, secretRef: { name: openrouter, key: apiKey } }]";

/// A namespace with restricted Pod Security and a wire server in it; deleted at the end, whatever happened.
pub struct Stage {
    pub namespace: String,
}

impl Stage {
    pub fn new(name: &str) -> Self {
        let namespace = format!("e2e-{name}");
        let image = std::env::var("VOX_WIRE_IMAGE")
            .expect("VOX_WIRE_IMAGE: run `make test`, or eval \"$(vox-e2e env)\"");
        kubectl(&["delete", "namespace", &namespace, "--ignore-not-found", "--wait=true", "--timeout=90s"]);
        apply(&format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{ name: {namespace}, labels: {{ pod-security.kubernetes.io/enforce: restricted }} }}\n"
        ))
        .unwrap();
        let demo = include_str!("../../../examples/demo/10-wire.yaml");
        apply(&demo.replace("vox-demo", &namespace).replace("vox-wire:demo", &image)).unwrap();
        kubectl(&["-n", &namespace, "rollout", "status", "deployment/wire", "--timeout=90s"]);
        Self { namespace }
    }

    /// Makes the Secret that [`KEYS`] names.
    pub fn key(&self) {
        apply(&format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{ name: openrouter, namespace: {} }}\nstringData: {{ apiKey: any-key-will-do }}\n",
            self.namespace
        ))
        .unwrap();
    }

    /// Tells the wire server how a provider behaves.
    pub fn behave(&self, provider: &str, settings: &str) {
        kubectl(&[
            "-n",
            &self.namespace,
            "exec",
            "deploy/wire",
            "--",
            "/usr/local/bin/vox-wire",
            "control",
            "PUT",
            provider,
            settings,
        ]);
    }

    /// How often the provider's list was asked for.
    pub fn requests(&self, path: &str) -> u64 {
        let counts = kubectl(&[
            "-n",
            &self.namespace,
            "exec",
            "deploy/wire",
            "--",
            "/usr/local/bin/vox-wire",
            "requests",
        ]);
        let counts: Value = serde_json::from_str(&counts).unwrap();
        let mut sum = 0;
        let mut open = vec![&counts];
        while let Some(value) = open.pop() {
            for (key, value) in value.as_object().into_iter().flatten() {
                match value.as_u64() {
                    Some(count) if key.ends_with(path) => sum += count,
                    _ => open.push(value),
                }
            }
        }
        sum
    }

    /// Applies a source of the wire server's OpenRouter with more of a spec, in YAML flow style.
    pub fn source(&self, name: &str, more: &str) -> Result<(), String> {
        let namespace = &self.namespace;
        apply(&format!(
            "apiVersion: vox.dev/v1alpha1\nkind: ModelCatalogSource\nmetadata: {{ name: {name}, namespace: {namespace} }}\n\
             spec: {{ provider: {{ openRouter: {{}} }}, endpoint: 'http://wire.{namespace}.svc:8080/openrouter/api/v1', {more} }}\n"
        ))
    }

    pub fn get(&self, name: &str) -> Value {
        serde_json::from_str(&kubectl(&["-n", &self.namespace, "get", "mcat", name, "-o", "json"])).unwrap()
    }

    /// Asks for a run now.
    pub fn request(&self, name: &str, value: &str) {
        let annotation = format!("vox.dev/requestedAt={value}");
        kubectl(&["-n", &self.namespace, "annotate", "--overwrite", "mcat", name, &annotation]);
    }

    /// Waits until a condition has this status and reason.
    pub fn wait_for(&self, name: &str, kind: &str, status: &str, reason: &str, limit: Duration) -> Value {
        wait(&format!("{name}: {kind}={status} ({reason})"), limit, || {
            let object = self.get(name);
            match condition(&object, kind) {
                Some(found) if found["status"] == status && found["reason"] == reason => Ok(object),
                found => Err(format!("{found:?}")),
            }
        })
    }

    pub fn published(&self, name: &str) -> Value {
        self.wait_for(name, "Ready", "True", "Published", Duration::from_secs(90))
    }

    pub fn events(&self) -> String {
        kubectl(&[
            "-n",
            &self.namespace,
            "get",
            "events",
            "-o",
            "custom-columns=REASON:.reason,NOTE:.message",
        ])
    }

    pub fn jobs(&self) -> usize {
        kubectl(&["-n", &self.namespace, "get", "jobs", "-o", "name"]).lines().count()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let namespace = &self.namespace;
            for what in ["mcat", "jobs", "pods", "events"] {
                eprintln!(
                    "{}",
                    String::from_utf8_lossy(
                        &run("kubectl", &["-n", namespace, "get", what, "-o", "wide"], None).stdout
                    )
                );
            }
            let logs =
                run("kubectl", &["-n", "vox-system", "logs", "deploy/vox-operator", "--tail=30"], None);
            eprintln!("{}", String::from_utf8_lossy(&logs.stdout));
        }
        run("kubectl", &["delete", "namespace", &self.namespace, "--wait=false"], None);
    }
}

/// A condition of an object.
pub fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
}
