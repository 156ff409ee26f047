//! `RoutingPolicy` and the gateway on a real cluster: from a policy to an answer, and what goes wrong on the way.

// Clippy knows test functions, not their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::{Stage, apply, condition, kubectl, run, wait};

const SOON: Duration = Duration::from_secs(90);

/// Applies a policy over source `acme`, with more of a spec in YAML flow style.
fn policy(stage: &Stage, name: &str, more: &str) -> Result<(), String> {
    apply(&format!(
        "apiVersion: vox.dev/v1alpha1\nkind: RoutingPolicy\nmetadata: {{ name: {name}, namespace: {} }}\n\
         spec: {{ catalogs: [{{ name: acme }}], {more} }}\n",
        stage.namespace
    ))
}

fn wait_for(stage: &Stage, name: &str, kind: &str, status: &str, reason: &str) -> Value {
    wait(&format!("{name}: {kind}={status} ({reason})"), SOON, || {
        let text = kubectl(&["-n", &stage.namespace, "get", "rpol", name, "-o", "json"]);
        let object: Value = serde_json::from_str(&text).unwrap();
        let current = object["status"]["observedGeneration"] == object["metadata"]["generation"];
        match condition(&object, kind) {
            Some(found) if current && found["status"] == status && found["reason"] == reason => Ok(object),
            found => Err(format!("{found:?}")),
        }
    })
}

/// Sends a body to the gateway, through the API server's proxy.
fn ask(namespace: &str, path: &str, body: &Value) -> Result<Value, String> {
    let url = format!("/api/v1/namespaces/{namespace}/services/gateway:http/proxy{path}");
    let output = run("kubectl", &["create", "--raw", &url, "-f", "-"], Some(&body.to_string()));
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
}

fn chat(model: &str) -> Value {
    json!({ "model": model, "messages": [{ "role": "user", "content": "is there anybody" }] })
}

#[test]
#[ignore = "needs a cluster; make test runs it"]
fn the_demo_ends_with_a_policy_that_is_programmed_and_a_gateway_that_answers() {
    let table = kubectl(&["get", "routingpolicies", "-n", "shop"]);
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["NAME", "ROUTES", "CANDIDATES", "PROGRAMMED", "EVIDENCE", "SIDECARS", "AGE"]);
    let shop = rows.iter().find(|row| row[0] == "shop").unwrap();
    assert_eq!(shop[..4], ["shop", "14", "320", "True"]);
    let answer = ask("shop", "/v1/chat/completions", &chat("vox/parsing")).unwrap();
    let text = answer["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(text.contains("is there anybody"), "{answer}");
    assert_ne!(answer["model"], "vox/parsing", "the answer names the model that served");
}

#[test]
#[ignore = "needs a cluster; make test runs it"]
fn a_policy_that_cannot_work_is_refused_at_apply_with_what_to_do() {
    let stage = Stage::new("policies");
    let cases = [
        ("budget: { perRequestUsd: '-1' }", "spec.budget.perRequestUsd"),
        ("budget: { descendAt: 80% }", "descendAt needs perDayUsd"),
        ("routes: [{ category: cooking }]", "Unsupported value: \"cooking\""),
        ("aliases: [{ name: fast }]", "an alias needs a category, a model, or forceCost"),
        ("aliases: [{ name: vox/fast, forceCost: true }]", "names that begin with vox/ are Vox's own"),
        ("weights: { efficiency: 0 }", "at least one weight must be greater than zero"),
        ("routes: [{ category: chat }, { category: chat }]", "Duplicate value"),
        ("rootes: []", "unknown field \"spec.rootes\""),
    ];
    for (spec, expected) in cases {
        let refusal = policy(&stage, "bad", spec).expect_err(spec);
        assert!(refusal.contains(expected), "{spec}: {refusal}");
    }
}

