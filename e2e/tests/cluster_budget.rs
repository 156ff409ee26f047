//! A day's budget on a real cluster: spent to its end and no further, with the operator and without.

// Clippy knows test functions, not their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::{KEYS, Stage, apply, kubectl, wait};

const SOON: Duration = Duration::from_secs(90);

/// Asks once, and after what `{when}` waits for until it is refused; says what that cost, at the policy's prices, and why.
const SPENDER: &str = r"
import socket, time
from openai import OpenAI, APIStatusError
client, spent = OpenAI(max_retries=0), 0.0
def ask():
    global spent
    usage = client.chat.completions.create(model='vox/chat', max_tokens=50, messages=[{'role': 'user', 'content': 'is there anybody'}]).usage
    spent += (usage.prompt_tokens + usage.completion_tokens) / 10000
def served_once():
    for _ in range(60):
        try:
            return ask()
        except APIStatusError as error:
            print('waiting', error.code, flush=True)
            time.sleep(1)
served_once()
print('served', flush=True)
{when}
for _ in range(2000):
    try:
        ask()
    except APIStatusError as error:
        print('refused', error.status_code, error.code, round(spent, 6), flush=True)
        break
";

/// What must be before it goes on spending: nobody answers at the operator's address.
const OPERATOR_AWAY: &str = r"
def away():
    try:
        socket.create_connection(('vox-operator.vox-system.svc', 8443), 1).close()
    except OSError:
        return True
while not away():
    time.sleep(0.5)
";

/// A source, a policy with this budget, in which a token costs USD 0.0001, and a Job that spends it.
fn spend(stage: &Stage, per_day: &str, when: &str) {
    let namespace = &stage.namespace;
    stage.source("acme", "schedule: '@daily'").unwrap();
    stage.published("acme");
    stage.key();
    let policy = |more: &str| {
        apply(&format!(
            "apiVersion: vox.dev/v1alpha1\nkind: RoutingPolicy\nmetadata: {{ name: main, namespace: {namespace} }}\n\
             spec: {{ default: true, catalogs: [{{ name: acme }}], {KEYS}, {more} }}\n"
        ))
        .unwrap();
    };
    policy("");
    let picked = wait("a pick for chat", SOON, || {
        let status = status(namespace);
        let picks = status["picks"].as_array().cloned().unwrap_or_default();
        let chat = picks.iter().find(|pick| pick["category"] == "chat");
        chat.and_then(|pick| pick["model"].as_str()).map(str::to_owned).ok_or_else(|| status.to_string())
    });
    policy(&format!(
        "allow: {{ models: ['{picked}'] }}, budget: {{ perDayUsd: '{per_day}' }}, \
         overrides: [{{ model: '{picked}', inputUsdPerMTok: '100', outputUsdPerMTok: '100' }}]"
    ));
    kubectl(&[
        "-n",
        namespace,
        "wait",
        "rpol/main",
        "--for=jsonpath={.status.programmedGeneration}=2",
        "--timeout=60s",
    ]);
    let image = std::env::var("VOX_PYTHON_IMAGE").expect("VOX_PYTHON_IMAGE: run `make test`");
    let program = SPENDER.replace("{when}", when);
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "spender", "namespace": namespace },
        "spec": { "backoffLimit": 0, "template": {
            "metadata": { "labels": { "vox.dev/inject": "enabled" } },
            "spec": {
                "restartPolicy": "Never",
                "securityContext": {
                    "runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": { "type": "RuntimeDefault" },
                },
                "containers": [{
                    "name": "client", "image": image, "imagePullPolicy": "IfNotPresent", "args": ["-c", program],
                    "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
                }],
            },
        } },
    });
    apply(&job.to_string()).unwrap();
}

/// A namespace that no earlier run had: what was spent today belongs to names, and outlives policies and namespaces.
fn stage(name: &str) -> Stage {
    Stage::new(&format!("{name}-{}", std::process::id()))
}

fn status(namespace: &str) -> Value {
    let text = kubectl(&["-n", namespace, "get", "rpol", "main", "-o", "json"]);
    serde_json::from_str::<Value>(&text).unwrap()["status"].clone()
}

fn said(namespace: &str, what: &str) -> String {
    wait(&format!("the spender says {what:?}"), SOON, || {
        let output = support::run("kubectl", &["-n", namespace, "logs", "job/spender", "-c", "client"], None);
        let logs = String::from_utf8_lossy(&output.stdout).into_owned();
        logs.lines().find(|line| line.starts_with(what)).map(str::to_owned).ok_or(logs)
    })
}

/// What the last word of a line says, in USD.
fn cost(line: &str) -> f64 {
    line.split(' ').next_back().unwrap().parse().unwrap()
}

fn usd(status: &Value, field: &str) -> f64 {
    status["budget"][field].as_str().unwrap_or("0").parse().unwrap()
}

#[test]
#[ignore = "needs a cluster; make test runs it"]
fn a_spent_budget_is_refused_in_the_clients_dialect_and_shown_in_the_status() {
    let stage = stage("spent");
    spend(&stage, "0.05", "");
    let refused = said(&stage.namespace, "refused");
    // What is left at the end is less than a request may cost, or nothing.
    let code = refused.split(' ').nth(2).unwrap();
    assert!(refused.starts_with("refused 402 ") && ["too_dear", "budget_spent"].contains(&code), "{refused}");
    let spent = cost(&refused);
    assert!(spent > 0.03 && spent <= 0.05, "{refused}");
    wait("the status shows what was spent", SOON, || {
        let status = status(&stage.namespace);
        let same = (usd(&status, "spentUsd") - spent).abs() < 1e-9 && usd(&status, "leasedUsd") == 0.0;
        if same { Ok(()) } else { Err(format!("{spent}: {}", status["budget"])) }
    });
}

#[test]
#[ignore = "needs a cluster; make test runs it"]
fn without_the_operator_a_sidecar_spends_its_lease_and_no_more() {
    let stage = stage("lease");
    let namespace = &stage.namespace;
    spend(&stage, "6.40", OPERATOR_AWAY);
    said(namespace, "served");
    let granted = wait("the status shows the lease", SOON, || {
        let status = status(namespace);
        let (spent, leased) = (usd(&status, "spentUsd"), usd(&status, "leasedUsd"));
        if leased > 0.0 { Ok(spent + leased) } else { Err(status["budget"].to_string()) }
    });
    kubectl(&["-n", "vox-system", "scale", "deployment/vox-operator", "--replicas=0"]);
    let refused = std::panic::catch_unwind(|| said(namespace, "refused"));
    kubectl(&["-n", "vox-system", "scale", "deployment/vox-operator", "--replicas=1"]);
    kubectl(&["-n", "vox-system", "rollout", "status", "deployment/vox-operator", "--timeout=90s"]);
    let refused = refused.unwrap();
    assert!(refused.starts_with("refused 503 no_lease "), "{refused}");
    let spent = cost(&refused);
    assert!(spent <= granted + 1e-9, "{spent} of {granted}");
    assert!(spent > granted / 2.0, "what is granted can be spent: {spent} of {granted}");
}
