//! What the chart makes, rendered by helm. These need helm, which the harness has, and no cluster.

// Clippy knows tests by their attribute and does not know their helpers.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::process::{Command, Output};

use serde_json::Value;

fn helm(template: &str, set: &[&str]) -> Output {
    let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/vox");
    let base = ["template", "vox", chart, "--namespace", "vox-system", "--kube-version", "1.29.0"];
    let sets = set.iter().flat_map(|value| ["--set", value]);
    Command::new("helm").args(base).args(["--show-only", template]).args(sets).output().unwrap()
}

fn rendered(template: &str, set: &[&str]) -> String {
    let output = helm(template, set);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The objects of a template.
fn objects(text: &str) -> Vec<Value> {
    let documents = text.split("\n---\n").map(|document| document.trim_start_matches("---\n"));
    documents.map(|document| serde_saphyr::from_str(document).unwrap()).collect()
}

const DOCTOR: &str = "templates/cronjob-doctor.yaml";

#[test]
#[ignore = "needs helm; make test runs it"]
fn the_weekly_look_is_as_recorded() {
    insta::assert_snapshot!("doctor", rendered(DOCTOR, &["image.tag=dev"]));
}

#[test]
#[ignore = "needs helm; make test runs it"]
fn the_weekly_look_may_change_nothing_and_read_no_secret() {
    let all = objects(&rendered(DOCTOR, &[]));
    let rules: Vec<&Value> = all.iter().filter_map(|object| object["rules"].as_array()).flatten().collect();
    assert!(!rules.is_empty());
    for rule in rules {
        let list = |field: &str| rule[field].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
        assert!(list("verbs").all(|verb| ["get", "list"].contains(&verb)), "{rule}");
        assert!(list("resources").all(|kind| kind != "secrets" && kind != "*"), "{rule}");
    }
    let bound: Vec<&str> = all.iter().filter_map(|object| object["roleRef"]["name"].as_str()).collect();
    assert_eq!(bound, ["vox-doctor", "vox-read"]);
}

#[test]
#[ignore = "needs helm; make test runs it"]
fn the_weekly_look_runs_restricted_and_fails_by_the_severity_that_was_chosen() {
    let all = objects(&rendered(DOCTOR, &["doctor.failOn=warn", "doctor.schedule=0 1 * * *"]));
    let job = all.iter().find(|object| object["kind"] == "CronJob").unwrap();
    assert_eq!(job["spec"]["schedule"], "0 1 * * *");
    let pod = &job["spec"]["jobTemplate"]["spec"]["template"]["spec"];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    let container = &pod["containers"][0];
    assert_eq!(container["securityContext"]["allowPrivilegeEscalation"], false);
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(container["securityContext"]["capabilities"]["drop"], serde_json::json!(["ALL"]));
    assert_eq!(container["args"], serde_json::json!(["doctor", "--fail-on=warn"]));
}

#[test]
#[ignore = "needs helm; make test runs it"]
fn without_it_nothing_of_it_is_made_and_without_rights_none_are() {
    assert!(!helm(DOCTOR, &["doctor.enabled=false"]).status.success(), "helm finds nothing to show");
    let kinds: Vec<Value> = objects(&rendered(DOCTOR, &["rbac.create=false"]))
        .iter()
        .map(|object| object["kind"].clone())
        .collect();
    assert_eq!(kinds, ["ServiceAccount", "CronJob"]);
    let refused = helm(DOCTOR, &["doctor.failOn=never"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("failOn"));
}