#[test]
#[ignore = "needs a cluster; make test runs it"]
fn a_generation_that_cannot_be_programmed_leaves_the_last_good_one_serving() {
    let stage = Stage::new("last-good");
    policy(&stage, "main", "default: true").unwrap();
    let waiting = wait_for(&stage, "main", "ResolvedRefs", "False", "CatalogNotFound");
    assert_eq!(waiting["status"]["programmedGeneration"], Value::Null);
    stage.source("acme", "schedule: '@daily'").unwrap();
    let good = wait_for(&stage, "main", "Programmed", "True", "Programmed");
    assert_eq!(good["status"]["programmedGeneration"], 1);
    let picked = good["status"]["picks"].as_array().unwrap();
    assert!(picked.iter().any(|pick| pick["category"] == "chat" && pick["model"].is_string()));

    let failing = "default: true, tests: [{ name: ours, category: chat, expect: { providers: [ollama] } }]";
    policy(&stage, "main", failing).unwrap();
    let failed = wait_for(&stage, "main", "Programmed", "False", "TestFailed");
    let message = condition(&failed, "Programmed").unwrap()["message"].as_str().unwrap();
    assert!(message.contains("test ours fails: ") && message.contains("generation 1 serves"), "{message}");
    assert_eq!(failed["status"]["programmedGeneration"], 1);

    policy(&stage, "other", "default: true").unwrap();
    wait_for(&stage, "other", "Accepted", "False", "DefaultAmbiguous");
}

#[test]
#[ignore = "needs a cluster; make test runs it"]
fn a_gateway_follows_its_policy_falls_back_and_goes_on_without_the_operator() {
    let stage = Stage::new("gateway");
    let namespace = &stage.namespace;
    stage.source("acme", "schedule: '@daily'").unwrap();
    let keys = "credentials: [{ provider: openrouter, secretRef: { name: openrouter, key: apiKey } }]";
    policy(&stage, "shop", keys).unwrap();
    wait_for(&stage, "shop", "Programmed", "True", "Programmed");
    let image = std::env::var("VOX_SIDECAR_IMAGE").expect("VOX_SIDECAR_IMAGE: run `make test`");
    let gateway = include_str!("../../examples/demo/50-gateway.yaml");
    let gateway = gateway.replace("namespace: shop", &format!("namespace: {namespace}"));
    apply(&gateway.replace("vox-sidecar:demo", &image)).unwrap();
    kubectl(&["-n", namespace, "rollout", "status", "deployment/gateway", "--timeout=90s"]);

    let first = ask(namespace, "/v1/chat/completions", &chat("vox/chat")).unwrap();
    let best = first["model"].as_str().unwrap();
    stage.behave(
        "openrouter/chat",
        &json!({ "faults": [{ "fault": { "kind": "status", "status": 500 }, "model": best }] }).to_string(),
    );
    let second = ask(namespace, "/v1/chat/completions", &chat("vox/chat")).unwrap();
    assert_ne!(second["model"], best, "the best one fails, another one answers");
    stage.behave("openrouter/chat", "{}");

    let cheap = "aliases: [{ name: fast, forceCost: true }]";
    policy(&stage, "shop", &format!("{keys}, {cheap}")).unwrap();
    wait("the gateway takes the new policy", SOON, || ask(namespace, "/v1/chat/completions", &chat("fast")));

    kubectl(&["-n", "vox-system", "scale", "deployment/vox-operator", "--replicas=0"]);
    let without = ask(namespace, "/v1/chat/completions", &chat("fast"));
    kubectl(&["-n", namespace, "rollout", "restart", "deployment/gateway"]);
    kubectl(&["-n", "vox-system", "scale", "deployment/vox-operator", "--replicas=1"]);
    kubectl(&["-n", "vox-system", "rollout", "status", "deployment/vox-operator", "--timeout=90s"]);
    without.unwrap();
    kubectl(&["-n", namespace, "rollout", "status", "deployment/gateway", "--timeout=90s"]);
    ask(namespace, "/v1/chat/completions", &chat("fast")).unwrap();
}
