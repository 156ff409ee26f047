//! `ModelCatalogSource` on a real cluster: what a user does, and what goes wrong.

mod support;

use std::time::Duration;

use support::{Stage, condition, kubectl, run, wait};

const SOON: Duration = Duration::from_secs(90);

#[test]
#[ignore = "needs a cluster; make test runs it"]
fn the_demo_ends_with_three_fresh_sources() {
    let table = kubectl(&["get", "modelcatalogsources", "-n", "shop"]);
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["NAME", "PROVIDER", "MODELS", "FRESH", "REFRESHED", "NEXT", "AGE"]);
    assert_eq!(rows[1][..4], ["model-server", "llama-cpp", "1", "True"]);
    assert_eq!(rows[2][..4], ["ollama", "ollama", "8", "True"]);
    assert_eq!(rows[3][..4], ["openrouter", "openrouter", "312", "True"]);
}

#[test]
#[ignore = "needs a cluster; make test runs it"]
fn what_cannot_work_is_refused_at_apply_with_what_to_do() {
    let stage = Stage::new("refused");
    let cases = [
        ("spec: { provider: {} }", "set exactly one of openRouter, ollama, openAICompatible"),
        ("spec: { provider: { openRouter: {}, ollama: {} }, endpoint: 'http://x:1' }", "set exactly one of"),
        ("spec: { provider: { ollama: {} } }", "spec.endpoint is required for ollama"),
        ("spec: { provider: { openAICompatible: {} } }", "spec.endpoint is required"),
        ("spec: { provider: { openAICompatible: { name: nobody } } }", "Unsupported value: \"nobody\""),
        ("spec: { provider: { openRouter: {} }, endpoint: 'openrouter.ai' }", "must be an http or https URL"),
        (
            "spec: { provider: { openRouter: {} }, endpoint: 'https://user:pw@openrouter.ai' }",
            "without a user name",
        ),
        ("spec: { provider: { openRouter: {} }, schedule: 'at three' }", "must be five cron fields"),
        (
            "spec: { provider: { openRouter: {} }, schedule: '*/5 * * * *', jitter: 5m }",
            "spec.jitter must be shorter",
        ),
        ("spec: { provider: { openRouter: {} }, jitter: soon }", "spec.jitter"),
        (
            "spec: { provider: { openRouter: {} }, minInterval: 2h, freshness: { maxAge: 1h } }",
            "spec.minInterval must not be longer",
        ),
        (
            "spec: { provider: { openRouter: {} }, credentialsRef: { name: x } }",
            "spec.credentialsRef.key: Required value",
        ),
        ("spec: { provider: { openRouter: {} }, schedule: '0 3 * * 7' }", "Sunday is 0, not 7"),
        ("spec: { provider: { openAICompatible: { name: vllm } } }", "without a public address"),
        ("spec: { provider: { ollama: {} }, endpoint: 'http://x:65536' }", "between 1 and 65535"),
        ("spec: { provider: { openRouter: {} }, shedule: '@daily' }", "unknown field \"spec.shedule\""),
        ("spec: { provider: { openRouter: {} }, filter: { tiers: [gold] } }", "Unsupported value: \"gold\""),
    ];
    for (spec, expected) in cases {
        let manifest = format!(
            "apiVersion: vox.dev/v1alpha1\nkind: ModelCatalogSource\nmetadata: {{ name: bad, namespace: {} }}\n{spec}\n",
            stage.namespace
        );
        let refusal = support::apply(&manifest).expect_err(spec);
        assert!(refusal.contains(expected), "{spec}: {refusal}");
    }
}

#[test]
#[ignore = "needs a cluster; make test runs it"]
fn what_only_the_operator_can_see_is_a_condition_with_what_to_do() {
    let stage = Stage::new("stalled");
    stage.source("zone", "timeZone: Mars/Olympus").unwrap();
    stage.source("cron", "schedule: '0 17-8 * * *'").unwrap();
    stage.source("jitter", "schedule: '0 * * * *', jitter: 2h").unwrap();
    for (name, expected) in [("zone", "IANA"), ("cron", "is not allowed"), ("jitter", "not shorter")] {
        let object = stage.wait_for(name, "Stalled", "True", "InvalidSpec", SOON);
        let message = condition(&object, "Ready").unwrap()["message"].as_str().unwrap();
        assert!(message.contains(expected), "{message}");
    }
    assert_eq!(stage.jobs(), 0);
    stage.source("zone", "timeZone: Europe/Berlin").unwrap();
    let object = stage.published("zone");
    assert!(condition(&object, "Stalled").is_none(), "a mended source is no longer stalled");
}

