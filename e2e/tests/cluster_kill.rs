//! Sidecar, operator and Postgres are killed at random under load, on a real cluster: what was finished is in the tables
//! once, and the scoreboard says what they say. `VOX_KILL_SEED` repeats a run, `VOX_KILL_ROUNDS` makes it longer.

// Clippy knows test functions, not their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;
use support::{KEYS, Stage, apply, kubectl, run, wait};

const SOON: Duration = Duration::from_secs(120);
/// A sidecar that waits for a database that comes back asks every half minute at most.
const DRAINED: Duration = Duration::from_secs(180);
/// What a sidecar that is killed has answered less than so long ago may not be written down yet.
const IN_MEMORY_MS: u128 = 1000;

/// Clients that ask until they are told to stop, and print what was answered when.
const LOAD: &str = r"
import os, threading, time
from openai import OpenAI
def ask():
    client = OpenAI(max_retries=0, timeout=20)
    while not os.path.exists('/tmp/stop'):
        try:
            raw = client.chat.completions.with_raw_response.create(
                model='vox/chat', max_tokens=20, messages=[{'role': 'user', 'content': 'is there anybody'}])
            print('answered', int(time.time() * 1000), raw.headers['x-vox-decision'], flush=True)
        except Exception as error:
            print('failed', type(error).__name__, flush=True)
            time.sleep(0.2)
        time.sleep(0.02)
clients = [threading.Thread(target=ask) for _ in range(3)]
[client.start() for client in clients]
[client.join() for client in clients]
print('done', flush=True)
time.sleep(3600)
";

/// Ends all processes of this name with SIGKILL, wherever on the node they run.
const KILL: &str = r"
import os, signal, sys
killed = 0
for pid in filter(str.isdigit, os.listdir('/proc')):
    try:
        arguments = open(f'/proc/{pid}/cmdline').read().split('\0')
    except OSError:
        continue
    if os.path.basename(arguments[0]) == sys.argv[1]:
        os.kill(int(pid), signal.SIGKILL)
        killed += 1
print(killed)
";

struct Scene {
    stage: Stage,
    /// A pod that sees the node's processes, in a namespace that lets it.
    host: String,
}

impl Drop for Scene {
    fn drop(&mut self) {
        run("kubectl", &["delete", "namespace", &self.host, "--wait=false"], None);
    }
}

impl Scene {
    fn new() -> Self {
        let stage = Stage::new(&format!("kill-{}", std::process::id()));
        let host = format!("{}-host", stage.namespace);
        apply(&format!("apiVersion: v1\nkind: Namespace\nmetadata: {{ name: {host} }}\n")).unwrap();
        let scene = Self { stage, host };
        scene.stage.source("acme", "schedule: '@daily'").unwrap();
        scene.stage.published("acme");
        scene.stage.key();
        let namespace = &scene.stage.namespace;
        apply(&format!(
            "apiVersion: vox.dev/v1alpha1\nkind: RoutingPolicy\nmetadata: {{ name: main, namespace: {namespace} }}\n\
             spec: {{ default: true, catalogs: [{{ name: acme }}], {KEYS} }}\n"
        ))
        .unwrap();
        kubectl(&["-n", namespace, "wait", "rpol/main", "--for=condition=Programmed", "--timeout=60s"]);
        scene.pod(namespace, "load", true, &["-c", LOAD]);
        scene.pod(&scene.host, "killer", false, &["-c", "import time; time.sleep(86400)"]);
        kubectl(&["-n", &scene.host, "wait", "pod/killer", "--for=condition=Ready", "--timeout=90s"]);
        scene
    }

    fn pod(&self, namespace: &str, name: &str, injected: bool, arguments: &[&str]) {
        let image = std::env::var("VOX_PYTHON_IMAGE").expect("VOX_PYTHON_IMAGE: run `make test`");
        let security = if injected {
            json!({ "runAsNonRoot": true, "runAsUser": 65532, "allowPrivilegeEscalation": false,
                "capabilities": { "drop": ["ALL"] }, "seccompProfile": { "type": "RuntimeDefault" } })
        } else {
            json!({ "runAsUser": 0, "privileged": true })
        };
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": name, "namespace": namespace, "labels": { "vox.dev/inject": if injected { "enabled" } else { "disabled" } } },
            "spec": { "hostPID": !injected, "restartPolicy": "Never", "containers": [{
                "name": "client", "image": image, "imagePullPolicy": "IfNotPresent", "args": arguments,
                "securityContext": security, "volumeMounts": [{ "name": "tmp", "mountPath": "/tmp" }],
            }], "volumes": [{ "name": "tmp", "emptyDir": {} }] },
        });
        apply(&pod.to_string()).unwrap();
    }

    /// Kills processes of this name with signal 9; says how many.
    fn kill(&self, process: &str) -> String {
        kubectl(&["-n", &self.host, "exec", "killer", "--", "python3", "-c", KILL, process]).trim().to_owned()
    }

    fn delete(&self, selector: &str) {
        let arguments = ["-n", "vox-system", "delete", "pod", "-l", selector, "--grace-period=0", "--force"];
        kubectl(&[&arguments[..], &["--wait=false"]].concat());
    }

    /// What the clients saw: when each call was answered, and its id. Nothing before their pod runs.
    fn answered(&self) -> Vec<(u128, String)> {
        let logs = run("kubectl", &["-n", &self.stage.namespace, "logs", "load", "-c", "client"], None);
        let logs = String::from_utf8_lossy(&logs.stdout);
        let call = |line: &str| {
            let mut words = line.split(' ').skip_while(|word| *word != "answered").skip(1);
            Some((words.next()?.parse().ok()?, words.next()?.to_owned()))
        };
        logs.lines().filter_map(call).collect()
    }
}

