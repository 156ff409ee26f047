//! Checkpoints of training runs, by the manifests on a volume.
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers of tests are not in `#[test]` functions.

use std::fs;
use std::path::{Path, PathBuf};

use vox_catalog::sources::mens;
use vox_catalog::{Fetched, FetchedCatalog, discover};
use vox_contracts::ProviderType;
use vox_contracts::discovery::{FailureClass, FetchFailure, FetchTarget, ModelFilter};
use vox_contracts::generated::routing::CatalogKind;

/// A folder that is gone when the test is.
struct Volume(PathBuf);

impl Volume {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("vox-mens-{}-{name}", std::process::id()));
        fs::create_dir_all(path.join("runs")).unwrap();
        Self(path)
    }

    fn run(&self, name: &str, manifest: &str) -> &Self {
        let folder = self.0.join("runs").join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("training_manifest.json"), manifest).unwrap();
        self
    }

    async fn read(&self) -> Result<FetchedCatalog, FetchFailure> {
        read(&self.0).await
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn read(volume: &Path) -> Result<FetchedCatalog, FetchFailure> {
    let target = FetchTarget {
        catalog: CatalogKind::Mens,
        provider: ProviderType::Mens,
        endpoint: "http://vllm.models.svc:8000/v1".to_owned(),
        list_base: None,
        include_endpoints: false,
        hub: None,
        volume: Some(volume.to_string_lossy().into_owned()),
        ca_bundle: None,
        filter: ModelFilter::default(),
        timeout_ms: 10_000,
        max_body_bytes: 4096,
        max_models: 100,
    };
    match discover(&target, None, None).await? {
        Fetched::Catalog(catalog) => Ok(catalog),
        Fetched::NotModified => panic!("not modified"),
    }
}

fn manifest(id: &str, status: &str, finished: &str) -> String {
    format!(
        r#"{{"schema_version":1,"status":"{status}","model_id":"{id}","base_model":"acme/base-8b","finished_at":"{finished}",
            "parameters":"8.2B","trainer":{{"anything":true}}}}"#
    )
}

const DAY: &str = "2026-02-18T04:12:09Z";

#[test]
fn the_example_of_the_contract_is_read_in_full() {
    let example = include_bytes!("../../../contracts/orchestration/training-manifest.example.v1.json");
    let entry = mens::parse(example, "run-7", &ProviderType::Mens).unwrap().unwrap();
    assert_eq!(entry.parent.as_deref(), Some("acme/support-8b-2026-01"));
    assert_eq!(entry.context_length_tokens, Some(32_768));
    assert!(entry.pricing.input_usd_per_mtok.is_some_and(|price| price.is_free()));
    let training = entry.training.unwrap();
    assert_eq!((training.run.as_str(), training.base_model.as_str()), ("run-7", "acme/base-8b"));
    assert_eq!(training.metrics["eval_loss"], "1.0731");
    assert!(training.dataset_fingerprint.unwrap().starts_with("sha256:"));
}

#[tokio::test]
async fn a_run_that_still_writes_is_not_listed_and_a_new_one_appears() {
    let volume = Volume::new("writes");
    volume.run("a", &manifest("acme/a", "succeeded", DAY)).run("b", &manifest("acme/b", "running", DAY));
    fs::create_dir_all(volume.0.join("runs/c")).unwrap();
    volume.run("d", &manifest("acme/d", "failed", DAY));
    let ids = |catalog: &FetchedCatalog| -> Vec<String> {
        catalog.entries.iter().map(|entry| entry.model_id.clone()).collect()
    };
    let first = volume.read().await.unwrap();
    assert_eq!((ids(&first), first.refused), (vec!["acme/a".to_owned()], 0));
    volume.run("b", &manifest("acme/b", "succeeded", DAY));
    assert_eq!(ids(&volume.read().await.unwrap()), ["acme/a", "acme/b"]);
}

#[tokio::test]
async fn a_broken_manifest_is_named_and_the_others_are_taken() {
    let volume = Volume::new("broken");
    volume
        .run("fine", &manifest("acme/a", "succeeded", DAY))
        .run("cut", r#"{"schema_version":1,"status":"succ"#)
        .run("type", r#"{"schema_version":1,"status":"succeeded","model_id":7,"base_model":"b"}"#)
        .run("status", r#"{"schema_version":1,"status":"resting","model_id":"a","base_model":"b"}"#)
        .run("version", r#"{"schema_version":2,"status":"succeeded","model_id":"a","base_model":"b"}"#)
        .run("large", &" ".repeat(5000))
        .run("self", r#"{"schema_version":1,"status":"succeeded","model_id":"a","base_model":"a"}"#);
    let read = volume.read().await.unwrap();
    assert_eq!(read.entries.len(), 1);
    let named: Vec<(&str, &str)> =
        read.refusals.iter().map(|refusal| (refusal.row.as_str(), refusal.reason.as_str())).collect();
    for (run, words) in [
        ("runs/cut", "the run may be writing it"),
        ("runs/type", "model_id"),
        ("runs/status", "resting"),
        ("runs/version", "schema_version"),
        ("runs/large", "larger than 4096 bytes"),
        ("runs/self", "its own parent"),
    ] {
        assert!(named.iter().any(|(row, reason)| *row == run && reason.contains(words)), "{run}: {named:?}");
    }
}

#[tokio::test]
async fn of_two_runs_of_one_model_the_one_that_ended_later_counts() {
    let volume = Volume::new("later");
    volume
        .run("z-first", &manifest("acme/a", "succeeded", "2026-02-17T04:12:09Z"))
        .run("a-second", &manifest("acme/a", "succeeded", DAY));
    let read = volume.read().await.unwrap();
    assert_eq!((read.entries.len(), read.refused), (1, 0));
    assert_eq!(read.entries[0].training.as_ref().unwrap().run, "a-second");
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_out_of_the_volume_is_not_followed() {
    let (volume, secret) = (Volume::new("link"), Volume::new("elsewhere"));
    volume.run("fine", &manifest("acme/a", "succeeded", DAY));
    secret.run("x", &manifest("acme/secret", "succeeded", DAY));
    let there = secret.0.join("runs/x");
    std::os::unix::fs::symlink(&there, volume.0.join("runs/linked")).unwrap();
    fs::create_dir_all(volume.0.join("runs/file")).unwrap();
    std::os::unix::fs::symlink(
        there.join("training_manifest.json"),
        volume.0.join("runs/file/training_manifest.json"),
    )
    .unwrap();
    let read = volume.read().await.unwrap();
    assert_eq!(read.entries.len(), 1, "{read:?}");
    assert!(read.refusals[0].reason.contains("no file of the volume itself"), "{read:?}");
}

#[tokio::test]
async fn a_volume_without_runs_says_what_to_look_for() {
    let failure = read(Path::new("/nowhere")).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::EndpointNotFound);
    assert!(failure.message.contains("spec.volume"), "{failure:?}");
}