#[test]
#[ignore = "needs a cluster; make test runs it"]
fn a_requested_run_is_one_job_and_one_fetch_and_inside_the_minimum_interval_none() {
    let stage = Stage::new("request");
    stage.source("acme", "minInterval: 20s").unwrap();
    stage.published("acme");
    assert_eq!((stage.jobs(), stage.requests("/models")), (1, 1));
    stage.request("acme", "too-soon");
    let handled = |value: &str| {
        wait("the request is handled", SOON, || {
            let found = stage.get("acme")["status"]["lastHandledRequest"].clone();
            if found == value { Ok(()) } else { Err(found.to_string()) }
        });
    };
    handled("too-soon");
    assert_eq!((stage.jobs(), stage.requests("/models")), (1, 1));
    wait("the event", SOON, || {
        if stage.events().contains("RequestTooSoon") { Ok(()) } else { Err(stage.events()) }
    });
    std::thread::sleep(Duration::from_secs(21));
    stage.request("acme", "later");
    handled("later");
    wait("the second fetch", SOON, || match stage.requests("/models") {
        2 => Ok(()),
        count => Err(format!("{count} requests")),
    });
    assert_eq!(stage.jobs(), 2);
}

#[test]
#[ignore = "needs a cluster; make test runs it"]
fn a_failing_provider_leaves_the_last_good_catalog_and_the_status_says_what_happened() {
    let stage = Stage::new("faults");
    stage.source("acme", "minInterval: 1s, timeout: 5s, schedule: '0 3 * * *'").unwrap();
    stage.published("acme");
    let faults = [
        ("500", r#"{"fault":{"kind":"status","status":500}}"#, "ProviderError"),
        ("401", r#"{"fault":{"kind":"status","status":401}}"#, "Unauthorized"),
        ("cut", r#"{"fault":{"kind":"cut","after_bytes":2000}}"#, "BodyCut"),
        ("types", r#"{"fault":{"kind":"html"}}"#, "BodyInvalid"),
        ("few", r#"{"keep_per_cent":5}"#, "CatalogShrunk"),
    ];
    for (request, settings, reason) in faults {
        stage.behave("openrouter", settings);
        std::thread::sleep(Duration::from_secs(2));
        stage.request("acme", request);
        let object = stage.wait_for("acme", "Ready", "False", reason, Duration::from_secs(120));
        assert_eq!(object["status"]["catalog"]["models"], 312, "{reason}");
        assert_eq!(condition(&object, "Fresh").unwrap()["status"], "True", "{reason}");
        stage.behave("openrouter", "{}");
        std::thread::sleep(Duration::from_secs(2));
        stage.request("acme", &format!("{request}-mended"));
        stage.published("acme");
    }
}

#[test]
#[ignore = "needs a cluster; make test runs it"]
fn a_missing_secret_is_reported_and_heals_when_it_appears() {
    let stage = Stage::new("secret");
    stage.behave("openrouter", r#"{"key":"k-123"}"#);
    stage.source("acme", "credentialsRef: { name: keys, key: openrouter }").unwrap();
    let object = stage.wait_for("acme", "Ready", "False", "CredentialMissing", SOON);
    let message = condition(&object, "Ready").unwrap()["message"].to_string();
    assert!(message.contains("key openrouter of Secret e2e-secret/keys"), "{message}");
    kubectl(&[
        "-n",
        &stage.namespace,
        "create",
        "secret",
        "generic",
        "keys",
        "--from-literal=openrouter=k-123",
    ]);
    stage.request("acme", "now");
    stage.published("acme");
    let everything = format!(
        "{}{}",
        kubectl(&["-n", &stage.namespace, "get", "mcat,jobs,cronjobs,events", "-o", "yaml"]),
        kubectl(&["-n", &stage.namespace, "logs", "-l", "vox.dev/source", "--tail=-1"])
    );
    assert!(!everything.contains("k-123"), "a key shows in an object or a log");
}

#[test]
#[ignore = "needs a cluster; make test runs it"]
fn a_catalog_turns_stale_by_itself() {
    let stage = Stage::new("stale");
    stage.source("acme", "minInterval: 1s, freshness: { maxAge: 8s }").unwrap();
    let object = stage.wait_for("acme", "Fresh", "True", "Refreshed", SOON);
    assert_eq!(object["status"]["catalog"]["models"], 312);
    let object = stage.wait_for("acme", "Fresh", "False", "Stale", Duration::from_secs(30));
    assert_eq!(object["status"]["catalog"]["models"], 312, "a stale catalog is still served");
    wait("the event", SOON, || if stage.events().contains("Stale") { Ok(()) } else { Err(stage.events()) });
}

#[test]
#[ignore = "needs a cluster; make test runs it"]
fn a_token_of_another_account_or_audience_is_refused() {
    let stage = Stage::new("tokens");
    stage.source("acme", "minInterval: 1s").unwrap();
    stage.published("acme");
    let namespace = stage.namespace.as_str();
    let token = |account: &str, audience: &str| {
        let audience = format!("--audience={audience}");
        kubectl(&["-n", namespace, "create", "token", account, &audience]).trim().to_owned()
    };
    let mut forward = std::process::Command::new("kubectl")
        .args(["-n", "vox-system", "port-forward", "deploy/vox-operator", "18443:8443"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let call = |token: &str, source: &str| {
        let header = format!("Authorization: Bearer {token}");
        let url = format!("https://127.0.0.1:18443/v1/catalogs/{namespace}/{source}/plan?run=test");
        let output = run(
            "curl",
            &["-sk", "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST", "-H", &header, &url],
            None,
        );
        String::from_utf8(output.stdout).unwrap()
    };
    let right = token("vox-acme", "vox");
    wait("the port-forward", SOON, || {
        if call(&right, "acme") == "200" { Ok(()) } else { Err(call(&right, "acme")) }
    });
    assert_eq!(call("", "acme"), "401");
    assert_eq!(call("nonsense", "acme"), "401");
    assert_eq!(call(&token("vox-acme", "other"), "acme"), "401", "another audience");
    assert_eq!(call(&token("default", "vox"), "acme"), "403", "another account");
    assert_eq!(call(&right, "other"), "403", "another source");
    forward.kill().unwrap();
    forward.wait().unwrap();
    let log = kubectl(&["-n", "vox-system", "logs", "deploy/vox-operator", "--tail=200"]);
    assert!(log.contains("call refused: not the source's ServiceAccount"));
    assert!(!log.contains(&right));
}

#[test]
#[ignore = "needs a cluster; make test runs it"]
fn a_catalog_arrives_although_postgres_and_the_operator_are_killed_meanwhile() {
    let stage = Stage::new("killed");
    // The answer takes so long that the database and the operator are gone when it is there.
    stage.behave("openrouter", r#"{"fault":{"kind":"slow","delay_ms":8000}}"#);
    stage.source("acme", "minInterval: 1s, timeout: 60s").unwrap();
    wait("the fetch begins", SOON, || {
        if stage.requests("/models") > 0 { Ok(()) } else { Err("no request".to_owned()) }
    });
    kubectl(&["-n", "vox-system", "delete", "pod", "vox-postgres-0", "--grace-period=0", "--force"]);
    kubectl(&[
        "-n",
        "vox-system",
        "delete",
        "pod",
        "-l",
        "app.kubernetes.io/component=operator",
        "--grace-period=0",
        "--force",
    ]);
    let object = stage.wait_for("acme", "Ready", "True", "Published", Duration::from_secs(180));
    assert_eq!(object["status"]["catalog"]["models"], 312);
    assert_eq!(stage.requests("/models"), 1, "the provider was asked once");
    kubectl(&["-n", "vox-system", "rollout", "status", "deploy/vox-operator", "--timeout=120s"]);
}

#[test]
#[ignore = "needs a cluster; make test runs it"]
fn a_misspelt_helm_value_fails_and_is_named() {
    let output = run(
        "helm",
        &[
            "template",
            "vox",
            concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/vox"),
            "--set",
            "databse.connections=3",
        ],
        None,
    );
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("databse"));
}

#[test]
#[ignore = "needs a cluster; make test runs it"]
fn a_filter_that_is_set_and_taken_back_takes_effect_both_times() {
    let stage = Stage::new("revert");
    let models = |count: i64| {
        wait(&format!("{count} models"), SOON, || {
            let found = stage.get("acme")["status"]["catalog"]["models"].clone();
            if found == count { Ok(()) } else { Err(found.to_string()) }
        });
    };
    stage.source("acme", "minInterval: 1s").unwrap();
    models(312);
    stage.source("acme", "minInterval: 1s, filter: { minContextTokens: 1000000000 }").unwrap();
    stage.wait_for("acme", "Ready", "False", "CatalogEmpty", SOON);
    stage.source("acme", "minInterval: 1s").unwrap();
    stage.published("acme");
    models(312);
}

#[test]
#[ignore = "needs a cluster; make test runs it"]
fn what_belongs_to_somebody_else_is_left_alone() {
    let stage = Stage::new("foreign");
    kubectl(&["-n", &stage.namespace, "create", "serviceaccount", "vox-acme"]);
    stage.source("acme", "minInterval: 1s").unwrap();
    let object = stage.wait_for("acme", "Stalled", "True", "ApplyRefused", SOON);
    let message = condition(&object, "Ready").unwrap()["message"].to_string();
    assert!(message.contains("ServiceAccount vox-acme exists"), "{message}");
    kubectl(&["-n", &stage.namespace, "delete", "mcat", "acme"]);
    kubectl(&["-n", &stage.namespace, "get", "serviceaccount", "vox-acme"]);
}