fn now_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()
}

/// Rows of a statement, or why there are none.
fn sql(statement: &str) -> Result<Vec<String>, String> {
    let psql = ["exec", "vox-postgres-0", "--", "psql", "-U", "vox", "-d", "vox", "-At", "-c", statement];
    let output = run("kubectl", &[&["-n", "vox-system"][..], &psql[..]].concat(), None);
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

/// `SplitMix64`: the same again from the same seed.
fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
}

#[test]
#[ignore = "needs a cluster; make test runs it"]
fn whatever_is_killed_each_finished_call_is_in_postgres_once_and_on_the_scoreboard() {
    let mut seed = setting("VOX_KILL_SEED", 20_261_126);
    println!("VOX_KILL_SEED={seed}");
    let scene = Scene::new();
    let namespace = &scene.stage.namespace;
    wait("the first answer", SOON, || if scene.answered().is_empty() { Err(String::new()) } else { Ok(()) });
    let mut sidecar_killed = Vec::new();
    for round in 1..=setting("VOX_KILL_ROUNDS", 8) {
        std::thread::sleep(Duration::from_millis(1500 + next(&mut seed) % 4000));
        let what = match next(&mut seed) % 5 {
            0 => {
                let before = now_ms();
                let killed = scene.kill("vox-sidecar");
                sidecar_killed.push((before, now_ms()));
                format!("SIGKILL to the sidecars: {killed}")
            }
            1 => format!("SIGKILL to the operator: {}", scene.kill("vox-operator")),
            2 => format!("SIGKILL to Postgres: {}", scene.kill("postgres")),
            3 => {
                scene.delete("app.kubernetes.io/name=vox,app.kubernetes.io/component=operator");
                "the operator's pod is deleted".to_owned()
            }
            _ => {
                scene.delete("app.kubernetes.io/component=postgres");
                "Postgres' pod is deleted".to_owned()
            }
        };
        println!("round {round}: {what}; answered until now: {}", scene.answered().len());
    }
    kubectl(&["-n", namespace, "exec", "load", "-c", "client", "--", "touch", "/tmp/stop"]);
    let answered = wait("the clients stop", SOON, || {
        let logs = kubectl(&["-n", namespace, "logs", "load", "-c", "client", "--tail=5"]);
        if logs.contains("done") { Ok(scene.answered()) } else { Err(logs) }
    });
    let in_memory =
        |at: u128| sidecar_killed.iter().any(|(before, after)| at + IN_MEMORY_MS > *before && at <= *after);
    let finished: BTreeSet<&str> =
        answered.iter().filter(|(at, _)| !in_memory(*at)).map(|(_, id)| id.as_str()).collect();
    let rows = wait("each finished call is in Postgres", DRAINED, || {
        let rows = sql(&format!("SELECT decision FROM llm_interaction WHERE namespace = '{namespace}'"))?;
        let missing = finished.iter().filter(|id| !rows.iter().any(|row| row == **id)).count();
        if missing == 0 { Ok(rows) } else { Err(format!("{missing} of {} are missing", finished.len())) }
    });
    let once: BTreeSet<&str> = rows.iter().map(String::as_str).collect();
    assert_eq!(rows.len(), once.len(), "a call is there twice");
    println!(
        "{} calls were answered, {} of them less than a second before a sidecar was killed; {} rows, none twice",
        answered.len(),
        answered.len() - finished.len(),
        rows.len()
    );
    scoreboard_says_what_the_rows_say(namespace);
}

/// After a run of the roll-up's CronJob, beside a statement that knows nothing of it.
fn scoreboard_says_what_the_rows_say(namespace: &str) {
    let job = format!("rollup-{}", std::process::id());
    kubectl(&["-n", "vox-system", "create", "job", "--from=cronjob/vox-rollup", &job]);
    kubectl(&[
        "-n",
        "vox-system",
        "wait",
        &format!("job/{job}"),
        "--for=condition=Complete",
        "--timeout=120s",
    ]);
    kubectl(&["-n", "vox-system", "delete", "job", &job]);
    // The wire server of this namespace has models of its own name.
    let models = format!("SELECT model_key FROM llm_interaction WHERE namespace = '{namespace}'");
    let rows = sql(&format!(
        "SELECT model_key, category, count(*), count(*) FILTER (WHERE outcome = 'answered' AND signal IS NULL),
            percentile_disc(0.99) WITHIN GROUP (ORDER BY latency_ms) FILTER (WHERE outcome = 'answered' AND signal IS NULL)
         FROM llm_interaction WHERE model_key IN ({models}) AND outcome IN ('answered', 'failed', 'cut')
         GROUP BY 1, 2 ORDER BY 1, 2"
    ))
    .unwrap();
    let board = sql(&format!(
        "SELECT model_key, category, calls, successes, p99_latency_ms FROM model_scoreboard
         WHERE model_key IN ({models}) AND window_days = 1 ORDER BY 1, 2"
    ))
    .unwrap();
    assert!(!rows.is_empty());
    assert_eq!(board, rows);
    println!("the scoreboard says the same: {}", board.join("; "));
}
