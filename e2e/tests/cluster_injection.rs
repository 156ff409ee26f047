//! Sidecars on a real cluster: what a labelled pod gets, that its unchanged client is answered, and who is refused.

// Clippy knows test functions, not their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::{KEYS, Stage, apply, condition, kubectl, run, wait};

const SOON: Duration = Duration::from_secs(90);

/// A policy over source `acme`, with more of a spec in YAML flow style, that serves.
fn policy(stage: &Stage, name: &str, more: &str) {
    let namespace = &stage.namespace;
    apply(&format!(
        "apiVersion: vox.dev/v1alpha1\nkind: RoutingPolicy\nmetadata: {{ name: {name}, namespace: {namespace} }}\n\
         spec: {{ catalogs: [{{ name: acme }}], {more} }}\n"
    ))
    .unwrap();
    kubectl(&["-n", namespace, "wait", "rpol", name, "--for=condition=Programmed", "--timeout=90s"]);
}

/// A pod as a user writes it: restricted, with the label, and a client that is told nothing of Vox.
fn pod(arguments: &[&str]) -> Value {
    let image = std::env::var("VOX_PYTHON_IMAGE").expect("VOX_PYTHON_IMAGE: run `make test`");
    let restricted = json!({
        "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] },
    });
    json!({
        "metadata": { "labels": { "app": "client", "vox.dev/inject": "enabled" }, "annotations": {} },
        "spec": {
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": { "type": "RuntimeDefault" },
            },
            "terminationGracePeriodSeconds": 2,
            "containers": [{
                "name": "client", "image": image, "imagePullPolicy": "IfNotPresent", "args": arguments,
                "securityContext": restricted,
            }],
        },
    })
}

/// What the API server makes of a pod, webhooks included, without keeping it.
fn admitted(stage: &Stage, mut pod: Value) -> Result<Value, String> {
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"]["name"] = json!("one");
    pod["metadata"]["namespace"] = json!(stage.namespace);
    let output = run(
        "kubectl",
        &["create", "--dry-run=server", "--output=json", "--filename=-"],
        Some(&pod.to_string()),
    );
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(serde_json::from_slice(&output.stdout).unwrap())
}

fn variable<'a>(container: &'a Value, name: &str) -> &'a Value {
    let found = container["env"].as_array().unwrap().iter().find(|variable| variable["name"] == name);
    &found.unwrap()["value"]
}

#[test]
#[ignore = "needs a cluster; make test runs it"]
fn a_labelled_workload_is_answered_and_a_labelled_job_ends() {
    let stage = Stage::new("injected");
    let namespace = &stage.namespace;
    stage.source("acme", "schedule: '@daily'").unwrap();
    stage.published("acme");
    stage.key();
    policy(&stage, "main", &format!("default: true, {KEYS}"));
    policy(&stage, "other", &format!("aliases: [{{ name: only-here, category: chat }}], {KEYS}"));

    apply(
        &json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "client", "namespace": namespace },
            "spec": { "selector": { "matchLabels": { "app": "client" } }, "template": pod(&["workload.py", "vox/chat", "5"]) },
        })
        .to_string(),
    )
    .unwrap();
    let mut template = pod(&[
        "-c",
        "from openai import OpenAI; print(OpenAI().chat.completions.create(model='only-here', messages=[{'role': 'user', 'content': 'is there anybody'}]))",
    ]);
    template["metadata"]["annotations"] = json!({ "vox.dev/policy": "other" });
    template["spec"]["restartPolicy"] = json!("Never");
    apply(
        &json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "once", "namespace": namespace },
            "spec": { "backoffLimit": 4, "template": template },
        })
        .to_string(),
    )
    .unwrap();

    wait("the client is answered", SOON, || {
        let logs =
            kubectl(&["-n", namespace, "logs", "deployment/client", "-c", "client", "--ignore-errors"]);
        if logs.contains("decision  0") && logs.contains(" heard ") { Ok(()) } else { Err(logs) }
    });
    // Its sidecar ends with it; the alias is of the policy that its annotation names.
    kubectl(&["-n", namespace, "wait", "job/once", "--for=condition=Complete", "--timeout=90s"]);
    let answer = kubectl(&["-n", namespace, "logs", "job/once", "-c", "client"]);
    assert!(answer.contains("heard"), "{answer}");
}

