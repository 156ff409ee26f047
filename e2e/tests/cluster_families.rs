//! A source of each family on a real cluster: `examples/providers/`.

mod support;

use std::time::Duration;

use support::{Stage, apply, condition, kubectl, wait};

/// Twenty runs, a few at a time on a small machine.
const ALL: Duration = Duration::from_secs(240);
const SOON: Duration = Duration::from_secs(120);

/// The example, on a stage of its own.
fn examples(stage: &Stage, python: &str) -> String {
    let sources = include_str!("../../examples/providers/sources.yaml");
    let training = include_str!("../../examples/providers/training.yaml");
    // One after the other, as `cat` gives them.
    [sources, training]
        .concat()
        .replace("every-provider", &stage.namespace)
        .replace("wire.vox-demo.svc", &format!("wire.{}.svc", stage.namespace))
        .replace("vox-python:demo", python)
}

/// `name FRESH MODELS` of each source.
fn sources(stage: &Stage) -> Vec<[String; 3]> {
    let path = "jsonpath={range .items[*]}{.metadata.name} {.status.conditions[?(@.type==\"Fresh\")].status} {.status.catalog.models}{\"\\n\"}{end}";
    let told = kubectl(&["get", "mcat", "-n", &stage.namespace, "-o", path]);
    let row = |line: &str| {
        let mut words = line.split(' ').map(ToOwned::to_owned);
        std::array::from_fn(|_| words.next().unwrap_or_default())
    };
    told.lines().map(row).collect()
}

fn models(stage: &Stage, source: &str) -> String {
    let all = sources(stage);
    all.into_iter().find(|[name, ..]| name == source).map(|[_, _, models]| models).unwrap_or_default()
}

#[test]
#[ignore = "needs a cluster; make test runs it"]
fn every_family_is_fresh_at_once_and_one_that_breaks_leaves_the_others_alone() {
    let stage = Stage::new("families");
    let python = std::env::var("VOX_PYTHON_IMAGE").unwrap();
    apply(&examples(&stage, &python)).unwrap();
    wait("all sources fresh", ALL, || {
        let all = sources(&stage);
        let stale: Vec<_> = all.iter().filter(|[_, fresh, _]| fresh != "True").collect();
        if all.len() == 20 && stale.is_empty() {
            Ok(())
        } else {
            Err(format!("{} sources; {stale:?}", all.len()))
        }
    });
    for [name, _, models] in sources(&stage) {
        assert!(models.parse::<u32>().is_ok_and(|models| models > 0), "{name} lists {models} models");
    }
    assert_eq!(models(&stage, "mens"), "1", "the second run has not ended");

    // A run that ends is listed by the next discovery; a list whose ids have another name is refused, and kept.
    let done = [
        "exec",
        "-n",
        &stage.namespace,
        "deploy/trainer",
        "--",
        "python3",
        "/scripts/run.py",
        "second",
        "succeeded",
    ];
    kubectl(&done);
    let groq = models(&stage, "groq");
    stage.behave("groq", r#"{"fault":{"kind":"renamed","from":"id","to":"identifier"}}"#);
    std::thread::sleep(Duration::from_secs(61)); // minInterval
    stage.request("mens", "1");
    stage.request("groq", "1");
    wait("the second run listed", SOON, || match models(&stage, "mens") {
        models if models == "2" => Ok(()),
        models => Err(format!("{models} models")),
    });
    let refused = stage.wait_for("groq", "Ready", "False", "CatalogEmpty", SOON);
    let told = condition(&refused, "Ready").unwrap()["message"].to_string();
    assert!(told.contains("id"), "{told}");
    assert_eq!(models(&stage, "groq"), groq, "the last good catalog stays");
    let others = sources(&stage);
    assert!(others.iter().all(|[_, fresh, _]| fresh == "True"), "{others:?}");
}
