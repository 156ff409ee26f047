//! The official clients of OpenAI and Anthropic, unchanged, in a pod that got its sidecar by a label.

// Clippy knows test functions, not their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::time::Duration;

use serde_json::Value;
use support::{KEYS, Stage, apply, kubectl, wait};

#[test]
#[ignore = "needs a cluster; make test runs it"]
fn the_official_clients_work_unchanged_and_a_job_with_a_sidecar_ends() {
    let stage = Stage::new("clients");
    let namespace = &stage.namespace;
    stage.source("acme", "schedule: '@daily'").unwrap();
    stage.key();
    apply(&format!(
        "apiVersion: vox.dev/v1alpha1\nkind: RoutingPolicy\nmetadata: {{ name: shop, namespace: {namespace} }}\n\
         spec: {{ catalogs: [{{ name: acme }}], {KEYS} }}\n"
    ))
    .unwrap();
    kubectl(&["-n", namespace, "wait", "rpol/shop", "--for=condition=Programmed", "--timeout=90s"]);
    let image = std::env::var("VOX_PYTHON_IMAGE").expect("VOX_PYTHON_IMAGE: run `make test`");
    let demo = include_str!("../../examples/demo/60-workload.yaml");
    // The demo's pod, with another program and as a Job.
    let mut job: Value = serde_saphyr::from_str(demo).unwrap();
    let mut pod = job["spec"]["template"].take();
    pod["metadata"]["annotations"] = Value::Null;
    pod["spec"]["restartPolicy"] = "Never".into();
    pod["spec"]["containers"][0]["image"] = image.into();
    pod["spec"]["containers"][0]["args"] = serde_json::json!(["clients.py"]);
    let job = serde_json::json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "clients", "namespace": namespace },
        "spec": { "backoffLimit": 0, "template": pod },
    });
    apply(&job.to_string()).unwrap();
    let status = wait("the Job ends", Duration::from_secs(120), || {
        let job: Value =
            serde_json::from_str(&kubectl(&["-n", namespace, "get", "job", "clients", "-o", "json"]))
                .unwrap();
        let ended = job["status"]["succeeded"] == 1 || job["status"]["failed"] == 1;
        if ended { Ok(job["status"].clone()) } else { Err(job["status"].to_string()) }
    });
    let said = kubectl(&["-n", namespace, "logs", "job/clients", "-c", "assistant"]);
    assert_eq!(status["succeeded"], 1, "{said}");
    assert_eq!(said.lines().filter(|line| line.starts_with("ok  ")).count(), 12, "{said}");
}