#[test]
#[ignore = "needs a cluster; make test runs it"]
fn what_a_pod_has_stays_and_being_asked_again_changes_nothing() {
    let stage = Stage::new("admitted");
    let mut own = pod(&[]);
    own["spec"]["initContainers"] = json!([own["spec"]["containers"][0].clone()]);
    own["spec"]["initContainers"][0]["name"] = json!("warm-up");
    own["spec"]["containers"][0]["env"] =
        json!([{ "name": "OPENAI_BASE_URL", "value": "http://elsewhere/v1" }]);
    let first = admitted(&stage, own).unwrap();
    let init = first["spec"]["initContainers"].as_array().unwrap();
    assert_eq!(
        (init.len(), &init[0]["name"], &init[0]["restartPolicy"]),
        (2, &json!("vox"), &json!("Always"))
    );
    assert_eq!(variable(&init[1], "OPENAI_BASE_URL"), "http://127.0.0.1:8811/v1");
    let client = &first["spec"]["containers"][0];
    assert_eq!(variable(client, "OPENAI_BASE_URL"), "http://elsewhere/v1");
    assert_eq!(variable(client, "ANTHROPIC_BASE_URL"), "http://127.0.0.1:8811");

    let again = json!({
        "metadata": { "labels": first["metadata"]["labels"], "annotations": first["metadata"]["annotations"] },
        "spec": first["spec"],
    });
    assert_eq!(admitted(&stage, again).unwrap()["spec"], first["spec"]);
}

#[test]
#[ignore = "needs a cluster; make test runs it"]
fn a_key_in_clear_and_the_network_of_the_node_are_refused_with_what_to_do() {
    let stage = Stage::new("refused-pods");
    let mut clear = pod(&[]);
    // No key: made up here, and in pieces, so that nobody's scanner takes it for one.
    let key = format!("sk-{}", "abcDEF0123".repeat(4));
    clear["spec"]["containers"][0]["env"] = json!([{ "name": "OPENAI_API_KEY", "value": key }]);
    let refusal = admitted(&stage, clear).unwrap_err();
    assert!(refusal.contains("container client: env OPENAI_API_KEY"), "{refusal}");
    assert!(refusal.contains("valueFrom.secretKeyRef") && !refusal.contains(&key), "{refusal}");

    let mut node = pod(&[]);
    node["spec"]["hostNetwork"] = json!(true);
    let refusal = admitted(&stage, node).unwrap_err();
    assert!(
        refusal.contains("hostNetwork gets no sidecar") && refusal.contains("shared gateway"),
        "{refusal}"
    );
}

#[test]
#[ignore = "needs a cluster; make test runs it"]
fn a_key_that_a_sidecar_misses_is_named_in_the_status_until_it_is_there() {
    let stage = Stage::new("missing-key");
    let namespace = &stage.namespace;
    stage.source("acme", "schedule: '@daily'").unwrap();
    stage.published("acme");
    let credentials =
        "default: true, credentials: [{ provider: openrouter, secretRef: { name: later, key: apiKey } }]";
    policy(&stage, "main", credentials);
    apply(
        &json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "client", "namespace": namespace },
            "spec": { "selector": { "matchLabels": { "app": "client" } }, "template": pod(&["-c", "import time; time.sleep(600)"]) },
        })
        .to_string(),
    )
    .unwrap();
    let resolved = |status: &str, reason: &str| {
        wait(&format!("ResolvedRefs={status} ({reason})"), SOON, || {
            let text = kubectl(&["-n", namespace, "get", "rpol", "main", "-o", "json"]);
            let object: Value = serde_json::from_str(&text).unwrap();
            let found = condition(&object, "ResolvedRefs").cloned().unwrap_or_default();
            if found["status"] == status && found["reason"] == reason {
                Ok(found)
            } else {
                Err(found.to_string())
            }
        })
    };
    let missing = resolved("False", "CredentialMissing");
    assert!(missing["message"].as_str().unwrap().contains("Secret later, key apiKey"), "{missing}");
    kubectl(&[
        "-n",
        namespace,
        "create",
        "secret",
        "generic",
        "later",
        "--from-literal=apiKey=any-key-will-do",
    ]);
    // The kubelet looks at a mounted Secret about once a minute, and when its pod changes.
    kubectl(&["-n", namespace, "annotate", "pod", "-l", "app=client", "look=again"]);
    resolved("True", "Resolved");
}
